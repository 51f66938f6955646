//! Estimates against full simulations: of every policy, at every capacity of
//! the ladder.

use std::collections::HashMap;

use larder_cache::PolicyKind;
use larder_cache::what_if::{Report, Settings};

use crate::Options;
use crate::cell::Requests;
use crate::feed::Feed;
use crate::truth::{self, Ratios};

const PERCENTS: [f64; 4] = [1.0, 5.0, 10.0, 20.0];

/// Requests to a period.
const PERIOD: usize = 4096;

/// How far off estimates were.
#[derive(Clone, Copy, Default)]
struct Errors {
    cells: f64,
    sum: f64,
    worst: f64,
    /// Cells with an error no larger than was stated.
    covered: f64,
    stated: f64,
}

impl Errors {
    fn add(&mut self, error: f64, stated: f64) {
        self.cells += 1.0;
        self.sum += error;
        self.worst = self.worst.max(error);
        self.covered += f64::from(error <= stated + 1e-9);
        self.stated += stated;
    }

    fn mean(&self) -> f64 {
        self.sum / self.cells.max(1.0)
    }

    /// Mean, worst, how many were covered, and by what.
    fn row(&self) -> String {
        let cells = self.cells.max(1.0);
        let (covered, stated) = (100.0 * self.covered / cells, self.stated / cells);
        format!("{:.4} | {:.4} | {covered:.0} % | {stated:.4}", self.mean(), self.worst)
    }
}

/// Prints the tables.
pub fn run(options: &Options) -> anyhow::Result<()> {
    println!(
        "| trace | capacity | mean error | worst | covered | stated | bytes: mean | worst | sampled | ns/event | ns/request | MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let policies = PolicyKind::ALL.len();
    let mut all = Errors::default();
    let mut by_policy = vec![Errors::default(); policies];
    let mut by_trace: Vec<(String, Vec<Errors>)> = Vec::new();
    for file in options.files()? {
        let requests = Requests::read(&file, options.seed)?;
        if requests.list.len() < options.least_requests {
            continue;
        }
        let mut known: HashMap<(PolicyKind, u64), Ratios> = HashMap::new();
        let mut trace = vec![Errors::default(); policies];
        for percent in options.percents(&PERCENTS) {
            let feed = play(&requests, percent, options);
            let report = feed.what_if.report();
            let wanted = report
                .rungs
                .iter()
                .flat_map(|rung| PolicyKind::ALL.iter().map(|&kind| (kind, rung.capacity_bytes)));
            let wanted: Vec<_> = wanted.filter(|cell| !known.contains_key(cell)).collect();
            known.extend(truth::all(&requests, &wanted, options.objective, options.jobs));
            let (mut here, mut bytes) = (Errors::default(), Errors::default());
            compare(&report, &known, |policy, error, stated, byte_error, stated_bytes| {
                for errors in [&mut here, &mut all, &mut by_policy[policy], &mut trace[policy]] {
                    errors.add(error, stated);
                }
                bytes.add(byte_error, stated_bytes);
            });
            if options.verbose {
                show(&requests.name, percent, &report, &known);
            }
            let count = requests.list.len() as f64;
            println!(
                "| {} | {percent} % | {} | {:.4} | {:.4} | {:.3} | {:.0} | {:.0} | {:.1} |",
                requests.name,
                here.row(),
                bytes.mean(),
                bytes.worst,
                report.sampled as f64 / count,
                feed.meter.seconds * 1e9 / feed.events_seen as f64,
                feed.meter.seconds * 1e9 / count,
                feed.meter.most_bytes as f64 / 1e6,
            );
        }
        by_trace.push((requests.name, trace));
    }
    println!("\n| policy | mean error | worst | covered | stated |\n|---|---|---|---|---|");
    for (kind, errors) in PolicyKind::ALL.iter().zip(&by_policy) {
        println!("| {} | {} |", kind.title(), errors.row());
    }
    println!("| all | {} |", all.row());
    let titles: Vec<_> = PolicyKind::ALL.iter().map(|kind| kind.title()).collect();
    println!("\n| trace | {} |\n|---|{}", titles.join(" | "), "---|".repeat(policies));
    for (name, errors) in &by_trace {
        let cells: Vec<_> =
            errors.iter().map(|e| format!("{:.4} ({:.3})", e.mean(), e.worst)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn play(requests: &Requests, percent: f64, options: &Options) -> Feed {
    let mut feed = Feed::new(Settings {
        objective: options.objective,
        capacity_bytes: requests.capacity(percent),
        policy: options.policy,
        seed: 1,
        // All requests count the same, as they do in the simulations.
        half_life: None,
        ..Settings::default()
    });
    for (number, &(hash, weight)) in requests.list.iter().enumerate() {
        feed.request(hash, weight);
        if number % PERIOD == PERIOD - 1 {
            feed.step();
        }
    }
    feed.step();
    feed
}

/// Gives every estimate's policy, and how far off it is and said it might be,
/// in objects and bytes.
fn compare(
    report: &Report,
    known: &HashMap<(PolicyKind, u64), Ratios>,
    mut give: impl FnMut(usize, f64, f64, f64, f64),
) {
    for rung in &report.rungs {
        for (policy, estimate) in rung.estimates.iter().enumerate() {
            let truth = known[&(estimate.policy, rung.capacity_bytes)];
            let error = (estimate.hits.objects - truth.objects).abs();
            let byte_error = (estimate.hits.bytes - truth.bytes).abs();
            give(policy, error, estimate.error.objects, byte_error, estimate.error.bytes);
        }
    }
}

fn show(name: &str, percent: f64, report: &Report, known: &HashMap<(PolicyKind, u64), Ratios>) {
    let present = report.rungs[report.now.rung].capacity_bytes as f64;
    for rung in &report.rungs {
        let factor = rung.capacity_bytes as f64 / present;
        for estimate in &rung.estimates {
            let truth = known[&(estimate.policy, rung.capacity_bytes)];
            let (hits, error) = (estimate.hits.objects, estimate.error.objects);
            eprintln!(
                "{name} {percent} % ×{factor:.4} rate {:.4} {}: {hits:.4} ± {error:.4}, true {:.4}, off {:+.4}",
                rung.rate,
                estimate.policy,
                truth.objects,
                hits - truth.objects,
            );
        }
    }
}

//! The autopilot over whole traces, changing the policy of a full-size ghost
//! that stands for the cache, against every policy kept throughout.

use std::thread;

use larder_cache::what_if::Settings;
use larder_cache::{Autopilot, Caution, Objective, PolicyKind};

use crate::Options;
use crate::cell::Requests;
use crate::feed::Feed;
use crate::truth;

const PERCENTS: [f64; 3] = [1.0, 5.0, 10.0];

/// Requests to a period.
const PERIOD: usize = 1000;

/// Prints a row per trace and capacity, and the means.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let titles: Vec<_> = PolicyKind::ALL.iter().map(|kind| kind.title()).collect();
    println!("| trace | capacity | autopilot | regret | changes | {} |", titles.join(" | "));
    println!("|---|---|---|---|---|{}", "---|".repeat(titles.len()));
    let percents = options.percents(&PERCENTS);
    let mut sums = vec![0.0; titles.len()];
    let (mut sum, mut regrets, mut worst, mut cells) = (0.0, 0.0, f64::MIN, 0.0);
    for file in options.files()? {
        let requests = Requests::read(&file, options.seed)?;
        if requests.list.len() < options.least_requests {
            continue;
        }
        let capacities: Vec<u64> = percents.iter().map(|&p| requests.capacity(p)).collect();
        let wanted: Vec<_> = capacities
            .iter()
            .flat_map(|&bytes| PolicyKind::ALL.iter().map(move |&kind| (kind, bytes)))
            .collect();
        let known = truth::all(&requests, &wanted, options.objective, options.jobs);
        let flights = fly_all(&requests, &capacities, options);
        for ((percent, bytes), (own, pilot)) in percents.iter().zip(capacities).zip(flights) {
            let fixed = PolicyKind::ALL.iter().map(|&kind| known[&(kind, bytes)]);
            let fixed: Vec<f64> = fixed.map(|ratios| ratios.of(options.objective)).collect();
            let best = fixed.iter().copied().fold(f64::MIN, f64::max);
            sums.iter_mut().zip(&fixed).for_each(|(sum, ratio)| *sum += ratio);
            sum += own;
            regrets += best - own;
            worst = f64::max(worst, best - own);
            cells += 1.0;
            println!(
                "| {} | {percent} % | {:.2} | {:.2} | {} | {} |",
                requests.name,
                100.0 * own,
                100.0 * (best - own),
                pilot.log().len(),
                row(&fixed, 1.0, best),
            );
            if options.verbose {
                for decision in pilot.log() {
                    let (at, reason) = (decision.at_requests, &decision.reason);
                    eprintln!("{} {percent} % at {at}: {reason}", requests.name);
                }
            }
        }
    }
    let best = sums.iter().copied().fold(f64::MIN, f64::max) / cells;
    let (mean, regret) = (100.0 * sum / cells, 100.0 * regrets / cells);
    println!("| mean | | {mean:.2} | {regret:.3} | | {} |", row(&sums, cells, best));
    println!("\nBegun with {}. Largest regret: {:.2}.", options.policy.title(), 100.0 * worst);
    Ok(())
}

/// Ratios in percent, the best in bold.
fn row(ratios: &[f64], cells: f64, best: f64) -> String {
    let shown = ratios.iter().map(|ratio| {
        let shown = format!("{:.2}", 100.0 * ratio / cells);
        if shown == format!("{:.2}", 100.0 * best) { format!("**{shown}**") } else { shown }
    });
    shown.collect::<Vec<_>>().join(" | ")
}

/// All capacities, as many at once as there are threads for.
fn fly_all(requests: &Requests, capacities: &[u64], options: &Options) -> Vec<(f64, Autopilot)> {
    let mut flights = Vec::new();
    for some in capacities.chunks(options.jobs.max(1)) {
        thread::scope(|scope| {
            let threads: Vec<_> = some
                .iter()
                .map(|&bytes| scope.spawn(move || fly(requests, bytes, options)))
                .collect();
            let landed = threads.into_iter().map(|thread| thread.join());
            flights.extend(landed.map(|flight| flight.expect("a ghost never panics")));
        });
    }
    flights
}

/// What hit by the objective, and who decided what.
fn fly(requests: &Requests, capacity_bytes: u64, options: &Options) -> (f64, Autopilot) {
    let Options { objective, policy, .. } = *options;
    let settings = Settings { objective, capacity_bytes, policy, seed: 1, ..Settings::default() };
    let mut feed = Feed::new(settings);
    let mut pilot = Autopilot::new(Caution::default());
    for (number, &(hash, weight)) in requests.list.iter().enumerate() {
        feed.request(hash, weight);
        if number % PERIOD == PERIOD - 1 {
            feed.step();
            let standings = feed.what_if.standings();
            if let Some(policy) = pilot.consider(number as u64 + 1, &standings) {
                feed.cache.switch(policy);
                feed.what_if.reconfigure(capacity_bytes, policy);
            }
        }
    }
    let bytes = feed.totals.bytes.unwrap_or_default();
    let (hits, all) = match objective {
        Objective::Bytes => (bytes.hit, bytes.requested),
        _ => (feed.totals.hits, feed.totals.requests),
    };
    (hits as f64 / all.max(1) as f64, pilot)
}

//! How far the what-if's estimates are from full simulations of the same
//! requests, and what they cost. It never touches a cache: a full-size ghost
//! stands for it.
//!
//! `cargo run --release --bin what-if -- errors DIR TRACE...` prints a table of
//! errors, `autopilot` one of its regret, and `cost` (without traces) what a
//! cache of a million entries has to pay. Settings go behind, as `policy=sieve
//! half-life=100000 totals=none objective=bytes`; with `CELLS=1` every cell is
//! printed to standard error.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use larder_cache::what_if::{ByteTotals, Event, Settings, Totals, WhatIf};
use larder_cache::{Autopilot, Caution, Ghost, Objective, PolicyKind};

/// Counts what is allocated now.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What entries of traces without sizes weigh.
const WEIGHT: u32 = 4096;
const SHARES: [f64; 4] = [0.01, 0.05, 0.10, 0.20];

struct Trace {
    name: String,
    requests: Vec<(u64, u32)>,
    footprint_bytes: u64,
}

fn mix(key: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn load(folder: &str, name: &str, seed: u64) -> Trace {
    let path = format!("{folder}/{name}.txt.xz");
    let text = Command::new("xz").args(["-dc", &path]).output().expect("xz runs").stdout;
    let text = String::from_utf8(text).expect("traces are text");
    let mut sizes = HashMap::new();
    let mut requests = Vec::new();
    for line in text.lines() {
        let (key, size) = match line.split_once(',') {
            Some((key, size)) => (key, size.trim().parse().expect("sizes are numbers")),
            None => (line, WEIGHT),
        };
        let key: u64 = key.trim().parse().expect("keys are numbers");
        let size = size.max(1);
        sizes.insert(key, size);
        requests.push((mix(key ^ mix(seed)), size));
    }
    let footprint_bytes = sizes.values().map(|&size| u64::from(size)).sum();
    Trace { name: name.into(), requests, footprint_bytes }
}

/// Hits and requests, in objects and bytes.
#[derive(Clone, Copy, Default)]
struct Counts {
    requests: f64,
    hits: f64,
    bytes: f64,
    hit_bytes: f64,
}

impl Counts {
    fn add(&mut self, weight: u32, is_hit: bool, age: f64) {
        self.requests += age;
        self.bytes += age * f64::from(weight);
        if is_hit {
            self.hits += age;
            self.hit_bytes += age * f64::from(weight);
        }
    }
    fn objects(&self) -> f64 {
        self.hits / self.requests
    }
    fn byte_ratio(&self) -> f64 {
        self.hit_bytes / self.bytes
    }
}

#[derive(Clone, Copy)]
struct Options {
    objective: Objective,
    policy: PolicyKind,
    half_life: Option<u64>,
    has_byte_totals: bool,
    has_totals: bool,
    seed: u64,
    recent: Option<u64>,
    caution: Caution,
}

fn truth(trace: &Trace, kind: PolicyKind, capacity: u64, options: Options) -> Counts {
    let mut ghost = Ghost::new(kind, options.objective, capacity, 1);
    let mut counts = Counts::default();
    let growth = options.half_life.map_or(1.0, |half| (1.0 / half as f64).exp2());
    let mut age = 1.0;
    for &(hash, weight) in &trace.requests {
        let is_hit = ghost.request(hash, weight, 1);
        counts.add(weight, is_hit, age);
        age *= growth;
    }
    counts
}

/// Feeds a what-if as an engine would, with a ghost for the cache.
struct Feed {
    what_if: WhatIf,
    cache: Ghost,
    events: Vec<Event>,
    threshold: u64,
    totals: Totals,
    has_byte_totals: bool,
    has_totals: bool,
}

impl Feed {
    fn new(settings: Settings, options: Options) -> Self {
        let Settings { policy, objective, capacity_bytes, .. } = settings;
        let what_if = WhatIf::new(settings);
        Self {
            cache: Ghost::new(policy, objective, capacity_bytes, 1),
            events: Vec::with_capacity(1024),
            threshold: what_if.threshold(),
            what_if,
            totals: Totals::default(),
            has_byte_totals: options.has_byte_totals,
            has_totals: options.has_totals,
        }
    }

    fn request(&mut self, hash: u64, weight: u32) {
        let held = self.cache.hit(hash);
        self.totals.requests += 1;
        self.totals.hits += u64::from(held.is_some());
        if self.has_byte_totals {
            let bytes = self.totals.bytes.get_or_insert(ByteTotals::default());
            bytes.requested += u64::from(weight);
            bytes.hit += u64::from(held.map_or(0, |_| weight));
        }
        if hash < self.threshold {
            self.events.push(Event::Read { hash, weight: held.map(|_| weight), cost: 1 });
        }
        if held != Some(weight) {
            self.cache.insert(hash, weight, 1);
            if hash < self.threshold {
                self.events.push(Event::Insert { hash, weight, cost: 1 });
            }
        }
        if self.events.len() >= 512 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.what_if.observe(&self.events);
        self.events.clear();
        self.threshold = self.what_if.threshold();
    }

    fn step(&mut self) {
        self.flush();
        self.what_if.step(self.has_totals.then_some(self.totals));
    }
}

#[derive(Clone, Copy, Default)]
struct Errors {
    cells: f64,
    sum: f64,
    worst: f64,
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
    fn show(&self) -> String {
        format!("{:.4} ({:.4})", self.sum / self.cells.max(1.0), self.worst)
    }
    fn coverage(&self) -> f64 {
        self.covered / self.cells.max(1.0)
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let mut options = Options {
        objective: Objective::Objects,
        policy: PolicyKind::Lru,
        half_life: None,
        has_byte_totals: true,
        has_totals: true,
        seed: 0,
        recent: Settings::default().recent_half_life,
        caution: Caution::default(),
    };
    let mut names = Vec::new();
    for argument in arguments {
        match argument.split_once('=') {
            Some(("policy", name)) => options.policy = name.parse().expect("a policy"),
            Some(("objective", name)) => options.objective = name.parse().expect("an objective"),
            Some(("half-life", n)) => options.half_life = Some(n.parse().expect("a number")),
            Some(("seed", n)) => options.seed = n.parse().expect("a number"),
            Some(("totals", which)) => {
                options.has_byte_totals = which == "all";
                options.has_totals = which != "none";
            }
            Some(("recent", n)) => options.recent = n.parse().ok(),
            Some(("margin", n)) => options.caution.margin = n.parse().expect("a number"),
            Some(("cost", n)) => options.caution.cost_per_item = n.parse().expect("a number"),
            Some(("windows", n)) => options.caution.windows = n.parse().expect("a number"),
            Some(("window", n)) => options.caution.window_requests = n.parse().expect("a number"),
            Some(("per-item", n)) => options.caution.window_per_item = n.parse().expect("a number"),
            Some(("dwell", n)) => options.caution.dwell_requests = n.parse().expect("a number"),
            Some(("floor", n)) => options.caution.floor = n.parse().expect("a number"),
            _ => names.push(argument),
        }
    }
    let folder = if names.is_empty() { String::new() } else { names.remove(0) };
    match command.as_str() {
        "errors" => errors(&folder, &names, options),
        "cost" => cost(options),
        "autopilot" => autopilot(&folder, &names, options),
        other => eprintln!("no command {other}: errors, autopilot, cost"),
    }
}

fn errors(folder: &str, names: &[String], options: Options) {
    println!(
        "| trace | capacity | mean (worst), objects | without trivial rungs | bytes | covered | stated | sampled | ns/event | ns/request | MB | at now |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut all = Errors::default();
    let mut bytes_all = Errors::default();
    let mut sampled_only = Errors::default();
    let mut by_policy = vec![Errors::default(); PolicyKind::ALL.len()];
    let mut by_rung = [Errors::default(); 9];
    for name in names {
        let trace = load(folder, name, options.seed);
        let mut known: HashMap<(PolicyKind, u64), Counts> = HashMap::new();
        for share in SHARES {
            // A multiple of 16, so that capacities of the shares coincide.
            let unit = (trace.footprint_bytes as f64 * 0.05 / 32.0) as u64 * 32;
            let present = match share {
                0.01 => (trace.footprint_bytes as f64 * 0.01) as u64,
                share => unit * (share * 20.0).round() as u64,
            };
            let settings = Settings {
                objective: options.objective,
                capacity_bytes: present,
                policy: options.policy,
                seed: 1,
                half_life: options.half_life,
                ..Settings::default()
            };
            let before = ALLOCATED.load(Ordering::Relaxed);
            let mut feed = Feed::new(settings, options);
            let mut spent = 0.0;
            let mut peak = 0;
            for (number, &(hash, weight)) in trace.requests.iter().enumerate() {
                if feed.events.len() + 2 >= 512 {
                    let start = Instant::now();
                    feed.flush();
                    spent += start.elapsed().as_secs_f64();
                }
                feed.request(hash, weight);
                if number % 4096 == 0 {
                    let start = Instant::now();
                    feed.step();
                    spent += start.elapsed().as_secs_f64();
                }
            }
            feed.step();
            let Feed { what_if, cache, events, .. } = feed;
            drop((cache, events));
            peak = peak.max(ALLOCATED.load(Ordering::Relaxed).saturating_sub(before));
            let report = what_if.report();
            let wanted: Vec<(PolicyKind, u64)> = report
                .rungs
                .iter()
                .flat_map(|rung| PolicyKind::ALL.iter().map(|&kind| (kind, rung.capacity_bytes)))
                .filter(|cell| !known.contains_key(cell))
                .collect();
            let halves = wanted.split_at(wanted.len() / 2);
            let run = |cells: &[(PolicyKind, u64)]| -> Vec<((PolicyKind, u64), Counts)> {
                cells
                    .iter()
                    .map(|&(kind, capacity)| {
                        ((kind, capacity), truth(&trace, kind, capacity, options))
                    })
                    .collect()
            };
            std::thread::scope(|scope| {
                let other = scope.spawn(|| run(halves.0));
                known.extend(run(halves.1));
                known.extend(other.join().expect("no panic"));
            });
            let (mut here, mut near, mut bytes, mut now) =
                (Errors::default(), Errors::default(), Errors::default(), 0.0);
            for (number, rung) in report.rungs.iter().enumerate() {
                let is_trivial = rung.capacity_bytes >= trace.footprint_bytes;
                for (policy, estimate) in rung.estimates.iter().enumerate() {
                    let truth = known[&(estimate.policy, rung.capacity_bytes)];
                    let error = (estimate.hits.objects - truth.objects()).abs();
                    if std::env::var("CELLS").is_ok() {
                        eprintln!(
                            "{name} {share} ×{} rate {:.4} {}: {:.4} ± {:.4}, true {:.4}, off {:+.4}; bytes {:.4} ± {:.4} true {:.4}; bound {:.4}",
                            rung.capacity_bytes as f64 / present as f64,
                            rung.rate,
                            estimate.policy,
                            estimate.hits.objects,
                            estimate.error.objects,
                            truth.objects(),
                            estimate.hits.objects - truth.objects(),
                            estimate.hits.bytes,
                            estimate.error.bytes,
                            truth.byte_ratio(),
                            rung.bound.objects,
                        );
                    }
                    here.add(error, estimate.error.objects);
                    all.add(error, estimate.error.objects);
                    by_policy[policy].add(error, estimate.error.objects);
                    by_rung[number].add(error, estimate.error.objects);
                    let byte_error = (estimate.hits.bytes - truth.byte_ratio()).abs();
                    bytes.add(byte_error, estimate.error.bytes);
                    bytes_all.add(byte_error, estimate.error.bytes);
                    if !is_trivial {
                        near.add(error, estimate.error.objects);
                    }
                    if rung.rate < 1.0 {
                        sampled_only.add(error, estimate.error.objects);
                    }
                    if number == report.now.rung && estimate.policy == options.policy {
                        now = error;
                    }
                }
            }
            let requests = trace.requests.len() as f64;
            println!(
                "| {} | {:.0} % | {} | {} | {} | {:.2} | {:.4} | {:.3} | {:.0} | {:.0} | {:.1} ({:.1}) | {:.4} |",
                trace.name,
                share * 100.0,
                here.show(),
                near.show(),
                bytes.show(),
                here.coverage(),
                here.stated / here.cells,
                report.sampled as f64 / requests,
                spent * 1e9 / report.sampled as f64,
                spent * 1e9 / requests,
                peak as f64 / 1e6,
                what_if.memory_bytes() as f64 / 1e6,
                now,
            );
        }
    }
    println!(
        "\nall: objects {}, covered {:.3}; bytes {}, covered {:.3}",
        all.show(),
        all.coverage(),
        bytes_all.show(),
        bytes_all.coverage()
    );
    println!(
        "sampled rungs only: {}, covered {:.3}, stated {:.4}",
        sampled_only.show(),
        sampled_only.coverage(),
        sampled_only.stated / sampled_only.cells
    );
    for (kind, errors) in PolicyKind::ALL.iter().zip(&by_policy) {
        println!("{kind}: {} covered {:.3}", errors.show(), errors.coverage());
    }
    for (number, errors) in by_rung.iter().enumerate() {
        println!(
            "rung ×{}: {} covered {:.3}",
            2f64.powi(number as i32 - 4),
            errors.show(),
            errors.coverage()
        );
    }
}

fn value(counts: &Counts, objective: Objective) -> f64 {
    if objective == Objective::Bytes { counts.byte_ratio() } else { counts.objects() }
}

/// The autopilot over whole traces, switching a full-size ghost that stands
/// for the cache, against every fixed policy.
fn autopilot(folder: &str, names: &[String], options: Options) {
    let objective = options.objective;
    let mut cells: Vec<(Trace, Vec<u64>)> = Vec::new();
    for name in names {
        let trace = load(folder, name, options.seed);
        let capacities =
            [0.01, 0.05, 0.10].map(|share| (trace.footprint_bytes as f64 * share) as u64);
        cells.push((trace, capacities.to_vec()));
    }
    println!("| trace | capacity | autopilot | best fixed | regret | changes | last |");
    println!("|---|---|---|---|---|---|---|");
    let mut sums = vec![0.0; PolicyKind::ALL.len()];
    let (mut sum, mut regrets, mut worst, mut count) = (0.0, 0.0, f64::MIN, 0.0);
    for (trace, capacities) in &cells {
        std::thread::scope(|scope| {
            let runs: Vec<_> = capacities
                .iter()
                .map(|&capacity| {
                    scope.spawn(move || {
                        let fixed: Vec<f64> = PolicyKind::ALL
                            .iter()
                            .map(|&kind| value(&truth(trace, kind, capacity, options), objective))
                            .collect();
                        (fixed, fly(trace, capacity, options))
                    })
                })
                .collect();
            for (run, share) in runs.into_iter().zip([1, 5, 10]) {
                let (fixed, (own, pilot)) = run.join().expect("no panic");
                let (mut best, mut most) = (PolicyKind::ALL[0], f64::MIN);
                for ((sum, &fixed), &kind) in sums.iter_mut().zip(&fixed).zip(PolicyKind::ALL) {
                    *sum += fixed;
                    if fixed > most {
                        (best, most) = (kind, fixed);
                    }
                }
                sum += own;
                regrets += most - own;
                worst = f64::max(worst, most - own);
                count += 1.0;
                let last = pilot.log().back().map_or(String::new(), |last| {
                    format!("{} at {}: {}", last.to, last.at_requests, last.reason)
                });
                println!(
                    "| {} | {share} % | {:.2} | {:.2} {best} | {:.2} | {} | {last} |",
                    trace.name,
                    100.0 * own,
                    100.0 * most,
                    100.0 * (most - own),
                    pilot.log().len(),
                );
                if std::env::var("CELLS").is_ok() {
                    for decision in pilot.log() {
                        eprintln!("{} {share} %: {decision:?}", trace.name);
                    }
                }
            }
        });
    }
    println!(
        "\nmean regret {:.3} points, worst {:.2}; mean ratio {:.2}; fixed: {}",
        100.0 * regrets / count,
        100.0 * worst,
        100.0 * sum / count,
        PolicyKind::ALL
            .iter()
            .zip(&sums)
            .map(|(kind, sum)| format!("{kind} {:.2}", 100.0 * sum / count))
            .collect::<Vec<_>>()
            .join(", "),
    );
}

fn fly(trace: &Trace, capacity_bytes: u64, options: Options) -> (f64, Autopilot) {
    let settings = Settings {
        objective: options.objective,
        capacity_bytes,
        policy: options.policy,
        seed: 1,
        recent_half_life: options.recent,
        ..Settings::default()
    };
    let mut feed = Feed::new(settings, options);
    let mut pilot = Autopilot::new(options.caution);
    for (number, &(hash, weight)) in trace.requests.iter().enumerate() {
        feed.request(hash, weight);
        if number % 1000 == 999 {
            feed.step();
            let standings = feed.what_if.standings();
            if let Some(policy) = pilot.consider(number as u64 + 1, &standings) {
                feed.cache.switch(policy);
                feed.what_if.reconfigure(capacity_bytes, policy);
            }
        }
    }
    let totals = feed.totals;
    let bytes = totals.bytes.unwrap_or_default();
    let ratio = match options.objective {
        Objective::Bytes => bytes.hit as f64 / bytes.requested as f64,
        _ => totals.hits as f64 / totals.requests as f64,
    };
    (ratio, pilot)
}

/// What the what-if costs beside a cache of a million entries.
fn cost(options: Options) {
    const KEYS: u64 = 10_000_000;
    const ITEMS: u64 = 1_000_000;
    const REQUESTS: u64 = 30_000_000;
    let settings = Settings {
        capacity_bytes: ITEMS * u64::from(WEIGHT),
        policy: options.policy,
        ..Settings::default()
    };
    let mut what_if = WhatIf::new(settings);
    let mut cache = Ghost::new(options.policy, Objective::Objects, settings.capacity_bytes, 1);
    println!("| requests | sampled | events | ns/event | ns/request | report in µs | MB |");
    println!("|---|---|---|---|---|---|---|");
    let (mut events, mut totals) = (Vec::with_capacity(1024), Totals::default());
    let mut threshold = what_if.threshold();
    let (mut spent, mut count, mut at) = (0.0, 0u64, 0u64);
    let mut memory = 0;
    for request in 1..=REQUESTS {
        // Ranks drawn log-uniformly: Zipf's law with an exponent of 1.
        let uniform = (mix(request ^ mix(7)) >> 11) as f64 / (1u64 << 53) as f64;
        let hash = mix((KEYS as f64).powf(uniform) as u64);
        let hit = cache.hit(hash);
        totals.requests += 1;
        totals.hits += u64::from(hit.is_some());
        if hash < threshold {
            events.push(Event::Read { hash, weight: hit, cost: 1 });
        }
        if hit.is_none() {
            cache.insert(hash, WEIGHT, 1);
            if hash < threshold {
                events.push(Event::Insert { hash, weight: WEIGHT, cost: 1 });
            }
        }
        if events.len() >= 512 || request % 100_000 == 0 {
            let allocated = ALLOCATED.load(Ordering::Relaxed);
            let start = Instant::now();
            what_if.observe(&events);
            if request % 100_000 == 0 {
                what_if.step(Some(totals));
            }
            spent += start.elapsed().as_secs_f64();
            memory += ALLOCATED.load(Ordering::Relaxed) as i64 - allocated as i64;
            count += events.len() as u64;
            events.clear();
            threshold = what_if.threshold();
        }
        if request % 3_000_000 == 0 {
            let start = Instant::now();
            let report = what_if.report();
            let took = start.elapsed();
            println!(
                "| {} M | {:.4} | {count} | {:.0} | {:.1} | {:.0} | {:.1} |",
                request / 1_000_000,
                threshold as f64 / u64::MAX as f64,
                spent * 1e9 / count as f64,
                spent * 1e9 / (request - at) as f64,
                took.as_secs_f64() * 1e6,
                memory as f64 / 1e6,
            );
            if request == REQUESTS {
                for rung in &report.rungs {
                    println!("{} {:.4} {:?}", rung.capacity_bytes, rung.rate, rung.estimates[0]);
                }
            }
            (spent, count, at) = (0.0, 0, request);
        }
    }
}

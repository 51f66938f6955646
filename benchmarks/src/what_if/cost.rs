//! What the what-if costs beside a cache of a million entries.

use std::time::Instant;

use larder_cache::PolicyKind;
use larder_cache::what_if::Settings;
use larder_workload::trace::hash;

use crate::cell::WEIGHT;
use crate::feed::Feed;

const KEYS: u32 = 10_000_000;
const ITEMS: u64 = 1_000_000;
const REQUESTS: u32 = 30_000_000;
const ROW: u32 = 3_000_000;
const PERIOD: u32 = 100_000;

/// Prints a row for each tenth of the run.
pub fn run() {
    let mut feed = Feed::new(Settings {
        capacity_bytes: ITEMS * u64::from(WEIGHT),
        policy: PolicyKind::WTinyLfu,
        ..Settings::default()
    });
    println!("| requests | sampled | ns/event | ns/request | report in µs | MB |");
    println!("|---|---|---|---|---|---|");
    let (mut seconds, mut events) = (0.0, 0);
    for request in 1..=REQUESTS {
        // Ranks drawn log-uniformly: Zipf's law with an exponent of 1.
        let uniform = (hash(request) >> 11) as f64 / (1u64 << 53) as f64;
        feed.request(hash(f64::from(KEYS).powf(uniform) as u32), WEIGHT);
        if request % PERIOD == 0 {
            feed.step();
        }
        if request % ROW == 0 {
            let start = Instant::now();
            let report = feed.what_if.report();
            let took = start.elapsed();
            let widest = report.rungs.iter().map(|rung| rung.rate).fold(0.0, f64::max);
            let spent = (feed.meter.seconds - seconds) * 1e9;
            println!(
                "| {} M | {widest:.4} | {:.0} | {:.1} | {:.0} | {:.1} |",
                request / 1_000_000,
                spent / (feed.events_seen - events) as f64,
                spent / f64::from(ROW),
                took.as_secs_f64() * 1e6,
                feed.meter.most_bytes as f64 / 1e6,
            );
            (seconds, events) = (feed.meter.seconds, feed.events_seen);
        }
    }
}

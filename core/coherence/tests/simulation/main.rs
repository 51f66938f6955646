//! A seeded simulation: clusters of 3 to 5 nodes, which are the very code of
//! production, through lost, late, doubled and reordered messages, one-way
//! cuts, pauses, crashes, statements that are done late or without an answer,
//! restarts and failovers of the database, and clocks that are 1 % wrong. The
//! model visits all orders of few events on two nodes; this visits few orders
//! of thousands of events on more. It never waits, and never asks the machine
//! for time or chance.
//!
//! A seed that fails is named and replays, telling what happens:
//!
//! ```sh
//! LARDER_SIMULATION_SEED=42 cargo test -p larder-coherence --test simulation seeds
//! LARDER_SIMULATION_SEEDS=100000 \
//!     cargo test --release -p larder-coherence --test simulation seeds -- --nocapture
//! ```

mod clock;
mod cluster;
mod dice;
mod history;
mod host;
#[path = "../support/keeper.rs"]
mod keeper;
mod plan;
mod queue;
mod removed;
mod server;
mod tally;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use plan::Setting;
use tally::Tally;

/// Seeds that run if nobody says how many.
const SEEDS: u64 = 500;

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

/// The first seed of `seeds` that fails, and why, or all that was seen.
fn first_failure(seeds: u64, setting: &Setting) -> Result<Tally, (u64, String)> {
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let work = || {
        let mut total = Tally::default();
        let mut failure = None;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.min(failed.load(Ordering::Relaxed)) {
                return failure.map_or(Ok(total), Err);
            }
            match cluster::run(seed, setting) {
                Ok(tally) => total.add(&tally),
                Err(why) => {
                    failed.fetch_min(seed, Ordering::Relaxed);
                    failure = Some((seed, why));
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no run panics")).collect()
    });
    let mut total = Tally::default();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(tally) => total.add(&tally),
            Err(failure) => failures.push(failure),
        }
    }
    failures.into_iter().min().map_or(Ok(total), Err)
}

#[test]
fn seeds_find_no_stale_read_and_no_lost_write() {
    if let Some(seed) = variable("LARDER_SIMULATION_SEED") {
        let told = cluster::run(seed, &Setting { trace: true, ..Setting::default() });
        eprintln!("seed {seed}: {told:#?}");
        return assert!(told.is_ok(), "seed {seed} fails");
    }
    let seeds = variable("LARDER_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let began = Instant::now();
    let total = first_failure(seeds, &Setting::default()).unwrap_or_else(|(seed, why)| {
        panic!("seed {seed} {why}\nLARDER_SIMULATION_SEED={seed} tells what happened")
    });
    eprintln!(
        "{seeds} seeds, {} operations, {} faults, {:.1} s\n{total:#?}",
        total.operations(),
        total.faults(),
        began.elapsed().as_secs_f64()
    );
    assert_eq!(total.missing(), [], "a simulation without these shows too little");
}

#[test]
fn a_seed_replays() {
    for seed in 0..5 {
        let run = || cluster::run(seed, &Setting::default());
        assert_eq!(run(), run());
    }
}

//! The cache's locks under every interleaving that a few thousand seeded
//! schedules reach; one that fails is printed and can be played again. Built
//! by `RUSTFLAGS="--cfg shuttle"` only, and never with real threads.
//!
//! ```sh
//! export RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle
//! cargo test -p larder-cache --test schedules
//! LARDER_SCHEDULES=50000 LARDER_SEED=7 cargo test -p larder-cache --test schedules
//! LARDER_SCHEDULE=91022… cargo test -p larder-cache --test schedules the_name_of_the_test
//! ```
#![cfg(shuttle)]

mod leases;
mod readers;
mod room;
mod settings;

use std::env;
use std::str::FromStr;

use larder_cache::{Cache, Config, Filled, Lookup, OVERHEAD_BYTES, Weigh};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::{MaxSteps, Runner};

/// Schedules of each scenario, unless `LARDER_SCHEDULES` says otherwise: half
/// by chance, half by Burckhardt et al., "A randomized scheduler with
/// probabilistic guarantees of finding bugs", ASPLOS 2010.
const SCHEDULES: usize = 2000;

/// Preemptions that a bug may need for the second half to look for it.
const DEPTH: usize = 4;

/// A schedule takes some hundred steps; one that takes as many as this is a
/// loop without an end.
const MOST_STEPS: usize = 20_000;

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let number = env::var(name).ok()?;
    Some(number.parse().ok().unwrap_or_else(|| panic!("{name} must be a number")))
}

/// Runs a scenario under many schedules.
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    if let Ok(schedule) = env::var("LARDER_SCHEDULE") {
        return shuttle::replay(scenario, &schedule);
    }
    let half = variable("LARDER_SCHEDULES").unwrap_or(SCHEDULES) / 2;
    let seed = variable("LARDER_SEED").unwrap_or(1);
    let scenario = std::sync::Arc::new(scenario);
    let schedulers: [Box<dyn Scheduler + Send>; 2] = [
        Box::new(RandomScheduler::new_from_seed(seed, half)),
        Box::new(PctScheduler::new_from_seed(seed, DEPTH, half)),
    ];
    for scheduler in schedulers {
        let mut config = shuttle::Config::new();
        config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
        config.stack_size = 1 << 17;
        config.silence_warnings = true;
        let scenario = std::sync::Arc::clone(&scenario);
        Runner::new(scheduler, config).run(move || scenario());
    }
}

/// One of several, by the schedule's own chance.
fn one_of<T: Copy>(choices: &[T]) -> T {
    use shuttle::rand::Rng;
    choices[shuttle::rand::thread_rng().gen_range(0..choices.len())]
}

#[derive(Clone, Debug, PartialEq)]
struct Blob {
    version: u64,
    weight: u64,
}

impl Weigh for Blob {
    fn weight_bytes(&self) -> u64 {
        self.weight
    }

    fn cost(&self) -> u32 {
        1 + self.version as u32
    }
}

fn blob(version: u64) -> Blob {
    Blob { version, weight: 10 }
}

/// What an entry with a key of one byte and such a blob weighs.
const ENTRY: u64 = OVERHEAD_BYTES + 1 + 10;

/// A cache for so many entries.
fn cache(entries: u64, shards: usize) -> Cache<Blob> {
    Cache::new(Config { capacity_bytes: entries * ENTRY, shards, ..Config::default() })
}

/// Reads through the cache what `truth` says at the time of the load.
fn load(cache: &Cache<Blob>, key: &[u8], truth: &AtomicU64) -> u64 {
    let mut answer = cache.lookup(key);
    loop {
        match answer {
            Lookup::Hit(found) => return found.version,
            Lookup::Miss(lease) => {
                let loaded = truth.load(Ordering::SeqCst);
                // Its own caller may use even a void load: it began after the
                // caller asked.
                let _: Filled = lease.fill(blob(loaded));
                return loaded;
            }
            Lookup::Wait(waiter) => {
                if let Some(found) = waiter.wait() {
                    return found.version;
                }
                answer = cache.lookup_again(key);
            }
        }
    }
}

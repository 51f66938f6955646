//! Each rule left out once: the simulation must miss it within so many seeds,
//! or it sees nothing. Only untruths count, not what takes too long.
//!
//! Not here: "commit first, invalidate after", which is another protocol, and
//! is in the model; a fence that is short by a few milliseconds, as a read has
//! to come within those; the lock on the cluster's row (R6), which one
//! atomic statement after the other can't break, and which the tests on real
//! servers are for.

use std::time::{Duration, Instant};

use larder_coherence::{Database, Rule};

use crate::plan::{Broken, Habit, Setting};
use crate::{first_failure, variable};

/// Seeds that run unless more are asked for.
const SEEDS: u64 = 1_000;

fn cases() -> Vec<(&'static str, Option<Database>, Broken)> {
    let replicated = Some(Database::Replicated);
    let single = Some(Database::Single);
    vec![
        ("R1 lease from receipt", single, Broken::Node(Rule::LeaseFromSending)),
        ("R2 lease flag of a timer", single, Broken::Driver(Habit::FreshClock)),
        ("R3 fill token", single, Broken::Driver(Habit::FillByToken)),
        ("R4 joining an older flight", single, Broken::Driver(Habit::ShareByVerdict)),
        ("R5 acknowledgement of any epoch", single, Broken::Node(Rule::AcknowledgedInEpoch)),
        ("R7 writer's own epoch", single, Broken::Node(Rule::OwnEpoch)),
        ("R8 write-through without solo", single, Broken::Node(Rule::Solo)),
        ("R9 renewal by a read", replicated, Broken::Node(Rule::ReplicatedRenewal)),
        ("R10 read without lease", replicated, Broken::Node(Rule::ReadUnderLease)),
        ("R10 read across epochs", replicated, Broken::Node(Rule::ReadInEpoch)),
        ("R11 answer before all have joined", replicated, Broken::Node(Rule::Settled)),
        ("I3 commit without acknowledgements", single, Broken::Node(Rule::Acknowledged)),
        ("I5 blocks until the epoch ends", single, Broken::Driver(Habit::ReleaseByWriter)),
        ("entry without epoch", single, Broken::Driver(Habit::EntryEpoch)),
        ("fence without waiting", single, Broken::Fence(Duration::ZERO)),
        ("fence shorter than the lease", single, Broken::Fence(Duration::from_millis(1_700))),
        ("members of before the failover", replicated, Broken::Node(Rule::Registered)),
        ("loads on a newer server", replicated, Broken::Driver(Habit::NoNewerServer)),
        ("anything on an older server", replicated, Broken::Driver(Habit::NoOlderServer)),
    ]
}

#[test]
fn rules_are_missed() {
    let seeds = variable("LARDER_SIMULATION_SEEDS").map_or(SEEDS, |seeds| seeds.max(SEEDS));
    let mut unseen = Vec::new();
    for (name, database, broken) in cases() {
        let began = Instant::now();
        let setting = Setting { database, broken: Some(broken), trace: false };
        let found = first_failure(seeds, &setting).err();
        eprintln!("{name}: {found:?}, {:.1} s", began.elapsed().as_secs_f64());
        if found.is_none() {
            unseen.push(name);
        }
    }
    assert!(unseen.is_empty(), "nothing is wrong without {unseen:?}");
}

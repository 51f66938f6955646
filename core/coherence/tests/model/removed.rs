//! Each rule left out once: breadth-first search must then find a stale read,
//! and does so on a shortest path.

use std::time::{Duration, Instant};

use larder_coherence::Rule;
use stateright::{Checker, HasDiscoveries, Model};

use crate::cluster::{LEASE, STALE};
use crate::scopes::failover_in_commit;
use crate::setting::{Broken, Habit, Left, Setting};

/// The events to the first stale read.
fn steps_to_a_stale_read(setting: Setting) -> Option<usize> {
    let checker = setting
        .checker()
        .threads(2)
        .timeout(Duration::from_secs(600))
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    checker.discovery(STALE).map(|path| path.into_actions().len())
}

fn habit(habit: Habit) -> Option<Broken> {
    Some(Broken::Driver(habit))
}

fn rule(rule: Rule) -> Option<Broken> {
    Some(Broken::Node(rule))
}

/// Node 0 writes, both read.
fn calm() -> Setting {
    Setting {
        readers: vec![0, 1],
        writers: vec![0],
        left: Left { reads: 3, writes: 1, ..Left::default() },
        fence: LEASE,
        ..Setting::default()
    }
}

/// Node 0 writes and evicts, node 1 reads and may come back.
fn fenced() -> Setting {
    let left = Left { reads: 2, writes: 1, joins: 1, evictions: 1, ..Left::default() };
    Setting { readers: vec![1], evicting: vec![0], ticks: 2, left, ..calm() }
}

/// Node 0 writes, node 1 reads, and each may begin a new epoch.
fn rejoining() -> Setting {
    let left = Left { reads: 2, writes: 1, joins: 1, ..Left::default() };
    Setting { readers: vec![1], left, ..calm() }
}

/// The database may fail over; node 0 goes with it, and evicts who doesn't.
fn failing_over() -> Setting {
    let left = Left { reads: 1, joins: 1, failovers: 1, ..fenced().left };
    Setting { replicated: true, clearing: vec![0], evicting: vec![], left, ..fenced() }
}

fn cases() -> Vec<(&'static str, Setting)> {
    let two_writers =
        Setting { writers: vec![0, 1], left: Left { writes: 2, ..calm().left }, ..calm() };
    let settled = rule(Rule::Settled);
    vec![
        (
            "R11 answer before all have joined",
            Setting { broken: settled, ..failover_in_commit(2, 0) },
        ),
        (
            "I3 commit without acknowledgements",
            Setting { broken: rule(Rule::Acknowledged), ..calm() },
        ),
        ("commit first, invalidate after", Setting { broken: habit(Habit::BlockFirst), ..calm() }),
        ("R3 fill token", Setting { broken: habit(Habit::FillByToken), ..calm() }),
        (
            "R8 write-through without solo",
            Setting { broken: rule(Rule::Solo), ..two_writers.clone() },
        ),
        ("fence without waiting", Setting { fence: 0, ..fenced() }),
        ("fence one tick short", Setting { fence: LEASE - 1, ..fenced() }),
        (
            "R1 lease from receipt",
            Setting {
                broken: rule(Rule::LeaseFromSending),
                renewing: vec![1],
                ticks: 3,
                ..fenced()
            },
        ),
        (
            "entry without epoch",
            Setting { broken: habit(Habit::EntryEpoch), clearing: vec![1], ..fenced() },
        ),
        (
            "R5 acknowledgement of any epoch",
            Setting { broken: rule(Rule::AcknowledgedInEpoch), clearing: vec![1], ..rejoining() },
        ),
        (
            "R7 writer's own epoch",
            Setting {
                broken: rule(Rule::OwnEpoch),
                clearing: vec![0],
                renewing: vec![1],
                ticks: 1,
                ..rejoining()
            },
        ),
        (
            "I5 blocks until the epoch ends",
            Setting { broken: habit(Habit::ReleaseByWriter), ..calm() },
        ),
        ("R2 lease flag of a timer", Setting { broken: habit(Habit::FreshClock), ..fenced() }),
        (
            "R4 joining an older flight",
            Setting {
                broken: habit(Habit::ShareByVerdict),
                readers: vec![1, 1],
                coalescing: true,
                ..calm()
            },
        ),
        (
            "R9 renewal by a read",
            Setting { broken: rule(Rule::ReplicatedRenewal), renewing: vec![1], ..failing_over() },
        ),
        (
            "members of before the failover",
            Setting {
                broken: rule(Rule::Registered),
                mailing: vec![0],
                renewing: vec![1],
                stepping_aside: true,
                ticks: 1,
                ..failing_over()
            },
        ),
        (
            "R10 read without lease",
            Setting { broken: rule(Rule::ReadUnderLease), ..failing_over() },
        ),
        (
            "R10 read across epochs",
            Setting {
                broken: rule(Rule::ReadInEpoch),
                left: Left { joins: 2, ..failing_over().left },
                ..failing_over()
            },
        ),
    ]
}

#[test]
fn every_rule_is_needed() {
    let mut unneeded = Vec::new();
    for (name, setting) in cases() {
        let began = Instant::now();
        let steps = steps_to_a_stale_read(setting);
        eprintln!("{name}: {steps:?} steps, {:.1} s", began.elapsed().as_secs_f64());
        if steps.is_none() {
            unneeded.push(name);
        }
    }
    assert!(unneeded.is_empty(), "nothing is stale without {unneeded:?}");
}

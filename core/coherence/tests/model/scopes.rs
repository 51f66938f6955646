//! The scopes with all rules in force: every state is visited, and no read is
//! stale in any of them.

use std::time::Instant;

use stateright::{Checker, Model};

use crate::cluster::{ANSWERED, LEASE, STALE};
use crate::setting::{Left, Setting};

/// Visits every state of a scope.
fn exhaust(name: &str, setting: Setting) {
    let began = Instant::now();
    let checker = setting.checker().threads(2).spawn_bfs().join();
    eprintln!(
        "{name}: {} states, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    if let Some(path) = checker.discovery(STALE) {
        panic!("{name}: {:#?}", path.into_actions());
    }
    assert!(checker.is_done(), "{name}: not all states were visited");
    assert!(checker.discovery(ANSWERED).is_some(), "{name}: the writes are never answered");
}

/// Two nodes that read and write, and nothing goes wrong.
fn writers(reads: u8, writes: u8) -> Setting {
    Setting {
        readers: vec![0, 1],
        writers: vec![0, 1],
        left: Left { reads, writes, ..Left::default() },
        fence: LEASE,
        ..Setting::default()
    }
}

#[test]
fn s1_two_writers() {
    exhaust("S1", writers(3, 2));
}

/// One node writes; the other is paused, dies, is fenced and comes back.
fn victim(reads: u8, writes: u8, ticks: u64) -> Setting {
    Setting {
        readers: vec![0, 1],
        writers: vec![0],
        crashing: vec![1],
        renewing: vec![1],
        evicting: vec![0],
        left: Left { reads, writes, crashes: 1, joins: 1, evictions: 1, ..Left::default() },
        ticks,
        fence: LEASE,
        ..Setting::default()
    }
}

#[test]
fn s2_a_victim() {
    exhaust("S2", victim(1, 1, 2));
}

/// A writer is fenced by the other one, and begins again.
fn fenced_writer(reads: u8, ticks: u64) -> Setting {
    Setting {
        readers: vec![1],
        writers: vec![0, 1],
        evicting: vec![1],
        left: Left { reads, writes: 2, joins: 1, evictions: 1, ..Left::default() },
        ticks,
        ..writers(0, 0)
    }
}

#[test]
fn s3_a_fenced_writer() {
    exhaust("S3", fenced_writer(1, 2));
}

/// A writer dies, perhaps inside its commit, which may be done later; it may
/// be fenced, and comes back.
fn dying_writer(reads: u8, evictions: u8, ticks: u64) -> Setting {
    Setting {
        readers: vec![1],
        crashing: vec![0],
        left: Left { reads, writes: 2, joins: 1, crashes: 1, evictions, ..Left::default() },
        ..fenced_writer(reads, ticks)
    }
}

#[test]
fn s4_a_dying_writer() {
    exhaust("S4", dying_writer(2, 0, 0));
}

/// Reads of one node share a flight.
fn shared_reads(reads: u8, writes: u8) -> Setting {
    Setting { readers: vec![1, 1], coalescing: true, ..writers(reads, writes) }
}

#[test]
fn s5_shared_reads() {
    exhaust("S5", shared_reads(4, 2));
}

/// The database fails over, and the deposed primary goes on answering.
fn failover(reads: u8, joins: u8, ticks: u64) -> Setting {
    Setting {
        writers: vec![0],
        readers: vec![0, 1],
        evicting: vec![0],
        replicated: true,
        left: Left { reads, writes: 1, joins, evictions: 1, failovers: 1, ..Left::default() },
        ticks,
        ..writers(0, 0)
    }
}

#[test]
fn s6_a_failover() {
    exhaust("S6", failover(2, 2, 2));
}

/// A block goes by way of the database.
fn mail(reads: u8, ticks: u64) -> Setting {
    Setting {
        readers: vec![1],
        mailing: vec![0],
        renewing: vec![1],
        clearing: vec![1],
        stepping_aside: true,
        left: Left { reads, writes: 1, joins: 1, ..Left::default() },
        ticks,
        ..writers(0, 0)
    }
}

#[test]
fn mail_instead_of_messages() {
    exhaust("mail", mail(2, 1));
}

/// The reply to a commit is lost, so that nobody knows whether it happened.
fn unknown(reads: u8) -> Setting {
    Setting {
        left: Left { reads, writes: 1, joins: 1, losses: 1, ..Left::default() },
        ..writers(0, 0)
    }
}

#[test]
fn an_unknown_outcome() {
    exhaust("unknown", unknown(3));
}

/// The database fails over while a commit is on its standby alone.
pub(crate) fn failover_in_commit(reads: u8, ticks: u64) -> Setting {
    let left = Left { losses: 1, ..failover(reads, 1, ticks).left };
    Setting { left, ..failover(reads, 1, ticks) }
}

#[test]
fn s8_a_failover_inside_a_commit() {
    exhaust("S8", failover_in_commit(2, 2));
}

/// Three nodes: one writes, the others read.
fn three_readers(reads: u8, writes: u8) -> Setting {
    Setting { more_nodes: 1, writers: vec![0], readers: vec![1, 2], ..writers(reads, writes) }
}

#[test]
fn three_nodes_a_writer() {
    exhaust("three nodes, a writer", three_readers(3, 2));
}

/// Three nodes: two write, the third reads.
fn three_writers(reads: u8, writes: u8) -> Setting {
    Setting { writers: vec![0, 1], readers: vec![2], ..three_readers(reads, writes) }
}

#[test]
fn three_nodes_two_writers() {
    exhaust("three nodes, two writers", three_writers(2, 2));
}

/// Three nodes: one writes and evicts the second, which may be back before the
/// third has heard of anything.
fn three_victim(reads: u8, ticks: u64) -> Setting {
    let left = Left { reads, writes: 1, joins: 1, evictions: 1, ..Left::default() };
    Setting { evicting: vec![0], left, ticks, ..three_readers(0, 0) }
}

#[test]
fn three_nodes_a_victim() {
    exhaust("three nodes, a victim", three_victim(2, 2));
}

/// Three nodes, and the database fails over inside a commit of the first: the
/// others read, on whichever side.
fn three_failover(reads: u8, joins: u8, ticks: u64) -> Setting {
    let left = Left { losses: 1, ..failover(reads, joins, ticks).left };
    let readers = vec![1, 2];
    Setting { more_nodes: 1, readers, left, ..failover(reads, joins, ticks) }
}

#[test]
fn three_nodes_a_failover() {
    exhaust("three nodes, a failover", three_failover(1, 2, 0));
}

// The full scopes. Minutes each, and gigabytes of memory.

#[test]
#[ignore = "minutes"]
fn full_s1() {
    exhaust("S1", writers(3, 3));
}

#[test]
#[ignore = "minutes"]
fn full_s2() {
    exhaust("S2", victim(2, 1, 3));
}

#[test]
#[ignore = "minutes"]
fn full_s3() {
    exhaust("S3", fenced_writer(2, 3));
}

#[test]
#[ignore = "minutes"]
fn full_s4() {
    exhaust("S4", dying_writer(1, 1, 2));
}

#[test]
#[ignore = "minutes"]
fn full_s5() {
    exhaust("S5", shared_reads(4, 3));
}

#[test]
#[ignore = "minutes"]
fn full_s6() {
    exhaust("S6", failover(3, 3, 3));
}

#[test]
#[ignore = "minutes"]
fn full_mail() {
    exhaust("mail", mail(3, 2));
}

#[test]
#[ignore = "minutes"]
fn full_three_nodes_a_writer() {
    exhaust("three nodes, a writer", three_readers(4, 3));
}

#[test]
#[ignore = "minutes"]
fn full_three_nodes_two_writers() {
    exhaust("three nodes, two writers", three_writers(3, 3));
}

#[test]
#[ignore = "minutes"]
fn full_three_nodes_a_failover() {
    exhaust("three nodes, a failover", three_failover(2, 2, 0));
}

#[test]
#[ignore = "minutes"]
fn full_three_nodes_a_victim() {
    exhaust("three nodes, a victim", three_victim(2, 3));
}

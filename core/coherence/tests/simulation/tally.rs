//! What was seen in a run, counted: a run in which nothing happens would find
//! nothing wrong either. Decides nothing.

use std::collections::BTreeMap;

/// Something worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    Hit,
    /// A read answered by the database.
    Loaded,
    /// A read answered by another one's flight.
    Shared,
    /// A read that got no answer: 503.
    Unavailable,
    Committed,
    Refused,
    Aborted,
    Written,
    /// Written, and put in memory at once.
    WrittenThrough,
    TimedOut,
    Unknown,
    Joined,
    EvictionBegun,
    EvictionFinished,
    Mailed,
    SteppedAside,
    /// A statement that was performed after its sender was told that it failed.
    PerformedLate,
    /// A statement that a node sent which had died since.
    PerformedForTheDead,
    /// A statement that a deposed primary answered.
    AnsweredByDeposed,
    MessageLost,
    MessageDoubled,
    MessageLate,
    // The faults.
    Pause,
    Freeze,
    Crash,
    Cut,
    CutFromDatabase,
    Clear,
    DatabaseRestart,
    Failover,
    /// A failover inside a transaction.
    FailoverInChange,
}

/// What can go wrong; the statements and messages that get lost come on top.
const FAULTS: std::ops::RangeInclusive<Seen> = Seen::Pause..=Seen::FailoverInChange;

/// All that can be seen.
const ALL: [Seen; 31] = [
    Seen::Hit,
    Seen::Loaded,
    Seen::Shared,
    Seen::Unavailable,
    Seen::Committed,
    Seen::Refused,
    Seen::Aborted,
    Seen::Written,
    Seen::WrittenThrough,
    Seen::TimedOut,
    Seen::Unknown,
    Seen::Joined,
    Seen::EvictionBegun,
    Seen::EvictionFinished,
    Seen::Mailed,
    Seen::SteppedAside,
    Seen::PerformedLate,
    Seen::PerformedForTheDead,
    Seen::AnsweredByDeposed,
    Seen::MessageLost,
    Seen::MessageDoubled,
    Seen::MessageLate,
    Seen::Pause,
    Seen::Freeze,
    Seen::Crash,
    Seen::Cut,
    Seen::CutFromDatabase,
    Seen::Clear,
    Seen::DatabaseRestart,
    Seen::Failover,
    Seen::FailoverInChange,
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    seen: BTreeMap<Seen, u64>,
}

impl Tally {
    pub(crate) fn count(&mut self, seen: Seen) {
        *self.seen.entry(seen).or_default() += 1;
    }

    pub(crate) fn of(&self, seen: Seen) -> u64 {
        self.seen.get(&seen).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (&seen, count) in &other.seen {
            *self.seen.entry(seen).or_default() += count;
        }
    }

    /// Reads and writes that clients asked for and were answered.
    pub(crate) fn operations(&self) -> u64 {
        use Seen::{Aborted, Hit, Loaded, Shared, TimedOut, Unavailable, Unknown, Written};
        [Hit, Loaded, Shared, Unavailable, Written, Aborted, TimedOut, Unknown]
            .into_iter()
            .map(|seen| self.of(seen))
            .sum()
    }

    pub(crate) fn faults(&self) -> u64 {
        self.seen.range(FAULTS).map(|(_, count)| count).sum()
    }

    /// What should have been seen and never was.
    pub(crate) fn missing(&self) -> Vec<Seen> {
        ALL.into_iter().filter(|&seen| self.of(seen) == 0).collect()
    }
}

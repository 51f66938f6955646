//! What a node is told once, and the bounds without which the protocol
//! promises nothing.

use std::fmt;
use std::time::Duration;

use crate::NodeId;

/// By how much a clock may run fast or slow over a few seconds, in percent.
const CLOCK_RATE_PERCENT: u32 = 1;

/// What a machine may lose of its time by being frozen with its clock stopped.
const FROZEN_CLOCK: Duration = Duration::from_millis(400);

/// How many servers may answer for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Database {
    /// One server: what it answers is the truth.
    Single,
    /// A primary and synchronous standbys. A primary that was deposed may
    /// still answer reads, so a read alone proves nothing.
    Replicated,
}

/// The settings of a node. All nodes of a cluster have the same, but for `node`
/// and `keeps_entries`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Which node this is.
    pub node: NodeId,
    /// How many slots there are.
    pub slots: u32,
    /// How many servers may answer for the database.
    pub database: Database,
    /// Whether this node keeps entries. One on a machine that is frozen with
    /// its clock stopped, for snapshots, must not.
    pub keeps_entries: bool,
    /// How long a renewal lets a node answer from memory, on its own clock.
    pub lease: Duration,
    /// How often a node renews its lease.
    pub renewal: Duration,
    /// How long a node that is silent is waited for after its eviction began,
    /// on the clock of the node that evicts it.
    pub fence: Duration,
    /// How long a block may stay unanswered before it also goes by way of the
    /// database.
    pub mail_after: Duration,
    /// How long a block may stay unanswered before the silent node is evicted.
    pub evict_after: Duration,
    /// How long a write may wait before its client is told that it failed.
    pub patience: Duration,
    /// After how many renewals in a row that found mail a node stops keeping
    /// entries: its peers can't reach it, and each of their writes waits.
    pub mails_before_passthrough: u32,
    /// How long a node that stopped keeping entries waits before it joins
    /// again as one that does.
    pub passthrough: Duration,
    /// By how much this node's clock and the database's may differ over one
    /// renewal before the node stops keeping entries.
    pub drift: Duration,
}

impl Config {
    /// The defaults, for `node`.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            slots: 65_536,
            database: Database::Single,
            keeps_entries: true,
            lease: Duration::from_secs(2),
            renewal: Duration::from_millis(500),
            fence: Duration::from_millis(2_500),
            mail_after: Duration::from_millis(300),
            evict_after: Duration::from_millis(900),
            patience: Duration::from_secs(10),
            mails_before_passthrough: 4,
            passthrough: Duration::from_secs(30),
            drift: Duration::from_millis(200),
        }
    }

    /// Says whether the protocol keeps its promise with these settings.
    ///
    /// # Errors
    /// The first bound that doesn't hold.
    pub fn check(&self) -> Result<(), Unsound> {
        // The holder's clock is slow and was frozen, the fencer's is fast.
        let longest = self.lease * 100 / (100 - CLOCK_RATE_PERCENT) + FROZEN_CLOCK;
        let at_least = longest * (100 + CLOCK_RATE_PERCENT) / 100;
        if self.fence < at_least {
            return Err(Unsound::Fence { at_least });
        }
        if self.renewal * 2 > self.lease {
            return Err(Unsound::Renewal { at_most: self.lease / 2 });
        }
        if self.slots == 0 {
            return Err(Unsound::Slots);
        }
        Ok(())
    }
}

/// A setting with which the protocol doesn't hold, or does no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsound {
    /// A node could be counted out while it still answers from memory.
    Fence {
        /// The shortest fence for this lease.
        at_least: Duration,
    },
    /// One lost renewal would end the lease.
    Renewal {
        /// The longest interval for this lease.
        at_most: Duration,
    },
    /// There must be a slot.
    Slots,
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fence { at_least } => {
                write!(f, "the fence must be at least {at_least:?}, or raise it with the lease")
            }
            Self::Renewal { at_most } => {
                write!(f, "the renewal interval must be at most {at_most:?}, half the lease")
            }
            Self::Slots => write!(f, "there must be at least one slot"),
        }
    }
}

impl std::error::Error for Unsound {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold() {
        assert_eq!(Config::new(NodeId(1)).check(), Ok(()));
    }

    #[test]
    fn a_fence_as_short_as_the_lease_is_refused() {
        let config = Config { fence: Duration::from_secs(2), ..Config::new(NodeId(1)) };
        assert!(matches!(config.check(), Err(Unsound::Fence { .. })));
    }

    #[test]
    fn the_frozen_time_counts_on_a_fast_clock_too() {
        // True time: 2 s at 0.99, and 0.4 s; at 1.01 that is 2.44440 s.
        let fence = |ms| Config { fence: Duration::from_millis(ms), ..Config::new(NodeId(1)) };
        assert!(fence(2_444).check().is_err());
        assert_eq!(fence(2_445).check(), Ok(()));
    }
}

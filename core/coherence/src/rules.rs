//! The rules that can be left out one at a time, to show that each is needed.
//! In production none can: only the feature `model` has a way to say so.

/// A rule of the protocol that is kept here. Those kept by whoever drives a
/// node (a fresh clock for each hit, an entry's own epoch, the fill token, the
/// shared flight) have no name: a driver breaks them by not doing as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// R1: a lease counts from before its renewal was sent.
    LeaseFromSending,
    /// R5: an acknowledgement counts for the epoch it was given in.
    AcknowledgedInEpoch,
    /// R7: a writer commits only under its own current epoch.
    OwnEpoch,
    /// R8: a written value goes to memory only if no other block stood when
    /// the write began.
    Solo,
    /// R9: with standbys, a renewal is a replicated change, not a read.
    ReplicatedRenewal,
    /// R10: with standbys, a read of the database is answered under a lease.
    ReadUnderLease,
    /// R10: with standbys, a read of the database ends in the epoch it began in.
    ReadInEpoch,
    /// I3: a commit needs the acknowledgement of all who keep entries.
    Acknowledged,
    /// A commit needs all nodes to have joined since the database failed over.
    Registered,
    /// With standbys, nothing that the database says is told before all nodes
    /// have joined since it failed over.
    Settled,
}

/// Which rules hold: all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rules {
    #[cfg(feature = "model")]
    without: Option<Rule>,
}

impl Rules {
    /// All rules but one.
    #[cfg(feature = "model")]
    pub fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    #[cfg(feature = "model")]
    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    #[cfg(not(feature = "model"))]
    pub(crate) fn hold(self, _: Rule) -> bool {
        true
    }
}

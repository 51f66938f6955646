//! Reads that miss: what may be kept of what the database said, who may share
//! it, and whether it is an answer at all. The value itself isn't seen here.
//!
//! In order: [`Node::begin_read`]; a statement of its own on the primary,
//! begun after that and never inside an older transaction; then
//! [`Node::finish_read`] under the same lock as the installation it allows.
//!
//! With standbys, the statement has to run on the very server that answered
//! the last join, or fail. A newer one may show a commit that the deposed one
//! doesn't, while other nodes still read there; and nothing tells a node of the
//! failover before its next renewal.

use crate::membership::Presence;
use crate::node::Node;
use crate::rules::Rule;
use crate::{Epoch, Slot, Time, Token};

/// A read of the database under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read {
    slot: Slot,
    token: Option<Token>,
    epoch: Epoch,
}

impl Read {
    /// Whether there is any chance that what it finds may be kept or shared.
    pub fn may_be_kept(&self) -> bool {
        self.token.is_some()
    }
}

/// What a read that is back from the database may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Under what it may be kept in memory.
    pub install: Option<Token>,
    /// Whether requests that came after the read began may have its value.
    /// The others begin the next read.
    pub share: bool,
    /// Whether the request that began it may have it. If not: again, or 503.
    pub answer: bool,
}

impl Node {
    /// Begins a read that found nothing in memory.
    pub fn begin_read(&self, slot: Slot) -> Read {
        let epoch = self.lease.epoch;
        let keeps =
            self.presence == Presence::Caching && self.slots.is_free(slot) && self.is_settled();
        let token = keeps.then(|| Token { generation: self.slots.generation(slot), epoch });
        Read { slot, token, epoch }
    }

    /// Ends a read with what the database said.
    pub fn finish_read(&self, read: &Read, now: Time) -> Verdict {
        let install = read.token.filter(|_| self.begin_read(read.slot).token == read.token);
        let runs = self.lease.runs(now);
        // A deposed primary may have answered. It gave its answer before the
        // lease ended, so no write on its successor can be over yet; unless
        // the lease is another one, taken from the successor since.
        let proven = (runs || !self.rules.hold(Rule::ReadUnderLease))
            && (read.epoch == self.lease.epoch || !self.rules.hold(Rule::ReadInEpoch));
        Verdict {
            install,
            share: install.is_some() && runs,
            answer: !self.is_replicated() || proven && self.is_settled(),
        }
    }

    /// Whether no other node can be asking a deposed primary any more. Until
    /// then what the new one says is told to nobody: a commit may have reached
    /// it, and not be shown by the old one.
    pub(crate) fn is_settled(&self) -> bool {
        let mut others = self.roster.others(self.config.node);
        !self.is_replicated()
            || !self.rules.hold(Rule::Settled)
            || others.all(|(_, member)| self.roster.is_registered(member.epoch))
    }
}

//! What must hold in the database at the moment of a commit. The writer checks
//! it against the roster it knows before it asks, and the database against its
//! own, under a share lock on the cluster's row, taken by a statement of its
//! own in a READ COMMITTED transaction: one that locks and reads at once sees
//! the members as they were before it waited.

use std::collections::BTreeSet;

use crate::roster::{Roster, Standing};
use crate::rules::{Rule, Rules};
use crate::{BlockId, Epoch, Instance, NodeId};

/// The conditions of one commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirements {
    /// Which attempt commits, under which epoch.
    pub block: BlockId,
    /// Who acknowledged its block, and in which epoch.
    pub acknowledged: BTreeSet<(NodeId, Epoch)>,
    pub(crate) rules: Rules,
}

/// Why a commit may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Nobody joined yet on this instance of the database.
    Instance,
    /// The writer's epoch isn't current, or was given by an earlier instance.
    OwnEpoch,
    /// This node hasn't acknowledged the block in its present epoch.
    Unacknowledged(NodeId),
    /// This node hasn't joined since the failover.
    Unregistered(NodeId),
}

impl Requirements {
    /// Whether the commit may be, by a roster read on `server`.
    ///
    /// # Errors
    /// The first condition that doesn't hold.
    pub fn check(&self, roster: &Roster, server: Instance) -> Result<(), Refusal> {
        let BlockId { writer, epoch, .. } = self.block;
        if roster.instance != server {
            return Err(Refusal::Instance);
        }
        let current = roster.is_current(writer, epoch) || !self.rules.hold(Rule::OwnEpoch);
        if !current || !self.is_registered(roster, epoch) {
            return Err(Refusal::OwnEpoch);
        }
        for (node, member) in roster.others(writer) {
            // One that keeps no entries need not acknowledge, but may read a
            // deposed primary until it has joined again.
            if !self.is_registered(roster, member.epoch) {
                return Err(Refusal::Unregistered(node));
            }
            if member.standing != Standing::Passthrough && !self.is_acknowledged(node, member.epoch)
            {
                return Err(Refusal::Unacknowledged(node));
            }
        }
        Ok(())
    }

    /// The others whose acknowledgement or new registration is waited for.
    pub(crate) fn missing(&self, roster: &Roster) -> Vec<(NodeId, Epoch)> {
        roster
            .others(self.block.writer)
            .filter(|&(node, member)| {
                !self.is_registered(roster, member.epoch)
                    || member.standing != Standing::Passthrough
                        && !self.is_acknowledged(node, member.epoch)
            })
            .map(|(node, member)| (node, member.epoch))
            .collect()
    }

    fn is_registered(&self, roster: &Roster, epoch: Epoch) -> bool {
        roster.is_registered(epoch) || !self.rules.hold(Rule::Registered)
    }

    fn is_acknowledged(&self, node: NodeId, epoch: Epoch) -> bool {
        self.acknowledged.contains(&(node, epoch))
            || !self.rules.hold(Rule::Acknowledged)
            || !self.rules.hold(Rule::AcknowledgedInEpoch)
                && self.acknowledged.iter().any(|&(other, _)| other == node)
    }
}

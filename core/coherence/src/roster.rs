//! The roster: who is in the cluster, as the database has it, and the changes
//! to it. Each change is one transaction that locks the cluster's row
//! exclusively, reads the roster, changes it here and writes it back; so what
//! the database does is the same code in production and in the model.

use std::collections::BTreeMap;

use crate::{BlockId, Epoch, Instance, NodeId};

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It keeps entries, so writers need its acknowledgement.
    Caching,
    /// It keeps none, and reads the database each time.
    Passthrough,
    /// It may still answer from memory, and may no longer commit.
    Evicting,
    /// It may neither.
    Gone,
}

/// A row of the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The epoch of its last join.
    pub epoch: Epoch,
    /// What it may do.
    pub standing: Standing,
}

/// Who is in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Roster {
    /// Grows by one at each change.
    pub version: u64,
    /// The instance of the database that the members joined on.
    pub instance: Instance,
    /// The version when that instance was first seen: an epoch up to here was
    /// given by an earlier one.
    pub instance_version: u64,
    /// All nodes there ever were.
    pub members: BTreeMap<NodeId, Member>,
}

impl Roster {
    /// Nobody, on `instance`.
    pub fn new(instance: Instance) -> Self {
        Self { version: 0, instance, instance_version: 0, members: BTreeMap::new() }
    }

    /// Lets `node` join, as the database `server`; its earlier epoch ends.
    pub fn join(&mut self, node: NodeId, server: Instance) -> Epoch {
        self.version += 1;
        if self.instance != server {
            self.instance = server;
            self.instance_version = self.version - 1;
        }
        let epoch = Epoch(self.version);
        self.members.insert(node, Member { epoch, standing: Standing::Caching });
        epoch
    }

    /// `node` keeps no more entries, and has none.
    pub fn step_aside(&mut self, node: NodeId, epoch: Epoch) {
        self.change(node, epoch, &[Standing::Caching], Standing::Passthrough);
    }

    /// Begins to evict `node` if it is still in that epoch. The fence is waited
    /// for from when this was committed.
    pub fn begin_eviction(&mut self, node: NodeId, epoch: Epoch) {
        let from = [Standing::Caching, Standing::Passthrough];
        self.change(node, epoch, &from, Standing::Evicting);
    }

    /// Ends the eviction of `node`, unless it has joined again.
    pub fn finish_eviction(&mut self, node: NodeId, epoch: Epoch) {
        self.change(node, epoch, &[Standing::Evicting], Standing::Gone);
    }

    fn change(&mut self, node: NodeId, epoch: Epoch, from: &[Standing], to: Standing) {
        if let Some(member) = self.members.get_mut(&node)
            && member.epoch == epoch
            && from.contains(&member.standing)
        {
            member.standing = to;
            self.version += 1;
        }
    }

    /// Whether `node` is in that epoch and may commit and renew.
    pub fn is_current(&self, node: NodeId, epoch: Epoch) -> bool {
        self.members.get(&node).is_some_and(|member| {
            member.epoch == epoch
                && matches!(member.standing, Standing::Caching | Standing::Passthrough)
        })
    }

    /// Whether the epoch in which `block` was put up has ended, so that its
    /// write was committed before or never will be. An old roster may not know
    /// it yet; what it knows stays true.
    pub fn has_ended(&self, block: BlockId) -> bool {
        self.members.get(&block.writer).is_some_and(|member| {
            let out = matches!(member.standing, Standing::Evicting | Standing::Gone);
            member.epoch > block.epoch || member.epoch == block.epoch && out
        })
    }

    /// Whether `epoch` was given by the present instance of the database.
    pub fn is_registered(&self, epoch: Epoch) -> bool {
        epoch.0 > self.instance_version
    }

    /// The members that aren't gone, but for `node`.
    pub(crate) fn others(&self, node: NodeId) -> impl Iterator<Item = (NodeId, Member)> {
        self.members
            .iter()
            .map(|(&id, &member)| (id, member))
            .filter(move |&(id, member)| id != node && member.standing != Standing::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    #[test]
    fn a_node_that_joined_again_is_not_evicted_by_its_old_epoch() {
        let mut roster = Roster::new(Instance(1));
        let old = roster.join(A, Instance(1));
        roster.begin_eviction(A, old);
        let new = roster.join(A, Instance(1));
        roster.finish_eviction(A, old);
        assert!(roster.is_current(A, new) && !roster.is_current(A, old));
    }

    #[test]
    fn after_a_failover_only_who_joined_since_is_registered() {
        let mut roster = Roster::new(Instance(1));
        let before = roster.join(A, Instance(1));
        let after = roster.join(B, Instance(2));
        assert!(!roster.is_registered(before) && roster.is_registered(after));
    }

    #[test]
    fn an_old_roster_ends_no_newer_epoch() {
        let mut roster = Roster::new(Instance(1));
        let old = roster.join(A, Instance(1));
        let block = |epoch| BlockId { writer: A, epoch, sequence: 1 };
        let known = roster.clone();
        let new = roster.join(A, Instance(1));
        assert!(!known.has_ended(block(old)) && !known.has_ended(block(new)));
        assert!(roster.has_ended(block(old)) && !roster.has_ended(block(new)));
    }
}

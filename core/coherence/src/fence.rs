//! Fences: waiting out a node that doesn't answer, until its lease has surely
//! ended. Any writer may evict, also one that another writer began to evict
//! and then died.

use crate::node::Node;
use crate::roster::Standing;
use crate::step::{Output, Statement};
use crate::{Epoch, NodeId, Time};

/// An eviction that this node is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fence {
    epoch: Epoch,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Beginning,
    Waiting { until: Time },
    Finishing,
}

impl Fence {
    pub(crate) fn wakes_at(&self) -> Option<Time> {
        match self.stage {
            Stage::Waiting { until } => Some(until),
            Stage::Beginning | Stage::Finishing => None,
        }
    }
}

impl Node {
    /// Begins to evict a node, unless that is under way.
    pub(crate) fn evict(&mut self, node: NodeId, epoch: Epoch, out: &mut Vec<Output>) {
        if self.fences.get(&node).is_some_and(|fence| fence.epoch == epoch) {
            return;
        }
        self.fences.insert(node, Fence { epoch, stage: Stage::Beginning });
        out.push(Output::Perform(Statement::BeginEviction { node, epoch }));
    }

    /// Begins to evict who hasn't joined since a failover: that epoch is of no
    /// use any more, and everybody waits for its end.
    pub(crate) fn evict_unregistered(&mut self, out: &mut Vec<Output>) {
        if !self.is_in() || !self.roster.is_registered(self.lease.epoch) {
            return;
        }
        let unregistered: Vec<_> = self
            .roster
            .others(self.config.node)
            .filter(|(_, member)| !self.roster.is_registered(member.epoch))
            .collect();
        unregistered.into_iter().for_each(|(node, member)| self.evict(node, member.epoch, out));
    }

    /// The wait counts from when the answer came, which is after the commit.
    pub(crate) fn eviction_begun(&mut self, node: NodeId, epoch: Epoch, now: Time) {
        let until = now.after(self.config.fence);
        if let Some(fence) = self.fences.get_mut(&node)
            && fence.epoch == epoch
            && fence.stage == Stage::Beginning
        {
            fence.stage = Stage::Waiting { until };
        }
    }

    pub(crate) fn eviction_failed(&mut self, node: NodeId, epoch: Epoch) {
        self.fences.retain(|&other, fence| (other, fence.epoch) != (node, epoch));
    }

    pub(crate) fn wake_fences(&mut self, now: Time, out: &mut Vec<Output>) {
        for (&node, fence) in &mut self.fences {
            if fence.wakes_at().is_some_and(|until| now >= until) {
                fence.stage = Stage::Finishing;
                let epoch = fence.epoch;
                out.push(Output::Perform(Statement::FinishEviction { node, epoch }));
            }
        }
    }

    /// Forgets the evictions of nodes that joined again or are gone.
    pub(crate) fn drop_fences(&mut self) {
        let members = &self.roster.members;
        self.fences.retain(|node, fence| {
            members.get(node).is_some_and(|member| {
                member.epoch == fence.epoch && member.standing != Standing::Gone
            })
        });
    }
}

//! What messages of peers do. None is trusted to be new, or to be the first.

use crate::message::{Envelope, Floor, Message};
use crate::node::Node;
use crate::slots::Scope;
use crate::step::Output;
use crate::write::Write;
use crate::{BlockId, Instance, Time};

impl Node {
    pub(crate) fn receive(&mut self, envelope: Envelope, now: Time, out: &mut Vec<Output>) {
        let Envelope { from, floor, message, .. } = envelope;
        let known = self.floors.entry(from).or_insert(floor);
        *known = floor.max(*known);
        let floor = *known;
        self.slots.release_if(|block| block.writer == from && floor.is_above(block));
        match message {
            Message::Block { block, scope, instance } if block.writer == from => {
                self.receive_block(block, &scope, instance, now, out);
            }
            Message::Release { block } if block.writer == from => self.slots.release(block),
            Message::Acknowledge { block, epoch } => {
                self.acknowledged(block, from, epoch, out);
            }
            Message::Block { .. } | Message::Release { .. } => {}
        }
    }

    fn receive_block(
        &mut self,
        block: BlockId,
        scope: &Scope,
        instance: Instance,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        if !self.is_in() {
            // The epoch in which it could stand is about to end, or has yet to
            // begin; the writer asks again.
            return;
        }
        if instance != self.roster.instance {
            // One of us has missed a failover. A writer that has can't commit.
            if self.roster.is_registered(block.epoch) {
                self.join(now, out);
            }
            return;
        }
        if self.block(block, scope, out) {
            let epoch = self.lease.epoch;
            self.send(block.writer, Message::Acknowledge { block, epoch }, out);
        }
    }

    /// Blocks for another node; whether the block stands.
    pub(crate) fn block(&mut self, block: BlockId, scope: &Scope, out: &mut Vec<Output>) -> bool {
        let past = self.floors.get(&block.writer).is_some_and(|floor| floor.is_past(block));
        if past || self.roster.has_ended(block) || !self.slots.contain(scope) {
            return false;
        }
        if self.slots.block(block, scope) {
            out.push(Output::Drop(scope.clone()));
        }
        true
    }

    /// Up to where this node's writes are over.
    pub(crate) fn floor(&self) -> Floor {
        let epoch = self.lease.epoch;
        let open = self.writes.values().filter_map(Write::block);
        let oldest = open.filter(|block| block.epoch == epoch).map(|block| block.sequence).min();
        Floor { epoch, sequence: oldest.unwrap_or(self.sequence + 1) }
    }
}

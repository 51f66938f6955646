//! How an attempt ends: committed, refused, failed, or nobody knows yet.

use super::{Attempt, Phase};
use crate::membership::Presence;
use crate::node::Node;
use crate::roster::Roster;
use crate::rules::Rule;
use crate::slots::Token;
use crate::step::{Outcome, Output, Statement};
use crate::{BlockId, Instance, Time, WriteId};

impl Node {
    /// A new epoch has begun: what had none, or an ended one, begins again,
    /// and what may have been done is looked up.
    pub(crate) fn resume_writes(&mut self, now: Time, out: &mut Vec<Output>) {
        for id in self.ids() {
            match self.writes[&id].phase {
                Phase::Waiting | Phase::Blocking(_) => self.attempt(id, now, out),
                Phase::Settling { told: true, .. } => {
                    self.writes.remove(&id);
                }
                Phase::Settling { block, .. } => self.look_up(id, block, out),
                Phase::Committing(_) | Phase::LookingUp(_) => {}
            }
        }
    }

    /// What was written may be kept unless another write touched the slot:
    /// one that stood before ours may have committed after it.
    pub(crate) fn committed(&mut self, id: WriteId, out: &mut Vec<Output>) {
        let Some(attempt) = self.end_commit(id) else { return };
        let block = attempt.requirements.block;
        let caching = self.presence == Presence::Caching;
        let installs = attempt
            .held
            .iter()
            .filter(|held| caching && (held.solo || !self.rules.hold(Rule::Solo)))
            .filter(|held| self.slots.is_held(**held))
            .map(|held| (held.slot, Token { generation: held.generation, epoch: block.epoch }))
            .collect();
        self.release(block, out);
        out.push(Output::Answer(id, Outcome::Written { block, installs }));
    }

    pub(crate) fn aborted(&mut self, id: WriteId, out: &mut Vec<Output>) {
        let Some(attempt) = self.end_commit(id) else { return };
        self.release(attempt.requirements.block, out);
        out.push(Output::Answer(id, Outcome::Failed));
    }

    fn end_commit(&mut self, id: WriteId) -> Option<Attempt> {
        match self.writes.remove(&id)?.phase {
            Phase::Committing(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// The database refused to commit: nothing was changed. Someone has to be
    /// asked yet, or our own epoch is over.
    pub(crate) fn refused(
        &mut self,
        id: WriteId,
        roster: Roster,
        server: Instance,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        let Phase::Committing(attempt) = &write.phase else { return };
        let BlockId { writer, epoch, .. } = attempt.requirements.block;
        let over = roster.instance != server
            || !roster.is_registered(epoch)
            || !roster.is_current(writer, epoch);
        write.phase = Phase::Blocking(attempt.clone());
        self.adopt(roster, out);
        if over && epoch == self.lease.epoch {
            self.join(now, out);
        } else if over {
            self.attempt(id, now, out);
        }
    }

    /// The database didn't say whether it committed. A transaction under an
    /// ended epoch is refused, so after the next join it was done or never
    /// will be.
    pub(crate) fn lost(&mut self, id: WriteId, now: Time, out: &mut Vec<Output>) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        let Phase::Committing(attempt) = &write.phase else { return };
        let block = attempt.requirements.block;
        write.phase = Phase::Settling { block, retry_at: None, told: false };
        if !self.is_in() {
            return;
        }
        if block.epoch == self.lease.epoch {
            self.join(now, out);
        } else {
            self.look_up(id, block, out);
        }
    }

    pub(super) fn look_up(&mut self, id: WriteId, block: BlockId, out: &mut Vec<Output>) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        write.phase = Phase::LookingUp(block);
        out.push(Output::Perform(Statement::LookUp { write: id, block }));
    }

    pub(crate) fn looked_up(
        &mut self,
        id: WriteId,
        committed: bool,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(Phase::LookingUp(block)) = self.writes.get(&id).map(|write| &write.phase) else {
            return;
        };
        if committed && !self.is_settled() {
            self.retry_look_up(id, *block, now);
        } else if committed {
            let written = Outcome::Written { block: *block, installs: Vec::new() };
            self.writes.remove(&id);
            out.push(Output::Answer(id, written));
        } else {
            self.attempt(id, now, out);
        }
    }

    pub(crate) fn retry_look_up(&mut self, id: WriteId, block: BlockId, now: Time) {
        let retry_at = Some(now.after(self.config.renewal));
        if let Some(write) = self.writes.get_mut(&id) {
            write.phase = Phase::Settling { block, retry_at, told: false };
        }
    }

    /// Tells the client that nobody knows. What was to be found out in a later
    /// epoch need not be any more; before that, the block has to stay.
    pub(super) fn tell_unknown(&mut self, id: WriteId, out: &mut Vec<Output>) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        let Phase::Settling { retry_at, told, .. } = &mut write.phase else { return };
        *told = true;
        if retry_at.is_some() {
            self.writes.remove(&id);
        }
        out.push(Output::Answer(id, Outcome::Unknown));
    }
}

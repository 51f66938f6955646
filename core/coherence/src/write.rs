//! Writes: block, commit, release. A write may take several attempts, each
//! under an epoch and with blocks of its own; at most one of them commits.
//! What the change is, the caller knows.

mod settle;

use std::collections::BTreeSet;

use crate::message::Message;
use crate::node::Node;
use crate::requirements::Requirements;
use crate::slots::{Held, Scope};
use crate::step::{Outcome, Output, Statement};
use crate::{BlockId, Epoch, NodeId, Time, WriteId};

/// How often the roster is read while an answer is expected by way of the
/// database, per [`Config::mail_after`](crate::Config::mail_after).
const POLLS: u32 = 3;

/// A write whose client waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    scope: Scope,
    /// When its client is told that it failed.
    deadline: Time,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// For this node to be in the cluster.
    Waiting,
    /// For the others to acknowledge.
    Blocking(Attempt),
    /// For the database to say whether it was done.
    Committing(Attempt),
    /// For a new epoch, in which it can be found out whether it was done.
    Settling {
        block: BlockId,
        /// In a new epoch already: when to ask again.
        retry_at: Option<Time>,
        /// The client was told that nobody knows. The block stays as long as
        /// its epoch.
        told: bool,
    },
    /// For the database to say whether it had been done.
    LookingUp(BlockId),
}

/// One try, with its own blocks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Attempt {
    requirements: Requirements,
    held: Vec<Held>,
    /// Those who were told of the block, in that epoch.
    asked: BTreeSet<(NodeId, Epoch)>,
    mailed: bool,
    remind_at: Time,
    evict_at: Time,
}

impl Write {
    /// `joined`: whether its node is in the cluster.
    pub(crate) fn wakes_at(&self, joined: bool) -> Option<Time> {
        match &self.phase {
            Phase::Blocking(attempt) if joined => Some(self.deadline.min(attempt.remind_at)),
            Phase::Waiting | Phase::Blocking(_) => Some(self.deadline),
            Phase::Settling { retry_at, told, .. } => {
                let deadline = (!told).then_some(self.deadline);
                retry_at.filter(|_| joined).into_iter().chain(deadline).min()
            }
            Phase::Committing(_) | Phase::LookingUp(_) => None,
        }
    }

    /// The block of the attempt that may yet commit.
    pub(crate) fn block(&self) -> Option<BlockId> {
        match &self.phase {
            Phase::Waiting => None,
            Phase::Blocking(attempt) | Phase::Committing(attempt) => {
                Some(attempt.requirements.block)
            }
            Phase::Settling { block, .. } | Phase::LookingUp(block) => Some(*block),
        }
    }
}

impl Node {
    pub(crate) fn write(&mut self, id: WriteId, scope: Scope, now: Time, out: &mut Vec<Output>) {
        let deadline = now.after(self.config.patience);
        self.writes.insert(id, Write { scope, deadline, phase: Phase::Waiting });
        self.attempt(id, now, out);
    }

    /// Blocks, here and on the others, under the present epoch.
    fn attempt(&mut self, id: WriteId, now: Time, out: &mut Vec<Output>) {
        let joined = self.is_in();
        let Some(write) = self.writes.get_mut(&id) else { return };
        if !joined {
            write.phase = Phase::Waiting;
            return;
        }
        self.sequence += 1;
        let block =
            BlockId { writer: self.config.node, epoch: self.lease.epoch, sequence: self.sequence };
        let held = self.slots.hold(block, &write.scope);
        out.push(Output::Drop(write.scope.clone()));
        write.phase = Phase::Blocking(Attempt {
            requirements: Requirements { block, acknowledged: BTreeSet::new(), rules: self.rules },
            held,
            asked: BTreeSet::new(),
            mailed: false,
            remind_at: now.after(self.config.mail_after.min(self.config.evict_after)),
            evict_at: now.after(self.config.evict_after),
        });
        self.ask(id, out);
        self.try_commit(id, out);
    }

    /// Tells of the block whoever has to know and wasn't told in that epoch.
    fn ask(&mut self, id: WriteId, out: &mut Vec<Output>) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        let Phase::Blocking(attempt) = &mut write.phase else { return };
        let instance = self.roster.instance;
        let block = attempt.requirements.block;
        let mut asked = attempt.requirements.missing(&self.roster);
        asked.retain(|&member| attempt.asked.insert(member));
        let message = Message::Block { block, scope: write.scope.clone(), instance };
        for (node, _) in asked {
            self.send(node, message.clone(), out);
        }
    }

    /// Commits once all who may keep entries have acknowledged, as far as this
    /// node knows; the database checks it again.
    fn try_commit(&mut self, id: WriteId, out: &mut Vec<Output>) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        let Phase::Blocking(attempt) = &write.phase else { return };
        if attempt.requirements.check(&self.roster, self.roster.instance).is_ok() {
            let attempt = attempt.clone();
            let requirements = attempt.requirements.clone();
            write.phase = Phase::Committing(attempt);
            out.push(Output::Perform(Statement::Commit { write: id, requirements }));
        }
    }

    /// The block stands at `node` in `epoch`.
    pub(crate) fn acknowledged(
        &mut self,
        block: BlockId,
        node: NodeId,
        epoch: Epoch,
        out: &mut Vec<Output>,
    ) {
        let waiting = self.writes.iter_mut().find_map(|(&id, write)| match &mut write.phase {
            Phase::Blocking(attempt) if attempt.requirements.block == block => Some((id, attempt)),
            _ => None,
        });
        let Some((id, attempt)) = waiting else { return };
        attempt.requirements.acknowledged.insert((node, epoch));
        if self.roster.members.get(&node).is_none_or(|member| member.epoch < epoch) {
            self.read_roster(out);
        }
        self.try_commit(id, out);
    }

    /// The roster has changed.
    pub(crate) fn review_writes(&mut self, out: &mut Vec<Output>) {
        for id in self.ids() {
            if let Phase::Settling { block, retry_at: Some(_), .. } = self.writes[&id].phase
                && self.is_in()
                && self.is_settled()
            {
                self.look_up(id, block, out);
            }
            self.ask(id, out);
            self.try_commit(id, out);
        }
    }

    pub(crate) fn wake_writes(&mut self, now: Time, out: &mut Vec<Output>) {
        for id in self.ids() {
            let write = &self.writes[&id];
            match &write.phase {
                Phase::Waiting | Phase::Blocking(_) if now >= write.deadline => {
                    self.time_out(id, out);
                }
                Phase::Settling { told: false, .. } if now >= write.deadline => {
                    self.tell_unknown(id, out);
                }
                Phase::Blocking(attempt) if self.is_in() && now >= attempt.remind_at => {
                    self.remind(id, now, out);
                }
                &Phase::Settling { block, retry_at: Some(at), .. } if self.is_in() && now >= at => {
                    self.look_up(id, block, out);
                }
                _ => {}
            }
        }
    }

    /// Some don't answer: first their block also goes by way of the database,
    /// then they are evicted.
    fn remind(&mut self, id: WriteId, now: Time, out: &mut Vec<Output>) {
        let Some(write) = self.writes.get_mut(&id) else { return };
        let Phase::Blocking(attempt) = &mut write.phase else { return };
        let block = attempt.requirements.block;
        let missing = attempt.requirements.missing(&self.roster);
        let mail = !attempt.mailed && now < attempt.evict_at;
        let evict = now >= attempt.evict_at;
        attempt.mailed |= mail;
        attempt.asked.clear();
        attempt.remind_at = now.after(self.config.mail_after / POLLS);
        if mail {
            out.extend(missing.iter().map(|&(to, _)| {
                Output::Perform(Statement::Mail { to, block, scope: write.scope.clone() })
            }));
        }
        if evict {
            missing.into_iter().for_each(|(node, epoch)| self.evict(node, epoch, out));
        }
        self.ask(id, out);
        self.read_roster(out);
    }

    /// Gives up a write that can't have been committed.
    fn time_out(&mut self, id: WriteId, out: &mut Vec<Output>) {
        let block = self.writes.remove(&id).and_then(|write| write.block());
        if let Some(block) = block {
            self.release(block, out);
        }
        out.push(Output::Answer(id, Outcome::TimedOut));
    }

    fn release(&mut self, block: BlockId, out: &mut Vec<Output>) {
        self.slots.release(block);
        let others: Vec<NodeId> =
            self.roster.others(self.config.node).map(|(node, _)| node).collect();
        for node in others {
            self.send(node, Message::Release { block }, out);
        }
    }

    fn ids(&self) -> Vec<WriteId> {
        self.writes.keys().copied().collect()
    }
}

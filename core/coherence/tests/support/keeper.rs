//! One server of the database as the protocol knows it, for the model and the
//! simulation: the roster and the mail. Each statement is one atomic
//! transaction, as the lock on the cluster's row makes it; what it does with the
//! roster is the crate's own code. Knows no keys: what a commit changes is its
//! owner's.

use std::collections::BTreeMap;

use larder_coherence::{
    BlockId, Epoch, Instance, NodeId, Reply, Requirements, Roster, Scope, Statement, Time, WriteId,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Keeper {
    pub(crate) server: Instance,
    roster: Roster,
    mail: BTreeMap<(NodeId, BlockId), Letter>,
    pub(crate) is_deposed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Letter {
    scope: Scope,
    answered: Option<Epoch>,
}

/// Whether a statement changes nothing, so that a deposed primary performs it.
pub(crate) fn only_reads(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Renew { replicated: false, .. }
            | Statement::ReadRoster
            | Statement::LookUp { .. }
    )
}

impl Keeper {
    pub(crate) fn new() -> Self {
        Self {
            server: Instance(1),
            roster: Roster::new(Instance(1)),
            mail: BTreeMap::new(),
            is_deposed: false,
        }
    }

    /// Does what `node` asks, but for commits, and what it says to that, if
    /// anything. Changes fail on a deposed primary: its standby doesn't confirm
    /// them.
    pub(crate) fn perform(
        &mut self,
        node: NodeId,
        statement: Statement,
        clock: Option<Time>,
        is_committed: impl Fn(BlockId) -> bool,
    ) -> Option<Reply> {
        if self.is_deposed && !only_reads(&statement) {
            return Some(Reply::Failed(statement));
        }
        Some(match statement {
            Statement::Join => {
                let epoch = self.roster.join(node, self.server);
                Reply::Joined { epoch, roster: self.roster.clone() }
            }
            Statement::Renew { epoch, .. } => Reply::Renewed {
                epoch,
                roster: self.roster.clone(),
                server: self.server,
                mail: self.unanswered(node),
                clock,
            },
            Statement::StepAside { epoch } => {
                self.roster.step_aside(node, epoch);
                self.roster_for(node)
            }
            Statement::ReadRoster => self.roster_for(node),
            Statement::LookUp { write, block } => {
                Reply::LookedUp { write, committed: is_committed(block) }
            }
            Statement::Mail { to, block, scope } => {
                self.mail.entry((to, block)).or_insert(Letter { scope, answered: None });
                return None;
            }
            Statement::AnswerMail { epoch, blocks } => {
                for block in blocks {
                    if let Some(letter) = self.mail.get_mut(&(node, block)) {
                        letter.answered = Some(epoch);
                    }
                }
                return None;
            }
            Statement::BeginEviction { node, epoch } => {
                self.roster.begin_eviction(node, epoch);
                Reply::EvictionBegun { node, epoch, roster: self.roster.clone() }
            }
            Statement::FinishEviction { node: silent, epoch } => {
                self.roster.finish_eviction(silent, epoch);
                self.roster_for(node)
            }
            Statement::Commit { .. } => Reply::Failed(statement),
        })
    }

    /// Commits by what `change` does, if the requirements hold.
    pub(crate) fn commit(
        &self,
        write: WriteId,
        requirements: &Requirements,
        change: impl FnOnce(BlockId),
    ) -> Reply {
        match requirements.check(&self.roster, self.server) {
            Ok(()) => {
                change(requirements.block);
                Reply::Committed(write)
            }
            Err(_) => Reply::Refused { write, roster: self.roster.clone(), server: self.server },
        }
    }

    fn roster_for(&self, node: NodeId) -> Reply {
        let answered = self
            .mail
            .iter()
            .filter(|((_, block), _)| block.writer == node)
            .filter_map(|(&(to, block), letter)| Some((block, to, letter.answered?)))
            .collect();
        Reply::Roster { roster: self.roster.clone(), answered }
    }

    fn unanswered(&self, node: NodeId) -> Vec<(BlockId, Scope)> {
        self.mail
            .iter()
            .filter(|((to, _), letter)| *to == node && letter.answered.is_none())
            .map(|((_, block), letter)| (*block, letter.scope.clone()))
            .collect()
    }
}

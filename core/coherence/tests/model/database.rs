//! The database of the model: the roster, one key, and the mail. What it does
//! with the roster is the crate's own code.

use std::collections::BTreeMap;

use larder_coherence::{
    BlockId, Epoch, Instance, NodeId, Reply, Requirements, Roster, Scope, Statement, WriteId,
};

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    server: Instance,
    roster: Roster,
    /// The attempts that were committed; each made a version of the key.
    committed: Vec<BlockId>,
    mail: BTreeMap<(NodeId, BlockId), Letter>,
    deposed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Letter {
    scope: Scope,
    answered: Option<Epoch>,
}

/// The version of the key before any write.
pub(crate) const FIRST: usize = 1;

impl Database {
    pub(crate) fn new() -> Self {
        Self {
            server: Instance(1),
            roster: Roster::new(Instance(1)),
            committed: Vec::new(),
            mail: BTreeMap::new(),
            deposed: false,
        }
    }

    /// A standby that has all of this takes over.
    pub(crate) fn take_over(&mut self) {
        self.server = Instance(2);
    }

    /// What is left behind answers reads.
    pub(crate) fn depose(self) -> Self {
        Self { deposed: true, ..self }
    }

    /// What a read of the key returns.
    pub(crate) fn version(&self) -> usize {
        FIRST + self.committed.len()
    }

    pub(crate) fn has_committed(&self, block: BlockId) -> bool {
        self.committed.contains(&block)
    }

    /// The version that an attempt made.
    pub(crate) fn version_of(&self, block: BlockId) -> usize {
        let at = self.committed.iter().position(|&other| other == block);
        FIRST + 1 + at.expect("what was answered was committed")
    }

    /// Does what `node` asks, and what it says to that, if anything. Changes
    /// fail on a deposed primary: its standby doesn't confirm them.
    pub(crate) fn perform(&mut self, node: NodeId, statement: Statement) -> Option<Reply> {
        let reads = matches!(
            statement,
            Statement::Renew { replicated: false, .. }
                | Statement::ReadRoster
                | Statement::LookUp { .. }
        );
        if self.deposed && !reads {
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
                clock: None,
            },
            Statement::StepAside { epoch } => {
                self.roster.step_aside(node, epoch);
                self.roster_for(node)
            }
            Statement::ReadRoster => self.roster_for(node),
            Statement::Commit { write, requirements } => self.commit(write, &requirements),
            Statement::LookUp { write, block } => {
                Reply::LookedUp { write, committed: self.has_committed(block) }
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
        })
    }

    fn commit(&mut self, write: WriteId, requirements: &Requirements) -> Reply {
        match requirements.check(&self.roster, self.server) {
            Ok(()) => {
                self.committed.push(requirements.block);
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

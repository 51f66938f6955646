//! One server of the database: the roster, the keys' versions, and the mail.
//! Each statement is one atomic transaction, as the lock on the cluster's row
//! makes it. What it does with the roster is the crate's own code. Never loses
//! or delays anything: the way here does.

use std::collections::BTreeMap;

use larder_coherence::{
    BlockId, Epoch, Instance, NodeId, Reply, Requirements, Roster, Scope, Statement, Time, WriteId,
};

use crate::clock::Clock;
use crate::queue::Key;

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) instance: Instance,
    pub(crate) clock: Clock,
    /// Until when it answers nobody.
    pub(crate) down_until: u64,
    roster: Roster,
    /// For each key the attempts that wrote it; a version is how many.
    keys: Vec<Vec<BlockId>>,
    committed: BTreeMap<BlockId, Vec<(Key, usize)>>,
    mail: BTreeMap<(NodeId, BlockId), Letter>,
    deposed: bool,
}

#[derive(Clone, Debug)]
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

impl Server {
    pub(crate) fn new(keys: usize, clock: Clock) -> Self {
        Self {
            instance: Instance(1),
            clock,
            down_until: 0,
            roster: Roster::new(Instance(1)),
            keys: vec![Vec::new(); keys],
            committed: BTreeMap::new(),
            mail: BTreeMap::new(),
            deposed: false,
        }
    }

    /// It starts anew, or its standby takes over.
    pub(crate) fn begin_instance(&mut self, instance: Instance) {
        self.instance = instance;
    }

    /// From now on it confirms no change.
    pub(crate) fn depose(&mut self) {
        self.deposed = true;
    }

    pub(crate) fn version(&self, key: Key) -> usize {
        self.keys[key].len()
    }

    pub(crate) fn has_written(&self, key: Key, block: BlockId) -> bool {
        self.keys[key].contains(&block)
    }

    /// The versions that an attempt made.
    pub(crate) fn versions_of(&self, block: BlockId) -> &[(Key, usize)] {
        self.committed.get(&block).map_or(&[], Vec::as_slice)
    }

    /// Does what `node` asks, but for commits, and what it says to that, if
    /// anything.
    pub(crate) fn perform(
        &mut self,
        node: NodeId,
        statement: Statement,
        clock: Time,
    ) -> Option<Reply> {
        if self.deposed && !only_reads(&statement) {
            return Some(Reply::Failed(statement));
        }
        Some(match statement {
            Statement::Join => {
                let epoch = self.roster.join(node, self.instance);
                Reply::Joined { epoch, roster: self.roster.clone() }
            }
            Statement::Renew { epoch, .. } => Reply::Renewed {
                epoch,
                roster: self.roster.clone(),
                server: self.instance,
                mail: self.unanswered(node),
                clock: Some(clock),
            },
            Statement::StepAside { epoch } => {
                self.roster.step_aside(node, epoch);
                self.roster_for(node)
            }
            Statement::ReadRoster => self.roster_for(node),
            Statement::LookUp { write, block } => {
                Reply::LookedUp { write, committed: self.committed.contains_key(&block) }
            }
            Statement::Mail { to, block, scope } => {
                self.mail.entry((to, block)).or_insert(Letter { scope, answered: None });
                return None;
            }
            Statement::AnswerMail { epoch, blocks } => {
                self.answer_mail(node, epoch, &blocks);
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

    /// Commits a change of `keys`, if the requirements hold.
    pub(crate) fn commit(
        &mut self,
        write: WriteId,
        requirements: &Requirements,
        keys: &[Key],
    ) -> Reply {
        if requirements.check(&self.roster, self.instance).is_err() {
            let roster = self.roster.clone();
            return Reply::Refused { write, roster, server: self.instance };
        }
        let block = requirements.block;
        let versions = keys.iter().map(|&key| {
            self.keys[key].push(block);
            (key, self.keys[key].len())
        });
        let versions = versions.collect();
        self.committed.insert(block, versions);
        Reply::Committed(write)
    }

    pub(crate) fn is_deposed(&self) -> bool {
        self.deposed
    }

    fn answer_mail(&mut self, node: NodeId, epoch: Epoch, blocks: &[BlockId]) {
        for &block in blocks {
            if let Some(letter) = self.mail.get_mut(&(node, block)) {
                letter.answered = Some(epoch);
            }
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

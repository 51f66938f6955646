//! The database of the model: one key beside what the protocol keeps there.

use larder_coherence::{BlockId, Instance, NodeId, Reply, Statement};

use crate::keeper::Keeper;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    keeper: Keeper,
    /// The attempts that were committed; each made a version of the key.
    committed: Vec<BlockId>,
}

/// The version of the key before any write.
pub(crate) const FIRST: usize = 1;

impl Database {
    pub(crate) fn new() -> Self {
        Self { keeper: Keeper::new(), committed: Vec::new() }
    }

    /// A standby that has all of this takes over.
    pub(crate) fn take_over(&mut self) {
        self.keeper.server = Instance(2);
    }

    /// What is left behind answers reads.
    pub(crate) fn depose(mut self) -> Self {
        self.keeper.is_deposed = true;
        self
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

    /// Does what `node` asks, and what it says to that, if anything.
    pub(crate) fn perform(&mut self, node: NodeId, statement: Statement) -> Option<Reply> {
        let Self { keeper, committed } = self;
        match statement {
            Statement::Commit { write, requirements } if !keeper.is_deposed => {
                Some(keeper.commit(write, &requirements, |block| committed.push(block)))
            }
            _ => keeper.perform(node, statement, None, |block| committed.contains(&block)),
        }
    }
}

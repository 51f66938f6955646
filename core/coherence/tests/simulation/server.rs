//! One server of the database: the keys' versions beside what the protocol
//! keeps there. Never loses or delays anything: the way here does.

use std::collections::BTreeMap;

use larder_coherence::{BlockId, Instance, NodeId, Reply, Requirements, Statement, Time, WriteId};

use crate::clock::Clock;
use crate::keeper::Keeper;
use crate::queue::Key;

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) clock: Clock,
    /// Until when it answers nobody.
    pub(crate) down_until: u64,
    keeper: Keeper,
    /// For each key the attempts that wrote it; a version is how many.
    keys: Vec<Vec<BlockId>>,
    committed: BTreeMap<BlockId, Vec<(Key, usize)>>,
}

impl Server {
    pub(crate) fn new(keys: usize, clock: Clock) -> Self {
        Self {
            clock,
            down_until: 0,
            keeper: Keeper::new(),
            keys: vec![Vec::new(); keys],
            committed: BTreeMap::new(),
        }
    }

    pub(crate) fn instance(&self) -> Instance {
        self.keeper.server
    }

    /// It starts anew, or its standby takes over.
    pub(crate) fn begin_instance(&mut self, instance: Instance) {
        self.keeper.server = instance;
    }

    /// From now on it confirms no change.
    pub(crate) fn depose(&mut self) {
        self.keeper.is_deposed = true;
    }

    pub(crate) fn is_deposed(&self) -> bool {
        self.keeper.is_deposed
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
        let Self { keeper, committed, .. } = self;
        keeper.perform(node, statement, Some(clock), |block| committed.contains_key(&block))
    }

    /// Commits a change of `keys`, if the requirements hold.
    pub(crate) fn commit(
        &mut self,
        write: WriteId,
        requirements: &Requirements,
        keys: &[Key],
    ) -> Reply {
        let Self { keeper, keys: stored, committed, .. } = self;
        keeper.commit(write, requirements, |block| {
            let versions = keys.iter().map(|&key| {
                stored[key].push(block);
                (key, stored[key].len())
            });
            committed.insert(block, versions.collect());
        })
    }
}

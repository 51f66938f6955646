//! The slots: for each share of the groups, how many writes it has seen and
//! whether one is under way. What was loaded in one state of its slot is good
//! as long as the slot is in that state. Never touches the cache.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use larder_coherence::{Epoch, Token};

use crate::sync::{AtomicU64, Mutex, Ordering};

/// How many slots. Groups that share one keep each other's loads from being
/// kept during a write, and drop each other's parts (not the things
/// themselves), so there are many more than writes at one time.
pub(crate) const SLOTS: usize = 65_536;

/// What a write is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Some groups.
    Groups(Vec<Vec<u8>>),
    /// Everything.
    All,
}

impl Scope {
    /// One group.
    pub fn group(group: impl Into<Vec<u8>>) -> Self {
        Self::Groups(vec![group.into()])
    }
}

/// The only epoch of a node that is alone.
const EPOCH: Epoch = Epoch(0);

/// All slots.
pub(crate) struct Slots {
    slots: Box<[Slot]>,
    hasher: FixedState,
}

#[derive(Default)]
pub(crate) struct Slot {
    /// Writes that have begun. Changed only under the lock.
    generation: AtomicU64,
    /// Writes under way.
    blocks: Mutex<u32>,
}

impl Slot {
    /// Whether nothing was written since `token` was taken.
    pub(crate) fn stands(&self, token: Token) -> bool {
        self.generation.load(Ordering::Acquire) == token.generation
    }

    /// The state of the slot, or `None` while a write is under way.
    pub(crate) fn token(&self) -> Option<Token> {
        let blocks = self.blocks.lock();
        let generation = self.generation.load(Ordering::Acquire);
        (*blocks == 0).then_some(Token { generation, epoch: EPOCH })
    }

    /// Calls `with` with whether nothing was written since `token` was taken,
    /// and lets no write begin meanwhile.
    pub(crate) fn if_stands(&self, token: Token, with: impl FnOnce(bool)) {
        let _blocks = self.blocks.lock();
        // While a write is under way the generation is no token's: blocking
        // moved it on, and no token is given out before the release.
        with(self.stands(token));
    }

    fn block(&self) {
        let mut blocks = self.blocks.lock();
        *blocks += 1;
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn release(&self) {
        *self.blocks.lock() -= 1;
    }
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        let slots = (0..count).map(|_| Slot::default()).collect();
        Self { slots, hasher: FixedState::default() }
    }

    /// The slot of a group.
    pub(crate) fn of(&self, group: &[u8]) -> &Slot {
        &self.slots[self.hasher.hash_one(group) as usize % self.slots.len()]
    }

    /// Blocks what a write is about, until as many releases.
    pub(crate) fn block(&self, scope: &Scope) {
        self.in_scope(scope).for_each(Slot::block);
    }

    /// Ends a block.
    pub(crate) fn release(&self, scope: &Scope) {
        self.in_scope(scope).for_each(Slot::release);
    }

    fn in_scope<'s>(&'s self, scope: &'s Scope) -> impl Iterator<Item = &'s Slot> {
        let (groups, all): (&[Vec<u8>], &[Slot]) = match scope {
            Scope::Groups(groups) => (groups, &[]),
            Scope::All => (&[], &self.slots),
        };
        groups.iter().map(|group| self.of(group)).chain(all)
    }
}

//! The slots: for each share of the keys, how many writes it has seen and
//! whether one is under way, here or on another node. What was loaded in one
//! state of its slot is good as long as the slot is in that state. Holds no
//! entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BlockId, Epoch, Slot};

/// What a write is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// The keys of some slots, each named once.
    Slots(Vec<Slot>),
    /// Every key.
    All,
}

/// The state of a slot when a load began: what is loaded under it may be kept
/// if the slot is still in that state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// How many writes the slot had seen.
    pub generation: u64,
    /// The epoch, which the entry keeps.
    pub epoch: Epoch,
}

/// A slot as it was right after a write of this node blocked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) slot: Slot,
    pub(crate) generation: u64,
    /// Whether no other block stood.
    pub(crate) solo: bool,
}

/// All slots of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slots {
    slots: Vec<State>,
    /// What concerns every slot.
    all: State,
    blocks: BTreeMap<BlockId, Scope>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    generation: u64,
    /// Blocks that stand.
    blocks: u32,
}

impl Slots {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            slots: vec![State::default(); slots as usize],
            all: State::default(),
            blocks: BTreeMap::new(),
        }
    }

    /// Blocks a scope; `false` if that block stands already.
    pub(crate) fn block(&mut self, id: BlockId, scope: &Scope) -> bool {
        if self.blocks.contains_key(&id) {
            return false;
        }
        self.blocks.insert(id, scope.clone());
        self.change(scope, |state| {
            state.generation += 1;
            state.blocks += 1;
        });
        true
    }

    /// Blocks a scope for a write of this node.
    pub(crate) fn hold(&mut self, id: BlockId, scope: &Scope) -> Vec<Held> {
        let named = match scope {
            Scope::Slots(slots) => slots.as_slice(),
            // Nobody writes every key through to memory.
            Scope::All => &[],
        };
        let solo: Vec<bool> = named.iter().map(|&slot| self.is_free(slot)).collect();
        self.block(id, scope);
        named
            .iter()
            .zip(solo)
            .map(|(&slot, solo)| Held { slot, generation: self.generation(slot), solo })
            .collect()
    }

    /// Whether all slots of a scope exist: a peer may be set up otherwise.
    pub(crate) fn contain(&self, scope: &Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Slots(named) => named.iter().all(|slot| (slot.0 as usize) < self.slots.len()),
        }
    }

    /// Whether the write that holds a slot is the only one it has seen since.
    pub(crate) fn is_held(&self, held: Held) -> bool {
        self.generation(held.slot) == held.generation && self.standing(held.slot) == 1
    }

    /// Ends a block; none such is none to end.
    pub(crate) fn release(&mut self, id: BlockId) {
        if let Some(scope) = self.blocks.remove(&id) {
            self.change(&scope, |state| state.blocks -= 1);
        }
    }

    /// Ends the blocks for which `ended` says so.
    pub(crate) fn release_if(&mut self, ended: impl Fn(BlockId) -> bool) {
        let over: Vec<BlockId> = self.blocks.keys().copied().filter(|&id| ended(id)).collect();
        over.into_iter().for_each(|id| self.release(id));
    }

    /// Forgets all blocks and makes all tokens void: a new epoch begins.
    pub(crate) fn reset(&mut self) {
        self.blocks.clear();
        self.slots.iter_mut().for_each(|state| state.blocks = 0);
        self.all.blocks = 0;
        self.all.generation += 1;
    }

    /// How many writes a slot has seen.
    pub(crate) fn generation(&self, slot: Slot) -> u64 {
        // Both parts only grow, so equal sums are equal parts.
        self.slots[slot.0 as usize].generation + self.all.generation
    }

    /// Whether no block stands.
    pub(crate) fn is_free(&self, slot: Slot) -> bool {
        self.standing(slot) == 0
    }

    fn standing(&self, slot: Slot) -> u32 {
        self.slots[slot.0 as usize].blocks + self.all.blocks
    }

    fn change(&mut self, scope: &Scope, change: impl Fn(&mut State)) {
        match scope {
            Scope::All => change(&mut self.all),
            Scope::Slots(named) => {
                named.iter().for_each(|slot| change(&mut self.slots[slot.0 as usize]));
            }
        }
    }
}

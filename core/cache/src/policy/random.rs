//! Random replacement: every entry is as likely to go. It never records use,
//! and the same seed makes the same choices.
//!
//! Source: folklore, studied by Belady, "A study of replacement algorithms for
//! a virtual-storage computer", IBM Systems Journal 5(2), 1966. The generator
//! is SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014. The range reduction is Lemire, "Fast random
//! integer generation in an interval", 2019, without its rejection step: the
//! bias is below 2^-32 for a shard's count of entries.

use super::{Item, Items, Policy, Slot};
use crate::growing::Growing;

/// The entries in any order, and where each stands in it.
pub(crate) struct Random {
    slots: Growing<Slot>,
    len: u32,
    places: Growing<u32>,
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { slots: Growing::default(), len: 0, places: Growing::default(), state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Policy for Random {
    fn insert(&mut self, slot: Slot, _item: Item, _items: &dyn Items) {
        self.reach(slot);
        self.places[slot] = self.len;
        self.slots[self.len] = slot;
        self.len += 1;
    }

    #[inline(always)]
    fn hit(&self, _slot: Slot) {}

    fn reach(&mut self, slot: Slot) {
        self.slots.reach(slot);
        self.places.reach(slot);
    }

    fn remove(&mut self, slot: Slot, _items: &dyn Items) {
        let place = self.places[slot];
        self.len -= 1;
        let moved = self.slots[self.len];
        self.slots[place] = moved;
        self.places[moved] = place;
    }

    fn evict(&mut self, items: &dyn Items) -> Option<Slot> {
        if self.len == 0 {
            return None;
        }
        // The upper half of the product is below `len`.
        let place = (u128::from(self.next()) * u128::from(self.len)) >> 64;
        let slot = self.slots[place as u32];
        self.remove(slot, items);
        Some(slot)
    }

    fn ranked(&self) -> Vec<Slot> {
        (0..self.len).map(|place| self.slots[place]).collect()
    }
}

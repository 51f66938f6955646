//! Least recently used: exact, by the number of each entry's last use. A hit
//! writes that number down and moves nothing; the order is made up for when
//! somebody has to go.
//!
//! Source: Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques for
//! storage hierarchies", IBM Systems Journal 9(2), 1970. There the stack is
//! kept in order at every use; here a heap is brought up to date where an
//! eviction looks at it, which gives the same victims.

use std::sync::atomic::{AtomicU64, Ordering};

use super::heap::{self, Heap};
use super::{Item, Items, Policy, Slot};
use crate::growing::Growing;
use crate::processor::prefetch;

/// The stamp of an entry, and its place in the heap.
pub(super) const BYTES_PER_ENTRY: usize = size_of::<AtomicU64>() + heap::BYTES_PER_SLOT;

/// The entries by last use.
pub(crate) struct Lru {
    /// The number of the last use so far. It doesn't run out: 64 bits count a
    /// billion uses per second for five centuries.
    clock: AtomicU64,
    stamps: Growing<AtomicU64>,
    heap: Heap,
}

impl Lru {
    pub(super) fn new(_seed: u64) -> Self {
        Self { clock: AtomicU64::new(0), stamps: Growing::default(), heap: Heap::default() }
    }
}

impl Policy for Lru {
    fn insert(&mut self, slot: Slot, _item: Item, _items: &dyn Items) {
        self.reach(slot);
        let clock = self.clock.get_mut();
        *clock += 1;
        *self.stamps[slot].get_mut() = *clock;
        self.heap.push(slot, *clock);
    }

    /// Two hits at once on one entry may leave the older of their stamps: no
    /// order between them was ever promised.
    #[inline(always)]
    fn hit(&self, slot: Slot) {
        let stamp = &self.stamps[slot];
        // The newest can't get newer; a hot key is spared the writes.
        if stamp.load(Ordering::Relaxed) != self.clock.load(Ordering::Relaxed) {
            let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
            stamp.store(now, Ordering::Relaxed);
        }
    }

    fn prefetch(&self, slot: Slot) {
        prefetch(&self.stamps[slot]);
    }

    fn reach(&mut self, slot: Slot) {
        self.stamps.reach(slot);
        self.heap.reach(slot);
    }

    fn remove(&mut self, slot: Slot, _items: &dyn Items) {
        self.heap.remove(slot);
    }

    fn evict(&mut self, _items: &dyn Items) -> Option<Slot> {
        let stamps = &self.stamps;
        let popped = self.heap.pop(|slot| stamps[slot].load(Ordering::Relaxed));
        popped.map(|(slot, _)| slot)
    }

    fn ranked(&self) -> Vec<Slot> {
        self.heap.slots().collect()
    }
}

//! CLOCK with a 2-bit counter: the oldest goes unless it was used; each use,
//! up to three, buys another round. A hit never moves anything.
//!
//! Source: Corbató, "A paging experiment with the Multics system", 1968 (one
//! bit); Smith, "Sequentiality and prefetching in database systems", ACM TODS
//! 3(3), 1978 (a counter). The moving hand is a queue whose oldest goes back
//! to the end, which gives the same victims.
//!
//! Published ratios for just "CLOCK" are those of one bit, libCacheSim's
//! default; two bits hit up to 1.3 points more often on the traces in hand. So
//! the limit is a parameter, and one bit can be held against those tables.

use std::sync::atomic::{AtomicU8, Ordering};

use super::list::{Links, Queue};
use super::{Item, Items, MOST_PASSED, Policy, Slot};
use crate::growing::Growing;
use crate::processor::prefetch;

/// The queue by arrival or last round, and the uses since, up to the most that
/// the bits can count to: three for two bits.
pub(crate) struct Clock<const MOST_USES: u8 = 3> {
    links: Links,
    queue: Queue,
    uses: Growing<AtomicU8>,
}

impl<const MOST_USES: u8> Clock<MOST_USES> {
    pub(super) fn new(_seed: u64) -> Self {
        Self { links: Links::default(), queue: Queue::default(), uses: Growing::default() }
    }
}

impl<const MOST_USES: u8> Policy for Clock<MOST_USES> {
    fn insert(&mut self, slot: Slot, _item: Item, _items: &dyn Items) {
        self.reach(slot);
        *self.uses[slot].get_mut() = 0;
        self.queue.push(&mut self.links, slot);
    }

    fn adopt(&mut self, slot: Slot, item: Item, uses: u32, items: &dyn Items) {
        self.insert(slot, item, items);
        *self.uses[slot].get_mut() = (uses.max(1) - 1).min(MOST_USES.into()) as u8;
    }

    /// Two hits at once may count as one: worth it for a plain store.
    #[inline(always)]
    fn hit(&self, slot: Slot) {
        let uses = &self.uses[slot];
        let count = uses.load(Ordering::Relaxed);
        if count < MOST_USES {
            uses.store(count + 1, Ordering::Relaxed);
        }
    }

    fn prefetch(&self, slot: Slot) {
        prefetch(&self.uses[slot]);
    }

    fn reach(&mut self, slot: Slot) {
        self.links.reach(slot);
        self.uses.reach(slot);
    }

    fn remove(&mut self, slot: Slot, _items: &dyn Items) {
        self.queue.remove(&mut self.links, slot);
    }

    fn evict(&mut self, _items: &dyn Items) -> Option<Slot> {
        for _ in 0..MOST_PASSED {
            let slot = self.queue.pop(&mut self.links)?;
            let uses = self.uses[slot].get_mut();
            if *uses == 0 {
                return Some(slot);
            }
            *uses -= 1;
            self.queue.push(&mut self.links, slot);
        }
        self.queue.pop(&mut self.links)
    }

    fn ranked(&self) -> Vec<Slot> {
        self.queue.iter(&self.links).collect()
    }
}

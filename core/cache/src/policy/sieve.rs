//! SIEVE: a hand passes from the oldest to the newest and takes the first
//! entry not used since it last came by. Survivors never move.
//!
//! Source: Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is simpler than LRU:
//! an efficient turn-key eviction algorithm for web caches", NSDI 2024,
//! algorithm 1.

use std::sync::atomic::{AtomicBool, Ordering};

use super::list::{Links, Queue};
use super::{Item, Items, MOST_PASSED, Policy, Slot};
use crate::growing::Growing;
use crate::processor::prefetch;

/// The queue by arrival, the marks and the hand.
pub(crate) struct Sieve {
    links: Links,
    queue: Queue,
    visited: Growing<AtomicBool>,
    /// Where the next search begins; `None` is the oldest.
    hand: Option<Slot>,
}

impl Sieve {
    pub(super) fn new(_seed: u64) -> Self {
        Self {
            links: Links::default(),
            queue: Queue::default(),
            visited: Growing::default(),
            hand: None,
        }
    }
}

impl Policy for Sieve {
    fn insert(&mut self, slot: Slot, _item: Item, _items: &dyn Items) {
        self.reach(slot);
        *self.visited[slot].get_mut() = false;
        self.queue.push(&mut self.links, slot);
    }

    fn adopt(&mut self, slot: Slot, item: Item, uses: u32, items: &dyn Items) {
        self.insert(slot, item, items);
        *self.visited[slot].get_mut() = uses > 1;
    }

    #[inline(always)]
    fn hit(&self, slot: Slot) {
        self.visited[slot].store(true, Ordering::Relaxed);
    }

    fn prefetch(&self, slot: Slot) {
        prefetch(&self.visited[slot]);
    }

    fn reach(&mut self, slot: Slot) {
        self.links.reach(slot);
        self.visited.reach(slot);
    }

    fn remove(&mut self, slot: Slot, _items: &dyn Items) {
        if self.hand == Some(slot) {
            self.hand = self.links.newer(slot);
        }
        self.queue.remove(&mut self.links, slot);
    }

    fn evict(&mut self, _items: &dyn Items) -> Option<Slot> {
        let mut slot = self.hand.or(self.queue.oldest())?;
        for _ in 0..MOST_PASSED {
            if !std::mem::take(self.visited[slot].get_mut()) {
                break;
            }
            // Past the newest the hand begins again at the oldest.
            slot = self.links.newer(slot).or(self.queue.oldest())?;
        }
        self.hand = self.links.newer(slot);
        self.queue.remove(&mut self.links, slot);
        Some(slot)
    }

    fn ranked(&self) -> Vec<Slot> {
        self.queue.iter(&self.links).collect()
    }
}

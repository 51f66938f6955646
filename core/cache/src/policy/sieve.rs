//! SIEVE: a hand passes from the oldest to the newest and takes the first
//! entry not used since it last came by. Survivors never move.
//!
//! Source: Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is simpler than LRU:
//! an efficient turn-key eviction algorithm for web caches", NSDI 2024,
//! algorithm 1.

use std::sync::atomic::{AtomicBool, Ordering};

use super::list::{Links, Queue};
use super::{Policy, Slot, reach};

/// The queue by arrival, the marks and the hand.
pub(super) struct Sieve {
    links: Links,
    queue: Queue,
    visited: Vec<AtomicBool>,
    /// Where the next search begins; `None` is the oldest.
    hand: Option<Slot>,
}

impl Sieve {
    pub(super) fn new(_seed: u64) -> Self {
        Self { links: Links::default(), queue: Queue::default(), visited: Vec::new(), hand: None }
    }
}

impl Policy for Sieve {
    fn insert(&mut self, slot: Slot, _weight: u64, _fingerprint: u64) {
        reach(&mut self.visited, slot);
        *self.visited[slot as usize].get_mut() = false;
        self.queue.push(&mut self.links, slot);
    }

    fn hit(&self, slot: Slot) {
        self.visited[slot as usize].store(true, Ordering::Relaxed);
    }

    fn remove(&mut self, slot: Slot) {
        if self.hand == Some(slot) {
            self.hand = self.links.newer(slot);
        }
        self.queue.remove(&mut self.links, slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        let mut slot = self.hand.or(self.queue.oldest())?;
        while *self.visited[slot as usize].get_mut() {
            *self.visited[slot as usize].get_mut() = false;
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

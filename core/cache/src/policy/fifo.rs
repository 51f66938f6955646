//! First in, first out. Hits never matter.
//!
//! Source: folklore; the baseline of Belady, "A study of replacement
//! algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966.

use super::list::{Links, Queue};
use super::{Item, Items, Policy, Slot};

/// The queue by arrival.
pub(crate) struct Fifo {
    links: Links,
    queue: Queue,
}

impl Fifo {
    pub(super) fn new(_seed: u64) -> Self {
        Self { links: Links::default(), queue: Queue::default() }
    }
}

impl Policy for Fifo {
    fn insert(&mut self, slot: Slot, _item: Item, _items: &dyn Items) {
        self.reach(slot);
        self.queue.push(&mut self.links, slot);
    }

    #[inline(always)]
    fn hit(&self, _slot: Slot) {}

    fn reach(&mut self, slot: Slot) {
        self.links.reach(slot);
    }

    fn remove(&mut self, slot: Slot, _items: &dyn Items) {
        self.queue.remove(&mut self.links, slot);
    }

    fn evict(&mut self, _items: &dyn Items) -> Option<Slot> {
        self.queue.pop(&mut self.links)
    }

    fn ranked(&self) -> Vec<Slot> {
        self.queue.iter(&self.links).collect()
    }
}

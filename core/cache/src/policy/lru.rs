//! Least recently used: an exact queue by last use. Its hits are never free:
//! each moves the entry, under the policy's own small lock.
//!
//! Source: Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques for
//! storage hierarchies", IBM Systems Journal 9(2), 1970.

use parking_lot::Mutex;

use super::list::{Links, Queue};
use super::{Item, Policy, Slot};

#[derive(Default)]
struct Order {
    links: Links,
    queue: Queue,
}

/// The queue by last use.
pub(crate) struct Lru(Mutex<Order>);

impl Lru {
    pub(super) fn new(_seed: u64) -> Self {
        Self(Mutex::default())
    }
}

impl Policy for Lru {
    fn insert(&mut self, slot: Slot, _item: Item) {
        let Order { links, queue } = self.0.get_mut();
        queue.push(links, slot);
    }

    fn hit(&self, slot: Slot) {
        let Order { links, queue } = &mut *self.0.lock();
        // The newest can't get newer; a hot key is spared the writes.
        if links.newer(slot).is_some() {
            queue.remove(links, slot);
            queue.push(links, slot);
        }
    }

    fn remove(&mut self, slot: Slot) {
        let Order { links, queue } = self.0.get_mut();
        queue.remove(links, slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        let Order { links, queue } = self.0.get_mut();
        queue.pop(links)
    }

    fn ranked(&self) -> Vec<Slot> {
        let Order { links, queue } = &*self.0.lock();
        queue.iter(links).collect()
    }
}

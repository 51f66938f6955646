//! A min-heap of slots by a key that only grows, repaired when it is asked: a
//! hit leaves its entry's new key where the policy keeps it, and the heap
//! takes it over once the entry comes up. It never reads keys on its own and
//! never moves anything between calls that evict, add or remove.
//!
//! That is exact but for the bound on repairs in one go: what it has queued is
//! at most what is current, so the root whose two keys agree is the least of
//! all. Each repair is paid for by at
//! least one hit since the last. Four children per node, because the way down
//! is what costs: a 4-ary heap has half the levels, and its siblings share a
//! cache line (LaMarca and Ladner, "The influence of caches on the performance
//! of heaps", ACM JEA 1, 1996). Ties go to the lower slot, so that the order
//! is total and a model can follow it.

use super::Slot;
use crate::growing::Growing;

const CHILDREN: u32 = 4;

/// Repairs in one go: readers wait for them, some tenths of a millisecond. It
/// matters where more entries than this come up that were used since they were
/// last looked at; 512 cost GDSF five points of hit ratio on loops.
const MOST_REPAIRS: usize = 4096;

/// A slot and the key it is queued by, in halves so that a node takes twelve
/// bytes. The order of the fields is the order of nodes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    high: u32,
    low: u32,
    slot: Slot,
}

impl Node {
    fn new(key: u64, slot: Slot) -> Self {
        Self { high: (key >> 32) as u32, low: key as u32, slot }
    }

    fn key(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// What the heap takes per slot: its node, and its place.
pub(super) const BYTES_PER_SLOT: usize = size_of::<Node>() + size_of::<u32>();

/// Slots, the least key first.
#[derive(Default)]
pub(super) struct Heap {
    nodes: Growing<Node>,
    places: Growing<u32>,
    len: u32,
}

impl Heap {
    /// Makes room for slots up to this one.
    pub(super) fn reach(&mut self, slot: Slot) {
        self.nodes.reach(slot);
        self.places.reach(slot);
    }

    /// Adds a slot that isn't in it and that it reaches.
    pub(super) fn push(&mut self, slot: Slot, key: u64) {
        let place = self.len;
        self.len += 1;
        self.rise(place, Node::new(key, slot));
    }

    /// Takes a slot out, which must be in it.
    pub(super) fn remove(&mut self, slot: Slot) {
        let place = self.places[slot];
        self.len -= 1;
        if place < self.len {
            let last = self.nodes[self.len];
            self.settle(place, last);
        }
    }

    /// Queues a slot, which must be in it, by another key: less or more.
    pub(super) fn update(&mut self, slot: Slot, key: u64) {
        self.settle(self.places[slot], Node::new(key, slot));
    }

    /// Takes out the slot with the least current key, and says that key: the
    /// least of those repaired, if more than [`MOST_REPAIRS`] would have to be.
    pub(super) fn pop(&mut self, current: impl Fn(Slot) -> u64) -> Option<(Slot, u64)> {
        if self.len == 0 {
            return None;
        }
        let mut least = Node { high: u32::MAX, low: u32::MAX, slot: 0 };
        for _ in 0..MOST_REPAIRS {
            let root = self.nodes[0];
            let node = Node::new(current(root.slot), root.slot);
            if node == root {
                least = root;
                break;
            }
            self.sink(0, node);
            least = least.min(node);
        }
        self.remove(least.slot);
        Some((least.slot, least.key()))
    }

    /// Replaces every key; the new ones must keep the order of the old ones.
    pub(super) fn rekey(&mut self, key: impl Fn(u64) -> u64) {
        for place in 0..self.len {
            let node = self.nodes[place];
            self.nodes[place] = Node::new(key(node.key()), node.slot);
        }
    }

    /// All slots, in any order.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        (0..self.len).map(|place| self.nodes[place].slot)
    }

    /// Puts a node into a free place or further up or down.
    fn settle(&mut self, place: u32, node: Node) {
        if place > 0 && node < self.nodes[(place - 1) / CHILDREN] {
            self.rise(place, node);
        } else {
            self.sink(place, node);
        }
    }

    fn rise(&mut self, mut place: u32, node: Node) {
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            let above = self.nodes[parent];
            if above <= node {
                break;
            }
            self.put(place, above);
            place = parent;
        }
        self.put(place, node);
    }

    fn sink(&mut self, mut place: u32, node: Node) {
        loop {
            // In 64 bits: with 2^30 entries the last child's place needs them.
            let first = u64::from(place) * u64::from(CHILDREN) + 1;
            let end = (first + u64::from(CHILDREN)).min(u64::from(self.len));
            let children = (first..end).map(|child| child as u32);
            let Some(child) = children.min_by_key(|&child| self.nodes[child]) else {
                break;
            };
            let below = self.nodes[child];
            if node <= below {
                break;
            }
            self.put(place, below);
            place = child;
        }
        self.put(place, node);
    }

    fn put(&mut self, place: u32, node: Node) {
        self.nodes[place] = node;
        self.places[node.slot] = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough for five levels: keys that grow behind its back, slots taken out
    /// and updated, against a search through all.
    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn the_least_current_key_comes_first() {
        let mut heap = Heap::default();
        let mut keys: Vec<Option<u64>> = vec![None; 500];
        heap.reach(keys.len() as Slot);
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let slot = (state >> 40) as usize % keys.len();
            let chance = state >> 33 & 7;
            match keys[slot] {
                None => {
                    let key = (state >> 50) << 30;
                    keys[slot] = Some(key);
                    heap.push(slot as Slot, key);
                }
                Some(key) if chance < 4 => keys[slot] = Some(key + (state >> 60) * 1_000_000),
                Some(_) if chance < 5 => {
                    keys[slot] = None;
                    heap.remove(slot as Slot);
                }
                Some(key) if chance < 6 => {
                    keys[slot] = Some(key / 2);
                    heap.update(slot as Slot, key / 2);
                }
                Some(_) => {
                    let all = (0..).zip(&keys).filter_map(|(slot, key)| Some(((*key)?, slot)));
                    let least = all.min().map(|(key, slot)| (slot, key));
                    let popped = heap.pop(|slot| keys[slot as usize].expect("it is in the heap"));
                    assert_eq!(popped, least);
                    let (slot, _) = popped.expect("there is one at least");
                    keys[slot as usize] = None;
                }
            }
            assert_eq!(heap.slots().count(), keys.iter().flatten().count());
        }
    }
}

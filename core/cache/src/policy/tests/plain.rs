//! Models of LRU, FIFO, CLOCK, SIEVE and GDSF, and of what others remember.

use super::Model;
use crate::policy::{Item, Slot};

fn place(queue: &[Slot], slot: Slot) -> usize {
    let found = queue.iter().position(|&other| other == slot);
    found.expect("the test names slots in use")
}

/// The keys that left last, by the number of their departure.
#[derive(Default)]
pub(super) struct Ghosts {
    keys: Vec<(u32, usize)>,
    departures: usize,
    reach: usize,
    back: f64,
}

impl Ghosts {
    pub(super) fn add(&mut self, key: u32, most: usize) {
        self.keys.retain(|&(other, _)| other != key);
        self.departures += 1;
        self.keys.push((key, self.departures));
        self.back -= self.back / 1024.0;
        self.reach = (most as f64 / (1.0 - self.back.min(0.75))) as usize;
    }

    pub(super) fn take(&mut self, key: u32) -> bool {
        let (last, reach) = (self.departures, self.reach);
        let found = self.keys.iter().any(|&(other, number)| other == key && last - number < reach);
        self.keys.retain(|&(other, _)| other != key);
        self.back += if found { 1.0 / 1024.0 } else { 0.0 };
        found
    }
}

pub(super) struct Queue {
    pub(super) slots: Vec<Slot>,
    pub(super) moves_on_hit: bool,
}

impl Model for Queue {
    fn insert(&mut self, slot: Slot, _item: Item) {
        self.slots.push(slot);
    }

    fn hit(&mut self, slot: Slot) {
        if self.moves_on_hit {
            self.remove(slot);
            self.slots.push(slot);
        }
    }

    fn remove(&mut self, slot: Slot) {
        self.slots.remove(place(&self.slots, slot));
    }

    fn evict(&mut self) -> Option<Slot> {
        (!self.slots.is_empty()).then(|| self.slots.remove(0))
    }
}

/// A real ring with a real hand; newcomers stand right behind it.
pub(super) struct Ring {
    most_uses: u8,
    slots: Vec<Slot>,
    uses: Vec<u8>,
    hand: usize,
}

impl Ring {
    pub(super) fn new(most_uses: u8) -> Self {
        Self { most_uses, slots: Vec::new(), uses: Vec::new(), hand: 0 }
    }
}

impl Model for Ring {
    fn insert(&mut self, slot: Slot, _item: Item) {
        self.slots.insert(self.hand, slot);
        self.uses.insert(self.hand, 0);
        self.hand = (self.hand + 1) % self.slots.len();
    }

    fn hit(&mut self, slot: Slot) {
        let place = place(&self.slots, slot);
        self.uses[place] = self.most_uses.min(self.uses[place] + 1);
    }

    fn remove(&mut self, slot: Slot) {
        let place = place(&self.slots, slot);
        self.slots.remove(place);
        self.uses.remove(place);
        if place < self.hand {
            self.hand -= 1;
        }
        self.hand %= self.slots.len().max(1);
    }

    fn evict(&mut self) -> Option<Slot> {
        if self.slots.is_empty() {
            return None;
        }
        while self.uses[self.hand] > 0 {
            self.uses[self.hand] -= 1;
            self.hand = (self.hand + 1) % self.slots.len();
        }
        let slot = self.slots[self.hand];
        self.remove(slot);
        Some(slot)
    }
}

/// Algorithm 1 of the SIEVE paper, the hand being a place in the queue.
#[derive(Default)]
pub(super) struct Sieve {
    slots: Vec<Slot>,
    visited: Vec<Slot>,
    hand: usize,
}

impl Model for Sieve {
    fn insert(&mut self, slot: Slot, _item: Item) {
        self.slots.push(slot);
        // A hand that had passed the newest starts over at the oldest, even
        // if somebody newer has come since.
        if self.hand == self.slots.len() - 1 {
            self.hand = 0;
        }
    }

    fn hit(&mut self, slot: Slot) {
        self.visited.push(slot);
    }

    fn remove(&mut self, slot: Slot) {
        let place = place(&self.slots, slot);
        self.slots.remove(place);
        self.visited.retain(|&other| other != slot);
        if place < self.hand {
            self.hand -= 1;
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        if self.slots.is_empty() {
            return None;
        }
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = self.slots[self.hand];
            if !self.visited.contains(&slot) {
                self.remove(slot);
                return Some(slot);
            }
            self.visited.retain(|&other| other != slot);
            self.hand += 1;
        }
    }
}

struct Greedy {
    slot: Slot,
    density: f64,
    uses: f64,
    priority: f64,
}

/// The formula of the GDSF paper, and the hair by which `gdsf.rs` tells equals
/// apart.
#[derive(Default)]
pub(super) struct Gdsf {
    entries: Vec<Greedy>,
    level: f64,
}

impl Gdsf {
    fn rank(&mut self, slot: Slot, change: impl Fn(&mut Greedy)) {
        let level = self.level;
        let entry = self.entries.iter_mut().find(|entry| entry.slot == slot);
        let entry = entry.expect("the test names slots in use");
        change(entry);
        entry.priority = level + entry.uses * entry.density;
    }
}

impl Model for Gdsf {
    fn insert(&mut self, slot: Slot, item: Item) {
        self.level += f64::from(item.cost as f32 / item.weight as f32) / f64::from(1 << 30);
        self.entries.push(Greedy { slot, density: 0.0, uses: 1.0, priority: 0.0 });
        self.reweigh(slot, item);
    }

    fn hit(&mut self, slot: Slot) {
        self.rank(slot, |entry| entry.uses += 1.0);
    }

    fn remove(&mut self, slot: Slot) {
        self.entries.retain(|entry| entry.slot != slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        let order =
            |a: &&Greedy, b: &&Greedy| a.priority.total_cmp(&b.priority).then(a.slot.cmp(&b.slot));
        let &Greedy { slot, priority, .. } = self.entries.iter().min_by(order)?;
        self.level = self.level.max(priority);
        self.remove(slot);
        Some(slot)
    }

    fn reweigh(&mut self, slot: Slot, Item { weight, cost, .. }: Item) {
        let density = f64::from(cost as f32 / weight as f32);
        self.rank(slot, |entry| entry.density = density);
    }
}

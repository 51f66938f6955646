//! GreedyDual-Size-Frequency: the entry of least priority goes, which is what
//! its uses would cost per byte, on top of the level to which evictions have
//! raised the water. A hit writes an entry's new priority down and moves
//! nothing. It never compares costs of different objectives.
//!
//! Source: Cherkasova, "Improving WWW proxies performance with
//! Greedy-Dual-Size-Frequency caching policy", HP Labs HPL-98-69R1, 1998;
//! the level is Cao and Irani's, "Cost-aware WWW proxy caching algorithms",
//! USITS 1997. As there: priority = level + uses × cost / weight, and the level
//! becomes the victim's priority. Where the paper leaves room:
//!
//! - It names no victim among equals, and entries of one size are equals more
//!   often than not. Here each newcomer raises the level by a hair, 2^-30 of
//!   what one use of it is worth, so that of two equals the one used longer ago
//!   goes; among those that are equal even so, the lower slot.
//! - An ever-growing level would swallow what is added to it. Once it is 2^20
//!   times the most that any entry ever added, it is taken off all priorities:
//!   one pass, at most once in a million evictions, since no eviction raises
//!   the level by more than that most. So no less than 33 bits ever remain to
//!   tell additions apart.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::heap::{self, Heap};
use super::{Item, Items, Policy, Slot};
use crate::growing::Growing;
use crate::processor::prefetch;

/// By how much of a use's worth each newcomer ages the others.
const HAIR: f64 = 1.0 / (1u64 << 30) as f64;

/// How many times the most that was ever added the level may be.
const HIGHEST: f64 = (1u64 << 20) as f64;

/// The rank of an entry, and its place in the heap.
pub(super) const BYTES_PER_ENTRY: usize = size_of::<Rank>() + heap::BYTES_PER_SLOT;

/// What a hit reads and writes, within one cache line.
#[derive(Default)]
#[repr(align(16))]
struct Rank {
    /// Bits of an `f64` that isn't negative; their order is that of the number.
    priority: AtomicU64,
    /// Cost per byte.
    density: f32,
    uses: AtomicU32,
}

/// The entries by priority.
pub(crate) struct Gdsf {
    ranks: Growing<Rank>,
    heap: Heap,
    level: f64,
    /// The most that uses have added to the level.
    most_added: f64,
}

impl Gdsf {
    pub(super) fn new(_seed: u64) -> Self {
        Self { ranks: Growing::default(), heap: Heap::default(), level: 0.0, most_added: 0.0 }
    }

    fn priority(&self, density: f32, uses: u32) -> u64 {
        (self.level + f64::from(uses) * f64::from(density)).to_bits()
    }

    /// Raises the level to a victim's, and lowers everything if it is too high.
    fn raise(&mut self, priority: f64) {
        self.most_added = self.most_added.max(priority - self.level);
        self.level = self.level.max(priority);
        if self.level <= self.most_added * HIGHEST {
            return;
        }
        let level = std::mem::take(&mut self.level);
        let lowered = |bits: u64| (f64::from_bits(bits) - level).max(0.0).to_bits();
        self.heap.rekey(lowered);
        for slot in self.heap.slots() {
            let priority = self.ranks[slot].priority.get_mut();
            *priority = lowered(*priority);
        }
    }
}

impl Policy for Gdsf {
    fn insert(&mut self, slot: Slot, item: Item, items: &dyn Items) {
        self.adopt(slot, item, 1, items);
    }

    /// Two hits at once may count as one: worth it for plain stores.
    #[inline(always)]
    fn hit(&self, slot: Slot) {
        let Rank { priority, density, uses } = &self.ranks[slot];
        let count = uses.load(Ordering::Relaxed).saturating_add(1);
        uses.store(count, Ordering::Relaxed);
        priority.store(self.priority(*density, count), Ordering::Relaxed);
    }

    fn prefetch(&self, slot: Slot) {
        prefetch(&self.ranks[slot]);
    }

    fn reach(&mut self, slot: Slot) {
        self.ranks.reach(slot);
        self.heap.reach(slot);
    }

    fn remove(&mut self, slot: Slot, _items: &dyn Items) {
        self.heap.remove(slot);
    }

    fn evict(&mut self, _items: &dyn Items) -> Option<Slot> {
        let ranks = &self.ranks;
        let (slot, bits) = self.heap.pop(|slot| ranks[slot].priority.load(Ordering::Relaxed))?;
        self.raise(f64::from_bits(bits));
        Some(slot)
    }

    fn adopt(&mut self, slot: Slot, item: Item, uses: u32, _items: &dyn Items) {
        self.reach(slot);
        let density = density(item);
        self.most_added = self.most_added.max(f64::from(density));
        self.level += f64::from(density) * HAIR;
        let priority = self.priority(density, uses);
        self.ranks[slot] = Rank { priority: priority.into(), density, uses: uses.into() };
        self.heap.push(slot, priority);
    }

    fn uses(&self, slot: Slot, _items: &dyn Items) -> u32 {
        self.ranks[slot].uses.load(Ordering::Relaxed)
    }

    /// Ranks it anew, from the level of now, as if just used.
    fn reweigh(&mut self, slot: Slot, _old_weight: u32, item: Item) {
        let density = density(item);
        let uses = *self.ranks[slot].uses.get_mut();
        let priority = self.priority(density, uses);
        let rank = &mut self.ranks[slot];
        rank.density = density;
        *rank.priority.get_mut() = priority;
        self.heap.update(slot, priority);
    }

    fn ranked(&self) -> Vec<Slot> {
        self.heap.slots().collect()
    }
}

/// What an entry costs per byte.
fn density(Item { weight, cost, .. }: Item) -> f32 {
    cost as f32 / weight.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::Told;

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn a_level_that_is_too_high_is_taken_off_everything() {
        let item = |weight| Item { weight, cost: 1, fingerprint: 0 };
        let mut policy = Told::new(Gdsf::new(0));
        policy.insert(1, item(1));
        // Each takes the level up by one use.
        for round in 0..1 << 20 {
            assert!(policy.policy.level < 1.1 * f64::from(1 << 20));
            policy.insert(0, item(1));
            policy.hit(1);
            policy.hit(1);
            assert_eq!(policy.evict(), Some(0), "{round}");
        }
        policy.insert(0, item(1));
        assert_eq!(policy.evict(), Some(0));
        assert!(policy.policy.level < 10.0, "{}", policy.policy.level);
        // Slot 1 has two million uses on top.
        for slot in 2..6 {
            policy.insert(slot, item(slot));
        }
        let order: Vec<Slot> = std::iter::from_fn(|| policy.evict()).collect();
        assert_eq!(order, [5, 4, 3, 2, 1]);
    }
}

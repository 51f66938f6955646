//! A cache without values: what a policy and a capacity would have made of a
//! stream of requests. It runs the very policies that caches run, and never
//! locks.

use hashbrown::HashTable;

use crate::growing::Growing;
use crate::policy::{AnyPolicy, Item, Items, Policy, Slot};
use crate::{Objective, PolicyKind};

/// Entries that came in after an entry while it counts as young.
const YOUTH: u32 = 32;

/// Evicted keys that are remembered at most, a power of two.
const LEFT: usize = 256;

#[derive(Default)]
struct Place {
    hash: u64,
    weight: u32,
    /// Its number among those that came in, modulo 2^31, and [`USED`].
    birth: u32,
}

/// The bit of `birth` that says: hit at least once.
const USED: u32 = 1 << 31;

impl Place {
    fn is_young(&self, births: u32) -> bool {
        (births.wrapping_sub(self.birth) & !USED) <= YOUTH
    }
}

/// Evictions since they were last asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Evictions {
    pub(crate) all: u64,
    /// Those right after the entry came in, unused.
    pub(crate) young: u64,
    /// Keys that came back after so few evictions that the ghost would have
    /// held them, had it been larger by two square roots of its entries.
    pub(crate) near: u64,
}

/// The entries, for policies that ask.
#[derive(Default)]
struct Places {
    places: Growing<Place>,
    /// What loading costs, if that is the objective; else empty.
    costs: Growing<u32>,
    objective: Objective,
}

impl Places {
    fn put(&mut self, slot: Slot, place: Place, cost: u32) {
        self.places.reach(slot);
        self.places[slot] = place;
        self.set_cost(slot, cost);
    }

    fn set_cost(&mut self, slot: Slot, cost: u32) {
        if self.objective == Objective::Cost {
            self.costs.reach(slot);
            self.costs[slot] = cost;
        }
    }
}

impl Items for Places {
    fn item(&self, slot: Slot) -> Item {
        let Place { hash, weight, .. } = self.places[slot];
        let cost = if self.objective == Objective::Cost { self.costs[slot] } else { 1 };
        Item { weight, cost: self.objective.cost(weight, cost), fingerprint: hash as u32 }
    }

    fn weight(&self, slot: Slot) -> u32 {
        self.places[slot].weight
    }
}

/// A cache without values: keys by their hash, and what they weigh.
///
/// It weighs what it is told and adds no overhead; one shard, one exact order.
pub struct Ghost {
    kind: PolicyKind,
    policy: AnyPolicy,
    index: HashTable<Slot>,
    places: Places,
    free: Vec<Slot>,
    next: Slot,
    used_bytes: u64,
    capacity_bytes: u64,
    seed: u64,
    births: u32,
    evictions: Evictions,
    /// Low halves of evicted keys, at the place that their lowest bits name,
    /// and how many had come in by then.
    left: Box<[(u32, u32); LEFT]>,
}

impl Ghost {
    /// An empty one. The seed is for policies that leave anything to chance.
    #[must_use]
    pub fn new(kind: PolicyKind, objective: Objective, capacity_bytes: u64, seed: u64) -> Self {
        Self {
            kind,
            policy: kind.build(seed),
            index: HashTable::new(),
            places: Places { objective, ..Places::default() },
            free: Vec::new(),
            next: 0,
            used_bytes: 0,
            capacity_bytes,
            seed,
            births: 0,
            evictions: Evictions::default(),
            left: Box::new([(0, 0); LEFT]),
        }
    }

    /// The policy in charge.
    #[must_use]
    pub fn policy(&self) -> PolicyKind {
        self.kind
    }

    /// The most that all entries may weigh, in bytes.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// What all entries weigh, in bytes.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Entries.
    #[must_use]
    pub fn items(&self) -> usize {
        self.index.len()
    }

    /// A read through the cache: true if it hits. On a miss the key comes in,
    /// unless it weighs more than the capacity. A weight that changed is
    /// taken over.
    ///
    /// `hash` stands for the key and must be well mixed; `cost` is what
    /// loading it costs, used under [`Objective::Cost`] only.
    pub fn request(&mut self, hash: u64, weight: u32, cost: u32) -> bool {
        let is_hit = self.hit(hash).is_some();
        self.insert(hash, weight, cost);
        is_hit
    }

    /// A read that loads nothing on a miss; `Some(weight)` if it hits.
    pub fn hit(&mut self, hash: u64) -> Option<u32> {
        self.hit_young(hash).map(|(weight, _)| weight)
    }

    /// As [`hit`](Self::hit), and whether this is the entry's first hit, right
    /// after it came in.
    pub(crate) fn hit_young(&mut self, hash: u64) -> Option<(u32, bool)> {
        let slot = self.find(hash)?;
        self.policy.hit(slot);
        let births = self.births;
        let place = &mut self.places.places[slot];
        let is_young = place.birth & USED == 0 && place.is_young(births);
        place.birth |= USED;
        Some((place.weight, is_young))
    }

    /// The evictions since the last call.
    pub(crate) fn take_evictions(&mut self) -> Evictions {
        std::mem::take(&mut self.evictions)
    }

    /// The end of a load, or a write: the key comes in if it isn't there, and
    /// takes over the weight. That is no use of the entry.
    pub fn insert(&mut self, hash: u64, weight: u32, cost: u32) {
        if u64::from(weight) > self.capacity_bytes {
            self.remove(hash);
            return;
        }
        if let Some(slot) = self.find(hash) {
            let old = std::mem::replace(&mut self.places.places[slot].weight, weight);
            if old != weight {
                self.used_bytes = self.used_bytes - u64::from(old) + u64::from(weight);
                self.places.set_cost(slot, cost);
                self.policy.reweigh(slot, old, self.places.item(slot));
                self.fit(self.capacity_bytes);
            }
            return;
        }
        self.evictions.near += u64::from(self.is_near(hash));
        self.fit(self.capacity_bytes - u64::from(weight));
        let slot = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.births = (self.births + 1) & !USED;
        self.places.put(slot, Place { hash, weight, birth: self.births }, cost);
        let places = &self.places.places;
        self.index.insert_unique(hash, slot, |&slot| places[slot].hash);
        self.policy.insert(slot, self.places.item(slot), &self.places);
        self.used_bytes += u64::from(weight);
    }

    /// The key goes because the caller says so; true if it was there.
    pub fn remove(&mut self, hash: u64) -> bool {
        let Some(slot) = self.find(hash) else {
            return false;
        };
        self.policy.remove(slot, &self.places);
        self.vacate(slot);
        true
    }

    /// The keys that `keep` refuses go, as by [`remove`](Self::remove).
    pub fn retain(&mut self, mut keep: impl FnMut(u64) -> bool) {
        let hashes = self.index.iter().map(|&slot| self.places.places[slot].hash);
        let dropped: Vec<u64> = hashes.filter(|&hash| !keep(hash)).collect();
        for hash in dropped {
            self.remove(hash);
        }
    }

    /// Every key goes.
    pub fn clear(&mut self) {
        *self = Self::new(self.kind, self.places.objective, self.capacity_bytes, self.seed);
    }

    /// Changes the capacity; evicts at once what no longer fits.
    pub fn resize(&mut self, capacity_bytes: u64) {
        self.capacity_bytes = capacity_bytes;
        self.fit(capacity_bytes);
    }

    /// Changes the policy and keeps the entries, coldest first, as
    /// [`Cache::reconfigure`](crate::Cache::reconfigure) does.
    pub fn switch(&mut self, kind: PolicyKind) {
        let mut policy = kind.build(self.seed);
        while let Some(slot) = self.policy.evict(&self.places) {
            let uses = self.policy.uses(slot, &self.places);
            policy.adopt(slot, self.places.item(slot), uses, &self.places);
        }
        self.policy = policy;
        self.kind = kind;
    }

    fn find(&self, hash: u64) -> Option<Slot> {
        self.index.find(hash, |&slot| self.places.places[slot].hash == hash).copied()
    }

    /// Whether a key was evicted only just now.
    fn is_near(&self, hash: u64) -> bool {
        let (key, births) = self.left[hash as usize % LEFT];
        let age = f64::from(self.births.wrapping_sub(births) & !USED);
        key == hash as u32 && age * age <= 4.0 * self.index.len() as f64
    }

    /// Evicts until no more than `bytes` are in use.
    fn fit(&mut self, bytes: u64) {
        while self.used_bytes > bytes {
            let slot = self.policy.evict(&self.places).expect("bytes in use belong to entries");
            let place = &self.places.places[slot];
            self.evictions.all += 1;
            self.left[place.hash as usize % LEFT] = (place.hash as u32, self.births);
            let is_unused = place.birth & USED == 0;
            self.evictions.young += u64::from(is_unused && place.is_young(self.births));
            self.vacate(slot);
        }
    }

    fn vacate(&mut self, slot: Slot) {
        let place = std::mem::take(&mut self.places.places[slot]);
        let indexed = self.index.find_entry(place.hash, |&other| other == slot);
        indexed.expect("every place taken is in the index").remove();
        self.used_bytes -= u64::from(place.weight);
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes that are as mixed as the index needs them.
    fn hash(key: u64) -> u64 {
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn ghost(kind: PolicyKind, capacity_bytes: u64) -> Ghost {
        Ghost::new(kind, Objective::Objects, capacity_bytes, 1)
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn it_hits_what_it_holds_and_never_holds_more_than_fits() {
        for &kind in PolicyKind::ALL {
            let mut ghost = ghost(kind, 100);
            assert!(!ghost.request(hash(1), 40, 1));
            assert!(ghost.request(hash(1), 40, 1), "{kind}");
            for key in 0..200 {
                ghost.request(hash(key), 1 + (key % 60) as u32, 1);
                assert!(ghost.used_bytes() <= 100, "{kind}");
            }
            assert!(ghost.items() > 0);
            ghost.request(hash(7), 101, 1);
            assert_eq!(ghost.hit(hash(7)), None, "{kind} keeps what can't fit");
            ghost.resize(0);
            assert_eq!((ghost.items(), ghost.used_bytes()), (0, 0), "{kind}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn a_switch_keeps_the_entries() {
        for &from in PolicyKind::ALL {
            for &to in PolicyKind::ALL {
                let mut ghost = ghost(from, 100);
                for key in 0..10 {
                    ghost.request(hash(key), 10, 1);
                }
                ghost.switch(to);
                assert_eq!((ghost.items(), ghost.policy()), (10, to));
                assert!((0..10).all(|key| ghost.hit(hash(key)) == Some(10)), "{from} to {to}");
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn a_switch_keeps_the_rank() {
        let ignores_use = [PolicyKind::Random, PolicyKind::Fifo];
        for &from in PolicyKind::ALL.iter().filter(|kind| !ignores_use.contains(kind)) {
            for &to in PolicyKind::ALL.iter().filter(|&&kind| kind != PolicyKind::Random) {
                let mut ghost = ghost(from, 100);
                (0..50).for_each(|key| ghost.insert(hash(key), 1, 1));
                (0..150).for_each(|key| _ = ghost.request(hash(50 + key % 50), 1, 1));
                ghost.switch(to);
                (100..140).for_each(|key| _ = ghost.request(hash(key), 1, 1));
                let kept = (50..100).filter(|&key| ghost.hit(hash(key)).is_some()).count();
                assert_eq!(kept, 50, "{from} to {to}");
            }
        }
    }

    #[test]
    fn the_keys_not_kept_go() {
        for &kind in PolicyKind::ALL {
            let mut ghost = ghost(kind, 100);
            (0..10).for_each(|key| _ = ghost.request(hash(key), 10, 1));
            ghost.retain(|kept| (0..5).any(|key| hash(key) == kept));
            assert_eq!((ghost.items(), ghost.used_bytes()), (5, 50), "{kind}");
            assert!((0..5).all(|key| ghost.hit(hash(key)).is_some()), "{kind}");
        }
    }

    #[test]
    fn a_new_weight_counts_once() {
        let mut ghost = ghost(PolicyKind::Lru, 100);
        ghost.request(hash(1), 40, 1);
        ghost.request(hash(2), 40, 1);
        assert!(ghost.request(hash(2), 60, 1));
        assert_eq!((ghost.items(), ghost.used_bytes()), (2, 100));
        assert!(ghost.request(hash(2), 70, 1));
        assert_eq!((ghost.items(), ghost.used_bytes()), (1, 70));
        assert!(ghost.remove(hash(2)) && !ghost.remove(hash(2)));
        assert_eq!(ghost.used_bytes(), 0);
    }
}

//! The recount of everything, for tests. It never repairs, it panics.

use crate::Weigh;
use crate::engine::{Engine, Shard};
use crate::policy::{Policy, Slot};
use crate::table::{Table, weight_of};

impl<V: Clone + Weigh> Engine<V> {
    /// Recounts everything and panics at the first disagreement.
    ///
    /// It holds the read locks of all shards at once, so that the totals can
    /// be held against the budget while others are at work. That can't lock
    /// up: nobody who holds a shard's lock waits for another shard's.
    pub(crate) fn validate(&self) {
        let tables: Vec<_> = self.shards.iter().map(|shard| shard.table.read()).collect();
        let mut bytes = 0;
        let mut items = 0;
        for (number, (shard, table)) in self.shards.iter().zip(&tables).enumerate() {
            bytes += self.validate_shard(number, shard, table);
            items += table.len() as u64;
        }
        let level = self.budget.level();
        assert_eq!(bytes, level.used_bytes, "bytes counted and in the budget");
        assert_eq!(items, level.used_items, "items counted and in the budget");
        assert!(
            level.used_bytes <= level.capacity_bytes,
            "{} bytes exceed the capacity of {}",
            level.used_bytes,
            level.capacity_bytes
        );
        assert!(
            level.max_items.is_none_or(|max| level.used_items <= max),
            "{} items exceed {:?}",
            level.used_items,
            level.max_items
        );
    }

    fn validate_shard(&self, number: usize, shard: &Shard<V>, table: &Table<V>) -> u64 {
        let mut occupied = Vec::new();
        let mut bytes = 0;
        for (slot, entry) in table.slots.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let slot = Slot::try_from(slot).expect("slots are numbered in 32 bits");
            let key = entry.key.escape_ascii();
            assert_eq!(entry.hash, self.hash(&entry.key), "hash kept for {key}");
            assert_eq!(self.home(entry.hash), number, "shard of {key}");
            assert_eq!(table.find(entry.hash, &entry.key), Some(slot), "slot found for {key}");
            assert_eq!(entry.weight, weight_of(&entry.key, &entry.value), "weight kept for {key}");
            assert!(
                table.flight(entry.hash, &entry.key).is_none(),
                "{key} has an entry and a lease"
            );
            bytes += entry.weight;
            occupied.push(slot);
        }
        let vacant = table.slots.len() - occupied.len();
        assert_eq!(table.len(), occupied.len(), "index and occupied slots");
        assert_eq!(table.free.len(), vacant, "free list and vacant slots");
        let mut ranked = table.policy.ranked();
        ranked.sort_unstable();
        assert_eq!(ranked, occupied, "slots the policy ranks and occupied ones");
        for flight in &table.flights {
            assert_eq!(flight.hash, self.hash(&flight.key), "hash of a flight");
            assert_eq!(self.home(flight.hash), number, "shard of a flight");
            assert!(table.holds(flight), "two flights for a key");
        }
        let counters = &shard.counters;
        let weight = shard.weight.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(bytes, weight, "bytes counted and kept in shard {number}");
        assert_eq!(
            counters.inserts.get(),
            counters.replaced.get()
                + counters.evictions.get()
                + counters.invalidations.get()
                + occupied.len() as u64,
            "inserts of shard {number}: replaced, evicted, invalidated or still there"
        );
        bytes
    }
}

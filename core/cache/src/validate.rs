//! The recount of everything, for tests. It never repairs, it panics.

use crate::Weigh;
use crate::budget::Amount;
use crate::engine::Engine;
use crate::table::Table;

impl<V: Clone + Weigh> Engine<V> {
    /// Recounts everything and panics at the first disagreement.
    ///
    /// It holds the read locks of all shards at once, so that the totals can
    /// be held against the budget while others are at work. That can't lock
    /// up: nobody who holds a shard's lock waits for another shard's.
    pub(crate) fn validate(&self) {
        let tables: Vec<_> = self.shards.iter().map(|shard| self.look(shard)).collect();
        let mut bytes = 0;
        let mut items = 0;
        let mut shards_hold = Amount::default();
        for (number, table) in tables.iter().enumerate() {
            bytes += self.validate_shard(number, table);
            items += table.len() as u64;
            shards_hold += table.held;
        }
        let (promise, held) = (self.budget.promise(), self.budget.held());
        assert_eq!(shards_hold, held, "what the shards hold and the budget gave");
        assert!(bytes <= promise.bytes, "{bytes} bytes exceed the capacity of {}", promise.bytes);
        assert!(
            promise.items.is_none_or(|max| items <= max),
            "{items} items exceed {:?}",
            promise.items
        );
    }

    fn validate_shard(&self, number: usize, table: &Table<V>) -> u64 {
        let mut occupied = Vec::new();
        let mut bytes = 0;
        for (slot, entry) in table.iter() {
            let own = &*entry.key;
            let key = own.escape_ascii();
            let hash = self.hash(own);
            assert_eq!(self.home(hash), number, "shard of {key}");
            assert_eq!(table.slot(hash, own), Some(slot), "slot found for {key}");
            assert!(table.flight(hash, own).is_none(), "{key} has an entry and a lease");
            bytes += u64::from(entry.weight());
            occupied.push(slot);
        }
        let vacant = table.slots as usize - occupied.len();
        assert_eq!(table.len(), occupied.len(), "index and occupied slots");
        assert_eq!(table.free.len(), vacant, "free list and vacant slots");
        let mut ranked = table.ranked();
        ranked.sort_unstable();
        assert_eq!(ranked, occupied, "slots the policy ranks and occupied ones");
        for flight in &table.flights {
            assert_eq!(flight.hash, self.hash(&flight.key), "hash of a flight");
            assert_eq!(self.home(flight.hash), number, "shard of a flight");
            assert!(table.holds(flight), "two flights for a key");
        }
        let used = Amount { bytes, items: occupied.len() as u64 };
        assert_eq!(table.used, used, "what the entries of shard {number} take");
        assert!(table.held.covers(used), "shard {number} holds less than its entries take");
        let writes = table.writes;
        assert_eq!(
            writes.inserts,
            writes.replaced + writes.evictions + writes.invalidations + used.items,
            "inserts of shard {number}: replaced, evicted, invalidated or still there"
        );
        bytes
    }
}

//! One shard's contents: entries in dense slots, the index that finds them,
//! the policy that ranks them and the flights that will fill more. It never
//! locks and never counts: the engine does both around it.

use std::sync::Arc;

use hashbrown::HashTable;

use crate::flight::Flight;
use crate::policy::{AnyPolicy, Item, Policy, PolicyKind, Slot};
use crate::weigh::{OVERHEAD_BYTES, Weigh};

/// What an entry costs here: its slot with a value handle of four words (an
/// `Arc` has one, a `Vec` three, a `Bytes` four), and its place in the index,
/// four bytes and a tag, at the load of 7/16 right after the index has grown.
pub(crate) const BYTES_PER_ENTRY: usize =
    size_of::<Option<Entry<[usize; 4]>>>() + ((size_of::<Slot>() + 1) * 16).div_ceil(7);

/// What an entry weighs, in bytes.
pub(crate) fn weight_of<V: Weigh>(key: &[u8], value: &V) -> u64 {
    value.weight_bytes().saturating_add(key.len() as u64).saturating_add(OVERHEAD_BYTES)
}

/// A key and its value, with what would be dear to compute again.
pub(crate) struct Entry<V> {
    pub(crate) hash: u64,
    pub(crate) weight: u64,
    pub(crate) key: Box<[u8]>,
    pub(crate) value: V,
}

/// One shard's contents.
///
/// A key has an entry or a flight, never both: a fill ends the flight, and an
/// insert voids it.
pub(crate) struct Table<V> {
    pub(crate) index: HashTable<Slot>,
    pub(crate) slots: Vec<Option<Entry<V>>>,
    pub(crate) free: Vec<Slot>,
    pub(crate) policy: AnyPolicy,
    pub(crate) flights: HashTable<Arc<Flight<V>>>,
}

impl<V> Table<V> {
    pub(crate) fn new(kind: PolicyKind, seed: u64) -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            policy: kind.build(seed),
            flights: HashTable::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        self.index
            .find(hash, |&slot| {
                let entry = occupied(&self.slots, slot);
                entry.hash == hash && *entry.key == *key
            })
            .copied()
    }

    pub(crate) fn entry(&self, slot: Slot) -> &Entry<V> {
        occupied(&self.slots, slot)
    }

    /// Puts in an entry whose key isn't there.
    pub(crate) fn add(&mut self, entry: Entry<V>) {
        let (hash, weight) = (entry.hash, entry.weight);
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(entry);
            slot
        } else {
            let slot = Slot::try_from(self.slots.len())
                .ok()
                .filter(|&slot| slot < Slot::MAX)
                .expect("a shard never has 2^32 entries: they would weigh over half a terabyte");
            self.slots.push(Some(entry));
            slot
        };
        self.index.insert_unique(hash, slot, |&slot| occupied(&self.slots, slot).hash);
        self.policy.insert(slot, item(weight, hash));
    }

    /// Exchanges the value in a slot and returns the old one. To the policy
    /// it is a use of the entry.
    pub(crate) fn replace(&mut self, slot: Slot, value: V, weight: u64) -> V {
        let entry =
            self.slots[slot as usize].as_mut().expect("the index names only occupied slots");
        let old = std::mem::replace(&mut entry.value, value);
        if entry.weight != weight {
            entry.weight = weight;
            let hash = entry.hash;
            self.policy.reweigh(slot, item(weight, hash));
        }
        self.policy.hit(slot);
        old
    }

    /// Takes an entry out because the caller says so.
    pub(crate) fn take(&mut self, slot: Slot) -> Entry<V> {
        self.policy.remove(slot);
        self.vacate(slot)
    }

    /// Takes out the entry that the policy gives up.
    pub(crate) fn evict(&mut self) -> Option<Entry<V>> {
        let slot = self.policy.evict()?;
        Some(self.vacate(slot))
    }

    /// As `evict`, but spares one entry, the one about to be replaced: it
    /// joins anew if the policy names it. There must be another one.
    pub(crate) fn evict_other(&mut self, spared: Slot) -> Option<Entry<V>> {
        debug_assert!(self.len() > 1);
        loop {
            let slot = self.policy.evict()?;
            if slot != spared {
                return Some(self.vacate(slot));
            }
            let (weight, hash) = (self.entry(slot).weight, self.entry(slot).hash);
            self.policy.insert(slot, item(weight, hash));
        }
    }

    fn vacate(&mut self, slot: Slot) -> Entry<V> {
        let entry =
            self.slots[slot as usize].take().expect("policy and index name only occupied slots");
        let indexed = self.index.find_entry(entry.hash, |&other| other == slot);
        indexed.expect("every occupied slot is in the index").remove();
        self.free.push(slot);
        entry
    }

    /// Hands the entries to another policy, coldest first, so that what was
    /// about to go still is.
    pub(crate) fn switch(&mut self, kind: PolicyKind, seed: u64) {
        let mut policy = kind.build(seed);
        while let Some(slot) = self.policy.evict() {
            let entry = occupied(&self.slots, slot);
            policy.insert(slot, item(entry.weight, entry.hash));
        }
        self.policy = policy;
    }

    pub(crate) fn flight(&self, hash: u64, key: &[u8]) -> Option<&Arc<Flight<V>>> {
        self.flights.find(hash, |flight| flight.hash == hash && *flight.key == *key)
    }

    /// True if this very flight, not merely one for its key, is on its way.
    pub(crate) fn holds(&self, flight: &Arc<Flight<V>>) -> bool {
        self.flight(flight.hash, &flight.key).is_some_and(|held| Arc::ptr_eq(held, flight))
    }

    pub(crate) fn launch(&mut self, flight: Arc<Flight<V>>) {
        self.flights.insert_unique(flight.hash, flight, |flight| flight.hash);
    }

    /// Takes the flight for a key out: from here on its lease is void.
    pub(crate) fn ground(&mut self, hash: u64, key: &[u8]) -> Option<Arc<Flight<V>>> {
        let found =
            self.flights.find_entry(hash, |flight| flight.hash == hash && *flight.key == *key);
        found.ok().map(|held| held.remove().0)
    }
}

fn occupied<V>(slots: &[Option<Entry<V>>], slot: Slot) -> &Entry<V> {
    slots[slot as usize].as_ref().expect("the index names only occupied slots")
}

/// What the policy is told of an entry.
fn item(weight: u64, hash: u64) -> Item {
    let weight = u32::try_from(weight).unwrap_or(u32::MAX);
    Item { weight, cost: 1, fingerprint: (hash >> 32) as u32 }
}

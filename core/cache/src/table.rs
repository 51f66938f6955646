//! One shard's contents: entries in slots, the index that finds them, the
//! policy that ranks them and the flights that will fill more. It never locks:
//! the engine does around it.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::Objective;
use crate::budget::Amount;
use crate::flight::Flight;
use crate::growing::Growing;
use crate::index::{self, Index};
use crate::key::{Hashing, Key};
use crate::policy::{AnyPolicy, Item, Items, Policy, PolicyKind, Slot};
use crate::processor::prefetch_all;
use crate::stats::Writes;
use crate::weigh::{OVERHEAD_BYTES, Weigh};

/// What an entry costs here beside its key: its slot with a value handle of
/// two words, as an `Arc` of a slice has it, and its place in the index.
pub(crate) const BYTES_PER_ENTRY: usize =
    size_of::<Option<Entry<Arc<[u8]>>>>() - SHORT_KEY_BYTES + index::BYTES_PER_ENTRY;

/// The key that fits into the slot, which is weighed by itself.
const SHORT_KEY_BYTES: usize = 16;

/// What an entry weighs, in bytes; `None` from 4 GiB on, which no cache keeps.
pub(crate) fn weight_of<V: Weigh>(key: &[u8], value: &V) -> Option<u32> {
    let weight = value.weight_bytes().checked_add(key.len() as u64)?;
    weight.checked_add(OVERHEAD_BYTES)?.try_into().ok()
}

/// An entry. Hash and weight aren't kept: hits don't want them, and whoever does
/// has the key and the value at hand.
pub(crate) struct Entry<V> {
    pub(crate) key: Key,
    pub(crate) value: V,
}

impl<V: Weigh> Entry<V> {
    /// What it weighs: an entry that is kept weighs something.
    pub(crate) fn weight(&self) -> u32 {
        weight_of(&self.key, &self.value).expect("what came in under 4 GiB weighs as much now")
    }

    /// What policies are told of it.
    pub(crate) fn item(&self, hashing: &Hashing, objective: Objective) -> Item {
        let weight = self.weight();
        let cost = objective.cost(weight, self.value.cost());
        Item { weight, cost, fingerprint: hashing.hash(&self.key) as u32 }
    }
}

/// The entries, for policies that ask.
struct Known<'a, V> {
    entries: &'a Growing<Option<Entry<V>>>,
    hashing: &'a Hashing,
    objective: Objective,
}

impl<'a, V> Known<'a, V> {
    fn new(
        entries: &'a Growing<Option<Entry<V>>>,
        hashing: &'a Hashing,
        objective: Objective,
    ) -> Self {
        Self { entries, hashing, objective }
    }

    fn entry(&self, slot: Slot) -> &Entry<V> {
        occupied(&self.entries[slot])
    }
}

impl<V: Weigh> Items for Known<'_, V> {
    fn item(&self, slot: Slot) -> Item {
        self.entry(slot).item(self.hashing, self.objective)
    }

    fn weight(&self, slot: Slot) -> u32 {
        self.entry(slot).weight()
    }
}

#[inline(always)]
fn occupied<V>(entry: &Option<Entry<V>>) -> &Entry<V> {
    entry.as_ref().expect("index and policy name only occupied slots")
}

/// The policy before a switch, with the entries that haven't moved on yet.
pub(crate) struct Former {
    policy: AnyPolicy,
    /// Slots that the new policy has.
    moved: Growing<bool>,
}

/// One shard's contents.
///
/// A key has an entry or a flight, never both: a fill ends the flight, and an
/// insert voids it.
pub(crate) struct Table<V> {
    pub(crate) index: Index,
    entries: Growing<Option<Entry<V>>>,
    pub(crate) free: Vec<Slot>,
    /// Slots that ever had an entry.
    pub(crate) slots: Slot,
    policy: AnyPolicy,
    pub(crate) objective: Objective,
    hashing: Hashing,
    former: Option<Box<Former>>,
    pub(crate) flights: HashTable<Arc<Flight<V>>>,
    /// What the entries weigh, and how many there are.
    pub(crate) used: Amount,
    /// What was taken from the budget for them: the rest is credit.
    pub(crate) held: Amount,
    pub(crate) writes: Writes,
}

impl<V> Table<V> {
    pub(crate) fn new(kind: PolicyKind, objective: Objective, hashing: Hashing, seed: u64) -> Self {
        Self {
            index: Index::default(),
            entries: Growing::default(),
            free: Vec::new(),
            slots: 0,
            policy: kind.build(seed),
            objective,
            hashing,
            former: None,
            flights: HashTable::new(),
            used: Amount::default(),
            held: Amount::default(),
            writes: Writes::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<(Slot, &Entry<V>)> {
        for slot in self.index.candidates(hash) {
            let entry = self.entry(slot);
            if entry.key.is(key) {
                return Some((slot, entry));
            }
        }
        None
    }

    /// As `find`, after a look at the slot that was guessed.
    #[inline]
    pub(crate) fn find_from(
        &self,
        guess: Option<Slot>,
        hash: u64,
        key: &[u8],
    ) -> Option<(Slot, &Entry<V>)> {
        let found = guess.map(|slot| (slot, self.entry(slot)));
        found.filter(|(_, entry)| entry.key.is(key)).or_else(|| self.find(hash, key))
    }

    pub(crate) fn slot(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        self.find(hash, key).map(|(slot, _)| slot)
    }

    /// The slot at which to find a key, probably; what `find_from` will look at
    /// there is on its way.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<Slot> {
        let slot = self.index.candidates(hash).next()?;
        prefetch_all(&self.entries[slot]);
        // The former policy's notes aren't worth a look.
        if self.former.is_none() {
            self.policy.prefetch(slot);
        }
        Some(slot)
    }

    #[inline(always)]
    pub(crate) fn entry(&self, slot: Slot) -> &Entry<V> {
        occupied(&self.entries[slot])
    }

    /// Tells the policy that an entry was used.
    #[inline(always)]
    pub(crate) fn hit(&self, slot: Slot) {
        match &self.former {
            Some(former) if !former.moved[slot] => former.policy.hit(slot),
            _ => self.policy.hit(slot),
        }
    }

    /// Puts another policy in charge of what comes. What is here moves on by
    /// `move_on`, so that nobody has to wait for all of it.
    pub(crate) fn switch(&mut self, policy: AnyPolicy, objective: Objective, moved: Growing<bool>) {
        self.objective = objective;
        debug_assert!(self.former.is_none(), "one switch at a time");
        let former = std::mem::replace(&mut self.policy, policy);
        let mut former = Box::new(Former { policy: former, moved });
        if self.slots > 0 {
            former.moved.reach(self.slots - 1);
        }
        self.former = Some(former);
    }

    /// All entries and their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry<V>)> {
        (0..self.slots).filter_map(|slot| Some((slot, self.entries[slot].as_ref()?)))
    }

    /// The first entry at a slot or after it; at the end it goes on at the
    /// beginning. The most slots it looks at is `tries`.
    pub(crate) fn entry_from(&self, start: u64, tries: Slot) -> Option<&Entry<V>> {
        let start = start.checked_rem(u64::from(self.slots))? as Slot;
        let slots = (start..self.slots).chain(0..start);
        slots.take(tries as usize).find_map(|slot| self.entries[slot].as_ref())
    }

    /// All slots that are ranked, in any order: for the recount in tests.
    pub(crate) fn ranked(&self) -> Vec<Slot> {
        let mut slots = self.policy.ranked();
        if let Some(former) = &self.former {
            slots.extend(former.policy.ranked());
        }
        slots
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

impl<V: Weigh> Table<V> {
    /// Puts in an entry whose key isn't there.
    pub(crate) fn add(&mut self, hash: u64, entry: Entry<V>, item: Item) {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.slots;
            assert!(slot < Slot::MAX, "a shard never has 2^32 entries: they weigh too much");
            self.entries.reach(slot);
            self.slots += 1;
            slot
        });
        self.used += Amount::one(item.weight.into());
        let (entries, hashing) = (&self.entries, &self.hashing);
        let hash_of = |slot| hashing.hash(&occupied(&entries[slot]).key) as u32;
        self.index.insert(hash, slot, hash_of);
        self.entries[slot] = Some(entry);
        self.rank(slot, item);
    }

    /// Hands a slot to the policy in charge.
    pub(crate) fn rank(&mut self, slot: Slot, item: Item) {
        if let Some(former) = &mut self.former {
            former.moved.reach(slot);
            former.moved[slot] = true;
        }
        let items = Known::new(&self.entries, &self.hashing, self.objective);
        self.policy.insert(slot, item, &items);
    }

    /// Exchanges the value in a slot and returns the old one. To the policy
    /// it is a use of the entry.
    pub(crate) fn replace(&mut self, slot: Slot, value: V, item: Item) -> V {
        let entry = self.entries[slot].as_mut().expect("the index names only occupied slots");
        let old_weight = entry.weight();
        let old = std::mem::replace(&mut entry.value, value);
        self.used.bytes = self.used.bytes - u64::from(old_weight) + u64::from(item.weight);
        match &mut self.former {
            Some(former) if !former.moved[slot] => former.policy.reweigh(slot, old_weight, item),
            _ => self.policy.reweigh(slot, old_weight, item),
        }
        self.hit(slot);
        old
    }

    /// Takes an entry out because the caller says so.
    pub(crate) fn take(&mut self, slot: Slot) -> Entry<V> {
        let items = Known::new(&self.entries, &self.hashing, self.objective);
        match &mut self.former {
            Some(former) if !former.moved[slot] => former.policy.remove(slot, &items),
            _ => self.policy.remove(slot, &items),
        }
        self.vacate(slot)
    }

    /// The slot that has to go: of those the policy in charge has, because
    /// they came to it as the coldest, else of those it hasn't yet.
    pub(crate) fn choose(&mut self) -> Option<Slot> {
        let items = Known::new(&self.entries, &self.hashing, self.objective);
        let slot = self.policy.evict(&items);
        slot.or_else(|| self.former.as_mut()?.policy.evict(&items))
    }

    /// Takes a slot out that the policy has given up.
    pub(crate) fn vacate(&mut self, slot: Slot) -> Entry<V> {
        let entry = self.entries[slot].take().expect("index and policy name only occupied slots");
        self.index.remove(self.hashing.hash(&entry.key) as u32, slot);
        self.used -= Amount::one(entry.weight().into());
        self.free.push(slot);
        entry
    }

    /// What policies are told of the entry in a slot.
    pub(crate) fn item(&self, slot: Slot) -> Item {
        self.entry(slot).item(&self.hashing, self.objective)
    }

    /// Hands up to `most` entries to the new policy, coldest first, so that
    /// what was about to go still is. Breaks once none is left to move, also
    /// because the table was cleared, with what is left of the former policy:
    /// to be dropped where nobody waits.
    pub(crate) fn move_on(&mut self, most: usize) -> ControlFlow<Option<Box<Former>>> {
        for _ in 0..most {
            let items = Known::new(&self.entries, &self.hashing, self.objective);
            let former = self.former.as_mut();
            let given_up = former.and_then(|former| {
                let slot = former.policy.evict(&items)?;
                former.moved[slot] = true;
                Some((slot, former.policy.uses(slot, &items)))
            });
            let Some((slot, uses)) = given_up else {
                return ControlFlow::Break(self.former.take());
            };
            self.policy.adopt(slot, items.item(slot), uses, &items);
        }
        ControlFlow::Continue(())
    }
}

//! What all handles of a cache share: the shards and the one budget. It never
//! drops a value under a lock: a value's destructor may call the cache.
//!
//! Order of locks: the gate of `reconfigure`, then shards in the order of
//! their numbers, then the budget. Who writes to a shard holds no other;
//! several are held, for reading, by `stats`, `read_many` and `validate` only.

mod many;
mod room;
mod settings;

use std::mem;
use std::sync::Arc;

use crate::biased::{Biased, Place, Read, Write};
use crate::budget::{Amount, Bounds, Budget};
use crate::flight::Flight;
use crate::key::Hashing;
use crate::lease::{Lease, Lookup, Waiter};
use crate::policy::Slot;
use crate::sampler::Sampler;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, RwLock};
use crate::table::{Entry, Table};
use crate::tally::{Reads, Tally};
use crate::threads::PerThread;
use crate::what_if::{Event, Totals};
use crate::{Config, Objective, PolicyKind, Stats, Weigh};

pub(crate) use room::Stored;

/// The most shards: `read_many` marks those it needs in one word.
const MOST_SHARDS: usize = 64;

/// One independently locked part. Aligned so that two shards never share a
/// cache line (or the pair of lines that processors fetch together).
#[repr(align(128))]
pub(crate) struct Shard<V> {
    pub(crate) table: Biased<Table<V>>,
    /// What the entries weigh, to be read without the lock.
    weight: AtomicU64,
}

/// What the policies are, or are about to be.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Course {
    policy: PolicyKind,
    objective: Objective,
}

/// Slots of a shard that are looked at for some entry.
const TRIES: u32 = 64;

/// The shards and the budget.
pub(crate) struct Engine<V> {
    pub(crate) shards: Box<[Shard<V>]>,
    pub(crate) budget: Budget,
    hashing: Hashing,
    tally: Tally,
    /// Where threads say which shard they read.
    places: PerThread<Place>,
    pub(crate) sampler: Sampler,
    seed: u64,
    course: RwLock<Course>,
    /// Held by the one `reconfigure` at work.
    gate: Mutex<()>,
    /// Where the next search for a victim in other shards begins.
    cursor: AtomicUsize,
}

impl<V> Engine<V> {
    pub(crate) fn new(config: Config) -> Self {
        let count = config.shards.clamp(1, MOST_SHARDS).next_power_of_two();
        let limit = Bounds { bytes: config.capacity_bytes, items: config.max_items };
        let hashing = Hashing::new(config.seed);
        let shard = |number| {
            let seed = shard_seed(config.seed, number);
            let table = Table::new(config.policy, config.objective, hashing.clone(), seed);
            Shard { table: Biased::new(number, table), weight: AtomicU64::new(0) }
        };
        Self {
            shards: (0..count).map(shard).collect(),
            budget: Budget::new(limit, count),
            hashing,
            tally: Tally::default(),
            places: PerThread::default(),
            sampler: Sampler::default(),
            seed: config.seed,
            course: RwLock::new(Course { policy: config.policy, objective: config.objective }),
            gate: Mutex::new(()),
            cursor: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hashing.hash(key)
    }

    /// The number of the shard a key belongs to: by the middle bits, because
    /// the index takes its tags from the top and its buckets from the bottom.
    #[inline]
    pub(crate) fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.shards.len() - 1)
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard<V> {
        &self.shards[self.home(hash)]
    }

    /// A shard's contents, to be read.
    #[inline(always)]
    pub(crate) fn look<'a>(&'a self, shard: &'a Shard<V>) -> Read<'a, Table<V>> {
        shard.table.read(self.places.mine())
    }

    /// A shard's contents, to be changed.
    pub(crate) fn edit<'a>(&'a self, shard: &'a Shard<V>) -> Write<'a, Table<V>> {
        shard.table.write(self.places.iter())
    }

    /// True if this flight's lease is good.
    pub(crate) fn holds(&self, flight: &Arc<Flight<V>>) -> bool {
        self.look(self.shard(flight.hash)).holds(flight)
    }

    /// Takes a flight down at the wish of its own lease; false if something
    /// else had already. A newer flight for the key is left alone.
    pub(crate) fn detach(&self, flight: &Arc<Flight<V>>) -> bool {
        let mut table = self.edit(self.shard(flight.hash));
        let good = table.holds(flight);
        if good {
            table.ground(flight.hash, &flight.key);
        }
        good
    }

    pub(crate) fn clear(&self) {
        self.sampler.record_for_all(Event::Clear);
        for (number, shard) in self.shards.iter().enumerate() {
            let mut table = self.edit(shard);
            // Read under the lock: `reconfigure` names the new policy before
            // it takes the locks, so it comes to every shard it must change.
            let Course { policy, objective } = *self.course.read();
            let seed = shard_seed(self.seed, number);
            let fresh = Table::new(policy, objective, self.hashing.clone(), seed);
            let old = mem::replace(&mut *table, fresh);
            table.writes = old.writes;
            table.writes.invalidations += old.used.items;
            table.writes.leases_voided += old.flights.len() as u64;
            table.held = old.held;
            self.settle(shard, &mut table);
            drop(table);
            for flight in &old.flights {
                flight.abandon();
            }
        }
    }

    /// Gives back what a shard holds beyond its entries and a small credit,
    /// and shows what it weighs. Whoever changed a table's entries calls it
    /// before the lock is let go.
    fn settle(&self, shard: &Shard<V>, table: &mut Table<V>) {
        self.release(table, self.budget.most_credit());
        shard.weight.store(table.used.bytes, Ordering::Relaxed);
    }

    /// Gives back what a shard holds beyond its entries and `credit`.
    fn release(&self, table: &mut Table<V>, credit: Amount) {
        let spare = table.held.beyond(table.used + credit);
        table.held -= spare;
        self.budget.give_back(spare);
    }

    pub(crate) fn config(&self) -> Config {
        let promise = self.budget.promise();
        let course = *self.course.read();
        Config {
            capacity_bytes: promise.bytes,
            max_items: promise.items,
            policy: course.policy,
            objective: course.objective,
            shards: self.shards.len(),
            seed: self.seed,
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        // One moment: nobody can write to any shard.
        let tables: Vec<_> = self.shards.iter().map(|shard| self.look(shard)).collect();
        let promise = self.budget.promise();
        let sum = |part: fn(&Table<V>) -> u64| tables.iter().map(|table| part(table)).sum();
        let Reads { hits, misses, loads, waits } = self.tally.reads();
        let course = *self.course.read();
        Stats {
            // Not a counter of its own, which could be read a moment apart.
            requests: hits + misses,
            hits,
            misses,
            loads,
            waits,
            inserts: sum(|table| table.writes.inserts),
            replaced: sum(|table| table.writes.replaced),
            evictions: sum(|table| table.writes.evictions),
            invalidations: sum(|table| table.writes.invalidations),
            rejected: sum(|table| table.writes.rejected),
            leases_voided: sum(|table| table.writes.leases_voided),
            items: sum(|table| table.used.items),
            weight_bytes: sum(|table| table.used.bytes),
            capacity_bytes: promise.bytes,
            max_items: promise.items,
            policy: course.policy,
            objective: course.objective,
        }
    }

    pub(crate) fn take_sample(&self, room: Vec<Event>) -> (Vec<Event>, Totals) {
        let (events, lost) = self.sampler.take(room);
        let Reads { hits, misses, .. } = self.tally.reads();
        (events, Totals { requests: hits + misses, hits, bytes: None, lost })
    }

    pub(crate) fn some_key(&self, random: u64) -> Option<Box<[u8]>> {
        let count = self.shards.len();
        let first = random as usize % count;
        let shards = (first..count).chain(0..first);
        shards.map(|shard| &self.shards[shard]).find_map(|shard| {
            let table = self.look(shard);
            table.entry_from(random >> 16, TRIES).map(|entry| Box::from(&*entry.key))
        })
    }

    pub(crate) fn keys(&self) -> Vec<Box<[u8]>> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            let table = self.look(shard);
            keys.extend(table.iter().map(|(_, entry)| Box::from(&*entry.key)));
        }
        keys
    }
}

impl<V: Weigh> Engine<V> {
    pub(crate) fn invalidate(&self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let shard = self.shard(hash);
        let mut table = self.edit(shard);
        let slot = table.slot(hash, key);
        let removed = slot.map(|slot| table.take(slot));
        self.sampler.record(hash, |hash| Event::Remove { hash });
        table.writes.invalidations += u64::from(removed.is_some());
        let voided = void(&mut table, hash, key);
        self.settle(shard, &mut table);
        drop(table);
        if let Some(flight) = voided {
            flight.abandon();
        }
        removed.is_some()
    }
}

impl<V: Clone + Weigh> Engine<V> {
    pub(crate) fn get(&self, key: &[u8]) -> Option<V> {
        let hash = self.hash(key);
        let value = self.read(&self.look(self.shard(hash)), hash, key);
        match value {
            Some(_) => self.tally.hits(1),
            None => self.missed(hash),
        }
        value
    }

    pub(crate) fn peek(&self, key: &[u8]) -> Option<V> {
        let hash = self.hash(key);
        let table = self.look(self.shard(hash));
        let (_, entry) = table.find(hash, key)?;
        Some(entry.value.clone())
    }

    pub(crate) fn lookup(self: &Arc<Self>, key: &[u8], counted: bool) -> Lookup<V> {
        let hash = self.hash(key);
        let answer = self.answer(hash, key);
        if counted {
            match answer {
                Lookup::Hit(_) => self.tally.hits(1),
                Lookup::Miss(_) | Lookup::Wait(_) => self.missed(hash),
            }
        }
        match answer {
            Lookup::Hit(_) => {}
            Lookup::Miss(_) => self.tally.loads(1),
            Lookup::Wait(_) => self.tally.waits(1),
        }
        answer
    }

    fn answer(self: &Arc<Self>, hash: u64, key: &[u8]) -> Lookup<V> {
        let shard = self.shard(hash);
        if let Some(found) = self.find_or_wait(&self.look(shard), hash, key) {
            return found;
        }
        let flight = Arc::new(Flight::new(hash, key));
        let mut table = self.edit(shard);
        // Between the two locks somebody may have filled or started to.
        if let Some(found) = self.find_or_wait(&table, hash, key) {
            return found;
        }
        table.launch(Arc::clone(&flight));
        drop(table);
        Lookup::Miss(Lease::new(Arc::clone(self), flight))
    }

    #[inline]
    fn read(&self, table: &Table<V>, hash: u64, key: &[u8]) -> Option<V> {
        let (slot, entry) = table.find(hash, key)?;
        self.hit(table, hash, slot, entry);
        Some(entry.value.clone())
    }

    /// What a hit leaves behind, but for the count.
    #[inline(always)]
    fn hit(&self, table: &Table<V>, hash: u64, slot: Slot, entry: &Entry<V>) {
        table.hit(slot);
        self.sampler.record(hash, |hash| Event::Read {
            hash,
            weight: Some(entry.weight()),
            cost: entry.value.cost(),
        });
    }

    /// A counted read that missed.
    fn missed(&self, hash: u64) {
        self.tally.misses(1);
        self.sampler.record(hash, |hash| Event::Read { hash, weight: None, cost: 1 });
    }

    fn find_or_wait(&self, table: &Table<V>, hash: u64, key: &[u8]) -> Option<Lookup<V>> {
        if let Some(value) = self.read(table, hash, key) {
            return Some(Lookup::Hit(value));
        }
        let flight = table.flight(hash, key)?;
        Some(Lookup::Wait(Waiter::new(Arc::clone(flight))))
    }
}

/// Voids the lease for a key. The caller ends the flight once the lock is gone.
fn void<V>(table: &mut Table<V>, hash: u64, key: &[u8]) -> Option<Arc<Flight<V>>> {
    let flight = table.ground(hash, key);
    table.writes.leases_voided += u64::from(flight.is_some());
    flight
}

/// Shards must not make the same random choices.
fn shard_seed(seed: u64, number: usize) -> u64 {
    seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

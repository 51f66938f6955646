//! What all handles of a cache share: the shards and the one budget. It never
//! holds two shard locks (only `validate` does), and never drops a value under
//! a lock: a value's destructor may call the cache.
//!
//! Order of locks: the gate of `reconfigure`, then one shard, then the budget.
//! Everything that changes the budget's use happens under the lock of the
//! shard whose entry comes or goes.

mod room;

use std::hash::BuildHasher;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::quality::FixedState;
use parking_lot::{Mutex, RwLock, RwLockWriteGuard};

use crate::budget::Budget;
use crate::flight::Flight;
use crate::lease::{Lease, Lookup, Waiter};
use crate::policy::Policy;
use crate::stats::Counters;
use crate::table::{Entry, Table};
use crate::{Config, PolicyKind, Stats, Weigh};

pub(crate) use room::Stored;

/// One independently locked part. Aligned so that two shards' counters never
/// share a cache line (or the pair of lines that processors fetch together).
#[repr(align(128))]
pub(crate) struct Shard<V> {
    pub(crate) table: RwLock<Table<V>>,
    /// What the entries weigh; changes under the write lock, read without.
    pub(crate) weight: AtomicU64,
    pub(crate) counters: Counters,
}

/// The shards and the budget.
pub(crate) struct Engine<V> {
    pub(crate) shards: Box<[Shard<V>]>,
    pub(crate) budget: Budget,
    hasher: FixedState,
    seed: u64,
    /// The policy that every shard has, or is about to get.
    policy: RwLock<PolicyKind>,
    /// Held by the one `reconfigure` at work.
    gate: Mutex<()>,
    /// Where the next search for a victim in other shards begins.
    cursor: AtomicUsize,
}

impl<V> Engine<V> {
    pub(crate) fn new(config: Config) -> Self {
        let count = config.shards.max(1).next_power_of_two();
        let shard = |number| Shard {
            table: RwLock::new(Table::new(config.policy, shard_seed(config.seed, number))),
            weight: AtomicU64::new(0),
            counters: Counters::default(),
        };
        Self {
            shards: (0..count).map(shard).collect(),
            budget: Budget::new(config.capacity_bytes, config.max_items),
            hasher: FixedState::with_seed(config.seed),
            seed: config.seed,
            policy: RwLock::new(config.policy),
            gate: Mutex::new(()),
            cursor: AtomicUsize::new(0),
        }
    }

    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The number of the shard a key belongs to: by the middle bits, because
    /// hashbrown takes its tags from the top and its places from the bottom.
    pub(crate) fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.shards.len() - 1)
    }

    fn shard(&self, hash: u64) -> &Shard<V> {
        &self.shards[self.home(hash)]
    }

    /// True if this flight's lease is good.
    pub(crate) fn holds(&self, flight: &Arc<Flight<V>>) -> bool {
        self.shard(flight.hash).table.read().holds(flight)
    }

    /// Takes a flight down at the wish of its own lease; false if something
    /// else had already. A newer flight for the key is left alone.
    pub(crate) fn detach(&self, flight: &Arc<Flight<V>>) -> bool {
        let mut table = self.shard(flight.hash).table.write();
        let good = table.holds(flight);
        if good {
            table.ground(flight.hash, &flight.key);
        }
        good
    }

    pub(crate) fn invalidate(&self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let shard = self.shard(hash);
        let mut table = shard.table.write();
        let removed = table.find(hash, key).map(|slot| self.remove(shard, &mut table, slot));
        let voided = void(shard, &mut table, hash, key);
        drop(table);
        if let Some(flight) = voided {
            flight.abandon();
        }
        removed.is_some()
    }

    pub(crate) fn clear(&self) {
        for (number, shard) in self.shards.iter().enumerate() {
            let mut table = shard.table.write();
            // Read under the lock: `reconfigure` names the new policy before
            // it takes the locks, so it comes to every shard it must change.
            let fresh = Table::new(*self.policy.read(), shard_seed(self.seed, number));
            let old = mem::replace(&mut *table, fresh);
            let items = old.len() as u64;
            self.budget.release(shard.weight.swap(0, Ordering::Relaxed), items);
            shard.counters.invalidations.add(items);
            shard.counters.leases_voided.add(old.flights.len() as u64);
            drop(table);
            for flight in &old.flights {
                flight.abandon();
            }
        }
    }

    /// Removes an entry at the caller's wish.
    fn remove(
        &self,
        shard: &Shard<V>,
        table: &mut RwLockWriteGuard<'_, Table<V>>,
        slot: u32,
    ) -> Entry<V> {
        let entry = table.take(slot);
        self.gone(shard, &entry);
        shard.counters.invalidations.add(1);
        entry
    }

    /// Gives back what an entry had taken. The caller holds its shard's lock.
    fn gone(&self, shard: &Shard<V>, entry: &Entry<V>) {
        shard.weight.fetch_sub(entry.weight, Ordering::Relaxed);
        self.budget.release(entry.weight, 1);
    }

    pub(crate) fn config(&self) -> Config {
        let level = self.budget.level();
        Config {
            capacity_bytes: level.capacity_bytes,
            max_items: level.max_items,
            policy: *self.policy.read(),
            shards: self.shards.len(),
            seed: self.seed,
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let level = self.budget.level();
        let mut stats = Stats {
            requests: 0,
            hits: 0,
            misses: 0,
            loads: 0,
            waits: 0,
            inserts: 0,
            replaced: 0,
            evictions: 0,
            invalidations: 0,
            rejected: 0,
            leases_voided: 0,
            items: level.used_items,
            weight_bytes: level.used_bytes,
            capacity_bytes: level.capacity_bytes,
            max_items: level.max_items,
            policy: *self.policy.read(),
        };
        for Shard { counters, .. } in &self.shards {
            stats.hits += counters.hits.get();
            stats.misses += counters.misses.get();
            stats.loads += counters.loads.get();
            stats.waits += counters.waits.get();
            stats.inserts += counters.inserts.get();
            stats.replaced += counters.replaced.get();
            stats.evictions += counters.evictions.get();
            stats.invalidations += counters.invalidations.get();
            stats.rejected += counters.rejected.get();
            stats.leases_voided += counters.leases_voided.get();
        }
        // Not a counter of its own, which could be read a moment apart.
        stats.requests = stats.hits + stats.misses;
        stats
    }

    pub(crate) fn keys(&self) -> Vec<Box<[u8]>> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            let table = shard.table.read();
            keys.extend(table.slots.iter().flatten().map(|entry| entry.key.clone()));
        }
        keys
    }
}

impl<V: Clone + Weigh> Engine<V> {
    pub(crate) fn get(&self, key: &[u8]) -> Option<V> {
        let hash = self.hash(key);
        let shard = self.shard(hash);
        let value = read(&shard.table.read(), hash, key);
        match value {
            Some(_) => shard.counters.hits.add(1),
            None => shard.counters.misses.add(1),
        }
        value
    }

    pub(crate) fn peek(&self, key: &[u8]) -> Option<V> {
        let hash = self.hash(key);
        let table = self.shard(hash).table.read();
        let slot = table.find(hash, key)?;
        Some(table.entry(slot).value.clone())
    }

    pub(crate) fn lookup(self: &Arc<Self>, key: &[u8], counted: bool) -> Lookup<V> {
        let hash = self.hash(key);
        let counters = &self.shard(hash).counters;
        let answer = self.answer(hash, key);
        if counted {
            match answer {
                Lookup::Hit(_) => counters.hits.add(1),
                Lookup::Miss(_) | Lookup::Wait(_) => counters.misses.add(1),
            }
        }
        match answer {
            Lookup::Hit(_) => {}
            Lookup::Miss(_) => counters.loads.add(1),
            Lookup::Wait(_) => counters.waits.add(1),
        }
        answer
    }

    fn answer(self: &Arc<Self>, hash: u64, key: &[u8]) -> Lookup<V> {
        let shard = self.shard(hash);
        if let Some(found) = find_or_wait(&shard.table.read(), hash, key) {
            return found;
        }
        let flight = Arc::new(Flight::new(hash, key));
        let mut table = shard.table.write();
        // Between the two locks somebody may have filled or started to.
        if let Some(found) = find_or_wait(&table, hash, key) {
            return found;
        }
        table.launch(Arc::clone(&flight));
        drop(table);
        Lookup::Miss(Lease::new(Arc::clone(self), flight))
    }
}

/// Voids the lease for a key. The caller ends the flight once the lock is gone.
fn void<V>(
    shard: &Shard<V>,
    table: &mut Table<V>,
    hash: u64,
    key: &[u8],
) -> Option<Arc<Flight<V>>> {
    let flight = table.ground(hash, key);
    shard.counters.leases_voided.add(u64::from(flight.is_some()));
    flight
}

fn read<V: Clone>(table: &Table<V>, hash: u64, key: &[u8]) -> Option<V> {
    let slot = table.find(hash, key)?;
    table.policy.hit(slot);
    Some(table.entry(slot).value.clone())
}

fn find_or_wait<V: Clone>(table: &Table<V>, hash: u64, key: &[u8]) -> Option<Lookup<V>> {
    if let Some(value) = read(table, hash, key) {
        return Some(Lookup::Hit(value));
    }
    let flight = table.flight(hash, key)?;
    Some(Lookup::Wait(Waiter::new(Arc::clone(flight))))
}

/// Shards must not make the same random choices.
fn shard_seed(seed: u64, number: usize) -> u64 {
    seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

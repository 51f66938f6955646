//! The handle that users of the cache hold. It never does anything itself:
//! the engine behind it does.

use std::fmt;
use std::sync::Arc;

use crate::budget::Bounds;
use crate::engine::{Engine, Stored};
use crate::lease::Lookup;
use crate::table;
use crate::what_if::{Event, Totals};
use crate::{Config, Objective, PolicyKind, Stats, Weigh};

/// What became of a value given to [`Cache::insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is in the cache.
    Stored,
    /// It doesn't fit even into an empty cache, or weighs 4 GiB or more. Nothing
    /// was evicted for it, and an older value under its key is gone.
    TooHeavy,
}

/// A cache bounded in bytes: a cheap handle, all clones of which share the
/// entries.
///
/// Hits take a shard's read lock only and clone the value there, so cloning
/// should be cheap (an `Arc`, a `Bytes`) and must not call the cache. Values
/// are dropped outside all locks; their destructors may call the cache.
pub struct Cache<V> {
    engine: Arc<Engine<V>>,
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine) }
    }
}

impl<V> Cache<V> {
    /// Builds an empty cache.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { engine: Arc::new(Engine::new(config)) }
    }

    /// Removes every entry and voids every lease, shard by shard: what is
    /// inserted meanwhile may stay.
    pub fn clear(&self) {
        self.engine.clear();
    }

    /// The settings in force. While `reconfigure` is at work, the old
    /// capacity.
    #[must_use]
    pub fn config(&self) -> Config {
        self.engine.config()
    }

    /// Counters since the cache was built, and what it holds now. Nobody
    /// writes to the cache for the microseconds that it takes to add them up.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Begins to record, for a [`WhatIf`](crate::what_if::WhatIf), what happens
    /// to keys whose hash is below a threshold; 0, as at first, is none. Others
    /// pay a comparison for it.
    pub fn sample_below(&self, threshold: u64) {
        self.engine.sampler.sample_below(threshold);
    }

    /// Takes what was recorded, in about the order in which it happened, and
    /// the counts of that moment. `room`, empty, is what is recorded into next.
    ///
    /// No more than some ten thousand events wait; after that
    /// [`Totals::lost`] counts, so take them often.
    #[must_use]
    pub fn take_sample(&self, room: Vec<Event>) -> (Vec<Event>, Totals) {
        self.engine.take_sample(room)
    }

    /// The key of some entry, by a random number; `None` if there is none, or
    /// hardly any. Those after gaps come more often than others.
    #[must_use]
    pub fn some_key(&self, random: u64) -> Option<Box<[u8]>> {
        self.engine.some_key(random)
    }

    /// The keys of all entries in no order, copied shard by shard: of keys
    /// that come or go meanwhile, some.
    #[must_use]
    pub fn keys(&self) -> Vec<Box<[u8]>> {
        self.engine.keys()
    }
}

impl<V: Weigh> Cache<V> {
    /// Removes the entry, if there is one, and voids the lease in progress, if
    /// there is one. True if an entry was removed.
    ///
    /// Once this returns, nobody gets a value that was inserted, or whose load
    /// began, before it was called, unless they asked before it returned.
    pub fn invalidate(&self, key: &[u8]) -> bool {
        self.engine.invalidate(key)
    }
}

impl<V: Clone + Weigh> Cache<V> {
    /// The value under a key, from memory only. Counts a hit or a miss.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<V> {
        self.engine.get(key)
    }

    /// The value under a key; counts nothing and is no use of the entry to the
    /// policy.
    #[must_use]
    pub fn peek(&self, key: &[u8]) -> Option<V> {
        self.engine.peek(key)
    }

    /// The value under a key, or the right to fill it, or a place among those
    /// who wait for the one who has that right. Counts a hit or a miss.
    pub fn lookup(&self, key: &[u8]) -> Lookup<V> {
        self.engine.lookup(key, true)
    }

    /// As [`lookup`](Self::lookup), but counts neither hit nor miss: for a
    /// request that was counted and has to look once more, because its
    /// [`Waiter`](crate::Waiter) answered `None`.
    pub fn lookup_again(&self, key: &[u8]) -> Lookup<V> {
        self.engine.lookup(key, false)
    }

    /// Puts a value in place, evicting others as needed, and voids the lease
    /// in progress on that key, whether the value is kept or not.
    pub fn insert(&self, key: &[u8], value: V) -> Inserted {
        let hash = self.engine.hash(key);
        match self.engine.store(key, hash, value, None) {
            Stored::TooHeavy => Inserted::TooHeavy,
            // Only a lease can be void, and there was none in this call.
            Stored::Installed | Stored::Voided => Inserted::Stored,
        }
    }

    /// The values under many keys, from memory only, in the order of the keys.
    /// Counts a hit or a miss each.
    ///
    /// Several times faster than one `get` after the other: the look-ups wait
    /// for memory together.
    #[must_use]
    pub fn get_many(&self, keys: &[&[u8]]) -> Vec<Option<V>> {
        self.engine.get_many(keys)
    }

    /// As [`get_many`](Self::get_many), but lends the values instead of
    /// cloning them: `visit` gets a key's place among `keys` and its value.
    ///
    /// It is called under the locks of several shards: it must not call the
    /// cache, and nobody can write meanwhile.
    pub fn read_many(&self, keys: &[&[u8]], visit: impl FnMut(usize, Option<&V>)) {
        self.engine.read_many(keys, visit);
    }

    /// As [`get_many`](Self::get_many), but counts nothing and is no use of the
    /// entries to the policy.
    #[must_use]
    pub fn peek_many(&self, keys: &[&[u8]]) -> Vec<Option<V>> {
        self.engine.peek_many(keys)
    }

    /// Changes capacity, bound on the entries and policy while the cache is in
    /// use, and returns when all of them hold, to the byte.
    ///
    /// Entries stay as far as they fit. A new policy gets them in the order in
    /// which the old one would have evicted them, and is the one that chooses
    /// who goes if they don't fit. Readers never wait for more than a few
    /// hundred entries to move. Concurrent calls come one after the other.
    pub fn reconfigure(&self, capacity_bytes: u64, max_items: Option<u64>, policy: PolicyKind) {
        self.engine.reconfigure(Bounds { bytes: capacity_bytes, items: max_items }, policy);
    }

    /// Changes the policy alone while the cache is in use, as
    /// [`reconfigure`](Self::reconfigure) does.
    pub fn switch(&self, policy: PolicyKind) {
        self.engine.switch(policy);
    }

    /// Changes what the policy is to spare while the cache is in use. Entries
    /// stay; the policy ranks them anew, coldest first.
    pub fn pursue(&self, objective: Objective) {
        self.engine.pursue(objective);
    }

    /// What an entry weighs, in bytes: key, value and
    /// [`OVERHEAD_BYTES`](crate::OVERHEAD_BYTES). Entries of 4 GiB and more,
    /// which no cache keeps, weigh `u64::MAX`.
    #[must_use]
    pub fn weight_of(key: &[u8], value: &V) -> u64 {
        table::weight_of(key, value).map_or(u64::MAX, u64::from)
    }

    /// Recounts everything and holds it against what the cache believes. For
    /// tests: it stops all shards meanwhile, and takes time in proportion to
    /// the entries.
    ///
    /// # Panics
    ///
    /// If anything disagrees, saying what.
    pub fn validate(&self) {
        self.engine.validate();
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

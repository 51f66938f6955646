//! The peers, as their authors would have them set up: byte weighers, defaults
//! otherwise. Every one gets its keys borrowed and its values shared.

use std::marker::PhantomData;

use foyer_memory::{CacheBuilder, EvictionConfig};
use moka::policy::EvictionPolicy;

use crate::entrants::Contender;
use crate::keys::{Key, Value};

/// What the byte weighers charge for every entry.
const fn weight<K: Key, V: Value>() -> u64 {
    K::BYTES + V::BYTES
}

/// Charges every entry the bytes of its key and value.
pub struct ByBytes<K, V>(PhantomData<(K, V)>);

impl<K, V> Clone for ByBytes<K, V> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<K: Key, V: Value> quick_cache::Weighter<K::Owned, V> for ByBytes<K, V> {
    fn weight(&self, _: &K::Owned, _: &V) -> u64 {
        weight::<K, V>()
    }
}

/// quick_cache: Clock-PRO in shards behind read-write locks.
pub struct Quick<K: Key, V: Value> {
    cache: quick_cache::sync::Cache<K::Owned, V, ByBytes<K, V>>,
}

impl<K: Key, V: Value> Quick<K, V> {
    pub fn new(entries: u64) -> Self {
        let capacity = entries * weight::<K, V>();
        let weigher = ByBytes(PhantomData);
        let cache = quick_cache::sync::Cache::with_weighter(entries as usize, capacity, weigher);
        Self { cache }
    }
}

impl<K: Key, V: Value> Contender for Quick<K, V> {
    type Key = K;

    fn get(&self, key: &K) -> Option<u64> {
        self.cache.get(key.lent()).map(|value| value.mark())
    }

    fn insert(&self, key: &K) {
        self.cache.insert(key.owned(), V::marked(key.mark()));
    }

    fn entries(&self) -> u64 {
        self.cache.len() as u64
    }
}

/// moka: TinyLFU in front of LRU, or LRU alone.
pub struct Moka<K: Key, V: Value> {
    cache: moka::sync::Cache<K::Owned, V>,
}

impl<K: Key, V: Value> Moka<K, V> {
    pub fn new(entries: u64, policy: EvictionPolicy) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(entries * weight::<K, V>())
            .weigher(|_, _| weight::<K, V>() as u32)
            .eviction_policy(policy)
            .build();
        Self { cache }
    }
}

impl<K: Key, V: Value> Contender for Moka<K, V> {
    type Key = K;

    fn get(&self, key: &K) -> Option<u64> {
        self.cache.get(key.lent()).map(|value| value.mark())
    }

    fn insert(&self, key: &K) {
        self.cache.insert(key.owned(), V::marked(key.mark()));
    }

    fn settle(&self) {
        self.cache.run_pending_tasks();
    }

    fn entries(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.entry_count()
    }
}

/// foyer, in memory only.
pub struct Foyer<K: Key, V: Value> {
    cache: foyer_memory::Cache<K::Owned, V>,
}

impl<K: Key, V: Value> Foyer<K, V> {
    pub fn new(entries: u64, eviction: impl Into<EvictionConfig>) -> Self {
        let cache = CacheBuilder::new((entries * weight::<K, V>()) as usize)
            .with_weighter(|_: &K::Owned, _: &V| weight::<K, V>() as usize)
            .with_eviction_config(eviction)
            .build();
        Self { cache }
    }
}

impl<K: Key, V: Value> Contender for Foyer<K, V> {
    type Key = K;

    fn get(&self, key: &K) -> Option<u64> {
        self.cache.get(key.lent()).map(|entry| entry.value().mark())
    }

    fn insert(&self, key: &K) {
        drop(self.cache.insert(key.owned(), V::marked(key.mark())));
    }

    fn entries(&self) -> u64 {
        self.cache.entries() as u64
    }
}

//! The verbs of the mem-cache server.

use std::hash::BuildHasher;

use bytes::Bytes;
use larder_cache::{Cache, Inserted, PolicyKind, Stats, Weigh};

use crate::Config;

/// A cache for values of anybody's choosing. Cheap to clone.
#[derive(Clone)]
pub struct MemCache {
    cache: Cache<Value>,
}

/// Bytes in the cache.
#[derive(Clone)]
struct Value(Bytes);

impl Weigh for Value {
    fn weight_bytes(&self) -> u64 {
        (self.0.len() + size_of::<Self>()) as u64
    }
}

impl MemCache {
    /// An empty cache.
    pub fn new(config: &Config) -> Self {
        let cache = Cache::new(larder_cache::Config {
            capacity_bytes: config.capacity_bytes,
            policy: config.policy,
            // One order over all values, as the classic service has it.
            shards: 1,
            // Strangers choose the keys.
            seed: std::hash::RandomState::new().hash_one(0),
            ..larder_cache::Config::default()
        });
        Self { cache }
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.cache.get(key.as_bytes()).map(|value| value.0)
    }

    /// The values under many keys, in their order.
    pub fn get_many(&self, keys: &[&str]) -> Vec<Option<Bytes>> {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        self.cache.get_many(&keys).into_iter().map(|value| Some(value?.0)).collect()
    }

    /// Keeps a value; says whether it fits.
    pub fn put(&self, key: &str, value: Bytes) -> bool {
        self.cache.insert(key.as_bytes(), Value(value)) == Inserted::Stored
    }

    /// Drops the value under `key`.
    pub fn invalidate(&self, key: &str) {
        self.cache.invalidate(key.as_bytes());
    }

    /// Drops everything.
    pub fn clear(&self) {
        self.cache.clear();
    }

    /// Sets capacity and policy, keeping what fits.
    pub fn reconfigure(&self, capacity_bytes: u64, policy: PolicyKind) {
        self.cache.reconfigure(capacity_bytes, None, policy);
    }

    /// What it holds and did.
    pub fn stats(&self) -> Stats {
        self.cache.stats()
    }
}

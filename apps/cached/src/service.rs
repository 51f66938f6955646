//! The verbs of the mem-cache server, which its protocols share.

use std::sync::Arc;

use bytes::Bytes;
use larder_cache::{PolicyKind, Stats};
use larder_clock::{SharedClock, Timestamp};

use crate::Config;
use crate::items::{Items, Value};

/// A cache for values of anybody's choosing. Cheap to clone.
#[derive(Clone)]
pub struct MemCache {
    items: Arc<Items>,
    started_at: Timestamp,
}

impl MemCache {
    /// An empty cache, whose entries expire by `clock`.
    pub fn new(config: &Config, clock: SharedClock) -> Self {
        let started_at = clock.now();
        let items = Items::new(config.capacity_bytes, config.policy, config.max_item_bytes, clock);
        Self { items: Arc::new(items), started_at }
    }

    /// When it began, empty and with the settings of its start.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The entries.
    pub(crate) fn items(&self) -> Arc<Items> {
        Arc::clone(&self.items)
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.items.get(key.as_bytes()).map(|item| Bytes::from_owner(item.value))
    }

    /// The values under many keys, in their order.
    pub fn get_many(&self, keys: &[&str]) -> Vec<Option<Bytes>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Keeps a value; says whether it fits.
    pub fn put(&self, key: &str, value: &[u8]) -> bool {
        self.items.keep(key.as_bytes(), Value::from(value))
    }

    /// Drops the value under `key`; says whether there was one.
    pub fn invalidate(&self, key: &str) -> bool {
        self.items.delete(self.items.present(), key.as_bytes())
    }

    /// Drops everything.
    pub fn clear(&self) {
        self.items.cache.clear();
    }

    /// Sets capacity and policy, keeping what fits.
    pub fn reconfigure(&self, capacity_bytes: u64, policy: PolicyKind) {
        self.items.cache.reconfigure(capacity_bytes, None, policy);
    }

    /// What it holds and did.
    pub fn stats(&self) -> Stats {
        self.items.stats()
    }
}

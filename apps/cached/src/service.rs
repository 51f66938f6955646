//! The verbs of the mem-cache server, which its protocols share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use larder_cache::Stats;
use larder_clock::{SharedClock, Timestamp};
use larder_console::{Insight, Settings};

use crate::Config;
use crate::items::{Items, Value};

/// A cache for values of anybody's choosing. Cheap to clone.
#[derive(Clone)]
pub struct MemCache {
    items: Arc<Items>,
    started_at: Timestamp,
    /// The settings that it started with.
    defaults: Settings,
    /// Connections of memcached's protocol at this moment.
    connections: Arc<AtomicUsize>,
}

impl MemCache {
    /// An empty cache, whose entries expire by `clock`.
    pub fn new(config: &Config, clock: SharedClock) -> Self {
        let started_at = clock.now();
        let items = Items::new(config.capacity_bytes, config.policy, config.max_item_bytes, clock);
        let defaults = items.observer.settings();
        Self { items: Arc::new(items), started_at, defaults, connections: Arc::default() }
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

    /// The settings in force, with the policy that the autopilot changed to
    /// last.
    pub fn settings(&self) -> Settings {
        self.items.observer.settings()
    }

    /// The settings that it started with.
    pub fn default_settings(&self) -> Settings {
        self.defaults
    }

    /// Changes settings, keeping what fits; returns all of them as they are in
    /// force then.
    pub fn adjust(&self, change: impl FnOnce(Settings) -> Settings) -> Settings {
        self.items.observer.reconfigure(change)
    }

    /// What other settings would do. From now on requests are watched for
    /// that, until nobody has asked for ten minutes.
    pub fn insight(&self) -> Insight {
        Insight::of(self.items.observer.look(), self.stats().requests)
    }

    /// Connections of memcached's protocol at this moment.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Where they are counted.
    pub(crate) fn connection_count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.connections)
    }

    /// What it holds and did.
    pub fn stats(&self) -> Stats {
        self.items.stats()
    }
}

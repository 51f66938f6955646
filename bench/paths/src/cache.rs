//! The cache: 100,000 entries, keys of 16 bytes, values of 100 bytes, and
//! requests by Zipf's law.

use std::hint::black_box;
use std::sync::Arc;

use larder_cache::{Cache, Config, Inserted, Lookup, PolicyKind};
use larder_workload::random::{SplitMix64, mix};
use larder_workload::zipf::Zipf;

use crate::{Path, TIMES, Walk};

const ENTRIES: u64 = 100_000;

/// Requests before the first walk, so that policies know what is in use.
const REQUESTS: usize = 20_000;

/// Zipf's exponent: that of the Yahoo! Cloud Serving Benchmark.
const EXPONENT: f64 = 0.99;

const SEED: u64 = 1;

/// Keys that are looked up together, as the mem-cache server does.
const BATCH: usize = 16;

type Key = [u8; 16];
type Value = Arc<[u8]>;

pub(crate) fn paths() -> Vec<Path> {
    let hits = PolicyKind::ALL.iter().map(|&policy| {
        Path::new(format!("cache/hit/{policy}"), move || Hits(Resident::new(policy)))
    });
    let inserts = PolicyKind::ALL.iter().map(|&policy| {
        Path::new(format!("cache/insert-and-evict/{policy}"), move || Inserts::new(policy))
    });
    let mut paths: Vec<Path> = hits.chain(inserts).collect();
    paths.push(Path::new("cache/hit-in-batch", || Batches(Resident::of_the_default())));
    paths.push(Path::new("cache/miss", || Misses::new(Resident::of_the_default())));
    paths.push(Path::new("cache/invalidate", || Invalidations::new(Resident::of_the_default())));
    paths.push(Path::new("cache/lease-and-fill", || Leases::new(Resident::of_the_default())));
    paths
}

/// The key of a number; those from [`ENTRIES`] on aren't in the cache at first.
fn key(number: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key[8..].copy_from_slice(&mix(number).to_le_bytes());
    key
}

fn value() -> Value {
    Arc::from([7; 100])
}

/// A cache in use, with room for so many entries.
fn filled(policy: PolicyKind, room: u64, requests: &[Key]) -> Cache<Value> {
    let weight = Cache::weight_of(&key(0), &value());
    let cache = Cache::new(Config {
        capacity_bytes: room * weight,
        policy,
        seed: SEED,
        ..Config::default()
    });
    for number in 0..ENTRIES {
        cache.insert(&key(number), value());
    }
    for key in requests {
        drop(cache.get(key));
    }
    cache
}

fn requests(count: usize) -> Vec<Key> {
    let zipf = Zipf::new(ENTRIES, EXPONENT).expect("both are in range");
    let mut random = SplitMix64::new(SEED);
    (0..count).map(|_| key(zipf.draw(&mut random))).collect()
}

/// A cache that holds all entries with room to spare, and what is asked of it.
struct Resident {
    cache: Cache<Value>,
    keys: Vec<Key>,
}

impl Resident {
    fn new(policy: PolicyKind) -> Self {
        let mut keys = requests(REQUESTS + TIMES);
        let cache = filled(policy, 2 * ENTRIES, &keys[..REQUESTS]);
        keys.drain(..REQUESTS);
        assert!(keys.iter().all(|key| cache.peek(key).is_some()), "there is room for all");
        Self { cache, keys }
    }

    fn of_the_default() -> Self {
        Self::new(Config::default().policy)
    }
}

/// `get` of what is there.
struct Hits(Resident);

impl Walk for Hits {
    fn walk(&mut self) {
        for key in &self.0.keys {
            black_box(self.0.cache.get(black_box(key)));
        }
    }
}

/// `read_many` of what is there; each key counts.
struct Batches(Resident);

impl Walk for Batches {
    fn walk(&mut self) {
        for keys in self.0.keys.as_chunks::<BATCH>().0 {
            let keys = keys.each_ref().map(|key| &key[..]);
            self.0.cache.read_many(black_box(&keys), |_, value| {
                black_box(value);
            });
        }
    }
}

/// `get` of what isn't there.
struct Misses {
    cache: Cache<Value>,
    keys: Vec<Key>,
}

impl Misses {
    fn new(Resident { cache, .. }: Resident) -> Self {
        Self { cache, keys: strangers(0) }
    }
}

impl Walk for Misses {
    fn walk(&mut self) {
        for key in &self.keys {
            black_box(self.cache.get(black_box(key)));
        }
    }
}

/// Keys that aren't in the cache at first; those of each walk are others.
fn strangers(walk: u64) -> Vec<Key> {
    let first = ENTRIES + walk * TIMES as u64;
    (first..first + TIMES as u64).map(key).collect()
}

/// `get` of a key that never came, and `insert` of it into a full cache.
struct Inserts {
    cache: Cache<Value>,
    walks: u64,
    loaded: Vec<(Key, Value)>,
}

impl Inserts {
    fn new(policy: PolicyKind) -> Self {
        let cache = filled(policy, ENTRIES, &requests(REQUESTS));
        let mut inserts = Self { cache, walks: 0, loaded: Vec::with_capacity(TIMES) };
        while inserts.cache.stats().evictions == 0 {
            inserts.prepare();
            inserts.walk();
        }
        inserts
    }
}

impl Walk for Inserts {
    fn prepare(&mut self) {
        self.loaded.extend(strangers(self.walks).into_iter().map(|key| (key, value())));
        self.walks += 1;
    }

    fn walk(&mut self) {
        for (key, value) in self.loaded.drain(..) {
            if black_box(self.cache.get(black_box(&key))).is_none() {
                black_box(self.cache.insert(&key, value));
            }
        }
    }
}

/// `invalidate` of what is there.
struct Invalidations {
    cache: Cache<Value>,
    keys: Vec<Key>,
}

impl Invalidations {
    fn new(Resident { cache, .. }: Resident) -> Self {
        Self { cache, keys: strangers(0) }
    }
}

impl Walk for Invalidations {
    fn prepare(&mut self) {
        for key in &self.keys {
            assert_eq!(self.cache.insert(key, value()), Inserted::Stored);
        }
    }

    fn walk(&mut self) {
        for key in &self.keys {
            black_box(self.cache.invalidate(black_box(key)));
        }
    }
}

/// `lookup` of what isn't there, and `fill` under its lease.
struct Leases {
    cache: Cache<Value>,
    keys: Vec<Key>,
    values: Vec<Value>,
}

impl Leases {
    fn new(Resident { cache, .. }: Resident) -> Self {
        Self { cache, keys: strangers(0), values: Vec::with_capacity(TIMES) }
    }
}

impl Walk for Leases {
    fn prepare(&mut self) {
        for key in &self.keys {
            self.cache.invalidate(key);
        }
        self.values.resize_with(TIMES, value);
    }

    fn walk(&mut self) {
        for (key, value) in self.keys.iter().zip(self.values.drain(..)) {
            if let Lookup::Miss(lease) = self.cache.lookup(black_box(key)) {
                black_box(lease.fill(value));
            }
        }
    }
}

//! A plain model of the cache, and the one interpreter of operations on both:
//! for random ones, and for those that `fuzz/` finds. It knows nothing of
//! policies, shards or time.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use larder_cache::{
    Cache, Config, Filled, Inserted, Lease, Lookup, OVERHEAD_BYTES, Objective, PolicyKind, Stats,
    Waiter, Weigh,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    pub version: u64,
    pub weight: u64,
}

impl Weigh for Blob {
    fn weight_bytes(&self) -> u64 {
        self.weight
    }

    fn cost(&self) -> u32 {
        1 + (self.version % 100) as u32
    }
}

pub type Key = u8;

/// Keys are below this, so that most of them are met again.
pub const KEYS: Key = 16;

/// What an entry with such a blob weighs.
pub fn entry(blob: u64) -> u64 {
    blob + 1 + OVERHEAD_BYTES
}

#[derive(Clone, Debug)]
pub enum Step {
    Get(Key),
    Peek(Key),
    GetMany(Vec<Key>),
    ReadMany(Vec<Key>),
    Insert(Key, u64),
    Invalidate(Key),
    Clear,
    Reconfigure(u64, Option<u64>, PolicyKind),
    Pursue(Objective),
    /// Keeps the lease or the place among the waiters for later.
    Lookup(Key),
    /// These take the n-th of the leases kept.
    Fill(usize, u64),
    Share(usize),
    Drop(usize),
}

/// What must be true, without any idea of policies or shards.
pub struct Model {
    cache: Cache<Blob>,
    /// The last value put under each key and not taken away by the caller:
    /// the only one that the cache may have there.
    truth: HashMap<Key, Blob>,
    /// Every lease kept; the first half is its number.
    leases: Vec<(u64, Key, Lease<Blob>)>,
    /// The number of the good lease of each key.
    good: HashMap<Key, u64>,
    /// Every waiter kept, with the number of the lease it waits for.
    waiters: Vec<(u64, Waiter<Blob>)>,
    /// What the lease of that number ended with, for its waiters.
    ended: HashMap<u64, Option<Blob>>,
    versions: u64,
    requests: u64,
    hits: u64,
}

impl Model {
    pub fn new(config: Config) -> Self {
        Self {
            cache: Cache::new(config),
            truth: HashMap::new(),
            leases: Vec::new(),
            good: HashMap::new(),
            waiters: Vec::new(),
            ended: HashMap::new(),
            versions: 0,
            requests: 0,
            hits: 0,
        }
    }

    fn blob(&mut self, weight: u64) -> Blob {
        self.versions += 1;
        Blob { version: self.versions, weight }
    }

    fn never_fits(&self, weight: u64) -> bool {
        let config = self.cache.config();
        entry(weight) > config.capacity_bytes || config.max_items == Some(0)
    }

    fn void(&mut self, key: Key) {
        if let Some(number) = self.good.remove(&key) {
            self.ended.insert(number, None);
        }
    }

    fn take(&mut self, n: usize) -> Option<(u64, Key, Lease<Blob>)> {
        let count = self.leases.len();
        (count > 0).then(|| self.leases.swap_remove(n % count))
    }

    /// Ends a lease in the model; false if it had been voided.
    fn end(&mut self, number: u64, key: Key, value: Option<Blob>) -> bool {
        let good = self.good.get(&key) == Some(&number);
        if good {
            self.good.remove(&key);
            self.ended.insert(number, value);
        }
        good
    }

    /// What is under a key, for a read that is counted.
    fn counted(&mut self, key: Key) -> Option<Blob> {
        let there = self.cache.peek(&[key]);
        self.requests += 1;
        self.hits += u64::from(there.is_some());
        there
    }

    /// Takes a step, and recounts.
    pub fn play(&mut self, step: &Step) {
        self.take_step(step);
        self.check();
    }

    fn take_step(&mut self, step: &Step) {
        match *step {
            Step::Get(key) => {
                let there = self.counted(key);
                assert_eq!(self.cache.get(&[key]), there);
            }
            Step::GetMany(ref keys) => {
                let there: Vec<_> = keys.iter().map(|&key| self.counted(key)).collect();
                let asked: Vec<&[u8]> = keys.iter().map(std::slice::from_ref).collect();
                assert_eq!(self.cache.get_many(&asked), there);
            }
            Step::ReadMany(ref keys) => {
                let there: Vec<_> = keys.iter().map(|&key| self.counted(key)).collect();
                let asked: Vec<&[u8]> = keys.iter().map(std::slice::from_ref).collect();
                let mut seen = Vec::new();
                self.cache.read_many(&asked, |place, value| {
                    assert_eq!(place, seen.len(), "in the order of the keys");
                    seen.push(value.cloned());
                });
                assert_eq!(seen, there);
            }
            Step::Peek(key) => {
                if let Some(found) = self.cache.peek(&[key]) {
                    assert_eq!(self.truth.get(&key), Some(&found));
                }
            }
            Step::Insert(key, weight) => {
                let blob = self.blob(weight);
                let inserted = self.cache.insert(&[key], blob.clone());
                self.void(key);
                if self.never_fits(weight) {
                    assert_eq!(inserted, Inserted::TooHeavy);
                    self.truth.remove(&key);
                } else {
                    assert_eq!(inserted, Inserted::Stored);
                    assert_eq!(self.cache.peek(&[key]), Some(blob.clone()));
                    self.truth.insert(key, blob);
                }
            }
            Step::Invalidate(key) => {
                let there = self.cache.peek(&[key]).is_some();
                assert_eq!(self.cache.invalidate(&[key]), there);
                self.void(key);
                self.truth.remove(&key);
            }
            Step::Clear => {
                self.cache.clear();
                let keys: Vec<Key> = self.good.keys().copied().collect();
                keys.into_iter().for_each(|key| self.void(key));
                self.truth.clear();
            }
            Step::Reconfigure(capacity, items, policy) => {
                let before = self.cache.stats();
                self.cache.reconfigure(capacity, items, policy);
                let after = self.cache.stats();
                assert_eq!((after.capacity_bytes, after.max_items), (capacity, items));
                assert_eq!(after.policy, policy);
                let fitted =
                    before.weight_bytes <= capacity && before.items <= items.unwrap_or(u64::MAX);
                assert_eq!(fitted, before.items == after.items, "kept as far as they fit");
            }
            Step::Pursue(objective) => {
                let before = self.cache.stats();
                self.cache.pursue(objective);
                assert_eq!(self.cache.stats(), Stats { objective, ..before });
            }
            Step::Lookup(key) => self.lookup(key),
            Step::Fill(n, weight) => {
                let Some((number, key, lease)) = self.take(n) else {
                    return;
                };
                let blob = self.blob(weight);
                let filled = lease.fill(blob.clone());
                if !self.end(number, key, Some(blob.clone())) {
                    assert_eq!(filled, Filled::Voided);
                } else if self.never_fits(weight) {
                    assert_eq!(filled, Filled::TooHeavy);
                } else {
                    assert_eq!(filled, Filled::Installed);
                    assert_eq!(self.cache.peek(&[key]), Some(blob.clone()));
                    self.truth.insert(key, blob);
                }
            }
            Step::Share(n) => {
                let Some((number, key, lease)) = self.take(n) else {
                    return;
                };
                let blob = self.blob(1);
                let shared = lease.share(blob.clone());
                assert_eq!(shared, self.end(number, key, Some(blob)));
            }
            Step::Drop(n) => {
                let Some((number, key, lease)) = self.take(n) else {
                    return;
                };
                drop(lease);
                self.end(number, key, None);
            }
        }
    }

    fn lookup(&mut self, key: Key) {
        let there = self.counted(key);
        match self.cache.lookup(&[key]) {
            Lookup::Hit(found) => assert_eq!(Some(found), there),
            Lookup::Wait(waiter) => {
                assert_eq!(there, None);
                let number = *self.good.get(&key).expect("there is one to wait for");
                self.waiters.push((number, waiter));
            }
            Lookup::Miss(lease) => {
                assert_eq!(there, None);
                assert!(!self.good.contains_key(&key), "two good leases");
                // An eviction took what was true, or nothing was.
                self.truth.remove(&key);
                self.versions += 1;
                self.good.insert(key, self.versions);
                self.leases.push((self.versions, key, lease));
            }
        }
    }

    /// Holds everything against the model.
    fn check(&mut self) {
        self.cache.validate();
        let stats = self.cache.stats();
        assert!(stats.weight_bytes <= stats.capacity_bytes);
        assert!(stats.items <= stats.max_items.unwrap_or(u64::MAX));
        assert_eq!(stats.requests, self.requests);
        assert_eq!((stats.hits, stats.misses), (self.hits, self.requests - self.hits));
        let mut weight_bytes = 0;
        for key in 0..KEYS {
            if let Some(found) = self.cache.peek(&[key]) {
                assert_eq!(self.truth.get(&key), Some(&found), "of key {key}");
                weight_bytes += entry(found.weight);
            }
        }
        assert_eq!(weight_bytes, stats.weight_bytes);
        for (number, key, lease) in &self.leases {
            assert_eq!(lease.is_good(), self.good.get(key) == Some(number));
        }
        let mut context = Context::from_waker(Waker::noop());
        let ended = &self.ended;
        self.waiters.retain_mut(|(number, waiter)| {
            match (Pin::new(waiter).poll(&mut context), ended.get(number)) {
                (Poll::Pending, None) => true,
                (Poll::Ready(got), Some(expected)) => {
                    assert_eq!(got, *expected);
                    false
                }
                (poll, ended) => panic!("a waiter has {poll:?}, its lease {ended:?}"),
            }
        });
    }
}

//! Random operations on the cache and on a plain model of it, with a recount
//! after every step. A failing sequence is shrunk and printed.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use larder_cache::{
    Cache, Config, Filled, Inserted, Lease, Lookup, OVERHEAD_BYTES, PolicyKind, Waiter, Weigh,
};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Blob {
    version: u64,
    weight: u64,
}

impl Weigh for Blob {
    fn weight_bytes(&self) -> u64 {
        self.weight
    }
}

type Key = u8;

fn entry(blob: u64) -> u64 {
    blob + 1 + OVERHEAD_BYTES
}

/// Half of the blobs weigh little, some more than most capacities.
fn weight() -> impl Strategy<Value = u64> {
    prop_oneof![0..50u64, 0..1000u64, 0..8000u64]
}

fn capacity() -> impl Strategy<Value = u64> {
    prop_oneof![0..1000u64, 1000..8000u64]
}

fn items() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![3 => Just(None), 1 => (0..12u64).prop_map(Some)]
}

fn policy() -> impl Strategy<Value = PolicyKind> {
    prop::sample::select(PolicyKind::ALL)
}

#[derive(Clone, Debug)]
enum Step {
    Get(Key),
    Peek(Key),
    Insert(Key, u64),
    Invalidate(Key),
    Clear,
    Reconfigure(u64, Option<u64>, PolicyKind),
    /// Keeps the lease or the place among the waiters for later.
    Lookup(Key),
    /// These take the n-th of the leases kept.
    Fill(usize, u64),
    Share(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..16u8;
    prop_oneof![
        6 => key.clone().prop_map(Step::Get),
        1 => key.clone().prop_map(Step::Peek),
        6 => (key.clone(), weight()).prop_map(|(key, weight)| Step::Insert(key, weight)),
        2 => key.clone().prop_map(Step::Invalidate),
        1 => Just(Step::Clear),
        1 => (capacity(), items(), policy()).prop_map(|(c, i, p)| Step::Reconfigure(c, i, p)),
        8 => key.prop_map(Step::Lookup),
        4 => (any::<usize>(), weight()).prop_map(|(n, weight)| Step::Fill(n, weight)),
        1 => any::<usize>().prop_map(Step::Share),
        1 => any::<usize>().prop_map(Step::Drop),
    ]
}

/// What must be true, without any idea of policies or shards.
struct Model {
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
}

impl Model {
    fn new(config: Config) -> Self {
        Self {
            cache: Cache::new(config),
            truth: HashMap::new(),
            leases: Vec::new(),
            good: HashMap::new(),
            waiters: Vec::new(),
            ended: HashMap::new(),
            versions: 0,
            requests: 0,
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

    fn play(&mut self, step: &Step) {
        match *step {
            Step::Get(key) => {
                let there = self.cache.peek(&[key]);
                assert_eq!(self.cache.get(&[key]), there);
                self.requests += 1;
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
        let there = self.cache.peek(&[key]);
        self.requests += 1;
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
        assert_eq!(stats.requests, stats.hits + stats.misses);
        let mut weight_bytes = 0;
        for key in 0..16 {
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

fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings(300))]

    #[test]
    fn the_cache_does_what_the_model_does(
        capacity_bytes in capacity(),
        max_items in items(),
        policy in policy(),
        shards in prop::sample::select(vec![1usize, 2, 8]),
        seed: u64,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let config = Config { capacity_bytes, max_items, policy, shards, seed, ..Config::default() };
        let mut model = Model::new(config);
        for step in &steps {
            model.play(step);
            model.check();
        }
    }
}

proptest! {
    #![proptest_config(settings(200))]

    /// With one shard, LRU and FIFO hold exactly the entries that a plain list
    /// of them would, to the byte.
    #[test]
    fn one_shard_evicts_in_exact_order(
        by_use: bool,
        capacity_bytes in 500..8000u64,
        max_items in prop_oneof![Just(None), (1..12u64).prop_map(Some)],
        steps in prop::collection::vec((0..16u8, weight(), 0..3u8), 1..200),
    ) {
        let policy = if by_use { PolicyKind::Lru } else { PolicyKind::Fifo };
        let cache: Cache<Blob> = Cache::new(Config { capacity_bytes, max_items, policy, shards: 1, seed: 1, ..Config::default() });
        // Oldest first.
        let mut list: Vec<(Key, u64)> = Vec::new();
        for (key, weight, verb) in steps {
            let place = list.iter().position(|&(other, _)| other == key);
            if verb == 0 {
                prop_assert_eq!(cache.get(&[key]).is_some(), place.is_some());
                if let (Some(place), true) = (place, by_use) {
                    let used = list.remove(place);
                    list.push(used);
                }
            } else {
                // New keys only: where a replaced entry stands is for the
                // model above.
                cache.invalidate(&[key]);
                list.retain(|&(other, _)| other != key);
                cache.insert(&[key], Blob { version: 0, weight });
                if entry(weight) <= capacity_bytes {
                    list.push((key, weight));
                }
                let bytes = |list: &[(Key, u64)]| list.iter().map(|&(_, w)| entry(w)).sum::<u64>();
                while bytes(&list) > capacity_bytes || list.len() as u64 > max_items.unwrap_or(u64::MAX) {
                    list.remove(0);
                }
            }
            let mut expected: Vec<Key> = list.iter().map(|&(key, _)| key).collect();
            expected.sort_unstable();
            let mut held: Vec<Key> = cache.keys().iter().map(|key| key[0]).collect();
            held.sort_unstable();
            prop_assert_eq!(held, expected);
            cache.validate();
        }
    }
}

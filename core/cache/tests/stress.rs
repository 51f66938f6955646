//! Many threads at once, without sleeping: the bounds hold whenever anybody
//! looks, values never mix, and nobody reads what was overwritten before.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use larder_cache::{Cache, Config, Filled, Lookup, PolicyKind, Weigh};

#[derive(Clone, Debug, PartialEq)]
struct Blob {
    id: u64,
    version: u64,
    weight: u64,
}

impl Weigh for Blob {
    fn weight_bytes(&self) -> u64 {
        self.weight
    }
}

fn key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

/// Enough chance to drive a test; each thread has its own seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// 100 B to 8 MB, each size as likely as its double.
    fn weight(&mut self) -> u64 {
        (100 << self.roll(17)) + self.roll(100)
    }
}

/// Sets a flag when dropped, also by a panic, so that no thread runs for ever.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Looks until the others are done, and once more.
fn sample(cache: &Cache<Blob>, done: &AtomicBool) {
    let mut requests = 0;
    loop {
        let last = done.load(Ordering::SeqCst);
        for _ in 0..100 {
            let stats = cache.stats();
            assert!(stats.weight_bytes <= stats.capacity_bytes, "{stats:?}");
            assert!(stats.items <= stats.max_items.unwrap_or(u64::MAX), "{stats:?}");
            assert_eq!(stats.requests, stats.hits + stats.misses);
            assert!(stats.requests >= requests, "requests went back");
            requests = stats.requests;
        }
        cache.validate();
        if last {
            return;
        }
    }
}

fn work(cache: &Cache<Blob>, seed: u64, steps: u64) {
    let mut dice = Dice(seed);
    for _ in 0..steps {
        let id = dice.roll(300);
        let weight = dice.weight();
        let blob = Blob { id, version: 0, weight };
        match dice.roll(20) {
            0..6 => {
                if let Some(found) = cache.get(&key(id)) {
                    assert_eq!(found.id, id, "values mixed");
                }
            }
            6..12 => {
                cache.insert(&key(id), blob);
            }
            12..18 => match cache.lookup(&key(id)) {
                Lookup::Hit(found) => assert_eq!(found.id, id, "values mixed"),
                Lookup::Miss(lease) if dice.roll(8) == 0 => drop(lease),
                Lookup::Miss(lease) if dice.roll(8) == 0 => {
                    lease.share(blob);
                }
                Lookup::Miss(lease) => {
                    lease.fill(blob);
                }
                // Whoever leads never waits for another, so this ends.
                Lookup::Wait(waiter) => {
                    if let Some(found) = waiter.wait() {
                        assert_eq!(found.id, id, "values mixed");
                    }
                }
            },
            18 => {
                cache.invalidate(&key(id));
            }
            _ if dice.roll(200) == 0 => cache.clear(),
            _ => {}
        }
    }
}

#[test]
fn the_bounds_hold_whenever_anybody_looks() {
    for shards in [1, 8] {
        let cache = Cache::new(Config { capacity_bytes: 30_000_000, shards, ..Config::default() });
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let (cache, done) = (&cache, &done);
            scope.spawn(|| sample(cache, done));
            scope.spawn(|| {
                let mut dice = Dice(99);
                while !done.load(Ordering::SeqCst) {
                    let kind = PolicyKind::ALL[dice.roll(6) as usize % PolicyKind::ALL.len()];
                    let capacity = dice.roll(40_000_000);
                    let items = (dice.roll(2) == 0).then(|| dice.roll(200));
                    cache.reconfigure(capacity, items, kind);
                    // Nobody else reconfigures, so it must hold from now on.
                    for _ in 0..10 {
                        let stats = cache.stats();
                        assert_eq!(stats.capacity_bytes, capacity);
                        assert!(stats.weight_bytes <= capacity, "{stats:?}");
                        assert!(stats.items <= items.unwrap_or(u64::MAX), "{stats:?}");
                    }
                }
            });
            let _finish = Finish(done);
            let workers: Vec<_> =
                (0..4).map(|seed| scope.spawn(move || work(cache, seed, 15_000))).collect();
            for worker in workers {
                worker.join().expect("a worker found something wrong");
            }
        });
        cache.validate();
    }
}

/// Two callers that reconfigure at once: one of the two wins, whole.
#[test]
fn reconfiguring_at_once_ends_with_one_of_the_two() {
    let cache = Cache::new(Config::default());
    let settings =
        [(3_000_000, Some(20), PolicyKind::Sieve), (9_000_000, None, PolicyKind::Random)];
    thread::scope(|scope| {
        for (capacity, items, policy) in settings {
            let cache = &cache;
            scope.spawn(move || (0..200).for_each(|_| cache.reconfigure(capacity, items, policy)));
            scope.spawn(move || work(cache, capacity, 5_000));
        }
    });
    cache.validate();
    let config = cache.config();
    let ended = (config.capacity_bytes, config.max_items);
    assert!(settings.iter().any(|&(c, i, _)| (c, i) == ended), "{config:?}");
}

/// Readers against writers that change the truth first, invalidate next and
/// acknowledge last. Whatever a reader gets must be at least as new as what
/// had been acknowledged before it asked.
#[test]
fn nobody_reads_what_was_overwritten_before_they_asked() {
    const KEYS: usize = 4;
    let cache: Cache<Blob> = Cache::new(Config::default());
    let truth: [AtomicU64; KEYS] = Default::default();
    let acknowledged: [AtomicU64; KEYS] = Default::default();
    let done = AtomicBool::new(false);
    let read = |id: usize| {
        let least = acknowledged[id].load(Ordering::SeqCst);
        let mut answer = cache.lookup(&key(id as u64));
        let got = loop {
            match answer {
                Lookup::Hit(found) => break found,
                Lookup::Miss(lease) => {
                    let loaded = Blob {
                        id: id as u64,
                        version: truth[id].load(Ordering::SeqCst),
                        weight: 10,
                    };
                    // A load takes a while; let a writer come between.
                    thread::yield_now();
                    // Its own caller may use even a void load: it began after
                    // the caller asked.
                    let _: Filled = lease.fill(loaded.clone());
                    break loaded;
                }
                Lookup::Wait(waiter) => {
                    if let Some(found) = waiter.wait() {
                        break found;
                    }
                    answer = cache.lookup_again(&key(id as u64));
                }
            }
        };
        assert_eq!(got.id, id as u64, "values mixed");
        assert!(got.version >= least, "{} is older than {least}", got.version);
    };
    thread::scope(|scope| {
        for seed in 0..4 {
            let (read, done) = (&read, &done);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                while !done.load(Ordering::SeqCst) {
                    read(dice.roll(KEYS as u64) as usize);
                }
            });
        }
        // One writer per key, so that versions are acknowledged in order.
        let writers: Vec<_> = (0..KEYS)
            .map(|id| {
                let (truth, acknowledged, cache) = (&truth, &acknowledged, &cache);
                scope.spawn(move || {
                    // On a busy machine go on until a load has been overtaken.
                    for version in 1..200_000 {
                        if version > 2_000 && cache.stats().leases_voided > 0 {
                            break;
                        }
                        truth[id].store(version, Ordering::SeqCst);
                        cache.invalidate(&key(id as u64));
                        acknowledged[id].store(version, Ordering::SeqCst);
                        if version % 16 == 0 {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let _finish = Finish(&done);
        for writer in writers {
            writer.join().expect("writers don't panic");
        }
    });
    cache.validate();
    let stats = cache.stats();
    assert!(stats.leases_voided > 0, "no load was ever overtaken: {stats:?}");
}

/// No wake-up is lost: leases are dropped, shared and filled while the others
/// are about to wait, and every round ends.
#[test]
fn every_waiter_is_woken() {
    let cache: Cache<Blob> = Cache::new(Config::default());
    let installed = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..6 {
            let (cache, installed) = (&cache, &installed);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                for round in 0..2_000 {
                    let blob = Blob { id: round, version: 0, weight: 1 };
                    loop {
                        match cache.lookup(&key(round)) {
                            Lookup::Hit(found) => {
                                assert_eq!(found, blob);
                                break;
                            }
                            Lookup::Miss(lease) if dice.roll(2) == 0 => drop(lease),
                            Lookup::Miss(lease) => {
                                assert_eq!(lease.fill(blob.clone()), Filled::Installed);
                                installed.fetch_add(1, Ordering::SeqCst);
                                break;
                            }
                            Lookup::Wait(waiter) => match waiter.wait() {
                                Some(found) => {
                                    assert_eq!(found, blob);
                                    break;
                                }
                                None => continue,
                            },
                        }
                    }
                }
            });
        }
    });
    assert_eq!(installed.into_inner(), 2_000, "one load per key");
    cache.validate();
}

/// Two callers at the same instant, again and again: one leads.
#[test]
fn of_two_at_the_same_instant_one_leads() {
    const ROUNDS: u64 = 20_000;
    let cache: Cache<Blob> = Cache::new(Config::default());
    let arrived = AtomicU64::new(0);
    let leads = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    let mut spins = 0u32;
                    while arrived.load(Ordering::SeqCst) < 2 * (round + 1) {
                        spins += 1;
                        // Spinning meets best; yielding lets one core do.
                        if spins > 1000 {
                            thread::yield_now();
                        }
                    }
                    match cache.lookup(&key(round)) {
                        Lookup::Miss(lease) => {
                            leads.fetch_add(1, Ordering::SeqCst);
                            let blob = Blob { id: round, version: 0, weight: 1 };
                            // Two leaders show in the count; a panic here would
                            // leave the other thread waiting.
                            let _: Filled = lease.fill(blob);
                        }
                        Lookup::Hit(found) => assert_eq!(found.id, round),
                        Lookup::Wait(waiter) => {
                            assert_eq!(waiter.wait().map(|found| found.id), Some(round));
                        }
                    }
                }
            });
        }
    });
    assert_eq!(leads.into_inner(), ROUNDS);
    cache.validate();
}

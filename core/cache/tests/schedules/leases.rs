//! Lookup, fill, drop and share against whatever voids a lease. Never policies
//! or room: everything fits.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use larder_cache::{Cache, Filled, Lookup};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use super::{Blob, blob, cache, explore, load, one_of};

const KEY: &[u8] = b"k";

/// Two load while one overwrites. Nobody who asks after `overwrite` returned
/// gets what was true before it, then or later.
fn overwritten_while_loaded(overwrite: fn(&Cache<Blob>)) {
    explore(move || {
        let cache = cache(10, 1);
        let truth = AtomicU64::new(1);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| load(&cache, KEY, &truth));
            }
            truth.store(2, Ordering::SeqCst);
            overwrite(&cache);
            assert_eq!(load(&cache, KEY, &truth), 2, "older than the overwrite");
        });
        assert_eq!(cache.peek(KEY), Some(blob(2)));
        cache.validate();
    });
}

#[test]
fn no_load_outlives_an_invalidation() {
    overwritten_while_loaded(|cache| {
        cache.invalidate(KEY);
    });
}

#[test]
fn no_load_outlives_a_clear() {
    overwritten_while_loaded(Cache::clear);
}

#[test]
fn no_load_replaces_an_insert() {
    overwritten_while_loaded(|cache| {
        cache.insert(KEY, blob(2));
    });
}

#[test]
fn of_those_at_the_same_instant_one_leads() {
    explore(|| {
        let cache = cache(10, 1);
        let leads = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| match cache.lookup(KEY) {
                    Lookup::Miss(lease) => {
                        leads.fetch_add(1, Ordering::SeqCst);
                        assert!(lease.is_good());
                        assert_eq!(lease.fill(blob(1)), Filled::Installed);
                    }
                    Lookup::Hit(found) => assert_eq!(found, blob(1)),
                    Lookup::Wait(waiter) => assert_eq!(waiter.wait(), Some(blob(1))),
                });
            }
        });
        assert_eq!(leads.into_inner(), 1);
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.inserts, stats.leases_voided), (1, 1, 0));
        cache.validate();
    });
}

/// The first to lead fails; the right goes on to one of those who wait, and
/// none of them sleeps for ever.
#[test]
fn a_lease_that_is_dropped_goes_to_one_who_waits() {
    explore(|| {
        let cache = cache(10, 1);
        let truth = AtomicU64::new(1);
        let Lookup::Miss(lease) = cache.lookup(KEY) else { panic!("the cache is empty") };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert_eq!(load(&cache, KEY, &truth), 1));
            }
            // Asks once, and loses patience.
            scope.spawn(|| {
                if let Lookup::Wait(waiter) = cache.lookup(KEY) {
                    let mut context = Context::from_waker(Waker::noop());
                    let _ = pin!(waiter).poll(&mut context);
                }
            });
            drop(lease);
        });
        let stats = cache.stats();
        // One more, if the impatient one led for a moment.
        assert!((2..=3).contains(&stats.loads), "{stats:?}");
        assert_eq!((stats.inserts, stats.leases_voided), (1, 0));
        cache.validate();
    });
}

/// An overwrite ends the wait at once: the one who leads may load for ever.
#[test]
fn who_waits_for_an_overtaken_load_is_sent_back() {
    let overwrites: [fn(&Cache<Blob>); 3] = [
        |cache| {
            cache.invalidate(KEY);
        },
        |cache| {
            cache.insert(KEY, blob(2));
        },
        Cache::clear,
    ];
    explore(move || {
        let cache = cache(10, 1);
        let Lookup::Miss(lease) = cache.lookup(KEY) else { panic!("the cache is empty") };
        let overwrite = one_of(&overwrites);
        thread::scope(|scope| {
            scope.spawn(|| {
                if let Lookup::Wait(waiter) = cache.lookup(KEY) {
                    assert_eq!(waiter.wait(), None);
                }
            });
            scope.spawn(|| overwrite(&cache));
        });
        let there = cache.peek(KEY);
        assert_eq!(lease.fill(blob(1)), Filled::Voided);
        assert_eq!(cache.peek(KEY), there);
        cache.validate();
    });
}

/// What is shared reaches those who wait, or they look again because an
/// invalidation came first; it is never kept.
#[test]
fn what_is_shared_is_not_kept() {
    explore(|| {
        let cache = cache(10, 1);
        let Lookup::Miss(lease) = cache.lookup(KEY) else { panic!("the cache is empty") };
        thread::scope(|scope| {
            let waiting = scope.spawn(|| match cache.lookup(KEY) {
                Lookup::Hit(found) => panic!("{found:?} was kept"),
                Lookup::Miss(_) => None,
                Lookup::Wait(waiter) => Some(waiter.wait()),
            });
            scope.spawn(|| cache.invalidate(KEY));
            let shared = lease.share(blob(7));
            if let Some(got) = waiting.join().expect("it found nothing kept") {
                assert_eq!(got, shared.then_some(blob(7)));
            }
        });
        assert_eq!(cache.peek(KEY), None);
        cache.validate();
    });
}

/// Two at a time are counted in lines of their own, the others in a shared one.
#[test]
fn every_read_is_counted() {
    explore(|| {
        let cache = cache(10, 1);
        cache.insert(KEY, blob(1));
        let other = one_of(&[KEY, b"other"]);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _ = cache.get(KEY);
                    let _ = cache.get_many(&[KEY, other]);
                });
            }
        });
        let stats = cache.stats();
        let misses = if other == KEY { 0 } else { 4 };
        assert_eq!((stats.requests, stats.misses), (12, misses));
    });
}

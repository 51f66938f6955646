//! What every policy owes to users, whatever its idea of a victim: one suite
//! over the whole list.

use larder_cache::{Cache, Config, Inserted, OVERHEAD_BYTES, PolicyKind, Weigh};

/// A value that says whose it is and weighs what it is told.
#[derive(Clone, Debug, PartialEq)]
struct Blob {
    id: u64,
    weight: u64,
}

impl Weigh for Blob {
    fn weight_bytes(&self) -> u64 {
        self.weight
    }
}

/// Keys of eight bytes, so that all entries of one blob weight weigh the same.
fn key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

/// What an entry weighs whose blob weighs `blob`.
fn entry(blob: u64) -> u64 {
    blob + 8 + OVERHEAD_BYTES
}

fn cache(policy: PolicyKind, capacity_bytes: u64, shards: usize) -> Cache<Blob> {
    Cache::new(Config {
        capacity_bytes,
        max_items: None,
        policy,
        shards,
        seed: 42,
        ..Config::default()
    })
}

fn put(cache: &Cache<Blob>, id: u64, weight: u64) -> Inserted {
    cache.insert(&key(id), Blob { id, weight })
}

fn held(cache: &Cache<Blob>, ids: std::ops::Range<u64>) -> Vec<u64> {
    ids.filter(|&id| cache.peek(&key(id)).is_some()).collect()
}

fn everywhere(test: impl Fn(PolicyKind, usize)) {
    for &policy in PolicyKind::ALL {
        for shards in [1, 2, 8] {
            test(policy, shards);
        }
    }
}

/// The order in which entries go when the bound is lowered one by one.
fn order(cache: &Cache<Blob>, ids: std::ops::Range<u64>) -> Vec<u64> {
    let config = cache.config();
    let mut left = held(cache, ids);
    let mut gone = Vec::new();
    while !left.is_empty() {
        let max_items = Some(left.len() as u64 - 1);
        cache.reconfigure(config.capacity_bytes, max_items, config.policy);
        cache.validate();
        let (stay, go) = left.iter().partition(|&&id| cache.peek(&key(id)).is_some());
        left = stay;
        gone.extend::<Vec<u64>>(go);
    }
    gone
}

#[test]
fn the_last_byte_is_used_and_not_one_more() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 100 * entry(50), shards);
        (0..100).for_each(|id| assert_eq!(put(&cache, id, 50), Inserted::Stored));
        let stats = cache.stats();
        assert_eq!(stats.weight_bytes, stats.capacity_bytes, "{policy}");
        assert_eq!((stats.items, stats.evictions), (100, 0), "{policy}");
        put(&cache, 100, 50);
        let stats = cache.stats();
        assert_eq!((stats.items, stats.evictions), (100, 1), "{policy}");
        put(&cache, 101, 51);
        let stats = cache.stats();
        assert_eq!((stats.items, stats.evictions), (99, 3), "{policy}");
        assert_eq!(stats.weight_bytes, 98 * entry(50) + entry(51), "{policy}");
        cache.validate();
    });
}

#[test]
fn mixed_sizes_never_pass_the_capacity_and_use_it() {
    everywhere(|policy, shards| {
        let capacity = 20_000_000;
        let cache = cache(policy, capacity, shards);
        let mut state = 1u64;
        for id in 0..2000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // 100 B to 8 MB, small ones more often.
            let weight = 100 << ((state >> 40) % 17);
            assert_eq!(put(&cache, id, weight), Inserted::Stored);
            assert!(cache.peek(&key(id)).is_some(), "{policy}");
            assert!(cache.stats().weight_bytes <= capacity, "{policy}");
            if id % 50 == 0 {
                cache.validate();
            }
        }
        cache.validate();
        assert!(cache.stats().weight_bytes > capacity / 2, "{policy}");
    });
}

#[test]
fn what_is_too_heavy_evicts_nothing_but_what_it_replaces() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 10 * entry(90), shards);
        (0..10).for_each(|id| assert_eq!(put(&cache, id, 90), Inserted::Stored));
        let one_too_many = 10 * entry(90) - entry(0) + 1;
        assert_eq!(put(&cache, 50, one_too_many), Inserted::TooHeavy);
        assert_eq!(held(&cache, 0..60), (0..10).collect::<Vec<_>>(), "{policy}");
        assert_eq!(put(&cache, 3, one_too_many), Inserted::TooHeavy);
        assert_eq!(cache.peek(&key(3)), None, "{policy}");
        let stats = cache.stats();
        assert_eq!((stats.items, stats.evictions), (9, 0), "{policy}");
        assert_eq!((stats.rejected, stats.invalidations), (2, 1), "{policy}");
        assert_eq!(put(&cache, 4, one_too_many - 1), Inserted::Stored);
        assert_eq!(held(&cache, 0..60), [4], "{policy}");
        assert_eq!(put(&cache, 5, u64::MAX), Inserted::TooHeavy);
        cache.validate();
    });
}

#[test]
fn replacing_counts_once_and_never_evicts_itself() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 10 * entry(100), shards);
        (0..10).for_each(|id| assert_eq!(put(&cache, id, 100), Inserted::Stored));
        for id in 0..10 {
            put(&cache, id, 100);
        }
        let stats = cache.stats();
        assert_eq!((stats.items, stats.evictions), (10, 0), "{policy}");
        assert_eq!((stats.inserts, stats.replaced), (20, 10), "{policy}");
        // Growing by one byte costs another entry, never the grown one.
        put(&cache, 0, 101);
        assert_eq!(cache.peek(&key(0)).map(|blob| blob.weight), Some(101));
        assert_eq!(cache.stats().evictions, 1, "{policy}");
        // Up to the whole cache, and back.
        put(&cache, 0, 10 * entry(100) - entry(0));
        assert_eq!(held(&cache, 0..10), [0], "{policy}");
        assert_eq!(cache.stats().evictions, 9, "{policy}");
        put(&cache, 0, 100);
        assert_eq!(cache.stats().weight_bytes, entry(100), "{policy}");
        cache.validate();
    });
}

#[test]
fn what_is_invalidated_or_cleared_is_gone() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 1_000_000, shards);
        (0..50).for_each(|id| assert_eq!(put(&cache, id, 9), Inserted::Stored));
        assert!(cache.invalidate(&key(7)));
        assert!(!cache.invalidate(&key(7)));
        assert_eq!(cache.get(&key(7)), None);
        assert_eq!(cache.stats().items, 49);
        assert_eq!(cache.keys().len(), 49);
        cache.validate();
        cache.clear();
        cache.validate();
        let stats = cache.stats();
        assert_eq!((stats.items, stats.weight_bytes), (0, 0), "{policy}");
        assert_eq!(stats.invalidations, 50, "{policy}");
        put(&cache, 7, 9);
        assert!(cache.get(&key(7)).is_some(), "{policy}");
    });
}

/// The classic mistake: an eviction that drops every second new entry.
#[test]
fn every_put_can_be_read_at_once() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 20 * entry(10), shards);
        for id in 0..500 {
            put(&cache, id, 10);
            assert!(cache.get(&key(id)).is_some(), "{policy}, {id}");
            assert_eq!(cache.stats().items, (id + 1).min(20), "{policy}");
        }
    });
}

#[test]
fn a_key_in_use_stays_under_policies_that_look_at_use() {
    everywhere(|policy, shards| {
        if [PolicyKind::Random, PolicyKind::Fifo].contains(&policy) {
            return;
        }
        let cache = cache(policy, 100 * shards as u64 * entry(10), shards);
        put(&cache, 0, 10);
        for id in 1..5000 {
            assert!(cache.get(&key(0)).is_some(), "{policy}, {id}");
            put(&cache, id, 10);
        }
    });
}

/// A set in steady use beside a stream of keys that never come back.
#[test]
fn scans_do_not_flush_the_policies_made_against_them() {
    let hits = |policy| {
        let cache = cache(policy, 100 * entry(10), 1);
        for round in 0..200 {
            for id in 0..50 {
                if cache.get(&key(id)).is_none() {
                    put(&cache, id, 10);
                }
            }
            (0..80).for_each(|id| {
                put(&cache, 1000 + round * 80 + id, 10);
            });
        }
        cache.stats().hits
    };
    assert_eq!(hits(PolicyKind::Lru), 0);
    assert_eq!(hits(PolicyKind::Fifo), 0);
    // 199 rounds of 50 could hit.
    for policy in [PolicyKind::S3Fifo, PolicyKind::S3FifoSize, PolicyKind::WTinyLfu] {
        assert!(hits(policy) > 9000, "{policy}");
    }
}

#[test]
fn shrinking_evicts_at_once_and_no_more_than_it_must() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 64 * entry(10), shards);
        (0..64).for_each(|id| assert_eq!(put(&cache, id, 10), Inserted::Stored));
        for left in [63, 32, 31, 5, 1, 0] {
            // One byte less than another entry would need.
            cache.reconfigure((left + 1) * entry(10) - 1, None, policy);
            cache.validate();
            assert_eq!(cache.stats().items, left, "{policy}");
            assert_eq!(cache.config().capacity_bytes, (left + 1) * entry(10) - 1);
        }
        assert_eq!(put(&cache, 1, 10), Inserted::TooHeavy, "{policy}");
        cache.reconfigure(64 * entry(10), None, policy);
        (0..64).for_each(|id| assert_eq!(put(&cache, id, 10), Inserted::Stored));
        assert_eq!(cache.stats().items, 64, "{policy}");
    });
}

#[test]
fn items_are_bounded_too() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 1_000_000, shards);
        cache.reconfigure(1_000_000, Some(10), policy);
        for id in 0..100 {
            put(&cache, id, 10);
            put(&cache, id, 11);
            assert!(cache.stats().items <= 10, "{policy}");
        }
        assert_eq!(cache.stats().items, 10, "{policy}");
        cache.reconfigure(1_000_000, Some(3), policy);
        assert_eq!(cache.stats().items, 3, "{policy}");
        cache.reconfigure(1_000_000, Some(0), policy);
        assert_eq!(cache.stats().items, 0, "{policy}");
        assert_eq!(put(&cache, 1, 1), Inserted::TooHeavy, "{policy}");
        cache.validate();
    });
}

#[test]
fn switching_keeps_contents_and_order() {
    use PolicyKind::*;
    let fill = |policy| {
        let cache = cache(policy, 40 * entry(10), 1);
        for step in 0..400u64 {
            let id = (step * step * 7 + step / 3) % 60;
            if cache.get(&key(id)).is_none() {
                put(&cache, id, 10);
            }
        }
        cache
    };
    // Where one has counted uses and the other goes by them, the order is the
    // other's.
    let tells = [S3Fifo, S3FifoSize, WTinyLfu, Gdsf];
    let listens = [Clock, Sieve, WTinyLfu, Gdsf];
    for &old in PolicyKind::ALL {
        let expected = order(&fill(old), 0..60);
        for &new in PolicyKind::ALL {
            let cache = fill(old);
            let before = held(&cache, 0..60);
            cache.reconfigure(40 * entry(10), None, new);
            cache.validate();
            assert_eq!(held(&cache, 0..60), before, "{old} to {new}");
            assert_eq!(cache.config().policy, new);
            if new != Random && !(tells.contains(&old) && listens.contains(&new)) {
                assert_eq!(order(&cache, 0..60), expected, "{old} to {new}");
            }
        }
    }
}

#[test]
fn requests_are_hits_and_misses_and_peeks_are_neither() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 10 * entry(10), shards);
        assert_eq!(cache.stats().hit_ratio(), None);
        for id in 0..30 {
            put(&cache, id % 12, 10);
            let _ = cache.get(&key(id));
            let _ = cache.peek(&key(id));
        }
        let stats = cache.stats();
        assert_eq!(stats.requests, 30, "{policy}");
        assert_eq!(stats.requests, stats.hits + stats.misses, "{policy}");
        assert_eq!(stats.hits, 12, "{policy}: only 0 to 11 were ever put");
        let gone = stats.replaced + stats.evictions + stats.invalidations;
        assert_eq!(stats.items, stats.inserts - gone, "{policy}");
    });
}

#[test]
fn replacing_is_a_use() {
    let cache = cache(PolicyKind::Lru, 3 * entry(10), 1);
    for id in [0, 1, 2, 0, 3] {
        put(&cache, id, 10);
    }
    assert_eq!(held(&cache, 0..4), [0, 2, 3]);
}

/// Who weighs by queue must hear of a replaced value's weight: here the small
/// queue holds less than its tenth until its one entry grows.
#[test]
fn s3_fifo_weighs_what_was_replaced() {
    for (weight, victim) in [(0, 1), (5000, 10)] {
        let cache = cache(PolicyKind::S3Fifo, 1_000_000, 1);
        (0..10).for_each(|id| assert_eq!(put(&cache, id, 200), Inserted::Stored));
        for id in (0..10).chain(0..10) {
            assert!(cache.get(&key(id)).is_some());
        }
        // All but the first come into the main queue.
        cache.reconfigure(1_000_000, Some(9), PolicyKind::S3Fifo);
        cache.reconfigure(1_000_000, None, PolicyKind::S3Fifo);
        put(&cache, 10, 0);
        put(&cache, 10, weight);
        cache.reconfigure(1_000_000, Some(9), PolicyKind::S3Fifo);
        assert!(cache.peek(&key(victim)).is_none(), "{weight}");
    }
}

#[test]
fn settings_are_what_was_asked_for() {
    let config = Config { shards: 5, ..Config::default() };
    let cache: Cache<Blob> = Cache::new(config);
    assert_eq!(cache.config(), Config { shards: 8, ..config });
    let none: Cache<Blob> = Cache::new(Config { shards: 0, capacity_bytes: 0, ..config });
    assert_eq!(none.config().shards, 1);
    assert_eq!(put(&none, 1, 0), Inserted::TooHeavy);
    none.validate();
}

/// More keys than a batch, twice over, some missing: as one by one.
#[test]
fn many_at_once_are_as_one_by_one() {
    everywhere(|policy, shards| {
        let cache = cache(policy, 100 * entry(10), shards);
        for id in 0..40 {
            put(&cache, id, 10);
        }
        let keys: Vec<_> = (0..60).chain(20..45).map(key).collect();
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let expected: Vec<_> = keys.iter().map(|key| cache.peek(key)).collect();
        assert_eq!(cache.peek_many(&keys), expected, "{policy}");
        assert_eq!(cache.stats().requests, 0, "{policy} counts peeks");
        assert_eq!(cache.get_many(&keys), expected, "{policy}");
        let mut lent = Vec::new();
        cache.read_many(&keys, |place, value| {
            assert_eq!(place, lent.len(), "{policy} visits out of order");
            lent.push(value.cloned());
        });
        assert_eq!(lent, expected, "{policy}");
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (2 * 60, 2 * 25), "{policy}");
        assert!(cache.get_many(&[]).is_empty());
    });
}

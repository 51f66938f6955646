//! `reconfigure` and `pursue` against everything that writes: what they
//! promise holds when they return, and they do return.

use larder_cache::{Cache, Objective, PolicyKind};
use shuttle::thread;

use super::{Blob, ENTRY, blob, cache, explore, one_of};

/// As `Cache::reconfigure`, with the policy alone.
fn switch(cache: &Cache<Blob>, policy: PolicyKind) {
    let config = cache.config();
    cache.reconfigure(config.capacity_bytes, config.max_items, policy);
}

/// Fills a cache for three and sees who goes for a fourth.
fn evicts_the_first_though_used(cache: &Cache<Blob>) -> bool {
    for key in cache.keys() {
        cache.invalidate(&key);
    }
    for key in 11..14 {
        cache.insert(&[key], blob(key.into()));
    }
    assert_eq!(cache.get(&[11]), Some(blob(11)));
    cache.insert(&[14], blob(14));
    cache.validate();
    cache.peek(&[11]).is_none()
}

#[test]
fn a_switch_of_policy_meets_inserts_evictions_and_removals() {
    explore(|| {
        let cache = cache(3, 1);
        switch(&cache, one_of(PolicyKind::ALL));
        for key in 0..3 {
            cache.insert(&[key], blob(key.into()));
        }
        let policy = one_of(PolicyKind::ALL);
        thread::scope(|scope| {
            scope.spawn(|| switch(&cache, policy));
            scope.spawn(|| {
                cache.insert(&[3], blob(3));
                cache.insert(&[0], blob(4));
            });
            scope.spawn(|| {
                let _ = cache.get_many(&[&[1], &[0]]);
                cache.invalidate(&[2]);
                cache.validate();
            });
        });
        cache.validate();
        assert_eq!(cache.stats().policy, policy);
    });
}

/// `clear` builds the shard anew, with the policy that is in force: it must
/// neither keep the switch from ending nor bring the old policy back.
#[test]
fn a_switch_of_policy_ends_though_everything_is_cleared() {
    explore(|| {
        let cache = cache(3, 1);
        for key in 0..3 {
            cache.insert(&[key], blob(key.into()));
        }
        let policy = one_of(&[PolicyKind::Fifo, PolicyKind::Lru]);
        thread::scope(|scope| {
            scope.spawn(|| cache.clear());
            scope.spawn(|| {
                cache.insert(&[3], blob(3));
            });
            // From LRU there and, maybe, back.
            switch(&cache, PolicyKind::Fifo);
            switch(&cache, policy);
        });
        cache.validate();
        assert_eq!(evicts_the_first_though_used(&cache), policy == PolicyKind::Fifo);
    });
}

/// The capacity goes down and up while others insert: nobody ever sees more
/// than was promised, and what is promised holds from the return on.
#[test]
fn a_new_capacity_holds_once_it_is_promised() {
    explore(|| {
        // Large enough for shards to keep credit.
        let cache = cache(100_000, 2);
        for key in 0..4 {
            cache.insert(&[key], blob(key.into()));
        }
        thread::scope(|scope| {
            for thread in 0..2 {
                let cache = &cache;
                scope.spawn(move || {
                    for key in 4 + 2 * thread..6 + 2 * thread {
                        cache.insert(&[key], blob(key.into()));
                    }
                });
            }
            scope.spawn(|| {
                let stats = cache.stats();
                assert!(stats.weight_bytes <= stats.capacity_bytes, "{stats:?}");
                cache.validate();
            });
            let (bytes, items) = one_of(&[(2 * ENTRY, None), (9 * ENTRY, Some(2)), (0, None)]);
            cache.reconfigure(bytes, items, PolicyKind::Lru);
            let stats = cache.stats();
            assert_eq!((stats.capacity_bytes, stats.max_items), (bytes, items));
            assert!(stats.weight_bytes <= bytes && stats.items <= items.unwrap_or(9), "{stats:?}");
            cache.validate();
        });
        let stats = cache.stats();
        assert!(stats.weight_bytes <= stats.capacity_bytes, "{stats:?}");
        cache.validate();
    });
}

/// They come one after the other: the last wins whole, and none is lost.
#[test]
fn changes_at_once_come_one_after_the_other() {
    explore(|| {
        let cache = cache(4, 2);
        for key in 0..4 {
            cache.insert(&[key], blob(key.into()));
        }
        let settings =
            [(2 * ENTRY, Some(9), PolicyKind::Gdsf), (3 * ENTRY, None, PolicyKind::Fifo)];
        thread::scope(|scope| {
            for (bytes, items, policy) in settings {
                let cache = &cache;
                scope.spawn(move || cache.reconfigure(bytes, items, policy));
            }
            scope.spawn(|| cache.pursue(Objective::Cost));
            cache.insert(&[4], blob(4));
        });
        cache.validate();
        let config = cache.config();
        let ended = (config.capacity_bytes, config.max_items, config.policy);
        assert!(settings.contains(&ended), "{config:?}");
        assert_eq!(config.objective, Objective::Cost);
    });
}

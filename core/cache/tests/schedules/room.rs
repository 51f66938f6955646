//! Inserts that need room against each other and against those who read many
//! shards at once: the bound holds at every moment and nobody waits for ever.

use shuttle::thread;

use super::{blob, cache, explore};

/// Each of them finds the room it needs in the other's shards.
#[test]
fn inserts_that_take_room_from_each_other_all_end() {
    explore(|| {
        let cache = cache(2, 4);
        thread::scope(|scope| {
            for thread in 0..3u8 {
                let cache = &cache;
                scope.spawn(move || {
                    for key in [2 * thread, 2 * thread + 1] {
                        cache.insert(&[key], blob(key.into()));
                    }
                });
            }
            cache.validate();
        });
        let stats = cache.stats();
        assert_eq!((stats.inserts, stats.items, stats.evictions), (6, 2, 4));
        cache.validate();
    });
}

/// A value that is replaced makes room before anybody can see too much of it.
#[test]
fn a_heavier_value_for_a_key_keeps_to_the_bound() {
    explore(|| {
        let cache = cache(3, 2);
        (0..3).for_each(|key| {
            cache.insert(&[key], blob(key.into()));
        });
        thread::scope(|scope| {
            for key in 0..2u8 {
                let cache = &cache;
                scope.spawn(move || {
                    let mut heavy = blob(9);
                    heavy.weight += 90;
                    cache.insert(&[key], heavy);
                });
            }
            let stats = cache.stats();
            assert!(stats.weight_bytes <= stats.capacity_bytes, "{stats:?}");
            cache.validate();
        });
        cache.validate();
    });
}

/// Two read all shards, in any order of the keys, while others wait to write:
/// who waits to write keeps new readers out, so the readers must lock the
/// shards in one order.
#[test]
fn many_keys_are_read_while_their_shards_are_written() {
    explore(|| {
        let cache = cache(100, 4);
        let keys: Vec<[u8; 1]> = (0..8).map(|key| [key]).collect();
        for &[key] in &keys {
            cache.insert(&[key], blob(key.into()));
        }
        thread::scope(|scope| {
            for backwards in [false, true] {
                let mut asked: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
                if backwards {
                    asked.reverse();
                }
                let cache = &cache;
                scope.spawn(move || {
                    for (value, key) in cache.get_many(&asked).into_iter().zip(asked) {
                        let found = value.map(|value| value.version % 100);
                        assert_eq!(found, Some(key[0].into()), "values mixed");
                    }
                });
            }
            for keys in keys.chunks(4) {
                let cache = &cache;
                scope.spawn(move || {
                    for &[key] in keys {
                        cache.insert(&[key], blob(100 + u64::from(key)));
                    }
                });
            }
        });
        cache.validate();
    });
}

/// What two of those who lock all shards do must not wait for each other.
#[test]
fn those_who_hold_all_shards_never_wait_for_each_other() {
    explore(|| {
        let cache = cache(100, 4);
        (0..8).for_each(|key| {
            cache.insert(&[key], blob(key.into()));
        });
        thread::scope(|scope| {
            scope.spawn(|| cache.validate());
            scope.spawn(|| {
                let keys: Vec<[u8; 1]> = (0..8).rev().map(|key| [key]).collect();
                let asked: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
                let mut seen = 0;
                cache.read_many(&asked, |_, _| seen += 1);
                assert_eq!(seen, 8);
            });
            scope.spawn(|| cache.clear());
            let stats = cache.stats();
            assert_eq!(stats.items, stats.inserts - stats.invalidations);
        });
    });
}

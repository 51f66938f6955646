//! Who reads a shard keeps writers out, whichever of the two ways in it took:
//! by the lock, or by saying so in a place of its thread's own.

use std::sync::Arc;

use larder_cache::{Cache, Config, Weigh};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use super::explore;

/// A value that notices if it goes while somebody clones it.
#[derive(Default)]
struct Watched {
    readers: Arc<AtomicU64>,
}

impl Clone for Watched {
    fn clone(&self) -> Self {
        self.readers.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        self.readers.fetch_sub(1, Ordering::SeqCst);
        Self::default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        assert_eq!(self.readers.load(Ordering::SeqCst), 0, "it went while it was read");
    }
}

impl Weigh for Watched {
    fn weight_bytes(&self) -> u64 {
        0
    }
}

/// Readers come back often enough for the lock to be biased, and one is a
/// thread beyond those that have a place.
fn nobody_writes_while(read: impl Fn(&Cache<Watched>) + Copy + Send + Sync + 'static) {
    explore(move || {
        let cache = Cache::new(Config { shards: 2, ..Config::default() });
        let keys: [&[u8]; 2] = [b"a", b"b"];
        keys.map(|key| cache.insert(key, Watched::default()));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..3).for_each(|_| read(&cache)));
            }
            scope.spawn(|| {
                for _ in 0..2 {
                    keys.map(|key| cache.insert(key, Watched::default()));
                }
            });
        });
        cache.validate();
    });
}

#[test]
fn nobody_writes_while_a_value_is_read() {
    nobody_writes_while(|cache| assert!(cache.get(b"a").is_some()));
}

#[test]
fn nobody_writes_while_many_are_read() {
    nobody_writes_while(|cache| {
        let values = cache.get_many(&[b"b", b"a"]);
        assert!(values.iter().all(Option::is_some));
    });
}

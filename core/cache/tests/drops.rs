//! Values are dropped outside all locks: a destructor may call the cache. If
//! one is dropped under a lock, a test here never ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder_cache::{Cache, Config, Filled, Lookup, OVERHEAD_BYTES, PolicyKind, Weigh};

const CAPACITY: u64 = 10_000;

/// Calls the cache, for writing and over all shards, when its last clone goes.
struct Caller {
    cache: Cache<Arc<Caller>>,
    drops: Arc<AtomicUsize>,
    weight: u64,
}

impl Weigh for Caller {
    fn weight_bytes(&self) -> u64 {
        self.weight
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // Would wait for ever for a lock that this thread holds.
        self.cache.invalidate(b"nobody");
        let config = self.cache.config();
        self.cache.reconfigure(config.capacity_bytes, config.max_items, config.policy);
        self.cache.validate();
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

struct Scene {
    cache: Cache<Arc<Caller>>,
    drops: Arc<AtomicUsize>,
}

impl Scene {
    fn new(policy: PolicyKind, shards: usize) -> Self {
        let config = Config { capacity_bytes: CAPACITY, policy, shards, ..Config::default() };
        Self { cache: Cache::new(config), drops: Arc::default() }
    }

    fn value(&self, weight: u64) -> Arc<Caller> {
        Arc::new(Caller { cache: self.cache.clone(), drops: Arc::clone(&self.drops), weight })
    }

    fn put(&self, id: u64, weight: u64) {
        self.cache.insert(&id.to_be_bytes(), self.value(weight));
    }

    /// Runs a step that must drop this many values.
    fn drops(&self, expected: usize, step: impl FnOnce(&Self)) {
        let before = self.drops.load(Ordering::SeqCst);
        step(self);
        let dropped = self.drops.load(Ordering::SeqCst) - before;
        assert_eq!(dropped, expected);
    }
}

#[test]
fn every_way_out_of_the_cache_drops_outside_its_locks() {
    for &policy in PolicyKind::ALL {
        for shards in [1, 4] {
            let scene = Scene::new(policy, shards);
            let items = |scene: &Scene| scene.cache.stats().items as usize;
            scene.drops(0, |scene| (0..10).for_each(|id| scene.put(id, 300)));
            scene.drops(1, |scene| scene.put(3, 300));
            // The older value and the newer one.
            scene.drops(2, |scene| scene.put(4, 20_000));
            let held = items(&scene);
            scene.drops(held, |scene| scene.put(11, CAPACITY - 8 - OVERHEAD_BYTES));
            scene.drops(2, |scene| scene.put(11, 20_000));
            assert_eq!(items(&scene), 0);
            (0..10).for_each(|id| scene.put(id, 300));
            scene.drops(1, |scene| {
                scene.cache.invalidate(&0u64.to_be_bytes());
            });
            scene.drops(8, |scene| {
                scene.cache.reconfigure(CAPACITY, Some(1), policy);
            });
            scene.drops(1, |scene| scene.cache.clear());
        }
    }
}

#[test]
fn fills_that_are_not_kept_drop_outside_the_locks() {
    let scene = Scene::new(PolicyKind::Lru, 1);
    let lead = |scene: &Scene| match scene.cache.lookup(b"k") {
        Lookup::Miss(lease) => lease,
        _ => panic!("nobody else leads"),
    };
    scene.drops(1, |scene| {
        let lease = lead(scene);
        assert_eq!(lease.fill(scene.value(20_000)), Filled::TooHeavy);
    });
    scene.drops(1, |scene| {
        let lease = lead(scene);
        scene.cache.clear();
        assert_eq!(lease.fill(scene.value(1)), Filled::Voided);
    });
    scene.drops(1, |scene| {
        assert!(lead(scene).share(scene.value(1)));
    });
    scene.drops(1, |scene| {
        let lease = lead(scene);
        scene.cache.clear();
        assert!(!lease.share(scene.value(1)));
    });
    scene.drops(1, |scene| {
        let lease = lead(scene);
        let Lookup::Wait(waiter) = scene.cache.lookup(b"k") else {
            panic!("somebody leads");
        };
        assert!(lease.share(scene.value(1)));
        assert!(waiter.wait().is_some());
    });
}

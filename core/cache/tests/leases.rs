//! The lease on a miss: one loads, the others wait, and nobody gets a value
//! that was loaded before the write they know of.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use larder_cache::{Cache, Config, Filled, Inserted, Lease, Lookup, PolicyKind, Waiter};

type Value = Arc<[u8]>;

const CAPACITY: u64 = 10_000;

fn cache() -> Cache<Value> {
    Cache::new(Config { capacity_bytes: CAPACITY, ..Config::default() })
}

fn value(text: &str) -> Value {
    text.as_bytes().into()
}

fn lead(cache: &Cache<Value>) -> Lease<Value> {
    match cache.lookup(b"k") {
        Lookup::Miss(lease) => lease,
        other => panic!("expected a lease, not {other:?}"),
    }
}

fn queue(cache: &Cache<Value>) -> Waiter<Value> {
    match cache.lookup(b"k") {
        Lookup::Wait(waiter) => waiter,
        other => panic!("expected to wait, not {other:?}"),
    }
}

/// A waker that counts, as a task's would be told.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll(waiter: &mut Waiter<Value>, bell: &Arc<Bell>) -> Poll<Option<Value>> {
    let waker = Waker::from(Arc::clone(bell));
    Pin::new(waiter).poll(&mut Context::from_waker(&waker))
}

#[test]
fn handles_and_answers_can_be_sent_to_spawned_tasks() {
    fn sendable<T: Send + 'static>() {}
    fn shareable<T: Sync>() {}
    sendable::<Cache<Value>>();
    shareable::<Cache<Value>>();
    sendable::<Lookup<Value>>();
    shareable::<Lease<Value>>();
}

#[test]
fn a_thousand_callers_make_one_load() {
    let callers = if cfg!(miri) { 10 } else { 1000 };
    let cache = cache();
    let loads = AtomicUsize::new(0);
    let lease = lead(&cache);
    // All are known to wait before the value comes.
    let waiters: Vec<_> = (0..callers).map(|_| queue(&cache)).collect();
    thread::scope(|scope| {
        for waiter in waiters {
            scope.spawn(|| assert_eq!(waiter.wait(), Some(value("v"))));
        }
        loads.fetch_add(1, Ordering::SeqCst);
        assert_eq!(lease.fill(value("v")), Filled::Installed);
    });
    assert_eq!(loads.into_inner(), 1);
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.waits, stats.misses), (1, callers, callers + 1));
    assert_eq!(cache.get(b"k"), Some(value("v")));
}

#[test]
fn callers_that_race_make_one_load() {
    let cache = cache();
    let loads = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..if cfg!(miri) { 4 } else { 64 } {
            scope.spawn(|| {
                let got = match cache.lookup(b"k") {
                    Lookup::Hit(got) => got,
                    Lookup::Wait(waiter) => waiter.wait().expect("nobody voids the lease"),
                    Lookup::Miss(lease) => {
                        loads.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(lease.fill(value("v")), Filled::Installed);
                        value("v")
                    }
                };
                assert_eq!(got, value("v"));
            });
        }
    });
    assert_eq!(loads.into_inner(), 1);
}

#[test]
fn a_fill_after_an_invalidation_is_void() {
    let voidings: [fn(&Cache<Value>); 3] = [
        |cache| assert!(!cache.invalidate(b"k"), "there was no entry"),
        Cache::clear,
        |cache| assert_eq!(cache.insert(b"k", value("new")), Inserted::Stored),
    ];
    for void in voidings {
        let cache = cache();
        let lease = lead(&cache);
        let waiter = queue(&cache);
        assert!(lease.is_good());
        void(&cache);
        assert!(!lease.is_good());
        let found = cache.peek(b"k");
        assert_eq!(lease.fill(value("old")), Filled::Voided);
        assert_eq!(cache.peek(b"k"), found);
        assert_eq!(waiter.wait(), None);
        assert_eq!(cache.stats().leases_voided, 1);
        cache.validate();
    }
}

/// The rule the design turns on: who asked after the write must not be given
/// what was loaded before it.
#[test]
fn a_waiter_after_an_invalidation_gets_the_newer_load() {
    let cache = cache();
    let old = lead(&cache);
    let mut before = queue(&cache);
    cache.invalidate(b"k");
    let new = lead(&cache);
    let mut after = queue(&cache);
    let bell = Arc::new(Bell::default());
    assert_eq!(poll(&mut before, &bell), Poll::Ready(None));
    assert!(poll(&mut after, &bell).is_pending());

    assert_eq!(old.fill(value("old")), Filled::Voided);
    assert!(poll(&mut after, &bell).is_pending(), "not the older load's");
    assert_eq!(bell.rung(), 0);
    assert!(new.is_good(), "the newer flight is untouched");

    assert_eq!(new.fill(value("new")), Filled::Installed);
    assert_eq!(bell.rung(), 1);
    assert_eq!(after.wait(), Some(value("new")));
    assert_eq!(cache.get(b"k"), Some(value("new")));
}

#[test]
fn a_voided_lease_cannot_share_or_disturb_by_being_dropped() {
    let cache = cache();
    let shared = lead(&cache);
    cache.invalidate(b"k");
    let dropped = lead(&cache);
    cache.invalidate(b"k");
    let new = lead(&cache);
    let mut waiter = queue(&cache);
    let bell = Arc::new(Bell::default());
    assert!(!shared.share(value("old")));
    drop(dropped);
    assert!(poll(&mut waiter, &bell).is_pending());
    assert!(new.is_good());
    assert_eq!(new.fill(value("new")), Filled::Installed);
    assert_eq!(poll(&mut waiter, &bell), Poll::Ready(Some(value("new"))));
}

#[test]
fn a_dropped_lease_hands_the_right_on() {
    let cache = cache();
    let lease = lead(&cache);
    let (mut first, mut second) = (queue(&cache), queue(&cache));
    let bell = Arc::new(Bell::default());
    assert!(poll(&mut first, &bell).is_pending());
    assert!(poll(&mut second, &bell).is_pending());
    drop(lease);
    assert_eq!(bell.rung(), 2, "all are told, the first leads");
    assert_eq!(poll(&mut first, &bell), Poll::Ready(None));
    let Lookup::Miss(lease) = cache.lookup_again(b"k") else {
        panic!("the first to look again leads");
    };
    assert_eq!(second.wait(), None);
    let Lookup::Wait(waiter) = cache.lookup_again(b"k") else {
        panic!("the second waits for the first");
    };
    assert_eq!(lease.fill(value("v")), Filled::Installed);
    assert_eq!(waiter.wait(), Some(value("v")));
    // Three requests, however often they looked.
    assert_eq!(cache.stats().requests, 3);
}

#[test]
fn a_load_that_panics_hands_the_right_on() {
    let cache = cache();
    let lease = lead(&cache);
    let waiter = queue(&cache);
    let loader = thread::spawn(move || {
        let _lease = lease;
        std::panic::resume_unwind(Box::new("the store fell over"));
    });
    assert!(loader.join().is_err());
    assert_eq!(waiter.wait(), None);
    drop(lead(&cache));
}

#[test]
fn what_is_shared_reaches_who_waits_and_is_not_kept() {
    let cache: Cache<Option<Value>> = Cache::new(Config::default());
    let Lookup::Miss(lease) = cache.lookup(b"k") else {
        panic!("nothing is there yet");
    };
    let Lookup::Wait(waiter) = cache.lookup(b"k") else {
        panic!("somebody leads");
    };
    assert!(lease.share(None), "no such key");
    assert_eq!(waiter.wait(), Some(None));
    assert_eq!(cache.peek(b"k"), None);
    assert!(matches!(cache.lookup(b"k"), Lookup::Miss(_)));
}

#[test]
fn what_is_too_heavy_reaches_who_waits_and_is_not_kept() {
    let cache = cache();
    let big: Value = vec![7; CAPACITY as usize].into();
    let lease = lead(&cache);
    let waiter = queue(&cache);
    assert_eq!(lease.fill(Arc::clone(&big)), Filled::TooHeavy);
    assert_eq!(waiter.wait(), Some(big));
    assert_eq!(cache.peek(b"k"), None);
    assert_eq!(cache.stats().rejected, 1);
    drop(lead(&cache));
}

#[test]
fn an_insert_too_heavy_to_keep_voids_the_lease_all_the_same() {
    let cache = cache();
    let lease = lead(&cache);
    let big: Value = vec![7; CAPACITY as usize].into();
    assert_eq!(cache.insert(b"k", big), Inserted::TooHeavy);
    assert_eq!(lease.fill(value("old")), Filled::Voided);
    assert_eq!(cache.peek(b"k"), None);
}

#[test]
fn leases_outlive_a_change_of_policy_and_capacity() {
    let cache = cache();
    let lease = lead(&cache);
    cache.reconfigure(CAPACITY / 2, Some(1), PolicyKind::S3Fifo);
    assert!(lease.is_good());
    assert_eq!(lease.key(), b"k");
    assert_eq!(lease.fill(value("v")), Filled::Installed);
    cache.validate();
}

#[test]
fn a_waiter_that_goes_away_is_not_woken_and_its_last_waker_counts() {
    let cache = cache();
    let lease = lead(&cache);
    let (mut gone, mut moved) = (queue(&cache), queue(&cache));
    let bells: [Arc<Bell>; 3] = std::array::from_fn(|_| Arc::default());
    assert!(poll(&mut gone, &bells[0]).is_pending());
    assert!(poll(&mut moved, &bells[1]).is_pending());
    // Polled from another task: only that one is to be woken.
    assert!(poll(&mut moved, &bells[2]).is_pending());
    drop(gone);
    assert_eq!(Arc::strong_count(&bells[0]), 1, "its waker is gone too");
    assert_eq!(lease.fill(value("v")), Filled::Installed);
    assert_eq!(bells.map(|bell| bell.rung()), [0, 0, 1]);
}

/// A waker may poll at once, on the thread that ends the load.
#[test]
fn a_waker_may_call_the_cache() {
    struct Curious(Cache<Value>, AtomicUsize);
    impl Wake for Curious {
        fn wake(self: Arc<Self>) {
            assert_eq!(self.0.get(b"k"), Some(value("v")));
            self.0.validate();
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    let cache = cache();
    let lease = lead(&cache);
    let mut waiter = queue(&cache);
    let curious = Arc::new(Curious(cache.clone(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&curious));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut waiter).poll(&mut context).is_pending());
    assert_eq!(lease.fill(value("v")), Filled::Installed);
    assert_eq!(curious.1.load(Ordering::SeqCst), 1);
}

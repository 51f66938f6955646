//! The tier against a store of its own: what a read may return, when, and
//! who loads.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use larder_cache::Config;
use tokio::sync::{Semaphore, oneshot};

use super::*;

type TestTier = Tier<u64, &'static str>;

fn tier() -> TestTier {
    Tier::new(Config { capacity_bytes: 1 << 20, shards: 1, ..Config::default() }, None)
}

fn key() -> Key {
    Key::new(b"k", b"")
}

/// A change of which it is known whether it happened.
fn known<T>(result: T) -> Written<T> {
    Written { result, end: End::Committed }
}

/// A write that changes nothing.
async fn write(tier: &TestTier, scope: Scope) {
    tier.write(scope, |_| async { known(()) }).await.expect("is alone");
}

/// A change that is made once.
fn once<T, F: Future<Output = Written<T>>>(change: F) -> impl FnMut(Option<Guard>) -> F {
    let mut change = Some(change);
    move |_| change.take().expect("is made once")
}

impl Portable for u64 {
    fn pack(&self) -> Bytes {
        Bytes::copy_from_slice(&self.to_be_bytes())
    }

    fn unpack(bytes: &Bytes) -> Option<Self> {
        Some(Self::from_be_bytes(bytes[..].try_into().ok()?))
    }
}

impl From<Unserved> for &'static str {
    fn from(_: Unserved) -> Self {
        "unserved"
    }
}

async fn loaded(value: u64) -> Result<Option<u64>, &'static str> {
    Ok(Some(value))
}

/// Lets everything that can run do so, until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < patience, "the condition never came true");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_first_read_loads_and_the_second_is_a_hit() {
    let tier = tier();
    let first = tier.get(&key(), || loaded(7)).await.expect("loads");
    assert_eq!((first.value, first.source), (Some(7), Source::Store));
    let second = tier.get(&key(), || async { panic!("loads again") }).await.expect("hits");
    assert_eq!((second.value, second.source), (Some(7), Source::Memory));
    let total = tier.meter().total();
    assert_eq!((total.hits.len(), total.misses.len()), (1, 1));
}

#[tokio::test]
async fn what_was_changed_past_the_tier_is_found() {
    let tier = tier();
    let look = async |_| Some(8);
    assert_eq!(tier.audit(1, look, u64::eq).await, None, "there is no entry");
    tier.get(&key(), || loaded(7)).await.expect("loads");
    assert_eq!(
        tier.audit(2, async |_| None::<u64>, u64::eq).await,
        None,
        "the store doesn't answer"
    );
    assert_eq!(tier.audit(3, async |_| Some(7), u64::eq).await, Some(true));
    let writes = async |_| {
        write(&tier, Scope::group(key().group())).await;
        tier.get(&key(), || loaded(8)).await.expect("loads");
        Some(8)
    };
    assert_eq!(tier.audit(4, writes, u64::eq).await, None, "it was written meanwhile");
    assert_eq!(tier.audit(5, async |_| Some(9), u64::eq).await, Some(false));
    assert_eq!((tier.peek(&key()), tier.audits()), (None, (2, 1)));
}

#[tokio::test]
async fn a_thousand_reads_of_one_missing_key_cause_one_load() {
    for absent in [false, true] {
        let tier = tier();
        let loads = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(0));
        let reads: Vec<_> = (0..1000)
            .map(|_| {
                let (tier, loads, gate) = (tier.clone(), loads.clone(), gate.clone());
                tokio::spawn(async move {
                    let load = || async move {
                        loads.fetch_add(1, SeqCst);
                        gate.acquire().await.expect("the gate stays").forget();
                        Ok(if absent { None } else { Some(7) })
                    };
                    tier.get(&key(), load).await
                })
            })
            .collect();
        until(|| tier.cache_stats().requests == 1000).await;
        gate.add_permits(1);
        for read in reads {
            let answer = read.await.expect("runs").expect("reads");
            assert_eq!(answer.value, (!absent).then_some(7));
        }
        assert_eq!(loads.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_wait_and_not_kept() {
    let tier = tier();
    let gate = Arc::new(Semaphore::new(0));
    let reads: Vec<_> = (0..10)
        .map(|_| {
            let (tier, gate) = (tier.clone(), gate.clone());
            tokio::spawn(async move {
                let load = || async move {
                    gate.acquire().await.expect("the gate stays").forget();
                    Err("store is away")
                };
                tier.get(&key(), load).await
            })
        })
        .collect();
    until(|| tier.cache_stats().requests == 10).await;
    gate.add_permits(1);
    for read in reads {
        assert_eq!(read.await.expect("runs").expect_err("fails"), "store is away");
    }
    assert_eq!(tier.get(&key(), || loaded(1)).await.expect("recovers").value, Some(1));
}

#[tokio::test]
async fn a_write_of_a_group_in_the_same_slot_leaves_a_group_in_memory() {
    let tier = tier();
    tier.get(&key(), || loaded(7)).await.expect("loads");
    let Coherence::Alone(slots) = &tier.shared.coherence else { panic!("it is alone") };
    let slot_of = |group: &[u8]| std::ptr::from_ref(slots.of(group));
    let neighbour = (0_u32..)
        .map(u32::to_be_bytes)
        .find(|group| slot_of(group) == slot_of(key().group()))
        .expect("slots are few");
    write(&tier, Scope::group(neighbour)).await;
    let answer = tier.get(&key(), || async { panic!("loads again") }).await.expect("hits");
    assert_eq!((answer.value, answer.source), (Some(7), Source::Memory));
    assert_eq!(tier.peek(&key()), Some(7));
}

/// The race that cache-aside loses: a load reads the old value, a write
/// commits and is acknowledged, the load fills.
#[tokio::test]
async fn a_load_that_began_before_a_write_is_neither_kept_nor_shared_after_it() {
    for part in [&b""[..], b"thumbnail"] {
        let tier = tier();
        let key = Key::new(b"k", part);
        let (began, has_begun) = oneshot::channel();
        let (finish, finished) = oneshot::channel::<()>();
        let before = tokio::spawn({
            let (tier, key) = (tier.clone(), key.clone());
            async move {
                let load = || async move {
                    let _ = began.send(());
                    let _ = finished.await;
                    Ok(Some(1))
                };
                tier.get(&key, load).await
            }
        });
        has_begun.await.expect("begins");
        write(&tier, Scope::group(b"k")).await;
        // Arrives after the acknowledgement, while the old load still runs.
        let after = tokio::spawn({
            let (tier, key) = (tier.clone(), key.clone());
            async move { tier.get(&key, || loaded(2)).await }
        });
        until(|| tier.cache_stats().requests == 2).await;
        finish.send(()).expect("the load waits");
        assert_eq!(before.await.expect("runs").expect("reads").value, Some(1));
        assert_eq!(after.await.expect("runs").expect("reads").value, Some(2));
        let later = tier.get(&key, || loaded(2)).await.expect("reads");
        assert_eq!(later.value, Some(2), "the old value was not kept");
    }
}

#[tokio::test]
async fn while_a_write_is_under_way_reads_go_to_the_store_and_nothing_is_kept() {
    let tier = tier();
    tier.get(&key(), || loaded(1)).await.expect("reads");
    let (began, has_begun) = oneshot::channel();
    let (commit, committed) = oneshot::channel::<()>();
    let writing = tokio::spawn({
        let tier = tier.clone();
        async move {
            let change = once(async move {
                let _ = began.send(());
                let _ = committed.await;
                known(())
            });
            tier.write(Scope::group(b"k"), change).await.expect("is alone");
        }
    });
    has_begun.await.expect("begins");
    let during = tier.get(&key(), || loaded(1)).await.expect("reads");
    assert_eq!((during.value, during.source), (Some(1), Source::Store));
    assert_eq!(tier.cache_stats().items, 0);
    commit.send(()).expect("the write waits");
    writing.await.expect("runs");
    assert_eq!(tier.get(&key(), || loaded(2)).await.expect("reads").value, Some(2));
}

#[tokio::test]
async fn while_nobody_knows_whether_a_change_happened_nothing_is_kept() {
    let tier = tier();
    tier.get(&key(), || loaded(1)).await.expect("reads");
    let (decide, decided) = oneshot::channel::<()>();
    let settled = Box::pin(async move {
        let _ = decided.await;
    });
    let change = once(async move { Written { result: "gone away", end: End::Unknown(settled) } });
    let told = tier.write(Scope::group(b"k"), change).await.expect("is alone");
    assert_eq!(told, "gone away", "the caller doesn't wait for the decision");
    // The store shows the old value still, and then the new one.
    assert_eq!(tier.get(&key(), || loaded(1)).await.expect("reads").value, Some(1));
    assert_eq!(tier.get(&key(), || loaded(2)).await.expect("reads").value, Some(2));
    assert_eq!(tier.cache_stats().items, 0);
    decide.send(()).expect("the key is still blocked");
    // Once it is decided the key may be kept again.
    while tier.cache_stats().items == 0 {
        tier.get(&key(), || loaded(2)).await.expect("reads");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_goes_away() {
    let tier = tier();
    let (began, has_begun) = oneshot::channel();
    let (commit, committed) = oneshot::channel::<()>();
    let done = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (tier, done) = (tier.clone(), done.clone());
        async move {
            let change = once(async move {
                let _ = began.send(());
                let _ = committed.await;
                done.store(true, SeqCst);
                known(())
            });
            tier.write(Scope::group(b"k"), change).await.expect("is alone");
        }
    });
    has_begun.await.expect("begins");
    writing.abort();
    assert!(writing.await.expect_err("is gone").is_cancelled());
    tier.get(&key(), || loaded(1)).await.expect("reads");
    assert_eq!(tier.cache_stats().items, 0, "the key is still blocked");
    commit.send(()).expect("the change still waits");
    until(|| done.load(SeqCst)).await;
}

#[tokio::test]
async fn a_load_goes_on_when_its_caller_goes_away() {
    let tier = tier();
    let (began, has_begun) = oneshot::channel();
    let (finish, finished) = oneshot::channel::<()>();
    let leader = tokio::spawn({
        let tier = tier.clone();
        async move {
            let load = || async move {
                let _ = began.send(());
                let _ = finished.await;
                Ok(Some(7))
            };
            tier.get(&key(), load).await
        }
    });
    has_begun.await.expect("begins");
    leader.abort();
    let follower = tokio::spawn({
        let tier = tier.clone();
        async move { tier.get(&key(), || async { panic!("loads again") }).await }
    });
    until(|| tier.cache_stats().requests == 2).await;
    finish.send(()).expect("the load still waits");
    assert_eq!(follower.await.expect("runs").expect("reads").value, Some(7));
}

#[tokio::test]
async fn a_write_makes_all_parts_of_its_group_out_of_date() {
    let tier = tier();
    let parts: [&[u8]; 3] = [b"", b"100x100", b"webp"];
    for part in parts {
        tier.get(&Key::new(b"k", part), || loaded(1)).await.expect("reads");
    }
    tier.get(&Key::new(b"other", b"webp"), || loaded(1)).await.expect("reads");
    write(&tier, Scope::group(b"k")).await;
    for part in parts {
        assert_eq!(tier.peek(&Key::new(b"k", part)), None);
        let answer = tier.get(&Key::new(b"k", part), || loaded(2)).await.expect("reads");
        assert_eq!((answer.value, answer.source), (Some(2), Source::Store));
    }
    assert_eq!(tier.peek(&Key::new(b"other", b"webp")), Some(1));
    write(&tier, Scope::All).await;
    assert_eq!(tier.peek(&Key::new(b"other", b"webp")), None);
    assert_eq!(tier.cache_stats().items, 0);
}

#[tokio::test]
#[should_panic(expected = "a bug in a load")]
async fn a_panic_in_a_load_is_the_callers() {
    let _ = tier().get(&key(), || async { panic!("a bug in a load") }).await;
}

#[tokio::test]
async fn after_a_panic_in_a_load_the_next_read_loads() {
    let tier = tier();
    let broken = tokio::spawn({
        let tier = tier.clone();
        async move { tier.get(&key(), || async { panic!("a bug in a load") }).await }
    });
    assert!(broken.await.is_err());
    assert_eq!(tier.get(&key(), || loaded(3)).await.expect("reads").value, Some(3));
}

/// Readers and writers on few keys, on real threads. Each read must return at
/// least the newest version acknowledged before it began, and never a version
/// that is not yet committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_is_older_than_an_acknowledged_write() {
    const KEYS: usize = 4;
    let tier = tier();
    let store: Arc<[AtomicU64; KEYS]> = Arc::default();
    let acknowledged: Arc<[AtomicU64; KEYS]> = Arc::default();
    let running = Arc::new(AtomicBool::new(true));
    let group = |n: usize| format!("key {n}").into_bytes();
    let mut readers = Vec::new();
    for seed in 0..4_usize {
        let (tier, store) = (tier.clone(), store.clone());
        let (acknowledged, running) = (acknowledged.clone(), running.clone());
        readers.push(tokio::spawn(async move {
            let mut hits = 0;
            for round in seed.. {
                if !running.load(SeqCst) {
                    break;
                }
                let n = round % KEYS;
                let part: &[u8] = if (round / KEYS).is_multiple_of(2) { b"" } else { b"part" };
                let floor = acknowledged[n].load(SeqCst);
                let store = store.clone();
                let load = || async move {
                    let value = store[n].load(SeqCst);
                    // Gives writers the time to come in between.
                    tokio::task::yield_now().await;
                    Ok(Some(value))
                };
                let answer = tier.get(&Key::new(&group(n), part), load).await.expect("reads");
                let value = answer.value.expect("there is a value");
                assert!(value >= floor, "key {n}: read {value} after {floor} was acknowledged");
                hits += u64::from(answer.source == Source::Memory);
                tokio::task::yield_now().await;
            }
            hits
        }));
    }
    let writers: Vec<_> = (0..KEYS)
        .map(|n| {
            let (tier, store, acknowledged) = (tier.clone(), store.clone(), acknowledged.clone());
            tokio::spawn(async move {
                for version in 1..=3000 {
                    let store = store.clone();
                    let change = once(async move {
                        tokio::task::yield_now().await;
                        store[n].store(version, SeqCst);
                        tokio::task::yield_now().await;
                        known(())
                    });
                    let scope =
                        if version % 100 == 0 { Scope::All } else { Scope::group(group(n)) };
                    tier.write(scope, change).await.expect("is alone");
                    acknowledged[n].store(version, SeqCst);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("writes");
    }
    running.store(false, SeqCst);
    let mut hits = 0;
    for reader in readers {
        hits += reader.await.expect("reads nothing old");
    }
    assert!(hits > 0, "memory answered at least once, or this shows nothing");
}

/// Reads 150 keys round and round through a memory that holds 100: the one
/// pattern of which LRU makes nothing.
async fn loop_once(tier: &TestTier) {
    for number in 0..150u64 {
        let key = Key::new(&number.to_be_bytes(), b"");
        tier.get(&key, || loaded(number)).await.expect("loads");
    }
}

fn settings(autopilot: bool) -> Settings {
    let weight = Cache::<Entry<u64, &str>>::weight_of(
        Key::new(&[0; 8], b"").bytes(),
        &Entry {
            token: Slots::new(1).of(b"").token().expect("stands"),
            source: Source::Store,
            outcome: Outcome::Absent,
        },
    );
    let (policy, objective) = (PolicyKind::Lru, Objective::Objects);
    Settings { capacity_bytes: 100 * weight, policy, objective, autopilot }
}

#[tokio::test]
async fn the_insight_tells_what_other_policies_would_do() {
    let tier = tier();
    tier.reconfigure(settings(false));
    let patience = Instant::now() + std::time::Duration::from_secs(30);
    let report = loop {
        assert!(Instant::now() < patience, "no report tells of the loop");
        loop_once(&tier).await;
        match tier.insight().report {
            Some(report) if report.requests_seen > 5000 => break report,
            _ => {}
        }
    };
    let present = report.present().expect("the present size is on the ladder");
    assert_eq!(present.policy, PolicyKind::Lru);
    assert!(present.hits.objects < 0.01, "{present:?}");
    let better = report.recommendation.expect("anybody does better");
    assert!(better.ratio > 0.4, "{better:?}");
    // Twice the size holds the whole loop.
    let double = &report.rungs[report.now.rung + 1];
    let lru = double.estimate(PolicyKind::Lru).expect("all policies are simulated");
    assert!(lru.hits.objects > 0.9, "{lru:?}");
    assert!(tier.insight().decisions.is_empty(), "nobody turned the autopilot on");
    assert_eq!(tier.cache_stats().policy, PolicyKind::Lru);
}

#[tokio::test]
async fn the_autopilot_changes_the_policy_and_says_why() {
    let tier = tier();
    tier.reconfigure(settings(true));
    let patience = Instant::now() + std::time::Duration::from_secs(60);
    while tier.insight().decisions.is_empty() {
        assert!(Instant::now() < patience, "the autopilot does nothing");
        loop_once(&tier).await;
    }
    let decision = tier.insight().decisions[0].clone();
    assert_eq!(decision.from, PolicyKind::Lru);
    assert!(!decision.reason.is_empty());
    let policy = tier.cache_stats().policy;
    assert_ne!(policy, PolicyKind::Lru);
    // More memory is no reason to undo it; the autopilot off is.
    let larger = Settings { capacity_bytes: 1 << 20, ..settings(true) };
    tier.reconfigure(larger);
    assert_ne!(tier.cache_stats().policy, PolicyKind::Lru);
    tier.reconfigure(Settings { autopilot: false, ..larger });
    assert_eq!(tier.cache_stats().policy, PolicyKind::Lru);
}

//! The entries of the mem-cache server: values with flags, a version and a time
//! to expire, over the cache. Reads take no lock of their own; whoever changes
//! a key holds its lock, so that what depends on the value before is one step.
//! Knows no protocol and never sleeps.

mod change;
mod counters;
mod delta;
mod item;
mod meta;
mod store;
mod time;
mod value;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use larder_cache::{Cache, PolicyKind, Stats};
use larder_clock::SharedClock;
use larder_tier::{Objective, Observer, Settings};
use parking_lot::{Mutex, MutexGuard};

pub(crate) use counters::{AllCounters, Count, Counters};
pub(crate) use delta::{Counted, Delta};
pub(crate) use item::Item;
pub(crate) use meta::Deleted;
pub(crate) use store::{Outcome, Stored};
pub(crate) use time::Moment;
use time::{NEVER, Time};
pub(crate) use value::{PartialValue, Value};

/// Keys that are looked up together.
pub(crate) const BATCH: usize = 16;

/// Locks for all keys: so many that two threads seldom want the same.
const LOCKS: usize = 256;

/// What an entry has beside key and value as far as the limit on its size is
/// concerned: what the reference has.
const HEADER_BYTES: usize = 59;

/// A shard for so many bytes of capacity, so that each holds many entries.
const SHARD_BYTES: u64 = 16 << 20;

/// How long after the last look requests are still watched for the what-if.
const WATCHED_FOR: Duration = Duration::from_secs(10 * 60);

/// The entries.
pub(crate) struct Items {
    pub(crate) cache: Cache<Item>,
    pub(crate) time: Time,
    pub(crate) counters: AllCounters,
    /// The most bytes of an entry.
    pub(crate) max_item_bytes: usize,
    locks: Box<[Mutex<()>]>,
    hasher: foldhash::fast::RandomState,
    last_cas: AtomicU64,
    /// How often all was flushed; entries from before are gone.
    epoch: AtomicU32,
    /// When all is to be flushed; 0 is not.
    flush_at: AtomicU32,
    flushing: Mutex<()>,
    /// Bytes of values that are being received.
    receiving: AtomicUsize,
    /// Sets capacity, policy and objective, and says what others would do.
    /// Costs nothing until somebody wants to know.
    pub(crate) observer: Observer<Item>,
}

/// What a read needs to know of its time.
#[derive(Clone, Copy)]
pub(crate) struct Present {
    pub(crate) now: Moment,
    epoch: u32,
}

impl Items {
    pub(crate) fn new(
        capacity_bytes: u64,
        policy: PolicyKind,
        max_item_bytes: usize,
        clock: SharedClock,
    ) -> Self {
        let shards = usize::try_from(capacity_bytes / SHARD_BYTES).unwrap_or(usize::MAX);
        let cache = Cache::new(larder_cache::Config {
            capacity_bytes,
            policy,
            shards: shards.clamp(1, 16),
            // Strangers choose the keys.
            seed: std::hash::RandomState::new().hash_one(0),
            ..larder_cache::Config::default()
        });
        let objective = Objective::default();
        let settings = Settings { capacity_bytes, policy, objective, autopilot: false };
        Self {
            observer: Observer::on_demand(cache.clone(), settings, WATCHED_FOR),
            cache,
            time: Time::new(clock),
            counters: AllCounters::default(),
            max_item_bytes,
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
            hasher: foldhash::fast::RandomState::default(),
            last_cas: AtomicU64::new(0),
            epoch: AtomicU32::new(1),
            flush_at: AtomicU32::new(0),
            flushing: Mutex::new(()),
            receiving: AtomicUsize::new(0),
        }
    }

    /// The present, after whatever was to be flushed by now.
    #[inline]
    pub(crate) fn present(&self) -> Present {
        let now = self.time.now();
        let at = self.flush_at.load(SeqCst);
        if at != 0 && at <= now {
            self.flush_due(now);
        }
        Present { now, epoch: self.epoch.load(SeqCst) }
    }

    #[cold]
    fn flush_due(&self, now: Moment) {
        // Others wait here until it is done: they must not see what was there.
        let _one = self.flushing.lock();
        let at = self.flush_at.load(SeqCst);
        if at != 0 && at <= now {
            self.epoch.fetch_add(1, SeqCst);
            self.flush_at.store(0, SeqCst);
        }
    }

    /// Drops everything: now, or when it is time.
    pub(crate) fn flush(&self, delay: i32) {
        let _one = self.flushing.lock();
        // The reference's delay ends a second early.
        let at = if delay > 0 { self.time.expiry(delay).saturating_sub(1) } else { 0 };
        if at > self.time.now() {
            self.flush_at.store(at, SeqCst);
        } else {
            self.flush_at.store(0, SeqCst);
            self.epoch.fetch_add(1, SeqCst);
        }
    }

    /// Reads up to [`BATCH`] keys in their order and lends what is there. The
    /// caller must not call anything of this from `visit`.
    #[inline]
    pub(crate) fn read(
        &self,
        present: Present,
        keys: &[&[u8]],
        counters: &Counters,
        mut visit: impl FnMut(usize, Option<&Item>),
    ) {
        let mut gone = 0_u32;
        self.cache.read_many(keys, |place, item| {
            let item = item.filter(|item| {
                let is_here = present.has(item);
                gone |= u32::from(!is_here) << place;
                is_here
            });
            visit(place, item);
        });
        if gone != 0 {
            let keys = keys.iter().enumerate().filter(|(place, _)| gone >> place & 1 == 1);
            keys.for_each(|(_, key)| self.reap(present, key, counters));
        }
    }

    /// Removes what has expired or was flushed, and counts that a read met it.
    #[cold]
    fn reap(&self, present: Present, key: &[u8], counters: &Counters) {
        let _lock = self.lock(key);
        if let Some(item) = self.cache.peek(key).filter(|item| !present.has(item)) {
            let is_flushed = item.epoch != present.epoch;
            counters.add(if is_flushed { Count::GetFlushed } else { Count::GetExpired }, 1);
            self.cache.invalidate(key);
        }
    }

    /// The entry under a key, from memory; a use of it.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Item> {
        let present = self.present();
        let item = self.cache.get(key).filter(|item| present.has(item))?;
        item.note_use(present.now);
        Some(item)
    }

    /// What is under a key and neither expired nor flushed.
    fn peek(&self, present: Present, key: &[u8]) -> Option<Item> {
        self.cache.peek(key).filter(|item| present.has(item))
    }

    /// The lock of a key. Whoever holds one must not ask for another.
    pub(crate) fn lock(&self, key: &[u8]) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one(key);
        self.locks[hash as usize % LOCKS].lock()
    }

    /// A version that no entry ever had, unless a client chose it.
    fn next_cas(&self) -> u64 {
        self.last_cas.fetch_add(1, Relaxed) + 1
    }

    /// Whether an entry of such sizes is larger than any may be.
    pub(crate) fn is_too_large(&self, key_bytes: usize, value_bytes: usize) -> bool {
        HEADER_BYTES + key_bytes + value_bytes > self.max_item_bytes
    }

    /// The bytes of an entry, as the limit on its size counts them.
    pub(crate) fn size(&self, key: &[u8], item: &Item) -> usize {
        HEADER_BYTES + key.len() + item.value.len()
    }

    /// Room for a value that is to be received; none where values under way
    /// take as much as the cache may.
    pub(crate) fn receive(self: &Arc<Self>, bytes: usize) -> Option<Reception> {
        let most = usize::try_from(self.cache.config().capacity_bytes).unwrap_or(usize::MAX);
        let before = self.receiving.fetch_add(bytes, Relaxed);
        let reception = Reception { items: Arc::clone(self), bytes };
        (before.saturating_add(bytes) <= most).then_some(reception)
    }

    /// What the cache holds and did.
    pub(crate) fn stats(&self) -> Stats {
        self.cache.stats()
    }
}

impl Present {
    #[inline]
    pub(crate) fn has(self, item: &Item) -> bool {
        item.epoch == self.epoch && !item.is_expired(self.now)
    }
}

/// Room that is taken until this is dropped.
pub(crate) struct Reception {
    items: Arc<Items>,
    bytes: usize,
}

impl Drop for Reception {
    fn drop(&mut self) {
        self.items.receiving.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests;

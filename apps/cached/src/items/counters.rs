//! What was done, counted by who did it: every thread has its own counters,
//! which nobody else writes to, so that none waits for a line of memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Gets,
    GetHits,
    GetMisses,
    GetExpired,
    GetFlushed,
    Sets,
    Flushes,
    Touches,
    TouchHits,
    TouchMisses,
    Metas,
    DeleteHits,
    DeleteMisses,
    IncrHits,
    IncrMisses,
    DecrHits,
    DecrMisses,
    CasHits,
    CasMisses,
    CasBad,
    TooLarge,
    NoMemory,
    Reclaimed,
    AuthTries,
    AuthErrors,
    BytesRead,
    BytesWritten,
}

const COUNTS: usize = Count::BytesWritten as usize + 1;

/// The counters of one thread.
pub(crate) struct Counters([AtomicU64; COUNTS]);

impl Counters {
    /// Counts. Only one thread may: it is no more than a load and a store.
    #[inline]
    pub(crate) fn add(&self, count: Count, by: u64) {
        let counter = &self.0[count as usize];
        counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
    }
}

/// The counters of all threads.
#[derive(Default)]
pub(crate) struct AllCounters {
    threads: Mutex<Vec<Arc<Counters>>>,
    /// What was counted when they were reset.
    before: Mutex<Option<[u64; COUNTS]>>,
}

impl AllCounters {
    /// Counters for a thread that begins.
    pub(crate) fn join(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters(std::array::from_fn(|_| AtomicU64::new(0))));
        self.threads.lock().push(Arc::clone(&counters));
        counters
    }

    /// How often all threads did it since the counters were reset.
    pub(crate) fn sum(&self, count: Count) -> u64 {
        let before = self.before.lock().map_or(0, |before| before[count as usize]);
        self.total(count as usize).wrapping_sub(before)
    }

    /// Begins to count anew.
    pub(crate) fn reset(&self) {
        let now = std::array::from_fn(|count| self.total(count));
        *self.before.lock() = Some(now);
    }

    fn total(&self, count: usize) -> u64 {
        let threads = self.threads.lock();
        threads.iter().fold(0, |sum, one| sum.wrapping_add(one.0[count].load(Relaxed)))
    }
}

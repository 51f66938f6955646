//! Counters that every read bumps. A thread has counters of its own, so a
//! bump is a plain load and store in a line that no other thread writes; they
//! are exact all the same. They never decide anything.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::threads::PerThread;

/// Counts of reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) loads: u64,
    pub(crate) waits: u64,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    loads: AtomicU64,
    waits: AtomicU64,
}

/// The counters of one cache.
#[derive(Default)]
pub(crate) struct Tally {
    own: PerThread<Counters>,
    /// Of threads without their own: by atomic additions.
    shared: Counters,
}

impl Tally {
    #[inline]
    pub(crate) fn hits(&self, n: u64) {
        self.add(|counters| &counters.hits, n);
    }

    #[inline]
    pub(crate) fn misses(&self, n: u64) {
        self.add(|counters| &counters.misses, n);
    }

    pub(crate) fn loads(&self, n: u64) {
        self.add(|counters| &counters.loads, n);
    }

    pub(crate) fn waits(&self, n: u64) {
        self.add(|counters| &counters.waits, n);
    }

    #[inline]
    fn add(&self, counter: impl Fn(&Counters) -> &AtomicU64, n: u64) {
        match self.own.mine() {
            // Nobody else writes it.
            Some(counters) => {
                let counter = counter(counters);
                counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
            }
            None => {
                counter(&self.shared).fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    /// The sums over all threads.
    pub(crate) fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        for counters in self.own.iter().chain([&self.shared]) {
            reads.hits += counters.hits.load(Ordering::Relaxed);
            reads.misses += counters.misses.load(Ordering::Relaxed);
            reads.loads += counters.loads.load(Ordering::Relaxed);
            reads.waits += counters.waits.load(Ordering::Relaxed);
        }
        reads
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::threads::MOST_THREADS;

    #[test]
    fn every_count_is_kept_with_more_threads_than_counters() {
        let hits = if cfg!(miri) { 10 } else { 1000 };
        let threads = MOST_THREADS + 20;
        let tally = Tally::default();
        // All alive at once, so that some have no counters.
        let (begin, end) = (Barrier::new(threads), Barrier::new(threads));
        for _ in 0..2 {
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        tally.waits(1);
                        begin.wait();
                        (0..hits).for_each(|_| tally.hits(1));
                        tally.misses(3);
                        end.wait();
                    });
                }
            });
        }
        let n = 2 * threads as u64;
        assert_eq!(tally.reads(), Reads { hits: hits * n, misses: 3 * n, loads: 0, waits: n });
        assert!(tally.shared.hits.load(Ordering::Relaxed) > 0);
    }
}

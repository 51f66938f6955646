//! Counters that every read bumps. A thread has counters of its own, so a
//! bump is a plain load and store in a line that no other thread writes; they
//! are exact all the same. They never decide anything.

#[cfg(not(shuttle))]
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread_local;

/// Threads with counters of their own at one time, a machine's cores many
/// times over; those beyond share one set with atomic additions. Few, where
/// schedules are explored, so that there are some beyond.
const STRIPES: usize = if cfg!(shuttle) { 2 } else { 64 };

/// Counts of reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) loads: u64,
    pub(crate) waits: u64,
}

#[derive(Default)]
#[repr(align(64))]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
    loads: AtomicU64,
    waits: AtomicU64,
}

/// The counters of one cache.
pub(crate) struct Tally {
    own: Box<[Stripe]>,
    shared: Stripe,
}

impl Default for Tally {
    fn default() -> Self {
        let own = std::iter::repeat_with(Stripe::default).take(STRIPES).collect();
        Self { own, shared: Stripe::default() }
    }
}

impl Tally {
    #[inline]
    pub(crate) fn hits(&self, n: u64) {
        self.add(|stripe| &stripe.hits, n);
    }

    #[inline]
    pub(crate) fn misses(&self, n: u64) {
        self.add(|stripe| &stripe.misses, n);
    }

    pub(crate) fn loads(&self, n: u64) {
        self.add(|stripe| &stripe.loads, n);
    }

    pub(crate) fn waits(&self, n: u64) {
        self.add(|stripe| &stripe.waits, n);
    }

    #[inline]
    fn add(&self, counter: impl Fn(&Stripe) -> &AtomicU64, n: u64) {
        match self.own.get(number()) {
            // Nobody else writes it: the number is this thread's alone.
            Some(stripe) => {
                let counter = counter(stripe);
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
        for stripe in self.own.iter().chain([&self.shared]) {
            reads.hits += stripe.hits.load(Ordering::Relaxed);
            reads.misses += stripe.misses.load(Ordering::Relaxed);
            reads.loads += stripe.loads.load(Ordering::Relaxed);
            reads.waits += stripe.waits.load(Ordering::Relaxed);
        }
        reads
    }
}

/// No thread's number; whoever has none yet, or none any more, shares counters.
const UNKNOWN: usize = usize::MAX;

/// A number that no other living thread has. The lowest free one is given
/// out; a thread that takes it over sees what the one before it counted,
/// because it went through the lock after it.
struct Number(usize);

/// These outlive an explored schedule, so they are never from `sync`.
static FREE: Mutex<BinaryHeap<Reverse<usize>>> = Mutex::new(BinaryHeap::new());
static NEXT: AtomicUsize = AtomicUsize::new(0);

fn vacated() -> MutexGuard<'static, BinaryHeap<Reverse<usize>>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Number {
    fn take() -> Self {
        let free = vacated().pop();
        Self(free.map_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed), |Reverse(number)| number))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        #[cfg(not(shuttle))]
        KNOWN.set(UNKNOWN);
        vacated().push(Reverse(self.0));
    }
}

thread_local! {
    static NUMBER: Number = Number::take();
}

#[cfg(not(shuttle))]
std::thread_local! {
    /// A copy of the number, which unlike it has no destructor and so is read
    /// without asking whether that has run.
    static KNOWN: Cell<usize> = const { Cell::new(UNKNOWN) };
}

/// This thread's number; none of the stripes' while the thread ends.
#[cfg(not(shuttle))]
#[inline]
fn number() -> usize {
    let known = KNOWN.get();
    if known == UNKNOWN { asked() } else { known }
}

/// As there; all of an explored schedule's threads are one of the system's.
#[cfg(shuttle)]
fn number() -> usize {
    asked()
}

#[cold]
fn asked() -> usize {
    let number = NUMBER.try_with(|number| number.0).unwrap_or(UNKNOWN);
    #[cfg(not(shuttle))]
    KNOWN.set(number);
    number
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn every_count_is_kept_with_more_threads_than_stripes() {
        let hits = if cfg!(miri) { 10 } else { 1000 };
        let threads = STRIPES + 20;
        let tally = Tally::default();
        // All alive at once, so that some have no stripe.
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

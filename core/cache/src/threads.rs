//! What every thread has for itself, so that it can be written without anybody
//! waiting: one of each for a bounded number of threads at a time.

#[cfg(not(shuttle))]
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sync::atomic::Ordering;
use crate::sync::thread_local;

/// Threads that have their own at one time, a machine's cores many times over.
/// Few, where schedules are explored, so that there are some beyond.
pub(crate) const MOST_THREADS: usize = if cfg!(shuttle) { 2 } else { 64 };

/// One for each thread, but for those beyond [`MOST_THREADS`].
pub(crate) struct PerThread<T>(Box<[Line<T>]>);

#[derive(Default)]
#[repr(align(64))]
struct Line<T>(T);

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self(std::iter::repeat_with(Line::default).take(MOST_THREADS).collect())
    }
}

impl<T> PerThread<T> {
    /// This thread's. No other thread is given it before this one has ended,
    /// and whoever is then sees what this one wrote.
    #[inline(always)]
    pub(crate) fn mine(&self) -> Option<&T> {
        self.0.get(number()).map(|line| &line.0)
    }

    /// Those of all threads.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|line| &line.0)
    }
}

/// No thread's number; whoever has none yet, or none any more.
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

/// This thread's number; no thread's while it ends.
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

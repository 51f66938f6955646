//! A read-write lock that a reader takes by a store in a line of its own, so
//! that readers on many cores don't pass a line around.
//!
//! Source: Dice and Kogan, "BRAVO: biased locking for reader-writer locks",
//! USENIX ATC 2019. While the lock is biased, a reader says in a place that
//! only its thread writes which lock it reads, and looks whether the lock still
//! is biased. A writer takes the lock beneath, ends the bias, and waits until no
//! thread says that it reads this lock. Readers then use the lock beneath; after
//! some of them it is biased again. Where it differs: the places belong to
//! threads rather than to hashes, one for all locks of a cache, and the bias
//! comes back by a count of readers, as there is no clock here.
//!
//! Why it is safe: either the reader's look at the bias comes before the
//! writer's end of it, in the one order of all such accesses, and then the
//! writer's look at the reader's place, which is later still, sees it; or it
//! comes after, and then the reader sees that there is no bias. The bias is
//! given only under the lock beneath, after the last writer.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, thread, unlock_fair};

/// Readers beneath after which the lock is biased again: as much work as the
/// next writer has to end it. One, where schedules or memory are explored.
const ENOUGH: u32 = if cfg!(any(shuttle, miri)) { 1 } else { 64 };

/// Looks at a reader's place before the processor is left to others.
const MOST_SPINS: u32 = if cfg!(shuttle) { 0 } else { 64 };

/// Where a thread says which lock it reads.
#[derive(Default)]
pub(crate) struct Place(AtomicUsize);

/// What a place says.
const NONE: usize = 0;
const ALL: usize = usize::MAX;

impl Place {
    /// Says that all locks are being read, until the answer is dropped; `None`
    /// if one already is.
    ///
    /// It is no lock yet: [`Biased::under`] asks each.
    pub(crate) fn claim(&self) -> Option<Claim<'_>> {
        self.say(ALL)
    }

    #[inline(always)]
    fn say(&self, lock: usize) -> Option<Claim<'_>> {
        // Nobody else writes it.
        if self.0.load(Ordering::Relaxed) != NONE {
            return None;
        }
        self.0.store(lock, Ordering::SeqCst);
        Some(Claim(self))
    }
}

/// A place that says something until this is dropped.
pub(crate) struct Claim<'a>(&'a Place);

impl Drop for Claim<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.0.store(NONE, Ordering::Release);
    }
}

/// A value behind such a lock.
pub(crate) struct Biased<T> {
    /// What places say of it.
    name: usize,
    biased: AtomicBool,
    /// Readers beneath since the last bias, about.
    beneath: AtomicU32,
    lock: RwLock<()>,
    value: UnsafeCell<T>,
}

#[allow(unsafe_code, reason = "a lock is what makes it so")]
// SAFETY: as of any read-write lock: readers on many threads share the value,
// and a writer, alone with it, may take it to another thread.
unsafe impl<T: Send + Sync> Sync for Biased<T> {}

impl<T> Biased<T> {
    /// No two locks with the same places may have the same number.
    pub(crate) fn new(number: usize, value: T) -> Self {
        Self {
            name: number + 1,
            biased: AtomicBool::new(false),
            beneath: AtomicU32::new(0),
            lock: RwLock::new(()),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for writers. `place` is this thread's, if it has one.
    #[inline(always)]
    pub(crate) fn read<'a>(&'a self, place: Option<&'a Place>) -> Read<'a, T> {
        if self.biased.load(Ordering::Relaxed)
            && let Some(claim) = place.and_then(|place| place.say(self.name))
            && self.biased.load(Ordering::SeqCst)
        {
            return Read { value: self.shared(), _held: Held::Claimed(claim) };
        }
        self.read_beneath(place.is_some())
    }

    #[inline(never)]
    fn read_beneath(&self, counts: bool) -> Read<'_, T> {
        let guard = self.lock.read();
        if counts {
            // Some readers may go uncounted.
            let readers = self.beneath.load(Ordering::Relaxed) + 1;
            self.beneath.store(readers, Ordering::Relaxed);
            if readers >= ENOUGH {
                self.beneath.store(0, Ordering::Relaxed);
                self.biased.store(true, Ordering::SeqCst);
            }
        }
        Read { value: self.shared(), _held: Held::Locked(guard) }
    }

    /// The value, if the claim alone keeps writers out.
    #[inline(always)]
    pub(crate) fn under<'a>(&'a self, _claim: &'a Claim<'_>) -> Option<&'a T> {
        self.biased.load(Ordering::SeqCst).then(|| self.shared())
    }

    /// Waits for everybody else. `places` are those of all threads.
    pub(crate) fn write<'a, 'p>(&'a self, places: impl Iterator<Item = &'p Place>) -> Write<'a, T> {
        let guard = self.lock.write();
        // Given under the lock beneath only, so it doesn't come now.
        if self.biased.load(Ordering::Relaxed) {
            self.biased.store(false, Ordering::SeqCst);
            places.for_each(|place| self.wait_for(place));
        }
        Write { lock: self, guard }
    }

    fn wait_for(&self, place: &Place) {
        let mut spins = 0;
        while [self.name, ALL].contains(&place.0.load(Ordering::SeqCst)) {
            if spins < MOST_SPINS {
                std::hint::spin_loop();
                spins += 1;
            } else {
                thread::yield_now();
            }
        }
    }

    #[allow(unsafe_code, reason = "the borrow checker doesn't know of locks")]
    #[inline(always)]
    fn shared(&self) -> &T {
        // SAFETY: called only by who holds the lock beneath for reading, or
        // has said so in a place before seeing the bias: no writer is past
        // `write` until that ends, which the answer doesn't outlive.
        unsafe { &*self.value.get() }
    }
}

enum Held<'a> {
    Claimed(#[allow(dead_code)] Claim<'a>),
    Locked(#[allow(dead_code)] RwLockReadGuard<'a, ()>),
}

/// The value, to be read.
pub(crate) struct Read<'a, T> {
    value: &'a T,
    _held: Held<'a>,
}

impl<T> Deref for Read<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.value
    }
}

/// The value, to be changed.
pub(crate) struct Write<'a, T> {
    lock: &'a Biased<T>,
    guard: RwLockWriteGuard<'a, ()>,
}

impl<T> Write<'_, T> {
    /// Lets go of it in favour of those who wait.
    pub(crate) fn unlock_fair(self) {
        unlock_fair(self.guard);
    }
}

impl<T> Deref for Write<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.lock.shared()
    }
}

impl<T> DerefMut for Write<'_, T> {
    #[allow(unsafe_code, reason = "the borrow checker doesn't know of locks")]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock beneath is held for writing, and `write` has waited
        // for all who read without it; the answer doesn't outlive this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::thread;

    use super::*;
    use crate::threads::PerThread;

    #[test]
    fn readers_see_what_a_writer_left_and_nothing_between() {
        let (readers, rounds, writes) = if cfg!(miri) { (2, 60, 30) } else { (3, 20_000, 200) };
        let lock = Biased::new(0, [0u64; 2]);
        let places = PerThread::<Place>::default();
        thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| {
                    let mut last = 0;
                    for _ in 0..rounds {
                        let [first, second] = *lock.read(places.mine());
                        assert_eq!(first, second);
                        assert!(first >= last, "an older value was read");
                        last = first;
                    }
                });
            }
            for _ in 0..writes {
                let mut value = lock.write(places.iter());
                value[0] += 1;
                value[1] += 1;
            }
        });
        assert_eq!(lock.read(None)[0], writes);
    }

    #[test]
    fn the_bias_comes_with_readers_and_goes_with_a_writer() {
        let lock = Biased::new(7, 'a');
        let place = Place::default();
        let claims = |lock: &Biased<char>| {
            let claim = place.claim().expect("nothing is being read");
            lock.under(&claim).is_some()
        };
        for _ in 0..ENOUGH {
            assert!(!claims(&lock));
            assert_eq!(*lock.read(Some(&place)), 'a');
        }
        assert!(claims(&lock));
        // A place says one thing at a time: within one read, others lock.
        let read = lock.read(Some(&place));
        assert!(place.claim().is_none());
        assert_eq!((*read, *lock.read(Some(&place))), ('a', 'a'));
        drop(read);
        *lock.write(std::iter::once(&place)) = 'b';
        assert!(!claims(&lock));
        assert_eq!(*lock.read(Some(&place)), 'b');
    }
}

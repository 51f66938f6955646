//! Where the crate gets its locks, its atomics and its threads from: the real
//! ones, at no cost, or under `--cfg shuttle` those that `tests/schedules`
//! steps through, or std's for Miri, which refuses the way in which
//! parking_lot lets a thread sleep. It never decides anything.
//!
//! The marks that policies set at a hit aren't from here: they decide who is
//! colder, never what is right, and would be most of what there is to explore.

#[cfg(not(any(shuttle, miri)))]
mod real {
    pub(crate) use std::sync::atomic;
    pub(crate) use std::thread;
    pub(crate) use std::thread_local;

    pub(crate) use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

    /// Lets go of a lock in favour of those who wait: else whoever takes it
    /// again at once keeps them waiting, for up to a millisecond.
    pub(crate) fn unlock_fair<T>(guard: RwLockWriteGuard<'_, T>) {
        RwLockWriteGuard::unlock_fair(guard);
    }
}

#[cfg(any(shuttle, miri))]
mod watched {
    use std::sync::PoisonError;

    #[cfg(shuttle)]
    use shuttle as base;
    #[cfg(not(shuttle))]
    use std as base;

    use base::sync::MutexGuard;
    pub(crate) use base::sync::{RwLockReadGuard, RwLockWriteGuard};
    pub(crate) use base::{sync::atomic, thread, thread_local};

    /// As parking_lot's: a panic under the lock doesn't matter to the next.
    pub(crate) struct Mutex<T>(base::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(base::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Whoever comes next comes by chance, or as the schedule has it.
    pub(crate) fn unlock_fair<T>(guard: RwLockWriteGuard<'_, T>) {
        drop(guard);
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    /// As parking_lot's: who waits to write keeps new readers out. Shuttle's
    /// own lets them pass, and would never see two readers that wait for each
    /// other's shards with a writer between them.
    pub(crate) struct RwLock<T> {
        door: base::sync::Mutex<()>,
        value: base::sync::RwLock<T>,
    }

    impl<T> RwLock<T> {
        pub(crate) const fn new(value: T) -> Self {
            let door = base::sync::Mutex::new(());
            Self { door, value: base::sync::RwLock::new(value) }
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            let _door = self.door.lock();
            self.value.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            let _door = self.door.lock();
            self.value.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(not(any(shuttle, miri)))]
pub(crate) use real::*;
#[cfg(any(shuttle, miri))]
pub(crate) use watched::*;

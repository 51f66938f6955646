//! The one budget of bytes and items that all shards share. It never touches
//! entries: it says yes, no or never.

use parking_lot::Mutex;

/// What the budget answers to an entry that wants in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Taken; the entry must be put in place before its shard's lock is let go.
    Granted,
    /// Somebody has to go first.
    Full,
    /// Not even with everybody else gone.
    Never,
}

/// What the budget stands at, all of one moment.
#[derive(Clone, Copy)]
pub(crate) struct Level {
    pub(crate) used_bytes: u64,
    pub(crate) used_items: u64,
    /// What is promised to observers: never below what is used.
    pub(crate) capacity_bytes: u64,
    pub(crate) max_items: Option<u64>,
    /// What newcomers must fit into. Below the promise only while
    /// `reconfigure` is still evicting down to it.
    limit_bytes: u64,
    limit_items: Option<u64>,
}

impl Level {
    /// Lowers the promise to the limit as soon as it can be kept.
    fn settle(&mut self) {
        if self.used_bytes <= self.limit_bytes {
            self.capacity_bytes = self.limit_bytes;
        }
        if self.used_items <= self.limit_items.unwrap_or(u64::MAX) {
            self.max_items = self.limit_items;
        }
    }
}

/// The bytes and items in use, and their bounds.
///
/// A mutex rather than a pair of atomics: bytes, items and both bounds must
/// change as one for the budget to be exact while the capacity changes too.
/// It is the innermost lock, held for a few instructions, and hits never take
/// it.
pub(crate) struct Budget(Mutex<Level>);

impl Budget {
    pub(crate) fn new(capacity_bytes: u64, max_items: Option<u64>) -> Self {
        Self(Mutex::new(Level {
            used_bytes: 0,
            used_items: 0,
            capacity_bytes,
            max_items,
            limit_bytes: capacity_bytes,
            limit_items: max_items,
        }))
    }

    pub(crate) fn level(&self) -> Level {
        *self.0.lock()
    }

    /// Exchanges the weight of the entry to be replaced, if there is one, for
    /// the weight of the entry that wants in.
    pub(crate) fn exchange(&self, old_bytes: Option<u64>, new_bytes: u64) -> Room {
        let mut level = self.0.lock();
        let limit_items = level.limit_items.unwrap_or(u64::MAX);
        if new_bytes > level.limit_bytes || limit_items == 0 {
            return Room::Never;
        }
        let rest_bytes = level.used_bytes - old_bytes.unwrap_or(0);
        let rest_items = level.used_items - u64::from(old_bytes.is_some());
        // An entry that doesn't grow takes nothing from anybody, even while
        // the cache is still over a lowered limit.
        let grows = old_bytes.is_none_or(|old| new_bytes > old);
        let fits = rest_bytes <= level.limit_bytes - new_bytes && rest_items < limit_items;
        if grows && !fits {
            return Room::Full;
        }
        level.used_bytes = rest_bytes + new_bytes;
        level.used_items = rest_items + 1;
        level.settle();
        Room::Granted
    }

    /// Gives back what entries that went had taken.
    pub(crate) fn release(&self, bytes: u64, items: u64) {
        let mut level = self.0.lock();
        level.used_bytes -= bytes;
        level.used_items -= items;
        level.settle();
    }

    /// Sets the bounds for newcomers at once; the promise follows when it can
    /// be kept.
    pub(crate) fn limit(&self, capacity_bytes: u64, max_items: Option<u64>) {
        let mut level = self.0.lock();
        level.limit_bytes = capacity_bytes;
        level.limit_items = max_items;
        level.settle();
    }

    /// True while a lowered limit isn't reached yet.
    pub(crate) fn is_over(&self) -> bool {
        let level = self.0.lock();
        level.used_bytes > level.limit_bytes
            || level.used_items > level.limit_items.unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_fits_and_one_more_does_not() {
        let budget = Budget::new(100, None);
        assert_eq!(budget.exchange(None, 60), Room::Granted);
        assert_eq!(budget.exchange(None, 41), Room::Full);
        assert_eq!(budget.exchange(None, 40), Room::Granted);
        assert_eq!(budget.exchange(None, 101), Room::Never);
        assert_eq!(budget.level().used_bytes, 100);
    }

    #[test]
    fn replacing_counts_once() {
        let budget = Budget::new(100, Some(1));
        assert_eq!(budget.exchange(None, 90), Room::Granted);
        assert_eq!(budget.exchange(Some(90), 100), Room::Granted);
        assert_eq!(budget.exchange(None, 0), Room::Full);
        assert_eq!(budget.level().used_bytes, 100);
        assert_eq!(budget.level().used_items, 1);
    }

    #[test]
    fn the_promise_follows_a_lowered_limit_only_when_it_is_kept() {
        let budget = Budget::new(100, Some(9));
        assert_eq!(budget.exchange(None, 50), Room::Granted);
        assert_eq!(budget.exchange(None, 50), Room::Granted);
        budget.limit(60, Some(1));
        assert!(budget.is_over());
        assert_eq!(budget.level().capacity_bytes, 100);
        assert_eq!(budget.exchange(Some(50), 50), Room::Granted, "doesn't grow");
        assert_eq!(budget.exchange(Some(50), 51), Room::Full);
        budget.release(50, 1);
        assert!(!budget.is_over());
        assert_eq!(budget.level().capacity_bytes, 60);
        assert_eq!(budget.level().max_items, Some(1));
    }

    #[test]
    fn weights_near_the_end_of_the_range_do_not_wrap() {
        let budget = Budget::new(u64::MAX, None);
        assert_eq!(budget.exchange(None, u64::MAX - 1), Room::Granted);
        assert_eq!(budget.exchange(None, 2), Room::Full);
        assert_eq!(budget.exchange(None, 1), Room::Granted);
    }
}

//! The one budget of bytes and items that all shards share. It never touches
//! entries: it says yes, no or never.
//!
//! A shard takes a little more than it needs and keeps what its victims leave,
//! up to a small credit, so that most entries come and go without the budget.
//! What shards hold, credit included, never passes the capacity; so neither
//! does what the entries weigh.

use std::ops::{Add, AddAssign, Sub, SubAssign};

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The most bytes a shard keeps as credit.
const MOST_CREDIT_BYTES: u64 = 64 * 1024;

/// The most items a shard keeps as credit.
const MOST_CREDIT_ITEMS: u64 = 64;

/// The credit of all shards together, as a part of the capacity, is at most
/// one in this many.
const CREDIT_SHARE: u64 = 1024;

/// A credit smaller than this isn't worth what it keeps from others: small
/// caches use their last byte.
const LEAST_CREDIT: Amount = Amount { bytes: 1024, items: 16 };

/// Bytes and items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: u64,
    pub(crate) items: u64,
}

impl Amount {
    pub(crate) fn one(bytes: u64) -> Self {
        Self { bytes, items: 1 }
    }

    pub(crate) fn covers(self, other: Self) -> bool {
        self.bytes >= other.bytes && self.items >= other.items
    }

    /// What is missing to cover `other`.
    pub(crate) fn short_of(self, other: Self) -> Self {
        other.beyond(self)
    }

    /// What there is beyond `other`.
    pub(crate) fn beyond(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            items: self.items.saturating_sub(other.items),
        }
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, items: self.items + other.items }
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, items: self.items - other.items }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// The bounds: for bytes, and for items if they are bounded too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) bytes: u64,
    pub(crate) items: Option<u64>,
}

impl Bounds {
    fn amount(self) -> Amount {
        Amount { bytes: self.bytes, items: self.items.unwrap_or(u64::MAX) }
    }
}

struct Level {
    /// What shards hold, for entries or as credit.
    held: Amount,
    /// What newcomers must fit into. Below the promise only while
    /// `reconfigure` is still evicting down to it.
    limit: Bounds,
    /// What is promised to observers: never below what is held.
    promise: Bounds,
}

impl Level {
    fn rest(&self) -> Amount {
        self.limit.amount().beyond(self.held)
    }

    /// Lowers the promise to the limit as soon as it can be kept.
    fn settle(&mut self) {
        let limit = self.limit.amount();
        if self.held.bytes <= limit.bytes {
            self.promise.bytes = self.limit.bytes;
        }
        if self.held.items <= limit.items {
            self.promise.items = self.limit.items;
        }
    }
}

/// What shards hold, and its bounds.
///
/// A mutex rather than a handful of atomics: bytes, items and their bounds
/// must change as one for the budget to be exact while the capacity changes
/// too. It is the innermost lock, held for a few instructions; hits never
/// take it, and inserts seldom.
pub(crate) struct Budget {
    level: Mutex<Level>,
    shards: u64,
    /// Copies, to be read without the lock: good enough to choose by.
    mean_bytes: AtomicU64,
    limit: Copies,
    most_credit: Copies,
    rest: Copies,
}

/// An amount to be read without the lock.
#[derive(Default)]
struct Copies {
    bytes: AtomicU64,
    items: AtomicU64,
}

impl Copies {
    fn store(&self, amount: Amount) {
        self.bytes.store(amount.bytes, Ordering::Relaxed);
        self.items.store(amount.items, Ordering::Relaxed);
    }

    fn load(&self) -> Amount {
        Amount {
            bytes: self.bytes.load(Ordering::Relaxed),
            items: self.items.load(Ordering::Relaxed),
        }
    }
}

impl Budget {
    pub(crate) fn new(limit: Bounds, shards: usize) -> Self {
        let budget = Self {
            level: Mutex::new(Level { held: Amount::default(), limit, promise: limit }),
            shards: shards as u64,
            mean_bytes: AtomicU64::new(0),
            limit: Copies::default(),
            most_credit: Copies::default(),
            rest: Copies::default(),
        };
        budget.limit(limit);
        budget
    }

    /// The bounds that hold for observers.
    pub(crate) fn promise(&self) -> Bounds {
        self.level.lock().promise
    }

    /// What shards hold now, credit included.
    pub(crate) fn held(&self) -> Amount {
        self.level.lock().held
    }

    /// What a shard holds on average, in bytes.
    pub(crate) fn mean_bytes(&self) -> u64 {
        self.mean_bytes.load(Ordering::Relaxed)
    }

    /// True if an entry would fit with everybody else gone.
    pub(crate) fn allows(&self, weight: u64) -> bool {
        self.limit.load().covers(Amount::one(weight))
    }

    /// The most that a shard should keep as credit.
    pub(crate) fn most_credit(&self) -> Amount {
        self.most_credit.load()
    }

    /// Takes what is needed, and credit if there is plenty; `None` if what is
    /// needed isn't there. The answer is what was taken.
    pub(crate) fn take(&self, need: Amount) -> Option<Amount> {
        // A full cache has no rest, and everybody asks it for some.
        if !self.rest.load().covers(need) {
            return None;
        }
        let mut level = self.level.lock();
        let rest = level.rest();
        // More may be held than a lowered limit; it isn't asked for again.
        let fits = |amount: Amount| {
            (amount.bytes == 0 || rest.bytes >= amount.bytes)
                && (amount.items == 0 || rest.items >= amount.items)
        };
        let wanted = need + self.most_credit();
        let taken = [wanted, need].into_iter().find(|&amount| fits(amount))?;
        level.held += taken;
        self.publish(&level);
        Some(taken)
    }

    /// Gives back what a shard held.
    pub(crate) fn give_back(&self, amount: Amount) {
        if amount == Amount::default() {
            return;
        }
        let mut level = self.level.lock();
        level.held -= amount;
        level.settle();
        self.publish(&level);
    }

    /// Sets the bounds for newcomers at once; the promise follows when it can
    /// be kept.
    pub(crate) fn limit(&self, limit: Bounds) {
        let mut level = self.level.lock();
        level.limit = limit;
        level.settle();
        self.publish(&level);
        let limit = limit.amount();
        self.limit.store(limit);
        let share = |limit: u64, least: u64, most: u64| {
            let share = limit / CREDIT_SHARE / self.shards;
            if share < least { 0 } else { share.min(most) }
        };
        self.most_credit.store(Amount {
            bytes: share(limit.bytes, LEAST_CREDIT.bytes, MOST_CREDIT_BYTES),
            items: share(limit.items, LEAST_CREDIT.items, MOST_CREDIT_ITEMS),
        });
    }

    /// True while more is held than a lowered limit allows.
    pub(crate) fn is_over(&self) -> bool {
        let level = self.level.lock();
        !level.limit.amount().covers(level.held)
    }

    fn publish(&self, level: &Level) {
        self.mean_bytes.store(level.held.bytes / self.shards, Ordering::Relaxed);
        self.rest.store(level.rest());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: u64, items: Option<u64>) -> Budget {
        Budget::new(Bounds { bytes, items }, 1)
    }

    #[test]
    fn the_last_byte_fits_and_one_more_does_not() {
        let budget = budget(100, Some(9));
        assert_eq!(budget.take(Amount::one(60)), Some(Amount::one(60)));
        assert_eq!(budget.take(Amount::one(41)), None);
        assert_eq!(budget.take(Amount::one(40)), Some(Amount::one(40)));
        assert!(budget.allows(100) && !budget.allows(101));
        assert_eq!(budget.held(), Amount { bytes: 100, items: 2 });
    }

    #[test]
    fn credit_is_a_small_part_and_only_of_what_is_left() {
        let budget = budget(1 << 20, Some(1 << 14));
        let credit = Amount { bytes: 1024, items: 16 };
        assert_eq!(budget.most_credit(), credit);
        assert_eq!(budget.take(Amount::one(100)), Some(Amount::one(100) + credit));
        let rest = (1 << 20) - 1024 - 100;
        assert_eq!(budget.take(Amount::one(rest - 1)), Some(Amount::one(rest - 1)));
        assert_eq!(budget.take(Amount::one(2)), None);
        assert_eq!(budget.take(Amount::one(1)), Some(Amount::one(1)));
        let whole = Budget::new(Bounds { bytes: 1 << 40, items: None }, 8);
        assert_eq!(whole.most_credit().bytes, MOST_CREDIT_BYTES);
    }

    #[test]
    fn the_promise_follows_a_lowered_limit_only_when_it_is_kept() {
        let budget = budget(100, Some(9));
        assert!(budget.take(Amount { bytes: 100, items: 2 }).is_some());
        let lower = Bounds { bytes: 60, items: Some(1) };
        budget.limit(lower);
        assert!(budget.is_over());
        assert_eq!(budget.promise(), Bounds { bytes: 100, items: Some(9) });
        assert_eq!(budget.take(Amount { bytes: 1, items: 0 }), None);
        budget.give_back(Amount::one(50));
        assert!(!budget.is_over());
        assert_eq!(budget.promise(), lower);
    }
}

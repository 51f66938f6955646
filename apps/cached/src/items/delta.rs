//! Counting: entries that are numbers.

use larder_wire::unsigned;

use super::{Count, Counters, Item, Items, NEVER, Outcome, Present, Value};

/// What to count, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delta {
    pub(crate) up: bool,
    pub(crate) by: u64,
    /// The version that there has to be; 0 is any.
    pub(crate) compare: u64,
    /// The version to give.
    pub(crate) new_cas: Option<u64>,
    /// What to begin with where nothing is, and when it then expires.
    pub(crate) vivify: Option<(u64, i32)>,
    /// Another time to expire.
    pub(crate) touch: Option<i32>,
}

/// What became of it.
pub(crate) enum Counted {
    /// The number, its entry as it was but for the time that it has now, and
    /// its version.
    Is(u64, Item),
    NotANumber,
    Exists,
    NotFound,
    NoMemory,
}

impl Items {
    /// Adds to a number, or takes from it. It wraps at 2^64 and ends at 0.
    pub(crate) fn count(
        &self,
        present: Present,
        key: &[u8],
        delta: Delta,
        counters: &Counters,
    ) -> Counted {
        let _lock = self.lock(key);
        let Some(old) = self.peek(present, key) else {
            return self.begin_to_count(present, key, delta, counters);
        };
        if old.value.is_empty() {
            return Counted::NotANumber;
        }
        if delta.compare != 0 && delta.compare != old.cas {
            return Counted::Exists;
        }
        let Some(number) = number(&old.value) else { return Counted::NotANumber };
        let (number, hits) = match delta.up {
            true => (number.wrapping_add(delta.by), Count::IncrHits),
            false => (number.saturating_sub(delta.by), Count::DecrHits),
        };
        counters.add(hits, 1);
        let padded = padded(number, old.value.len());
        let item = old.holding(&padded);
        if let Some(expires) = delta.touch {
            item.expire_at(self.time.expiry(expires));
        }
        self.put_number(present, key, number, item, delta, counters)
    }

    fn begin_to_count(
        &self,
        present: Present,
        key: &[u8],
        delta: Delta,
        counters: &Counters,
    ) -> Counted {
        let Some((initial, expires)) = delta.vivify else {
            counters.add(if delta.up { Count::IncrMisses } else { Count::DecrMisses }, 1);
            return Counted::NotFound;
        };
        let value = initial.to_string().into_bytes();
        let item = Item::new(Value::from(&*value), 0, NEVER, present.now);
        item.expire_at(self.time.expiry(delta.touch.unwrap_or(expires)));
        self.put_number(present, key, initial, item, delta, counters)
    }

    fn put_number(
        &self,
        present: Present,
        key: &[u8],
        number: u64,
        item: Item,
        delta: Delta,
        counters: &Counters,
    ) -> Counted {
        let cas = delta.new_cas.unwrap_or_else(|| self.next_cas());
        let item = Item { cas, ..item };
        match self.put(present, key, item.clone(), cas, counters) {
            Outcome::NoMemory => Counted::NoMemory,
            _ => Counted::Is(number, item),
        }
    }
}

/// The number that a value begins with, before the first blank.
fn number(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii_start();
    unsigned(value.split(u8::is_ascii_whitespace).next()?)
}

/// A number as it replaces a value of `len` bytes: as the reference has it,
/// one that got shorter has blanks behind it.
fn padded(number: u64, len: usize) -> Vec<u8> {
    format!("{number:<len$}").into_bytes()
}

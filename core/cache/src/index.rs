//! Where a key's slot is: a hash table over slot numbers that grows by one
//! bucket at a time, so that no lock is ever held while everything is hashed
//! anew. It never sees keys: the caller compares.
//!
//! A bucket is one cache line: twelve one-byte tags and twelve slots. What
//! doesn't fit goes to overflow buckets behind it. Growth is linear hashing:
//! Litwin, "Linear hashing: a new tool for file and table addressing", VLDB
//! 1980. It never shrinks.

use crate::paged::Paged;
use crate::policy::Slot;
use crate::prefetch::prefetch;

const WAYS: usize = 12;

/// Entries per bucket from which on another bucket is added. More would need
/// more overflow buckets; fewer would need more of the processor's cache, which
/// measured as the dearer of the two.
const MOST_PER_BUCKET: usize = 10;

/// What an entry takes here: its share of a bucket, and of the overflow
/// buckets, of which there are at most two for every five buckets.
pub(crate) const BYTES_PER_ENTRY: usize = (size_of::<Bucket>() * 7).div_ceil(MOST_PER_BUCKET * 5);

const NONE: u32 = u32::MAX;

/// A line of places. A tag of 0 is a vacant place; only the last bucket of a
/// chain has any.
#[repr(align(64))]
struct Bucket {
    tags: [u8; WAYS],
    slots: [Slot; WAYS],
    /// The overflow bucket behind this one.
    next: u32,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { tags: [0; WAYS], slots: [0; WAYS], next: NONE }
    }
}

impl Bucket {
    /// The places with this tag among the first eight and among the others, as
    /// the high bits of bytes.
    #[inline]
    fn matches(&self, tag: u8) -> [u64; 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.tags;
        let first = equal_bytes(u64::from_le_bytes([a, b, c, d, e, f, g, h]), tag);
        let others = equal_bytes(u64::from_le_bytes([i, j, k, l, 0, 0, 0, 0]), tag);
        [first, others & 0xffff_ffff]
    }

    /// The slots with this tag.
    #[inline]
    fn slots_with(&self, tag: u8) -> impl Iterator<Item = Slot> {
        let [mut first, mut others] = self.matches(tag);
        std::iter::from_fn(move || {
            let (matches, base) = if first != 0 { (&mut first, 0) } else { (&mut others, 8) };
            if *matches == 0 {
                return None;
            }
            let place = base + matches.trailing_zeros() as usize / 8;
            *matches &= *matches - 1;
            Some(self.slots[place])
        })
    }

    fn vacant(&self) -> Option<usize> {
        self.tags.iter().position(|&tag| tag == 0)
    }

    fn last(&self) -> Option<usize> {
        self.tags.iter().rposition(|&tag| tag != 0)
    }
}

/// The bytes of a word that equal one, as their high bits.
fn equal_bytes(word: u64, byte: u8) -> u64 {
    let differences = word ^ u64::from_le_bytes([byte; 8]);
    // Bytes of 0 keep their high bit clear, whatever stands beside them.
    let low = u64::from_le_bytes([0x7f; 8]);
    !(((differences & low) + low) | differences | low)
}

/// Where a bucket is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Home(u32),
    Overflow(u32),
}

/// The table.
#[derive(Default)]
pub(crate) struct Index {
    homes: Paged<Bucket>,
    overflow: Paged<Bucket>,
    /// Overflow buckets in no chain.
    spare: Vec<u32>,
    overflow_len: u32,
    /// Home buckets in use.
    buckets: u32,
    /// Selects a bucket; half of it one that isn't split yet.
    mask: u32,
    len: usize,
}

/// What tells entries of a bucket apart: the hash's top byte, but never 0.
/// Buckets go by the low half, and shards by bits between.
fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The home bucket of a hash, of which the low 32 bits count.
    fn home(&self, hash: u32) -> u32 {
        let number = hash & self.mask;
        if number < self.buckets { number } else { number & (self.mask >> 1) }
    }

    fn bucket(&self, at: At) -> &Bucket {
        match at {
            At::Home(number) => &self.homes[number],
            At::Overflow(number) => &self.overflow[number],
        }
    }

    fn bucket_mut(&mut self, at: At) -> &mut Bucket {
        match at {
            At::Home(number) => &mut self.homes[number],
            At::Overflow(number) => &mut self.overflow[number],
        }
    }

    /// What `is_it` says of the first slot with this hash's tag that it knows.
    #[inline(always)]
    pub(crate) fn find<T>(&self, hash: u64, is_it: impl Fn(Slot) -> Option<T>) -> Option<T> {
        if self.buckets == 0 {
            return None;
        }
        let tag = tag(hash);
        let mut bucket = &self.homes[self.home(hash as u32)];
        loop {
            if let Some(found) = bucket.slots_with(tag).find_map(&is_it) {
                return Some(found);
            }
            if bucket.next == NONE {
                return None;
            }
            bucket = &self.overflow[bucket.next];
        }
    }

    /// Begins to bring the home bucket of a hash into the processor's cache.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        if self.buckets > 0 {
            prefetch(&self.homes[self.home(hash as u32)]);
        }
    }

    /// The first slot in the home bucket that may be the one, for a look ahead.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<Slot> {
        if self.buckets == 0 {
            return None;
        }
        let bucket = &self.homes[self.home(hash as u32)];
        bucket.slots_with(tag(hash)).next()
    }

    /// Puts in a slot that isn't there. `hash_of` tells the low 32 bits of the
    /// hash of any slot that is.
    pub(crate) fn insert(&mut self, hash: u64, slot: Slot, hash_of: impl Fn(Slot) -> u32) {
        if self.buckets == 0 {
            self.homes.reach(0);
            self.buckets = 1;
        }
        self.len += 1;
        if self.len > self.buckets as usize * MOST_PER_BUCKET {
            self.split(hash_of);
        }
        self.put(At::Home(self.home(hash as u32)), tag(hash), slot);
    }

    /// Takes a slot out, which must be there. The low 32 bits of the hash do.
    pub(crate) fn remove(&mut self, hash: u32, slot: Slot) {
        let mut at = At::Home(self.home(hash));
        let place = loop {
            let bucket = self.bucket(at);
            let places = bucket.tags.iter().zip(&bucket.slots);
            match places.clone().position(|(&tag, &held)| tag != 0 && held == slot) {
                Some(place) => break place,
                None => at = At::Overflow(bucket.next),
            }
        };
        // The chain's last entry takes the place, so that holes are at its end.
        let mut before = None;
        let mut last = at;
        while self.bucket(last).next != NONE {
            before = Some(last);
            last = At::Overflow(self.bucket(last).next);
        }
        let bucket = self.bucket_mut(last);
        let end = bucket.last().expect("no bucket at the end of a chain is empty");
        let moved = (bucket.tags[end], bucket.slots[end]);
        bucket.tags[end] = 0;
        let is_empty = end == 0;
        if (last, end) != (at, place) {
            let bucket = self.bucket_mut(at);
            (bucket.tags[place], bucket.slots[place]) = moved;
        }
        if is_empty && let At::Overflow(number) = last {
            // `at` may be that last bucket itself: then the one before isn't
            // known yet.
            let before = before.unwrap_or_else(|| self.before(hash, number));
            self.bucket_mut(before).next = NONE;
            self.spare.push(number);
        }
        self.len -= 1;
    }

    /// The bucket before an overflow bucket in the chain of a hash.
    fn before(&self, hash: u32, number: u32) -> At {
        let mut at = At::Home(self.home(hash));
        while self.bucket(at).next != number {
            at = At::Overflow(self.bucket(at).next);
        }
        at
    }

    /// Puts a slot into the chain that begins at a bucket.
    fn put(&mut self, mut at: At, tag: u8, slot: Slot) {
        loop {
            let bucket = self.bucket_mut(at);
            if let Some(place) = bucket.vacant() {
                (bucket.tags[place], bucket.slots[place]) = (tag, slot);
                return;
            }
            if bucket.next == NONE {
                let fresh = self.spare.pop().unwrap_or_else(|| {
                    self.overflow.reach(self.overflow_len);
                    self.overflow_len += 1;
                    self.overflow_len - 1
                });
                self.bucket_mut(at).next = fresh;
                at = At::Overflow(fresh);
            } else {
                at = At::Overflow(bucket.next);
            }
        }
    }

    /// Adds a bucket, and shares the entries of the one it splits with it.
    fn split(&mut self, hash_of: impl Fn(Slot) -> u32) {
        let fresh = self.buckets;
        self.homes.reach(fresh);
        // The bucket to split: the new number without its highest bit.
        let old = fresh & !(1 << fresh.ilog2());
        self.buckets += 1;
        self.mask = self.buckets.next_power_of_two() - 1;
        let mut bucket = std::mem::take(&mut self.homes[old]);
        loop {
            for (&tag, &slot) in bucket.tags.iter().zip(&bucket.slots) {
                if tag != 0 {
                    self.put(At::Home(self.home(hash_of(slot))), tag, slot);
                }
            }
            if bucket.next == NONE {
                return;
            }
            let number = bucket.next;
            bucket = std::mem::take(&mut self.overflow[number]);
            self.spare.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SLOTS: Slot = if cfg!(miri) { 300 } else { 10_000 };

    fn mixed(key: u32) -> u64 {
        let mixed = u64::from(key).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }

    /// Recounts the table against what should be in it.
    fn check(index: &Index, held: &BTreeMap<Slot, u64>) {
        assert_eq!(index.len(), held.len());
        for (&slot, &hash) in held {
            assert_eq!(index.find(hash, |found| (found == slot).then_some(())), Some(()));
        }
        let mut places = 0;
        let mut in_chains = 0;
        for number in 0..index.buckets {
            let mut bucket = &index.homes[number];
            while bucket.next != NONE {
                assert_eq!(bucket.vacant(), None, "a hole before the end of a chain");
                places += WAYS;
                bucket = &index.overflow[bucket.next];
                in_chains += 1;
                assert!(bucket.last().is_some(), "an empty bucket in a chain");
            }
            places += bucket.tags.iter().filter(|&&tag| tag != 0).count();
        }
        assert_eq!(places, held.len(), "places taken");
        assert_eq!(in_chains + index.spare.len(), index.overflow_len as usize, "overflow buckets");
    }

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
        assert_eq!(BYTES_PER_ENTRY, 9);
    }

    #[test]
    fn a_vacant_place_is_never_a_match() {
        let bucket = Bucket {
            tags: [1, 0, 255, 254, 1, 2, 0, 128, 129, 127, 0, 1],
            slots: std::array::from_fn(|place| place as Slot),
            next: NONE,
        };
        let places = |tag| bucket.slots_with(tag).collect::<Vec<Slot>>();
        assert_eq!(places(1), [0, 4, 11]);
        assert_eq!(places(255), [2]);
        assert_eq!(places(128), [7]);
        assert_eq!(places(3), []);
    }

    #[test]
    fn it_finds_everything_while_it_grows_and_empties() {
        let mut index = Index::default();
        let mut held = BTreeMap::new();
        for slot in 0..SLOTS {
            index.insert(mixed(slot), slot, |slot| mixed(slot) as u32);
            held.insert(slot, mixed(slot));
            let overflow = index.overflow_len as usize - index.spare.len();
            let most = index.buckets as usize * 2 / 5 + 8;
            assert!(overflow <= most, "{overflow} overflow buckets behind {}", index.buckets);
        }
        check(&index, &held);
        for slot in 0..SLOTS {
            index.remove(mixed(slot) as u32, slot);
            held.remove(&slot);
        }
        check(&index, &held);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

        /// Few different hashes, so that chains get long.
        #[test]
        fn chains_hold_what_was_put_in(steps in prop::collection::vec((any::<bool>(), 0..200u32), 0..600)) {
            let poor = |slot: Slot| mixed(slot % 3);
            let mut index = Index::default();
            let mut held = BTreeMap::new();
            for (comes, slot) in steps {
                if comes && !held.contains_key(&slot) {
                    index.insert(poor(slot), slot, |slot| poor(slot) as u32);
                    held.insert(slot, poor(slot));
                } else if held.remove(&slot).is_some() {
                    index.remove(poor(slot) as u32, slot);
                }
            }
            check(&index, &held);
        }
    }
}

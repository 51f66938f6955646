//! Where a key's slot is: a hash table over slot numbers that grows by one
//! bucket at a time, so that no lock is ever held while everything is hashed
//! anew. It never sees keys: the caller compares.
//!
//! A bucket is one cache line: twelve one-byte tags and twelve slots, and all
//! tags are compared at once. What doesn't fit goes to overflow buckets behind
//! it. Growth is linear hashing: Litwin, "Linear hashing: a new tool for file
//! and table addressing", VLDB 1980. It never shrinks.

use crate::growing::Growing;
use crate::policy::Slot;
use crate::processor::{equal_bytes, prefetch};

const WAYS: usize = 12;

/// Entries per bucket from which on another bucket is added. More would need
/// more overflow buckets, fewer more of the processor's cache.
const MOST_PER_BUCKET: usize = 9;

/// What an entry takes here: its share of a bucket, and of the overflow
/// buckets, of which there is at most one for every four buckets.
pub(crate) const BYTES_PER_ENTRY: usize = (size_of::<Bucket>() * 5).div_ceil(MOST_PER_BUCKET * 4);

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

impl Bucket {
    const VACANT: Self = Self { tags: [0; WAYS], slots: [0; WAYS], next: NONE };
}

impl Default for Bucket {
    fn default() -> Self {
        Self::VACANT
    }
}

impl Bucket {
    /// The places with this tag, as bits.
    #[inline(always)]
    fn matches(&self, tag: u8) -> u32 {
        equal_bytes(&self.tags, tag)
    }

    /// Places taken: the first ones.
    fn len(&self) -> usize {
        (self.matches(0) | 1 << WAYS).trailing_zeros() as usize
    }

    /// The place of a slot. All are compared: a loop that ends early ends where
    /// the processor can't predict.
    fn place(&self, slot: Slot) -> Option<usize> {
        let equal = self.slots.map(|held| u32::from(held == slot));
        let bits = equal.iter().rev().fold(0, |bits, bit| bits << 1 | bit);
        let bits = bits & ((1 << self.len()) - 1);
        (bits != 0).then(|| bits.trailing_zeros() as usize)
    }
}

/// What a table without buckets is looked up in.
static EMPTY: Bucket = Bucket::VACANT;

/// The slots that a hash may have.
pub(crate) struct Candidates<'a> {
    index: &'a Index,
    tag: u8,
    bucket: &'a Bucket,
    /// The places of `bucket` that are yet to be given.
    matches: u32,
}

impl Iterator for Candidates<'_> {
    type Item = Slot;

    #[inline(always)]
    fn next(&mut self) -> Option<Slot> {
        while self.matches == 0 {
            if self.bucket.next == NONE {
                return None;
            }
            self.bucket = &self.index.overflow[self.bucket.next];
            self.matches = self.bucket.matches(self.tag);
        }
        let place = self.matches.trailing_zeros() as usize;
        self.matches &= self.matches - 1;
        Some(self.bucket.slots[place])
    }
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
    homes: Growing<Bucket>,
    overflow: Growing<Bucket>,
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

    /// The slots that a hash may have: few others share its tag.
    #[inline(always)]
    pub(crate) fn candidates(&self, hash: u64) -> Candidates<'_> {
        let tag = tag(hash);
        let (bucket, matches) = if self.buckets == 0 {
            (&EMPTY, 0)
        } else {
            let bucket = &self.homes[self.home(hash as u32)];
            (bucket, bucket.matches(tag))
        };
        Candidates { index: self, tag, bucket, matches }
    }

    /// Begins to bring the home bucket of a hash into the processor's cache.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        if self.buckets > 0 {
            prefetch(&self.homes[self.home(hash as u32)]);
        }
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
            match bucket.place(slot) {
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
        // No bucket at the end of a chain is empty.
        let end = bucket.len() - 1;
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
            let place = bucket.len();
            if place < WAYS {
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
            assert!(index.candidates(hash).any(|found| found == slot));
        }
        let mut places = 0;
        let mut in_chains = 0;
        for number in 0..index.buckets {
            let mut bucket = &index.homes[number];
            while bucket.next != NONE {
                assert_eq!(bucket.len(), WAYS, "a hole before the end of a chain");
                places += WAYS;
                bucket = &index.overflow[bucket.next];
                in_chains += 1;
                assert!(bucket.len() > 0, "an empty bucket in a chain");
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
        assert_eq!(bucket.matches(1), 1 << 0 | 1 << 4 | 1 << 11);
        assert_eq!(bucket.matches(255), 1 << 2);
        assert_eq!(bucket.matches(128), 1 << 7);
        assert_eq!(bucket.matches(3), 0);
    }

    #[test]
    fn it_finds_everything_while_it_grows_and_empties() {
        let mut index = Index::default();
        let mut held = BTreeMap::new();
        for slot in 0..SLOTS {
            index.insert(mixed(slot), slot, |slot| mixed(slot) as u32);
            held.insert(slot, mixed(slot));
            let overflow = index.overflow_len as usize - index.spare.len();
            let most = index.buckets as usize / 4 + 8;
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

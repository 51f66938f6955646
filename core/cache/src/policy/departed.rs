//! The keys that left last: a compact, nearly exact FIFO of fingerprints. It
//! never moves a key except when it grows, and never allocates more than a
//! page at a time.
//!
//! A key is a fingerprint and the number of its departure, eight bytes, and
//! sits in one of two buckets of a cache line each; it counts until so many
//! more have departed. Room is taken from those that no longer count, so
//! nothing is ever taken off a queue. Two choices of eight fill a table to
//! seven eighths before both are full of keys that count (Azar, Broder, Karlin
//! and Upfal, "Balanced allocations", SIAM J. Comput. 29(1), 1999); where that
//! happens all the same the older one is forgotten early. The table grows
//! bucket by bucket, by linear hashing (Litwin, "Linear hashing: a new tool for
//! file and table addressing", VLDB 1980), so growing forgets nothing and never
//! pauses. Remembering fewer forgets at once; remembering more again may bring
//! back some whose place nobody took.
//!
//! A key that came back makes room for an older one, as in a FIFO from which
//! it is taken out: the more keep coming back, the further the last `most`
//! reach. How far is worked out from a running mean, at most four times.

use crate::growing::Growing;

/// Keys of a bucket: one cache line.
const KEYS: usize = 8;

/// Buckets to begin with; a power of two.
const FEWEST: u32 = 8;

/// For how many keys that count a bucket is meant: 7 of its 8.
const SHARE: u64 = 7;

/// Over how many departures the share that comes back is taken.
const MEMORY: f64 = 1024.0;

/// The largest share of returns to go by.
const MOST_BACK: f64 = 0.75;

/// What a key takes when the table is full.
pub(super) const BYTES_PER_KEY: usize = size_of::<Bucket>().div_ceil(SHARE as usize);

/// A departed key; the number 0 marks a free place.
#[derive(Clone, Copy, Default)]
struct Key {
    fingerprint: u32,
    number: u32,
}

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([Key; KEYS]);

/// How many keys of a bucket count, and its place free or departed the longest.
struct Oldest {
    counting: u32,
    age: u32,
    place: usize,
}

/// The keys that left last.
#[derive(Default)]
pub(super) struct Departed {
    table: Growing<Bucket>,
    /// Buckets in use: `size + split`.
    size: u32,
    split: u32,
    /// The number of the last departure. It wraps: a key that nobody has
    /// overwritten for 2^32 departures would count again.
    last: u32,
    /// How many keys are remembered.
    most: u32,
    /// How many departures a key counts for.
    reach: u32,
    /// The share of departures that came back, of late.
    back: f64,
}

impl Departed {
    /// A key leaves; from now on the last `most` are remembered.
    pub(super) fn add(&mut self, fingerprint: u32, most: usize) {
        self.most = u32::try_from(most).unwrap_or(u32::MAX / 8).min(u32::MAX / 8);
        self.back -= self.back / MEMORY;
        self.reach = (f64::from(self.most) / (1.0 - self.back.min(MOST_BACK))) as u32;
        if self.most == 0 {
            return;
        }
        self.grow();
        self.last = self.last.wrapping_add(1).max(1);
        let (bucket, place) = self.room(fingerprint);
        self.table[bucket].0[place] = Key { fingerprint, number: self.last };
    }

    /// Whether the key is among the last; it no longer is.
    pub(super) fn take(&mut self, fingerprint: u32) -> bool {
        if self.size == 0 {
            return false;
        }
        let Some((bucket, place)) = self.find(fingerprint) else {
            return false;
        };
        let key = std::mem::take(&mut self.table[bucket].0[place]);
        let counts = self.counts(key);
        if counts {
            self.back += 1.0 / MEMORY;
        }
        counts
    }

    fn age(&self, key: Key) -> u32 {
        self.last.wrapping_sub(key.number)
    }

    fn counts(&self, key: Key) -> bool {
        key.number != 0 && self.age(key) < self.reach
    }

    fn find(&self, fingerprint: u32) -> Option<(u32, usize)> {
        let is_it = |key: &Key| key.fingerprint == fingerprint && key.number != 0;
        let [first, second] = self.choices(fingerprint);
        let place = |bucket: u32| self.table[bucket].0.iter().position(is_it);
        match place(first) {
            Some(found) => Some((first, found)),
            None => place(second).map(|found| (second, found)),
        }
    }

    /// The place for a new key: of the two buckets the one with more room,
    /// and in it the place free or departed the longest.
    fn room(&self, fingerprint: u32) -> (u32, usize) {
        let [first, second] = self.choices(fingerprint);
        let (ours, theirs) = (self.oldest(first), self.oldest(second));
        let is_second = theirs.counting < ours.counting
            || theirs.counting == ours.counting && theirs.age >= ours.age;
        if is_second { (second, theirs.place) } else { (first, ours.place) }
    }

    fn oldest(&self, bucket: u32) -> Oldest {
        let mut oldest = Oldest { counting: 0, age: 0, place: 0 };
        for (place, &key) in self.table[bucket].0.iter().enumerate() {
            let age = if key.number == 0 { u32::MAX } else { self.age(key) };
            oldest.counting += u32::from(self.counts(key));
            if age >= oldest.age {
                (oldest.age, oldest.place) = (age, place);
            }
        }
        oldest
    }

    /// Splits buckets while they are too few, but no more than two at a time:
    /// one departure brings one key, and each split has room for seven.
    fn grow(&mut self) {
        if self.size == 0 {
            self.size = FEWEST;
            self.table.reach(FEWEST - 1);
        }
        for _ in 0..2 {
            if u64::from(self.size + self.split) * SHARE >= u64::from(self.most) {
                return;
            }
            self.split_one();
        }
    }

    /// Makes two buckets of one: each key goes where it would now be sought.
    fn split_one(&mut self) {
        let (old, new) = (self.split, self.size + self.split);
        self.table.reach(new);
        let keys = std::mem::take(&mut self.table[old].0);
        let sought: [[bool; 2]; KEYS] =
            keys.map(|key| Self::hashes(key.fingerprint).map(|hash| self.place(hash) == old));
        self.split += 1;
        if self.split == self.size {
            self.size *= 2;
            self.split = 0;
        }
        for (place, (key, sought)) in keys.into_iter().zip(sought).enumerate() {
            let hashes = Self::hashes(key.fingerprint);
            let hash = if sought[0] { hashes[0] } else { hashes[1] };
            let bucket = if self.place(hash) == new { new } else { old };
            self.table[bucket].0[place] = key;
        }
    }

    fn choices(&self, fingerprint: u32) -> [u32; 2] {
        Self::hashes(fingerprint).map(|hash| self.place(hash))
    }

    /// Two hashes out of one, by a multiplication: some bits of fingerprints
    /// say which shard they are in, so they are alike in all of a shard's.
    fn hashes(fingerprint: u32) -> [u32; 2] {
        let mixed = u64::from(fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        [(mixed >> 32) as u32, mixed as u32]
    }

    /// The bucket of a hash: by twice as many as there were when this round of
    /// splits began, or by as many if that one hasn't come to its split.
    fn place(&self, hash: u32) -> u32 {
        let place = hash & (self.size * 2 - 1);
        if place < self.size + self.split { place } else { place - self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(departed: &Departed, key: u32) -> bool {
        departed.find(key).is_some_and(|(b, p)| departed.counts(departed.table[b].0[p]))
    }

    #[test]
    fn the_last_are_remembered_and_no_others() {
        let mut departed = Departed::default();
        assert!(!departed.take(7));
        (0..30).for_each(|key| departed.add(key, 10));
        assert!((0..20).all(|key| !held(&departed, key)));
        assert!((20..30).all(|key| held(&departed, key)));
        assert!(departed.take(25) && !departed.take(25));
        // One that leaves again is young again.
        departed.add(20, 10);
        (100..109).for_each(|key| departed.add(key, 10));
        assert!(held(&departed, 20) && !held(&departed, 29));
        departed.add(1, 0);
        assert!(!departed.take(1));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn the_more_come_back_the_further_it_reaches() {
        let mut departed = Departed::default();
        // Every second one comes back at once.
        for key in 0..10_000 {
            departed.add(key, 100);
            assert!(key % 2 == 0 || departed.take(key));
        }
        let held = (0..10_000).filter(|&key| held(&departed, key)).count();
        assert!((97..=103).contains(&held), "{held}");
        assert!(departed.reach.abs_diff(200) < 5);
    }

    /// Grown to a size where memory counts, fewer than one in fifty is
    /// forgotten early, and a key costs what was promised.
    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn growing_and_filling_up_forget_next_to_nothing() {
        let mut departed = Departed::default();
        let mut left = 0u32;
        for most in [1_000u32, 30_000, 50_000] {
            for _ in 0..3 * most {
                left += 1;
                departed.add(left, most as usize);
            }
            let kept = (left - most + 1..=left).filter(|&key| held(&departed, key)).count();
            assert!(kept as u32 >= most - most / 50, "{kept} of {most}");
            assert!((1..=left - most).all(|key| !held(&departed, key)));
            let buckets = (departed.size + departed.split) as usize;
            let bytes = buckets * size_of::<Bucket>();
            assert!(bytes <= most as usize * BYTES_PER_KEY + 1024, "{bytes} for {most}");
        }
    }
}

//! How often keys were asked for of late: a count-min sketch of 4-bit counters
//! that all halve at times. It never underrates a key by anything but that
//! halving and its limit of 15, and never allocates more than a page at a time.
//!
//! Source: Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache
//! admission policy", ACM ToS 13(4), 2017: halving once there are ten times as
//! many counts as entries, and minimal increment. Where it differs:
//!
//! - The four counters of a key are in one block of a cache line, as in the
//!   author's cache, Caffeine.
//! - Halving writes down that it is due; a block catches up when it is touched,
//!   so nobody waits for a pass over all of them.
//! - It grows block by block, by linear hashing (Litwin, "Linear hashing: a new
//!   tool for file and table addressing", VLDB 1980): a block and its copy both
//!   count at least what the keys of each were counted, so growing forgets
//!   nothing.
//! - There is no doorkeeper: it would save memory that is 8 bytes per entry.

use crate::growing::Growing;

/// Counters of a key, each from its own row.
const ROWS: usize = 4;

/// Counters of a row, within a block.
const COLUMNS: usize = 28;

/// Counters of a word.
const PER_WORD: usize = 16;

/// What four bits can count to.
const MOST: u8 = 15;

/// Blocks to begin with; a power of two.
const FEWEST: u32 = 64;

/// The fewest entries among which to think of the sample.
const FEWEST_ENTRIES: u32 = 64;

/// Entries for which a block is meant: fourteen counters each.
const ENTRIES: u32 = 8;

/// Counts per entry after which all are halved.
const SAMPLE: u64 = 10;

/// What the sketch takes per entry.
pub(super) const BYTES_PER_ENTRY: usize = size_of::<Block>() / ENTRIES as usize;

/// The counters of the keys that are sought here, and how often they have been
/// halved: one cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Block {
    counters: [u64; ROWS * COLUMNS / PER_WORD],
    halvings: u64,
}

/// How often keys were asked for of late.
pub struct Sketch {
    table: Growing<Block>,
    /// Blocks in use: `size + split`.
    size: u32,
    split: u32,
    entries: u32,
    counts: u64,
    halvings: u64,
}

impl Default for Sketch {
    fn default() -> Self {
        let mut table = Growing::default();
        table.reach(FEWEST - 1);
        Self { table, size: FEWEST, split: 0, entries: 0, counts: 0, halvings: 0 }
    }
}

impl Sketch {
    /// There are so many entries now; called at each insert, it grows in step.
    pub fn fit(&mut self, entries: usize) {
        self.entries = u32::try_from(entries).unwrap_or(u32::MAX);
        if (self.size + self.split) < self.entries / ENTRIES {
            self.split_one();
        }
    }

    /// How often the key was asked for.
    pub fn count(&self, fingerprint: u32) -> u8 {
        let hash = mix(fingerprint);
        let block = self.table[self.place(hash)];
        let behind = self.halvings - block.halvings;
        if behind >= 4 {
            return 0;
        }
        places(hash).map(|place| block.get(place)).into_iter().min().unwrap_or(0) >> behind
    }

    /// The key was asked for so many more times.
    pub fn add(&mut self, fingerprint: u32, times: u8) {
        if times == 0 {
            return;
        }
        let hash = mix(fingerprint);
        let (place, halvings) = (self.place(hash), self.halvings);
        let block = &mut self.table[place];
        block.catch_up(halvings);
        let places = places(hash);
        let counts = places.map(|place| block.get(place));
        let least = counts.into_iter().min().unwrap_or(0);
        let raised = least.saturating_add(times).min(MOST);
        for (place, count) in places.into_iter().zip(counts) {
            // Minimal increment: what others have counted isn't raised.
            block.set(place, count.max(raised));
        }
        self.counts += u64::from(raised - least);
        if self.counts >= u64::from(self.entries.max(FEWEST_ENTRIES)) * SAMPLE {
            self.halvings += 1;
            self.counts /= 2;
        }
    }

    /// Makes two blocks of one, each with all of its counts.
    fn split_one(&mut self) {
        let new = self.size + self.split;
        self.table.reach(new);
        self.table[new] = self.table[self.split];
        self.split += 1;
        if self.split == self.size {
            self.size *= 2;
            self.split = 0;
        }
    }

    /// The block of a hash: by twice as many as there were when this round of
    /// splits began, or by as many if that one hasn't come to its split.
    fn place(&self, hash: u64) -> u32 {
        let place = (hash >> 32) as u32 & (self.size * 2 - 1);
        if place < self.size + self.split { place } else { place - self.size }
    }
}

impl Block {
    fn get(&self, place: usize) -> u8 {
        (self.counters[place / PER_WORD] >> (place % PER_WORD * 4)) as u8 & MOST
    }

    fn set(&mut self, place: usize, count: u8) {
        let shift = place % PER_WORD * 4;
        let word = &mut self.counters[place / PER_WORD];
        *word = *word & !(u64::from(MOST) << shift) | u64::from(count) << shift;
    }

    fn catch_up(&mut self, halvings: u64) {
        let behind = halvings - self.halvings;
        self.halvings = halvings;
        for _ in 0..behind.min(4) {
            for word in &mut self.counters {
                *word = (*word >> 1) & 0x7777_7777_7777_7777;
            }
        }
    }
}

/// Sixty-four bits of a fingerprint's: some of its bits say which shard it is
/// in, so they are alike in all of a shard's.
fn mix(fingerprint: u32) -> u64 {
    let mixed = u64::from(fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// A key's counter in each row of its block.
fn places(hash: u64) -> [usize; ROWS] {
    let bits = (hash ^ (hash >> 29)) as u32;
    std::array::from_fn(|row| {
        let byte = (bits >> (8 * row)) as u8;
        row * COLUMNS + ((usize::from(byte) * COLUMNS) >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_to_fifteen_and_halves() {
        let mut sketch = Sketch::default();
        assert_eq!(sketch.count(1), 0);
        sketch.add(1, 2);
        sketch.add(1, 0);
        assert_eq!(sketch.count(1), 2);
        sketch.add(1, 15);
        assert_eq!(sketch.count(1), 15);
        // 640 counts are ten for each of the 64 entries it is for at least.
        (2..627).for_each(|key| sketch.add(key, 1));
        assert_eq!(sketch.count(1), 7);
        // Counting goes on at half: 320 more.
        (1000..1320).for_each(|key| sketch.add(key, 1));
        assert_eq!(sketch.count(1), 3);
    }

    /// Growing a hundredfold in steps loses no count.
    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn growing_forgets_nothing() {
        let mut sketch = Sketch::default();
        for entries in 1..=50_000 {
            sketch.fit(entries as usize);
            sketch.add(entries, if entries % 5 == 0 { 4 } else { 1 });
        }
        assert_eq!(sketch.halvings, 0, "under ten for each");
        assert!((1..=50_000).all(|key| sketch.count(key) >= if key % 5 == 0 { 4 } else { 1 }));
        let blocks = (sketch.size + sketch.split) as usize;
        assert!(blocks * size_of::<Block>() <= 50_000 * BYTES_PER_ENTRY);
    }

    /// Few keys share all of their counters with others.
    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn few_keys_are_overrated() {
        let mut sketch = Sketch::default();
        (1..=50_000).for_each(|entries| sketch.fit(entries));
        (1..=50_000).for_each(|key| sketch.add(key, 1));
        let over = (1..=50_000).filter(|&key| sketch.count(key) > 1).count();
        assert!(over < 500, "{over} of 50000 are overrated");
        let unknown = (100_000..150_000).filter(|&key| sketch.count(key) > 0).count();
        assert!(unknown < 2_500, "{unknown} of 50000 unknown ones have a count");
    }
}

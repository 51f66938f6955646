//! Many keys at once. A look-up is mostly waiting for memory, so all keys of a
//! batch are hashed first, then all buckets are asked for, then all entries,
//! and only then is the first one read: the waits overlap.

use std::array;

use super::Engine;
use crate::Weigh;

/// Keys that are looked up together: as many as a core has misses under way.
const BATCH: usize = 16;

impl<V: Clone + Weigh> Engine<V> {
    pub(crate) fn get_many(&self, keys: &[&[u8]]) -> Vec<Option<V>> {
        let mut values = Vec::with_capacity(keys.len());
        self.read_many(keys, |_, value| values.push(value.cloned()));
        values
    }

    pub(crate) fn read_many(&self, keys: &[&[u8]], mut visit: impl FnMut(usize, Option<&V>)) {
        let mut hits = 0;
        for (number, batch) in keys.chunks(BATCH).enumerate() {
            hits += self.read_batch(batch, |place, value| visit(number * BATCH + place, value));
        }
        self.tally.hits(hits);
    }

    /// Reads at most [`BATCH`] keys, and returns how many it found.
    fn read_batch(&self, keys: &[&[u8]], mut visit: impl FnMut(usize, Option<&V>)) -> u64 {
        let mut hashes = [0; BATCH];
        let mut needed = 0u64;
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = self.hash(key);
            needed |= 1 << self.home(*hash);
        }
        // In the order of their numbers, and all before the first is let go:
        // two batches that locked as they went could wait for each other.
        let mut tables: [_; BATCH] = array::from_fn(|_| None);
        let mut rest = needed;
        for table in &mut tables {
            if rest == 0 {
                break;
            }
            *table = Some(self.shards[rest.trailing_zeros() as usize].table.read());
            rest &= rest - 1;
        }
        let hashes = &hashes[..keys.len()];
        // The tables key by key: only those of the keys there are get used.
        let first = tables[0].as_deref().expect("a batch has a key, and its shard was locked");
        let mut homes = [first; BATCH];
        for (home, &hash) in homes.iter_mut().zip(hashes) {
            let before = needed & ((1 << self.home(hash)) - 1);
            *home = tables[before.count_ones() as usize].as_deref().unwrap_or(first);
            home.index.prefetch(hash);
        }
        let mut guesses = [None; BATCH];
        for ((guess, table), &hash) in guesses.iter_mut().zip(homes).zip(hashes) {
            *guess = table.guess(hash);
        }
        let mut found = [None; BATCH];
        for (place, (&hash, key)) in hashes.iter().zip(keys).enumerate() {
            let table = homes[place];
            if let Some((slot, entry)) = table.find_from(guesses[place], hash, key) {
                self.hit(table, hash, slot, entry);
                entry.value.prefetch();
                found[place] = Some(&entry.value);
            }
        }
        let mut hits = 0;
        for (place, &value) in found[..keys.len()].iter().enumerate() {
            match value {
                Some(_) => hits += 1,
                None => self.missed(hashes[place]),
            }
            visit(place, value);
        }
        hits
    }
}

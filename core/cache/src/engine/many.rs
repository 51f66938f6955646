//! Many keys at once. A look-up is mostly waiting for memory, so all keys of a
//! batch are hashed first, then all buckets are asked for, then all entries,
//! and only then is the first one read: the waits overlap.

use std::array;

use super::Engine;
use crate::Weigh;
use crate::biased::{Claim, Place};
use crate::policy::Slot;
use crate::table::{Entry, Table};

/// Keys that are looked up together: as many as a core has misses under way.
const BATCH: usize = 16;

impl<V: Clone + Weigh> Engine<V> {
    pub(crate) fn get_many(&self, keys: &[&[u8]]) -> Vec<Option<V>> {
        let mut values = Vec::with_capacity(keys.len());
        self.read_many(keys, |_, value| values.push(value.cloned()));
        values
    }

    pub(crate) fn peek_many(&self, keys: &[&[u8]]) -> Vec<Option<V>> {
        let mut values = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            self.look_up(batch, |_, found| {
                values.push(found.ok().map(|found| found.entry.value.clone()));
            });
        }
        values
    }

    pub(crate) fn read_many(&self, keys: &[&[u8]], mut visit: impl FnMut(usize, Option<&V>)) {
        let mut hits = 0;
        for (number, batch) in keys.chunks(BATCH).enumerate() {
            self.look_up(batch, |place, found| {
                let value = match found {
                    Ok(Found { table, hash, slot, entry }) => {
                        self.hit(table, hash, slot, entry);
                        hits += 1;
                        Some(&entry.value)
                    }
                    Err(hash) => {
                        self.missed(hash);
                        None
                    }
                };
                visit(number * BATCH + place, value);
            });
        }
        self.tally.hits(hits);
    }

    /// Looks up at most [`BATCH`] keys, at least one, and visits them in order
    /// with what was found, or else the key's hash.
    fn look_up(&self, keys: &[&[u8]], visit: impl FnMut(usize, Result<Found<'_, V>, u64>)) {
        let mut hashes = [0; BATCH];
        let mut needed = 0u64;
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = self.hash(key);
            needed |= 1 << self.home(*hash);
        }
        let hashes = &hashes[..keys.len()];
        // At best one word keeps writers out of all shards.
        if let Some(claim) = self.places.mine().and_then(Place::claim)
            && let Some(homes) = self.under(&claim, hashes)
        {
            return self.look_up_in(homes, hashes, keys, visit);
        }
        // In the order of their numbers, and all before the first is let go:
        // two batches that locked as they went could wait for each other.
        let mut tables: [_; BATCH] = array::from_fn(|_| None);
        let mut rest = needed;
        for table in &mut tables {
            if rest == 0 {
                break;
            }
            *table = Some(self.look(&self.shards[rest.trailing_zeros() as usize]));
            rest &= rest - 1;
        }
        // The tables key by key: only those of the keys there are get used.
        let first = tables[0].as_deref().expect("a batch has a key, and its shard was locked");
        let mut homes = [first; BATCH];
        for (home, &hash) in homes.iter_mut().zip(hashes) {
            let before = needed & ((1 << self.home(hash)) - 1);
            *home = tables[before.count_ones() as usize].as_deref().unwrap_or(first);
        }
        self.look_up_in(homes, hashes, keys, visit);
    }

    /// The tables of the hashes, if a claim keeps writers out of them all.
    fn under<'a>(&'a self, claim: &'a Claim<'_>, hashes: &[u64]) -> Option<[&'a Table<V>; BATCH]> {
        let table = |hash: u64| self.shard(hash).table.under(claim);
        let mut homes = [table(*hashes.first()?)?; BATCH];
        for (home, &hash) in homes.iter_mut().zip(hashes) {
            *home = table(hash)?;
        }
        Some(homes)
    }

    /// As `look_up`, in the tables of the keys.
    #[inline(always)]
    fn look_up_in(
        &self,
        homes: [&Table<V>; BATCH],
        hashes: &[u64],
        keys: &[&[u8]],
        mut visit: impl FnMut(usize, Result<Found<'_, V>, u64>),
    ) {
        for (home, &hash) in homes.iter().zip(hashes) {
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
                entry.value.prefetch();
                found[place] = Some(Found { table, hash, slot, entry });
            }
        }
        for (place, &hash) in hashes.iter().enumerate() {
            visit(place, found[place].ok_or(hash));
        }
    }
}

/// Where a key was found.
struct Found<'a, V> {
    table: &'a Table<V>,
    hash: u64,
    slot: Slot,
    entry: &'a Entry<V>,
}

impl<V> Clone for Found<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Found<'_, V> {}

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

/// A slot and its entry.
type Found<'a, V> = (Slot, &'a Entry<V>);

impl<V: Clone + Weigh> Engine<V> {
    pub(crate) fn get_many(&self, keys: &[&[u8]]) -> Vec<Option<V>> {
        let mut values = Vec::with_capacity(keys.len());
        self.read_many(keys, |_, value| values.push(value.cloned()));
        values
    }

    pub(crate) fn peek_many(&self, keys: &[&[u8]]) -> Vec<Option<V>> {
        let mut values = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            self.look_up(batch, |_, _, _, found| {
                values.push(found.map(|(_, entry)| entry.value.clone()));
            });
        }
        values
    }

    pub(crate) fn read_many(&self, keys: &[&[u8]], mut visit: impl FnMut(usize, Option<&V>)) {
        let mut hits = 0;
        for (number, batch) in keys.chunks(BATCH).enumerate() {
            self.look_up(batch, |place, table, hash, found| {
                if let Some((slot, entry)) = found {
                    self.hit(table, hash, slot, entry);
                    hits += 1;
                } else {
                    self.missed(hash);
                }
                visit(number * BATCH + place, found.map(|(_, entry)| &entry.value));
            });
        }
        self.tally.hits(hits);
    }

    /// Looks up at most [`BATCH`] keys, at least one, and visits them in order:
    /// each with its table, its hash and what was found.
    #[inline(always)]
    fn look_up(
        &self,
        keys: &[&[u8]],
        visit: impl FnMut(usize, &Table<V>, u64, Option<Found<'_, V>>),
    ) {
        let mut hashes = [0; BATCH];
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = self.hash(key);
        }
        let hashes = &hashes[..keys.len()];
        // At best one word keeps writers out of all shards.
        if let Some(claim) = self.places.mine().and_then(Place::claim)
            && let Some(tables) = self.under(&claim, hashes)
        {
            look_up_in(&tables, hashes, keys, visit);
            return;
        }
        // In the order of their numbers, and all before the first is let go:
        // two batches that locked as they went could wait for each other.
        let needed = hashes.iter().fold(0u64, |needed, &hash| needed | 1 << self.home(hash));
        let mut locked: [_; BATCH] = array::from_fn(|_| None);
        let mut rest = needed;
        for table in &mut locked {
            if rest == 0 {
                break;
            }
            *table = Some(self.look(&self.shards[rest.trailing_zeros() as usize]));
            rest &= rest - 1;
        }
        // The tables key by key: only those of the keys there are get used.
        let first = locked[0].as_deref().expect("a batch has a key, and its shard was locked");
        let mut tables = [first; BATCH];
        for (table, &hash) in tables.iter_mut().zip(hashes) {
            let before = needed & ((1 << self.home(hash)) - 1);
            *table = locked[before.count_ones() as usize].as_deref().unwrap_or(first);
        }
        look_up_in(&tables, hashes, keys, visit);
    }

    /// The tables of the hashes, if a claim keeps writers out of them all.
    #[inline(always)]
    fn under<'a>(&'a self, claim: &'a Claim<'_>, hashes: &[u64]) -> Option<[&'a Table<V>; BATCH]> {
        let table = |hash: u64| self.shard(hash).table.under(claim);
        let mut tables = [table(*hashes.first()?)?; BATCH];
        for (home, &hash) in tables.iter_mut().zip(hashes) {
            *home = table(hash)?;
        }
        Some(tables)
    }
}

/// Looks keys up in their tables, and visits them in order.
#[inline(always)]
fn look_up_in<V: Weigh>(
    tables: &[&Table<V>; BATCH],
    hashes: &[u64],
    keys: &[&[u8]],
    mut visit: impl FnMut(usize, &Table<V>, u64, Option<Found<'_, V>>),
) {
    for (table, &hash) in tables.iter().zip(hashes) {
        table.index.prefetch(hash);
    }
    let mut guesses = [None; BATCH];
    for ((guess, table), &hash) in guesses.iter_mut().zip(tables).zip(hashes) {
        *guess = table.guess(hash);
    }
    let mut found = [None; BATCH];
    for (place, (&hash, key)) in hashes.iter().zip(keys).enumerate() {
        found[place] = tables[place].find_from(guesses[place], hash, key);
        if let Some((_, entry)) = found[place] {
            entry.value.prefetch();
        }
    }
    for (place, &hash) in hashes.iter().enumerate() {
        visit(place, tables[place], hash, found[place]);
    }
}

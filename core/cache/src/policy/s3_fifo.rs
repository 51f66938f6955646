//! S3-FIFO: newcomers pass through a small queue, and only those used again
//! there, or missed soon after, come into the main one. A hit never moves
//! anything.
//!
//! Source: Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for
//! cache eviction", SOSP 2023, algorithm 1. As there: a small queue of 10 %, a
//! 2-bit count of uses, out of the small queue into the main one at more than
//! one use (the count begins anew), round the main queue once per use, and a
//! FIFO of ghosts. Where the paper leaves room or we can't follow it:
//!
//! - Shares are bytes, and shares of what is held rather than of the capacity,
//!   which no shard has of its own. While the cache fills nothing is evicted,
//!   so the difference shows only after the capacity was raised.
//! - The ghosts are as many as the main queue would have entries at its 90 %.
//! - Entries that their caller removed leave no ghost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};

use hashbrown::HashTable;

use super::list::{BYTES_PER_LINK, Links, Queue};
use super::{Item, Policy, Slot};
use crate::paged::Paged;

/// What two bits can count to.
const MOST_USES: u8 = 3;

/// The record, the links and the count of an entry, and a ghost: its place in
/// the queue, and in the table at its worst load of 7/16.
pub(super) const BYTES_PER_ENTRY: usize = size_of::<Record>()
    + BYTES_PER_LINK
    + size_of::<AtomicU8>()
    + size_of::<Ghost>()
    + ((size_of::<Ghost>() + 1) * 16).div_ceil(7);

#[derive(Default)]
struct Record {
    weight: u32,
    fingerprint: u32,
    in_main: bool,
}

/// The two queues and the ghosts.
pub(crate) struct S3Fifo {
    records: Paged<Record>,
    uses: Paged<AtomicU8>,
    links: Links,
    small: Queue,
    main: Queue,
    small_bytes: u64,
    main_bytes: u64,
    ghosts: Ghosts,
}

impl S3Fifo {
    pub(super) fn new(_seed: u64) -> Self {
        Self {
            records: Paged::default(),
            uses: Paged::default(),
            links: Links::default(),
            small: Queue::default(),
            main: Queue::default(),
            small_bytes: 0,
            main_bytes: 0,
            ghosts: Ghosts::default(),
        }
    }

    /// Whether the small queue has more than its tenth of the bytes.
    fn small_is_full(&self) -> bool {
        self.small_bytes > (self.small_bytes + self.main_bytes) / 10 || self.main.len() == 0
    }

    fn push_main(&mut self, slot: Slot) {
        let record = &mut self.records[slot];
        record.in_main = true;
        self.main_bytes += u64::from(record.weight);
        self.main.push(&mut self.links, slot);
    }
}

impl Policy for S3Fifo {
    fn insert(&mut self, slot: Slot, Item { weight, fingerprint, .. }: Item) {
        self.records.reach(slot);
        self.uses.reach(slot);
        *self.uses[slot].get_mut() = 0;
        self.records[slot] = Record { weight, fingerprint, in_main: false };
        if self.ghosts.take(mixed(fingerprint)) {
            self.push_main(slot);
        } else {
            self.small_bytes += u64::from(weight);
            self.small.push(&mut self.links, slot);
        }
    }

    /// Two hits at once may count as one: worth it for a plain store.
    fn hit(&self, slot: Slot) {
        let uses = &self.uses[slot];
        let count = uses.load(Ordering::Relaxed);
        if count < MOST_USES {
            uses.store(count + 1, Ordering::Relaxed);
        }
    }

    fn remove(&mut self, slot: Slot) {
        let record = &self.records[slot];
        if record.in_main {
            self.main_bytes -= u64::from(record.weight);
            self.main.remove(&mut self.links, slot);
        } else {
            self.small_bytes -= u64::from(record.weight);
            self.small.remove(&mut self.links, slot);
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let ghosts = ((self.small.len() + self.main.len()) * 9).div_ceil(10);
        loop {
            let from_small = self.small_is_full();
            let queue = if from_small { &self.small } else { &self.main };
            let slot = queue.oldest()?;
            self.remove(slot);
            let uses = self.uses[slot].get_mut();
            if from_small && *uses > 1 {
                *uses = 0;
                self.push_main(slot);
            } else if !from_small && *uses > 0 {
                *uses -= 1;
                self.push_main(slot);
            } else {
                if from_small {
                    let fingerprint = mixed(self.records[slot].fingerprint);
                    self.ghosts.add(fingerprint, ghosts);
                }
                return Some(slot);
            }
        }
    }

    fn reweigh(&mut self, slot: Slot, Item { weight, .. }: Item) {
        let record = &mut self.records[slot];
        let bytes = if record.in_main { &mut self.main_bytes } else { &mut self.small_bytes };
        *bytes = *bytes - u64::from(record.weight) + u64::from(weight);
        record.weight = weight;
    }

    fn ranked(&self) -> Vec<Slot> {
        let small = self.small.iter(&self.links);
        small.chain(self.main.iter(&self.links)).collect()
    }
}

/// The table needs 64 bits.
fn mixed(fingerprint: u32) -> u64 {
    u64::from(fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A key that left the small queue, and the number of that departure.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ghost {
    fingerprint: u64,
    number: u64,
}

/// The keys that left the small queue last. One that came back stays in the
/// queue as a blank, so the queue's length bounds the memory.
#[derive(Default)]
struct Ghosts {
    queue: VecDeque<Ghost>,
    latest: HashTable<Ghost>,
    departures: u64,
}

impl Ghosts {
    fn add(&mut self, fingerprint: u64, most: usize) {
        self.departures += 1;
        let ghost = Ghost { fingerprint, number: self.departures };
        self.take(fingerprint);
        self.latest.insert_unique(fingerprint, ghost, |ghost| ghost.fingerprint);
        self.queue.push_back(ghost);
        while self.queue.len() > most {
            let Some(oldest) = self.queue.pop_front() else {
                break;
            };
            // Not if it is a blank, or has left again since.
            let found = self.latest.find_entry(oldest.fingerprint, |&ghost| ghost == oldest);
            if let Ok(found) = found {
                found.remove();
            }
        }
    }

    /// Whether the key was there; it no longer is.
    fn take(&mut self, fingerprint: u64) -> bool {
        let same = |ghost: &Ghost| ghost.fingerprint == fingerprint;
        match self.latest.find_entry(fingerprint, same) {
            Ok(found) => {
                found.remove();
                true
            }
            Err(_) => false,
        }
    }
}

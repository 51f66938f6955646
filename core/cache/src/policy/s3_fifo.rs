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
//! - The ghosts are the last departures that weighed as much as the main
//!   queue's 90 %, as in libCacheSim, the authors' simulator, but by a running
//!   mean of their weights, and no fewer than half the entries and no more than
//!   six fifths. On traces of one size the hit ratios agree to 0.2 points.
//! - Entries that their caller removed leave no ghost.
//!
//! The queues are also the ground of `s3_fifo_size`: what uses must add up to
//! is a rule of its own, `Worth`.

use std::sync::atomic::{AtomicU8, Ordering};

use super::departed::{BYTES_PER_KEY, Departed};
use super::list::{BYTES_PER_LINK, Links, Queue};
use super::{Item, Items, MOST_PASSED, Policy, Slot};
use crate::growing::Growing;
use crate::processor::prefetch;

/// How much the ghosts weighed, as a share of what is held.
const GHOSTS: f64 = 0.9;

/// How many ghosts there are per entry, if departures are very heavy.
const FEWEST_GHOSTS: f64 = 0.5;

/// How many ghosts there may be per entry.
const MOST_GHOSTS: f64 = 1.2;

/// Over how many departures their mean weight is taken.
const MEMORY: f64 = 256.0;

/// What uses have to add up to.
pub(crate) trait Worth: Default + Send + Sync {
    /// What is kept of an entry's cost.
    type Cost: Copy + Default + Send + Sync;

    /// How far uses are counted.
    const MOST_USES: u8;

    fn cost(item: Item) -> Self::Cost;

    /// An entry came.
    fn add(&mut self, _cost: Self::Cost, _weight: u32) {}

    /// An entry went.
    fn subtract(&mut self, _cost: Self::Cost, _weight: u32) {}

    /// What staying takes an entry of this cost and weight.
    fn price(&self, cost: Self::Cost, weight: u32) -> Price;
}

/// The price of staying.
#[derive(Clone, Copy)]
pub(crate) struct Price {
    /// Uses that it takes to leave the small queue for the main one.
    pub(crate) entry: u8,
    /// Uses that a round of the main queue takes.
    pub(crate) stay: u8,
    /// Uses that are remembered in the main queue.
    pub(crate) most: u8,
    /// Whether one who came back as a ghost goes straight to the main queue.
    pub(crate) returns: bool,
}

/// The paper's rule: a use is a use.
#[derive(Default)]
pub(crate) struct Even;

impl Worth for Even {
    type Cost = ();

    const MOST_USES: u8 = 3;

    fn cost(_item: Item) {}

    fn price(&self, _cost: (), _weight: u32) -> Price {
        Price { entry: 2, stay: 1, most: 3, returns: true }
    }
}

/// The paper's algorithm.
pub(crate) type S3Fifo = Queues<Even>;

/// The record, the links and the count of an entry, and a ghost.
pub(super) const fn bytes_per_entry<W: Worth>() -> usize {
    // Six fifths, as in MOST_GHOSTS.
    let ghosts = (BYTES_PER_KEY * 6).div_ceil(5);
    size_of::<Record<W::Cost>>() + BYTES_PER_LINK + size_of::<Mark>() + ghosts
}

#[derive(Clone, Copy, Default)]
struct Record<C> {
    weight: u32,
    fingerprint: u32,
    cost: C,
}

/// The uses of an entry, and its queue in the highest bit.
#[derive(Default)]
struct Mark(AtomicU8);

const IN_MAIN: u8 = 1 << 7;

impl Mark {
    fn set(&mut self, uses: u8, in_main: bool) {
        *self.0.get_mut() = uses | if in_main { IN_MAIN } else { 0 };
    }

    fn is_in_main(&self) -> bool {
        self.0.load(Ordering::Relaxed) & IN_MAIN != 0
    }

    fn get(&mut self) -> (u8, bool) {
        let mark = *self.0.get_mut();
        (mark & !IN_MAIN, mark & IN_MAIN != 0)
    }
}

/// The two queues and the ghosts.
pub(crate) struct Queues<W: Worth> {
    records: Growing<Record<W::Cost>>,
    marks: Growing<Mark>,
    links: Links,
    small: Queue,
    main: Queue,
    small_bytes: u64,
    main_bytes: u64,
    ghosts: Departed,
    /// What a departure from the small queue weighs, of late.
    mean_departed: f64,
    worth: W,
}

impl<W: Worth> Queues<W> {
    pub(super) fn new(_seed: u64) -> Self {
        Self {
            records: Growing::default(),
            marks: Growing::default(),
            links: Links::default(),
            small: Queue::default(),
            main: Queue::default(),
            small_bytes: 0,
            main_bytes: 0,
            ghosts: Departed::default(),
            mean_departed: 0.0,
            worth: W::default(),
        }
    }

    /// What is left of an entry that goes: a ghost, if it never came into the
    /// main queue.
    fn leave(&mut self, slot: Slot, from_small: bool) -> Slot {
        let Record { weight, fingerprint, cost } = self.records[slot];
        if from_small {
            self.remember(weight, fingerprint);
        }
        self.worth.subtract(cost, weight);
        slot
    }

    /// Whether the small queue has its tenth of the bytes or more.
    fn small_is_full(&self) -> bool {
        self.small_bytes > (self.small_bytes + self.main_bytes) / 10 || self.main.len() == 0
    }

    fn push(&mut self, slot: Slot, uses: u8, in_main: bool) {
        let weight = u64::from(self.records[slot].weight);
        self.marks[slot].set(uses, in_main);
        if in_main {
            self.main_bytes += weight;
            self.main.push(&mut self.links, slot);
        } else {
            self.small_bytes += weight;
            self.small.push(&mut self.links, slot);
        }
    }

    /// Takes a slot out of its queue.
    fn pull(&mut self, slot: Slot) {
        let weight = u64::from(self.records[slot].weight);
        if self.marks[slot].get().1 {
            self.main_bytes -= weight;
            self.main.remove(&mut self.links, slot);
        } else {
            self.small_bytes -= weight;
            self.small.remove(&mut self.links, slot);
        }
    }

    /// Leaves a ghost of what has just been taken from the small queue.
    fn remember(&mut self, weight: u32, fingerprint: u32) {
        let weight = f64::from(weight).max(1.0);
        let mean = if self.mean_departed > 0.0 { self.mean_departed } else { weight };
        self.mean_departed = mean + (weight - mean) / MEMORY;
        let held = (self.small_bytes + self.main_bytes) as f64 + weight;
        let entries = (self.small.len() + self.main.len() + 1) as f64;
        let most = held * GHOSTS / self.mean_departed;
        let most = most.clamp(entries * FEWEST_GHOSTS, entries * MOST_GHOSTS);
        self.ghosts.add(fingerprint, most.ceil() as usize);
    }

    fn enter(&mut self, slot: Slot, item: Item, is_known: bool) {
        let Item { weight, fingerprint, .. } = item;
        self.reach(slot);
        let cost = W::cost(item);
        self.records[slot] = Record { weight, fingerprint, cost };
        self.worth.add(cost, weight);
        let in_main = is_known && self.price(slot).returns;
        self.push(slot, 0, in_main);
    }

    fn price(&self, slot: Slot) -> Price {
        let record = &self.records[slot];
        self.worth.price(record.cost, record.weight)
    }
}

impl<W: Worth> Policy for Queues<W> {
    fn insert(&mut self, slot: Slot, item: Item, _items: &dyn Items) {
        let is_back = self.ghosts.take(item.fingerprint);
        self.enter(slot, item, is_back);
    }

    /// Two hits at once may count as one: worth it for a plain store.
    #[inline(always)]
    fn hit(&self, slot: Slot) {
        let mark = &self.marks[slot].0;
        let seen = mark.load(Ordering::Relaxed);
        if seen & !IN_MAIN < W::MOST_USES {
            mark.store(seen + 1, Ordering::Relaxed);
        }
    }

    fn prefetch(&self, slot: Slot) {
        prefetch(&self.marks[slot]);
    }

    fn reach(&mut self, slot: Slot) {
        self.records.reach(slot);
        self.marks.reach(slot);
        self.links.reach(slot);
    }

    fn remove(&mut self, slot: Slot, _items: &dyn Items) {
        self.pull(slot);
        let record = &self.records[slot];
        self.worth.subtract(record.cost, record.weight);
    }

    fn evict(&mut self, _items: &dyn Items) -> Option<Slot> {
        let mut passed = 0;
        loop {
            let from_small = self.small_is_full();
            let queue = if from_small { &self.small } else { &self.main };
            let slot = queue.oldest()?;
            self.pull(slot);
            let (uses, _) = self.marks[slot].get();
            let price = self.price(slot);
            passed += 1;
            if passed > MOST_PASSED {
                return Some(self.leave(slot, from_small));
            }
            if from_small && uses >= price.entry {
                self.push(slot, 0, true);
            } else if !from_small && uses >= price.stay {
                self.push(slot, uses.min(price.most) - price.stay, true);
            } else {
                return Some(self.leave(slot, from_small));
            }
        }
    }

    /// What was kept elsewhere needs no trial in the small queue.
    fn adopt(&mut self, slot: Slot, item: Item, _uses: u32, _items: &dyn Items) {
        self.enter(slot, item, true);
    }

    fn uses(&self, slot: Slot, _items: &dyn Items) -> u32 {
        if self.marks[slot].is_in_main() { 2 } else { 1 }
    }

    fn reweigh(&mut self, slot: Slot, _old_weight: u32, item: Item) {
        let in_main = self.marks[slot].get().1;
        let bytes = if in_main { &mut self.main_bytes } else { &mut self.small_bytes };
        let record = &mut self.records[slot];
        *bytes = *bytes - u64::from(record.weight) + u64::from(item.weight);
        self.worth.subtract(record.cost, record.weight);
        record.weight = item.weight;
        record.cost = W::cost(item);
        self.worth.add(record.cost, record.weight);
    }

    fn ranked(&self) -> Vec<Slot> {
        let small = self.small.iter(&self.links);
        small.chain(self.main.iter(&self.links)).collect()
    }
}

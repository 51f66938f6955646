//! W-TinyLFU: newcomers wait in a window; at its end they get into the main
//! part only if they were asked for more often than those who would have to go
//! for them. A hit marks its entry and moves nothing.
//!
//! Source: Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache
//! admission policy", ACM ToS 13(4), 2017: a window, and a main part of
//! probation and, up to 80 %, protected entries, with a sketch of frequencies
//! between them. Einziger, Eytan, Friedman and Manes, "Adaptive software cache
//! management", Middleware 2018: the window's share adapts itself. Where it
//! differs:
//!
//! - The parts are queues rather than LRU lists, as hits move nothing: uses are
//!   marked, and counted when an entry comes to the end of its queue. Then who
//!   was used goes round in the window, up from probation, and round among the
//!   protected; who wasn't goes on.
//! - A candidate must be worth more, by frequency times cost, than all those
//!   together that would have to go for its weight, as in the cache moka.
//! - Shares are bytes, and shares of what is held, with what was just evicted
//!   for the newcomer to come.
//! - The window's climb follows shadow queues (Cidon, Eisenman, Alizadeh and
//!   Katti, "Cliffhanger: scaling performance cliffs in web memory caches",
//!   NSDI 2016) rather than trials of a share: the keys that left the window
//!   last, and those that left the main part last, are remembered, an equal
//!   number each. One that comes back would have been a hit, had its side been
//!   larger by so much; so its side grows. Trials need the hit ratio, which
//!   nobody counts here: hits write nothing in common. The shadows also found
//!   the better share on all traces in hand.
//! - No candidate gets in by chance. Where the author's cache, Caffeine, does
//!   that against keys made to collide, fingerprints here come from a seeded
//!   hash.

use std::sync::atomic::{AtomicU8, Ordering};

use super::departed::{BYTES_PER_KEY, Departed};
use super::list::{BYTES_PER_LINK, Links, Queue};
use super::sketch::{self, Sketch};
use super::{Item, Items, MOST_PASSED, Policy, Slot};
use crate::growing::Growing;
use crate::processor::prefetch;

/// The share of the main part that may be protected.
const PROTECTED: f64 = 0.8;

/// The window's share to begin with. The paper's 1 % is the best for some
/// traces and a collapse for others, which none is at 10 %.
const WINDOW: f64 = 0.1;

/// The least and the largest share of the window.
const LEAST_WINDOW: f64 = 0.05;
const LARGEST_WINDOW: f64 = 0.8;

/// One key for each shadow per so many entries.
const ENTRIES_PER_SHADOW: usize = 16;

/// By how many entries the window's share changes at a time, among at least so
/// many: twice what a key in a shadow stands for, to learn in half the time.
const STEP: f64 = 2.0;
const FEWEST_ENTRIES: usize = 128;

/// How many entries of the window may go on at each insert while there is
/// room: two for one that comes, lest the first eviction move them all.
const EASED: usize = 2;

/// The links and the mark of an entry, and its share of the sketch and the two
/// shadows.
pub(super) const BYTES_PER_ENTRY: usize = BYTES_PER_LINK
    + size_of::<Mark>()
    + sketch::BYTES_PER_ENTRY
    + (2 * BYTES_PER_KEY).div_ceil(ENTRIES_PER_SHADOW);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Window,
    Probation,
    Protected,
}

use Part::{Probation, Protected, Window};

/// The uses of an entry since they were last counted, in the lower four bits,
/// and above them the part it is in.
#[derive(Default)]
struct Mark(AtomicU8);

/// What four bits can count to.
const MOST_USES: u8 = 15;

impl Mark {
    fn part(&mut self) -> Part {
        match *self.0.get_mut() >> 4 {
            0 => Window,
            1 => Probation,
            _ => Protected,
        }
    }

    fn place(&mut self, part: Part) {
        let mark = self.0.get_mut();
        *mark = (*mark & MOST_USES) | (part as u8) << 4;
    }

    fn take_uses(&mut self) -> u8 {
        let mark = self.0.get_mut();
        let uses = *mark & MOST_USES;
        *mark -= uses;
        uses
    }
}

/// The three queues, the sketch and the shadows. What entries weigh and cost it
/// asks for: only evictions want to know, and they look at few entries.
pub(crate) struct WTinyLfu {
    marks: Growing<Mark>,
    links: Links,
    queues: [Queue; 3],
    bytes: [u64; 3],
    sketch: Sketch,
    /// Bytes evicted for the next newcomer.
    freed: u64,
    /// Entries looked at in this eviction.
    passed: usize,
    /// The window's share of the bytes.
    share: f64,
    left_window: Departed,
    left_main: Departed,
}

impl WTinyLfu {
    pub(super) fn new(_seed: u64) -> Self {
        Self {
            marks: Growing::default(),
            links: Links::default(),
            queues: Default::default(),
            bytes: [0; 3],
            sketch: Sketch::default(),
            freed: 0,
            passed: 0,
            share: WINDOW,
            left_window: Departed::default(),
            left_main: Departed::default(),
        }
    }

    fn entries(&self) -> usize {
        self.queues.iter().map(Queue::len).sum()
    }

    fn oldest(&self, part: Part) -> Option<Slot> {
        self.queues[part as usize].oldest()
    }

    fn push(&mut self, slot: Slot, part: Part, weight: u64) {
        self.marks[slot].place(part);
        self.bytes[part as usize] += weight;
        self.queues[part as usize].push(&mut self.links, slot);
    }

    fn pull(&mut self, slot: Slot, weight: u64) {
        let part = self.marks[slot].part() as usize;
        self.bytes[part] -= weight;
        self.queues[part].remove(&mut self.links, slot);
    }

    fn enter(&mut self, slot: Slot, item: Item, part: Part, uses: u8) {
        let Item { weight, fingerprint, .. } = item;
        self.reach(slot);
        self.marks[slot].take_uses();
        self.push(slot, part, weight.into());
        self.sketch.fit(self.entries());
        self.sketch.add(fingerprint, uses);
    }

    fn shift(&mut self, slot: Slot, part: Part, items: &dyn Items) {
        let from = self.marks[slot].part();
        // Who goes round weighs as much after it.
        let weight = if from == part { 0 } else { weight(items, slot) };
        self.pull(slot, weight);
        self.push(slot, part, weight);
    }

    /// Counts the uses of an entry since last time; whether there were any.
    fn count(&mut self, slot: Slot, items: &dyn Items) -> bool {
        let uses = self.marks[slot].take_uses();
        if uses > 0 {
            self.sketch.add(items.item(slot).fingerprint, uses);
        }
        uses > 0
    }

    /// What keeping an entry spares.
    fn value(&self, Item { cost, fingerprint, .. }: Item) -> u64 {
        u64::from(self.sketch.count(fingerprint)) * u64::from(cost)
    }

    fn main_bytes(&self) -> u64 {
        self.bytes[Probation as usize] + self.bytes[Protected as usize]
    }

    /// The shares of the window and the main part in what is held, and in what
    /// was just evicted for a newcomer that the window will hold.
    fn shares(&self) -> (u64, u64) {
        let held = self.bytes.iter().sum::<u64>() + self.freed;
        let window = (held as f64 * self.share) as u64;
        (window, held - window)
    }

    /// Whether an entry was used and is passed over; nobody is any more once
    /// many have been in this eviction.
    fn passes(&mut self, slot: Slot, items: &dyn Items) -> bool {
        self.passed += 1;
        self.count(slot, items) && self.passed <= MOST_PASSED
    }

    fn room_in_main(&self) -> u64 {
        self.shares().1.saturating_sub(self.main_bytes())
    }

    fn promote(&mut self, slot: Slot, items: &dyn Items) {
        self.shift(slot, Protected, items);
        while self.bytes[Protected as usize] as f64 > self.main_bytes() as f64 * PROTECTED
            && self.demote(items).is_some()
        {}
    }

    /// The oldest of the protected goes round if it was used, down if not.
    fn demote(&mut self, items: &dyn Items) -> Option<Slot> {
        let slot = self.oldest(Protected)?;
        let part = if self.passes(slot, items) { Protected } else { Probation };
        self.shift(slot, part, items);
        Some(slot)
    }

    /// The next on probation that wasn't used: after one, or from the oldest
    /// on. Those that were go up; if there is none, protected ones come down.
    fn next_victim(&mut self, after: Option<Slot>, items: &dyn Items) -> Option<Slot> {
        loop {
            let next = match after {
                None => self.oldest(Probation),
                Some(slot) => self.links.newer(slot),
            };
            match next {
                Some(slot) if self.passes(slot, items) => self.promote(slot, items),
                Some(slot) => return Some(slot),
                None => self.demote(items).map(drop)?,
            }
        }
    }

    /// Whether a candidate is worth more than all who would have to go for it.
    fn is_worth_room(&mut self, candidate: Slot, items: &dyn Items) -> bool {
        let item = items.item(candidate);
        let (weight, value) = (u64::from(item.weight), self.value(item));
        let mut room = self.room_in_main();
        let mut lost = 0;
        let mut last = None;
        while room < weight {
            // Nobody is left to go.
            let Some(victim) = self.next_victim(last, items) else {
                break;
            };
            let item = items.item(victim);
            lost += self.value(item);
            if lost >= value {
                return false;
            }
            room += u64::from(item.weight);
            last = Some(victim);
        }
        true
    }

    /// Lets the window's oldest go on while the main part has room for them.
    fn ease(&mut self, items: &dyn Items) {
        for _ in 0..EASED {
            let Some(slot) = self.oldest(Window) else {
                return;
            };
            if weight(items, slot) > self.room_in_main() {
                return;
            }
            let part = if self.count(slot, items) { Window } else { Probation };
            self.shift(slot, part, items);
        }
    }

    /// A candidate is rejected or gets in; once the window has no more than
    /// its share, it is the main part that gives.
    fn victim(&mut self, items: &dyn Items) -> Option<Slot> {
        while let Some(candidate) = self.oldest(Window) {
            let window = self.bytes[Window as usize] + self.freed;
            if window < self.shares().0 && self.main_bytes() > 0 {
                break;
            }
            if self.passes(candidate, items) {
                self.shift(candidate, Window, items);
            } else if self.is_worth_room(candidate, items) {
                self.shift(candidate, Probation, items);
            } else {
                return Some(candidate);
            }
        }
        self.next_victim(None, items)
    }

    /// One who comes back from a shadow would be here, had its side been larger.
    fn climb(&mut self, fingerprint: u32) {
        let step = STEP / self.entries().max(FEWEST_ENTRIES) as f64;
        if self.left_window.take(fingerprint) {
            self.share = (self.share + step).min(LARGEST_WINDOW);
        }
        if self.left_main.take(fingerprint) {
            self.share = (self.share - step).max(LEAST_WINDOW);
        }
    }
}

impl Policy for WTinyLfu {
    fn insert(&mut self, slot: Slot, item: Item, items: &dyn Items) {
        self.enter(slot, item, Window, 1);
        self.freed = 0;
        self.climb(item.fingerprint);
        self.ease(items);
    }

    /// What was kept elsewhere needs no trial in the window.
    fn adopt(&mut self, slot: Slot, item: Item, uses: u32, _items: &dyn Items) {
        self.enter(slot, item, Probation, uses.min(MOST_USES.into()) as u8);
    }

    /// Two hits at once may count as one: worth it for a plain store.
    #[inline(always)]
    fn hit(&self, slot: Slot) {
        let mark = &self.marks[slot].0;
        let seen = mark.load(Ordering::Relaxed);
        if seen & MOST_USES < MOST_USES {
            mark.store(seen + 1, Ordering::Relaxed);
        }
    }

    fn prefetch(&self, slot: Slot) {
        prefetch(&self.marks[slot]);
    }

    fn reach(&mut self, slot: Slot) {
        self.marks.reach(slot);
        self.links.reach(slot);
    }

    fn remove(&mut self, slot: Slot, items: &dyn Items) {
        self.count(slot, items);
        self.pull(slot, weight(items, slot));
    }

    fn evict(&mut self, items: &dyn Items) -> Option<Slot> {
        self.passed = 0;
        let slot = self.victim(items)?;
        let most = self.entries().div_ceil(ENTRIES_PER_SHADOW);
        let Item { weight, fingerprint, .. } = items.item(slot);
        if self.marks[slot].part() == Window {
            self.left_window.add(fingerprint, most);
        } else {
            self.left_main.add(fingerprint, most);
        }
        self.pull(slot, weight.into());
        self.freed += u64::from(weight);
        Some(slot)
    }

    fn uses(&self, slot: Slot, items: &dyn Items) -> u32 {
        self.sketch.count(items.item(slot).fingerprint).max(1).into()
    }

    fn reweigh(&mut self, slot: Slot, old_weight: u32, item: Item) {
        let bytes = &mut self.bytes[self.marks[slot].part() as usize];
        *bytes = *bytes - u64::from(old_weight) + u64::from(item.weight);
    }

    fn ranked(&self) -> Vec<Slot> {
        self.queues.iter().flat_map(|queue| queue.iter(&self.links)).collect()
    }
}

fn weight(items: &dyn Items, slot: Slot) -> u64 {
    items.weight(slot).into()
}

//! What another capacity or policy would have made of the cache's requests. It
//! has no thread, clock or queue, and never touches the cache: its owner hands
//! in what happened to sampled keys, and asks.
//!
//! # How
//!
//! A ladder of capacities, from a sixteenth of the present one to sixteen
//! times it, and on each rung a [`Ghost`](crate::Ghost) per policy. Small
//! caches are simulated outright. Of larger ones a rung simulates a miniature:
//! of all keys those whose hash is below a threshold, and of the capacity the
//! same part (Waldspurger, Park, Garthwaite and Ahmad, "Efficient MRC
//! construction with SHARDS", FAST 2015; Waldspurger, Saemundsson, Ahmad and
//! Park, "Cache modeling and optimization using miniature simulations", USENIX
//! ATC 2017). Each rung has its own rate, halved whenever its ghosts hold more
//! entries than the memory allows, so that they always hold about as many:
//! what a capacity is in entries need not be known. The thresholds are nested,
//! so the hot path compares with one only, [`WhatIf::threshold`].
//!
//! # What makes the estimates good
//!
//! A few very hot keys carry much of the traffic, and whether they are in the
//! sample is chance. SHARDS corrects the count of requests afterwards; Carra
//! and Neglia ("Efficient miss ratio curve computation for heterogeneous
//! content popularity", USENIX ATC 2020) count the hottest keys apart. Here
//! neither is needed, for three reasons:
//!
//! 1. Misses are counted, and not hits. A hot key hits nearly always, so
//!    whether it is sampled or not hardly matters for the sum of the misses:
//!    a key misses about once per turn-over of the cache at the most, however
//!    hot it is. The requests that misses are divided by are the cache's own
//!    count ([`Totals`]), which is exact. That is what SHARDS's correction
//!    comes to (excess requests are hits), without its assumption on where.
//! 2. The cache itself says of each sampled read whether it hit, and how many
//!    reads missed in all. So it is known by how much the sample errs about
//!    the present policy and capacity; and whatever else is simulated over
//!    the same sample errs in a similar way, above all in the first requests
//!    for keys, which everyone misses. The estimate is corrected by what
//!    regression between groups of keys says it should be: `regression.rs`.
//!    On two traces this brought the mean error from 0.023 to 0.0015.
//! 3. A key that is too heavy to be cached and asked for often misses in the
//!    cache as well: the same correction takes care of it.
//!
//! # What the error holds
//!
//! Keys are in 32 groups by hash. The variance between the groups, after the
//! correction, gives that of the sum, times the part of the keys that is left
//! out. To it comes crowding: of n entries chance might have put the root of n
//! more or fewer into the sample, so the ghost is that much too large or
//! small, which matters as far as the curve is steep there. That is taken from
//! the neighbouring rungs, or, should it be more, from near misses: those of
//! keys that were evicted only just now, as by LRU in a loop that almost fits.
//! And there is a doubt that no larger sample of this size resolves: where a
//! policy decides on entries within a few of their coming in, as SIEVE does
//! while its hand is close behind the newest, those few entries are as many in
//! the cache as in the ghost, when they ought to shrink with it. Where a ghost
//! both evicts entries that young and lives on hits that early, those hits are
//! added to the error. On `corda` such a SIEVE hits 33 % in a miniature and 7 %
//! in truth, and says so.
//!
//! Not in the error: that the ghosts began empty when the cache did not, and
//! what comes of events that arrive in another order than they happened.
//!
//! # Ageing
//!
//! All counts halve every [`Settings::half_life`] requests, in steps: at each
//! [`WhatIf::step`].

mod ageing;
mod assess;
mod bound;
mod event;
mod pending;
mod regression;
mod report;
mod rung;
mod settings;
mod tally;
#[cfg(all(test, not(miri)))]
mod tests;

pub use event::{ByteTotals, Event, Totals};
pub use report::{Estimate, Now, Ratio, Recommendation, Report, Rung, Standing, Standings};
pub use settings::Settings;

use self::ageing::{Ageing, Ages};
use self::bound::Bound;
use self::pending::Pending;
use self::tally::{GROUPS, Tally, Truth};
use crate::PolicyKind;

/// Rungs below and above the present capacity, each a doubling.
const RUNGS_EITHER_WAY: u32 = 4;
/// Keys of which the offline bound remembers the last request: 7/8 of 2^14,
/// so that its table has 2^14 places.
const BOUND_KEYS: usize = 14_336;
/// What a ghost takes beside its entries, on average over the policies: first
/// pages of what they remember.
const BYTES_PER_GHOST: usize = 8_000;
/// What it takes per entry, with what its pages and tables have to spare.
/// Both were measured with a counting allocator.
const BYTES_PER_ITEM: usize = 56;
/// The most entries of an average ghost: more would make estimates little
/// better.
const MOST_ITEMS: usize = 1792;
/// Below this, what is small in a policy (a window, a queue of a tenth)
/// vanishes.
const LEAST_ITEMS: usize = 256;
const BOUND_BYTES: usize = 1_000_000;

/// The ghosts of every policy at every capacity of the ladder, and what they
/// made of the requests so far.
pub struct WhatIf {
    settings: Settings,
    most_items: usize,
    least_shift: u32,
    /// Smallest capacity first.
    rungs: Vec<rung::Rung>,
    now: usize,
    bound: Bound,
    pending: Pending,
    long: Ageing,
    short: Ageing,
    totals: Option<Totals>,
    /// What the totals came to, aged.
    truth: Truth,
    sampled: u64,
    sampled_before: u64,
    /// Requests by the sample, for those who never give totals.
    requests_estimated: f64,
}

impl WhatIf {
    /// One that has seen nothing yet. The cache may have a past.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let ladder = ladder(settings.capacity_bytes);
        let ghosts = ladder.len() * PolicyKind::ALL.len();
        let for_ghosts = settings.memory_bytes.saturating_sub(BOUND_BYTES);
        // And those of a rung that is about to change its sample.
        let per_ghost = for_ghosts / (ghosts + PolicyKind::ALL.len());
        let most_items = per_ghost.saturating_sub(BYTES_PER_GHOST) / BYTES_PER_ITEM;
        let mut what_if = Self {
            settings,
            most_items: most_items.clamp(LEAST_ITEMS, MOST_ITEMS),
            least_shift: shift_for(settings.max_rate),
            rungs: Vec::new(),
            now: 0,
            bound: Bound::new(BOUND_KEYS, settings.half_life),
            pending: Pending::default(),
            long: Ageing::new(settings.half_life),
            short: Ageing::new(settings.recent_half_life),
            totals: None,
            truth: Truth::default(),
            sampled: 0,
            sampled_before: 0,
            requests_estimated: 0.0,
        };
        what_if.build(&ladder, Vec::new());
        if let Some(rung) = what_if.rungs.get_mut(what_if.now) {
            rung.recent = Some(Tally::new(PolicyKind::ALL.len()));
        }
        what_if
    }

    /// The hash below which keys are sampled: give [`observe`](Self::observe)
    /// the events of those keys, and no others. `u64::MAX` is all keys.
    /// Changes with the events.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        self.rungs.iter().map(rung::Rung::threshold).max().unwrap_or(0)
    }

    /// Takes in what happened, in the order in which it happened. Events of
    /// keys above the threshold, which may have been lowered since they were
    /// recorded, are left out.
    pub fn observe(&mut self, events: &[Event]) {
        for event in events {
            match *event {
                Event::Read { hash, weight, cost } => {
                    self.read(hash, weight.map(|weight| (weight, cost)));
                }
                Event::Insert { hash, weight, cost } => self.insert(hash, weight, cost),
                Event::Remove { hash } => {
                    let key = scramble(hash);
                    self.reach(hash).for_each(|rung| rung.remove(key));
                    self.bound.remove(key);
                }
                Event::Clear => {
                    self.rungs.iter_mut().for_each(rung::Rung::clear);
                    self.bound.clear();
                }
            }
        }
    }

    /// Ends a period: everything ages, and samples that became too small
    /// grow. Call it every few thousand requests, with the counts of the
    /// cache from when the events given so far were recorded; `None` if there
    /// are none, which makes the estimates less exact. If the cache has a
    /// past, call it once before the first event, so that the past isn't
    /// counted.
    pub fn step(&mut self, totals: Option<Totals>) {
        if self.totals.is_none() && self.sampled == 0 {
            self.totals = totals;
            return;
        }
        let mut truth = Truth::default();
        let before = self.totals.unwrap_or_default();
        let sampled = self.sampled - self.sampled_before;
        let mut requests = std::mem::take(&mut self.requests_estimated) as u64;
        if let Some(totals) = totals {
            requests = totals.requests.saturating_sub(before.requests);
            // What was lost neither hit nor missed in any ghost.
            let lost = totals.lost.saturating_sub(before.lost);
            let kept = sampled as f64 / (sampled + lost).max(1) as f64;
            let kept = if lost == 0 { 1.0 } else { kept };
            let part = |now: u64, before: u64| kept * now.saturating_sub(before) as f64;
            truth.is_known[0] = true;
            truth.requested[0] = part(totals.requests, before.requests);
            truth.missed[0] = truth.requested[0] - part(totals.hits, before.hits);
            if let Some(bytes) = totals.bytes {
                let before = before.bytes.unwrap_or_default();
                truth.is_known[1] = true;
                truth.requested[1] = part(bytes.requested, before.requested);
                truth.missed[1] = truth.requested[1] - part(bytes.hit, before.hit);
            }
        }
        self.totals = totals.or(self.totals);
        self.sampled_before = self.sampled;
        let ages = self.ages();
        self.truth.add(&truth, ages.long);
        // One at a time, for the memory's sake.
        let mut may_grow = !self.rungs.iter().any(rung::Rung::grows);
        for rung in &mut self.rungs {
            rung.settle(&truth, ages, self.least_shift, may_grow);
            may_grow &= !rung.grows();
        }
        if let Some(rung) = self.rungs.get_mut(self.now) {
            // Periods are counted as a whole, so it begins with one.
            rung.recent.get_or_insert_with(|| Tally::new(PolicyKind::ALL.len()));
        }
        self.age(requests);
        self.narrow_bound();
    }

    /// The cache has another capacity or policy. Ghosts are kept as far as
    /// they fit; capacities that were not on the ladder before begin their
    /// counts anew.
    pub fn reconfigure(&mut self, capacity_bytes: u64, policy: PolicyKind) {
        self.settings.policy = policy;
        if capacity_bytes != self.settings.capacity_bytes {
            self.settings.capacity_bytes = capacity_bytes;
            let old = std::mem::take(&mut self.rungs);
            self.build(&ladder(capacity_bytes), old);
        }
    }

    /// The most that may be sampled from now on, as a part of all keys: the
    /// caller lowers it when it can't keep up.
    pub fn limit_rate(&mut self, max_rate: f64) {
        self.least_shift = shift_for(max_rate);
        for rung in &mut self.rungs {
            rung.lower(self.least_shift);
        }
        self.narrow_bound();
    }

    /// What all ghosts, counts and tables take, in bytes, about: as much as
    /// after the ghosts were full.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let tallies = |rung: &rung::Rung| {
            rung.tally.memory_bytes() + rung.recent.as_ref().map_or(0, Tally::memory_bytes)
        };
        let rungs = self.rungs.iter();
        let rungs: usize = rungs.map(|rung| rung.memory_bytes() + tallies(rung)).sum();
        rungs + self.bound.memory_bytes() + self.pending.memory_bytes()
    }

    fn read(&mut self, hash: u64, told: Option<(u32, u32)>) {
        let key = scramble(hash);
        let was_missed = told.is_none();
        let mut held = None;
        let mut rate = 0.0f64;
        for rung in self.reach(hash) {
            held = rung.hit(hash, key, told).or(held);
            rate = rate.max(rung.rate());
        }
        if rate == 0.0 {
            return;
        }
        // A ghost that holds the key knows its weight, and that a load of it
        // costs anything is known at its end only.
        let known = told.or(held.map(|weight| (weight, self.bound.cost(key).unwrap_or(1))));
        let ages = self.ages();
        for rung in self.reach(hash) {
            rung.count(hash, key, ages, was_missed, known);
        }
        if hash < self.bound.threshold() {
            self.bound.read(key, hash, known, ages.long);
        }
        if known.is_none() {
            self.pending.add(key);
        }
        self.sampled += 1;
        self.requests_estimated += rate.recip();
        self.narrow_bound();
    }

    fn insert(&mut self, hash: u64, weight: u32, cost: u32) {
        let key = scramble(hash);
        let reads = self.pending.take(key);
        let ages = self.ages();
        for rung in self.reach(hash) {
            rung.insert(hash, key, reads, ages, (weight, cost));
        }
        if hash < self.bound.threshold() {
            self.bound.learn(key, weight, cost, reads, ages.long);
        }
    }

    /// The rungs that sample a key.
    fn reach(&mut self, hash: u64) -> impl Iterator<Item = &mut rung::Rung> {
        self.rungs.iter_mut().filter(move |rung| hash < rung.threshold())
    }

    fn ages(&self) -> Ages {
        Ages { long: self.long.weight, short: self.short.weight }
    }

    fn age(&mut self, requests: u64) {
        if let Some(factor) = self.long.pass(requests) {
            self.rungs.iter_mut().for_each(|rung| rung.tally.scale(factor));
            self.bound.scale(factor);
            self.truth.scale(factor);
        }
        if let Some(factor) = self.short.pass(requests) {
            let recent = self.rungs.iter_mut().filter_map(|rung| rung.recent.as_mut());
            recent.for_each(|tally| tally.scale(factor));
        }
    }

    /// The bound sees what some rung samples, and no more.
    fn narrow_bound(&mut self) {
        let widest = self.rungs.iter().map(rung::Rung::shift).min().unwrap_or(0);
        if self.bound.shift() < widest {
            self.bound.lower(widest);
        }
    }

    /// Makes the rungs, out of old ones as far as possible.
    fn build(&mut self, ladder: &[u64], old: Vec<rung::Rung>) {
        let Settings { objective, seed, capacity_bytes, .. } = self.settings;
        let stays = |rung: &rung::Rung| ladder.contains(&rung.capacity_bytes);
        let (mut same, mut other): (Vec<_>, Vec<_>) = old.into_iter().partition(stays);
        for &capacity in ladder {
            let found = same.iter().position(|rung| rung.capacity_bytes == capacity);
            if let Some(found) = found {
                self.rungs.push(same.swap_remove(found));
                continue;
            }
            let far = |number: &usize| capacity.abs_diff(other[*number].capacity_bytes);
            let rung = match (0..other.len()).min_by_key(far) {
                Some(nearest) => {
                    let mut rung = other.swap_remove(nearest);
                    rung.resize(capacity);
                    rung
                }
                None => {
                    rung::Rung::new(objective, capacity, seed, self.least_shift, self.most_items)
                }
            };
            self.rungs.push(rung);
        }
        let now = ladder.iter().position(|&capacity| capacity == capacity_bytes);
        self.now = now.unwrap_or(0);
        self.rungs.iter_mut().for_each(|rung| rung.recent = None);
    }
}

/// The capacities of the ladder that hold anything.
fn ladder(capacity_bytes: u64) -> Vec<u64> {
    let below = (1..=RUNGS_EITHER_WAY).rev().map(|times| capacity_bytes >> times);
    let above = (1..=RUNGS_EITHER_WAY).map(|times| capacity_bytes.saturating_mul(1 << times));
    below.chain([capacity_bytes]).chain(above).filter(|&capacity| capacity > 0).collect()
}

/// The least number of halvings of the sample that keeps to a rate.
fn shift_for(max_rate: f64) -> u32 {
    (-max_rate.clamp(1e-9, 1.0).log2()).ceil() as u32
}

/// Sampled hashes all begin with zeros, which a table of them can't do with.
/// The low half stays: the policies' fingerprint. Its own inverse.
fn scramble(hash: u64) -> u64 {
    let low = hash & 0xffff_ffff;
    hash ^ (low.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff_0000_0000)
}

/// Back from [`scramble`].
fn unscramble(key: u64) -> u64 {
    scramble(key)
}

/// Of bits that neither the threshold nor a table looks at first.
fn group(hash: u64) -> usize {
    (hash >> 8) as usize % GROUPS
}

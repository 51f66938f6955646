//! One capacity of the ladder: a ghost per policy over one sample of the keys.
//! It never sees keys above its threshold.
//!
//! Source: SHARDS-max of Waldspurger, Park, Garthwaite and Ahmad, "Efficient
//! MRC construction with SHARDS", FAST 2015: the sample begins with all keys,
//! and is halved whenever it has become too large.

use super::ageing::Ages;
use super::tally::{Read, Tally, Truth};
use super::{BYTES_PER_GHOST, BYTES_PER_ITEM, group};
use crate::{Ghost, Objective, PolicyKind};

/// Weight and cost of a key.
type Known = Option<(u32, u32)>;

/// Ghosts to be.
struct Heirs {
    ghosts: Vec<Ghost>,
    shift: u32,
    reads_left: usize,
    missed: u64,
}

/// Ghosts of one capacity.
pub(super) struct Rung {
    pub(super) capacity_bytes: u64,
    pub(super) tally: Tally,
    /// The same over a shorter time, for the capacity in force.
    pub(super) recent: Option<Tally>,
    ghosts: Vec<Ghost>,
    /// Ghosts of a larger sample that fill beside these, to take over.
    heirs: Option<Heirs>,
    shift: u32,
    most_items: usize,
    objective: Objective,
    seed: u64,
    /// Whether the counts have to wait for the next period.
    is_muted: bool,
    /// Which policies missed the read in hand, one bit each.
    missed: u64,
    /// Which policies hit it right after it came in.
    young: u64,
}

impl Rung {
    pub(super) fn new(
        objective: Objective,
        capacity_bytes: u64,
        seed: u64,
        shift: u32,
        most_items: usize,
    ) -> Self {
        let ghosts = ghosts(objective, capacity_bytes >> shift, seed);
        let tally = Tally::new(ghosts.len());
        Self {
            capacity_bytes,
            tally,
            recent: None,
            ghosts,
            heirs: None,
            shift,
            most_items,
            objective,
            seed,
            is_muted: false,
            missed: 0,
            young: 0,
        }
    }

    /// Keys with a hash below are sampled.
    pub(super) fn threshold(&self) -> u64 {
        let shift = self.heirs.as_ref().map_or(self.shift, |heirs| heirs.shift);
        u64::MAX >> shift
    }

    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    pub(super) fn rate(&self) -> f64 {
        0.5f64.powi(self.shift as i32)
    }

    /// Entries of an average ghost.
    pub(super) fn items(&self) -> f64 {
        let items: usize = self.ghosts.iter().map(Ghost::items).sum();
        items as f64 / self.ghosts.len() as f64
    }

    /// What all ghosts take. What they took when they were full they keep.
    pub(super) fn memory_bytes(&self) -> usize {
        let ghosts = self.ghosts.len() * if self.grows() { 2 } else { 1 };
        ghosts * (BYTES_PER_GHOST + self.most_items * BYTES_PER_ITEM)
    }

    /// A read, first half: which policies hit. The weight, if one knows it.
    pub(super) fn hit(&mut self, hash: u64, key: u64, known: Known) -> Option<u32> {
        self.missed = 0;
        if let Some(heirs) = &mut self.heirs {
            heirs.reads_left = heirs.reads_left.saturating_sub(1);
            heirs.missed = hit(&mut heirs.ghosts, key, known).missed;
        }
        if hash >= u64::MAX >> self.shift {
            return None;
        }
        let Hits { missed, young, held } = hit(&mut self.ghosts, key, known);
        (self.missed, self.young) = (missed, young);
        held
    }

    /// A read, second half: it counts, and the key comes in where it was
    /// missed, if its weight is known.
    pub(super) fn count(
        &mut self,
        hash: u64,
        key: u64,
        ages: Ages,
        was_missed: bool,
        known: Known,
    ) {
        if let (Some(heirs), Some(known)) = (&mut self.heirs, known) {
            insert(&mut heirs.ghosts, heirs.missed, key, known);
        }
        if hash >= u64::MAX >> self.shift {
            return;
        }
        let rate = self.rate();
        if !self.is_muted {
            let read = |age| Read {
                group: group(hash),
                counts: age / rate,
                left_out: 1.0 - rate,
                missed: self.missed,
                young: self.young,
                was_missed,
                known,
            };
            self.tally.count(&read(ages.long));
            if let Some(recent) = &mut self.recent {
                recent.count(&read(ages.short));
            }
        }
        if let (Some(known), true) = (known, self.missed != 0) {
            insert(&mut self.ghosts, self.missed, key, known);
            self.fit();
        }
    }

    /// The load after `reads` reads that all missed ended, or the caller
    /// wrote.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        key: u64,
        reads: f64,
        ages: Ages,
        known: (u32, u32),
    ) {
        let (weight, cost) = known;
        if let Some(heirs) = &mut self.heirs {
            insert(&mut heirs.ghosts, u64::MAX, key, known);
        }
        if hash >= u64::MAX >> self.shift {
            return;
        }
        if reads > 0.0 && !self.is_muted {
            let (counts, group) = (reads / self.rate(), group(hash));
            self.tally.learn(group, counts * ages.long, weight, cost);
            if let Some(recent) = &mut self.recent {
                recent.learn(group, counts * ages.short, weight, cost);
            }
        }
        insert(&mut self.ghosts, u64::MAX, key, known);
        self.fit();
    }

    pub(super) fn remove(&mut self, key: u64) {
        for ghost in self.all_ghosts() {
            ghost.remove(key);
        }
    }

    pub(super) fn clear(&mut self) {
        self.all_ghosts().for_each(Ghost::clear);
    }

    /// Halves the sample until the shift is reached.
    pub(super) fn lower(&mut self, shift: u32) {
        if self.shift >= shift {
            return;
        }
        self.heirs = None;
        self.shift = shift;
        let threshold = self.threshold();
        for ghost in &mut self.ghosts {
            ghost.retain(|key| super::unscramble(key) < threshold);
            ghost.resize(self.capacity_bytes >> shift);
        }
    }

    /// The end of a period: what the cache itself counted comes in. Doubles
    /// the sample, in time, if it has become too small and it may grow.
    pub(super) fn settle(&mut self, truth: &Truth, ages: Ages, least_shift: u32, may_grow: bool) {
        let rate = self.rate();
        for (policy, ghost) in self.ghosts.iter_mut().enumerate() {
            let evictions = ghost.take_evictions();
            self.tally.evicted(policy, evictions, ages.long, rate);
            if let Some(recent) = &mut self.recent {
                recent.evicted(policy, evictions, ages.short, rate);
            }
        }
        if !std::mem::take(&mut self.is_muted) {
            self.tally.settle(truth, ages.long);
            if let Some(recent) = &mut self.recent {
                recent.settle(truth, ages.short);
            }
        }
        self.lower(least_shift);
        if let Some(heirs) = self.heirs.take_if(|heirs| heirs.reads_left == 0) {
            self.ghosts = heirs.ghosts;
            self.shift = heirs.shift;
            self.fit();
        } else if may_grow && self.heirs.is_none() {
            self.heirs = self.beget(least_shift);
        }
    }

    /// Heirs, if the sample has become far too small for full ghosts: then by
    /// as many doublings as the ghosts can take. Not sooner, since what is
    /// small today may be large again tomorrow, and each time costs accuracy.
    fn beget(&self, least_shift: u32) -> Option<Heirs> {
        let most = self.most_items as f64;
        let items = self.items();
        if self.shift <= least_shift || items * 8.0 >= most || !is_full(&self.ghosts) {
            return None;
        }
        let doublings = (0.75 * most / items.max(1.0)).log2() as u32;
        let shift = self.shift.saturating_sub(doublings).max(least_shift);
        let ghosts = ghosts(self.objective, self.capacity_bytes >> shift, self.seed);
        // Enough to fill, and to fill again with what is worth it.
        let reads_left = (4.0 * items * f64::from(1u32 << (self.shift - shift).min(20))) as usize;
        Some(Heirs { ghosts, shift, reads_left, missed: 0 })
    }

    pub(super) fn grows(&self) -> bool {
        self.heirs.is_some()
    }

    /// Another capacity: what was counted is void.
    pub(super) fn resize(&mut self, capacity_bytes: u64) {
        self.heirs = None;
        self.capacity_bytes = capacity_bytes;
        self.ghosts.iter_mut().for_each(|ghost| ghost.resize(capacity_bytes >> self.shift));
        self.tally.clear();
        self.recent = None;
        self.is_muted = true;
    }

    fn all_ghosts(&mut self) -> impl Iterator<Item = &mut Ghost> {
        let heirs = self.heirs.iter_mut().flat_map(|heirs| &mut heirs.ghosts);
        self.ghosts.iter_mut().chain(heirs)
    }

    fn fit(&mut self) {
        while self.items() > self.most_items as f64 && self.shift < 60 {
            self.lower(self.shift + 1);
        }
    }
}

fn ghosts(objective: Objective, capacity_bytes: u64, seed: u64) -> Vec<Ghost> {
    let ghost = |&kind| Ghost::new(kind, objective, capacity_bytes, seed);
    PolicyKind::ALL.iter().map(ghost).collect()
}

/// How a read went.
struct Hits {
    /// Who missed, one bit each.
    missed: u64,
    /// Who hit an entry for the first time, right after it came in.
    young: u64,
    /// The weight that those who hit hold.
    held: Option<u32>,
}

fn hit(ghosts: &mut [Ghost], key: u64, known: Known) -> Hits {
    let mut hits = Hits { missed: 0, young: 0, held: None };
    for (number, ghost) in ghosts.iter_mut().enumerate() {
        let Some((weight, is_young)) = ghost.hit_young(key) else {
            hits.missed |= 1 << number;
            continue;
        };
        hits.young |= u64::from(is_young) << number;
        hits.held = Some(weight);
        if let Some((known, cost)) = known
            && known != weight
        {
            ghost.insert(key, known, cost);
        }
    }
    hits
}

fn insert(ghosts: &mut [Ghost], into: u64, key: u64, (weight, cost): (u32, u32)) {
    for (number, ghost) in ghosts.iter_mut().enumerate() {
        if into & (1 << number) != 0 {
            ghost.insert(key, weight, cost);
        }
    }
}

fn is_full(ghosts: &[Ghost]) -> bool {
    let used: u64 = ghosts.iter().map(Ghost::used_bytes).sum();
    let room: u64 = ghosts.iter().map(Ghost::capacity_bytes).sum();
    used > room - room / 8
}

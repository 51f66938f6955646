//! The counts behind the estimates of one capacity. They never name a key: its
//! group is all they are told.

use super::regression::{self, Control, Part, Sums};
use crate::ghost::Evictions;

/// Objects, bytes and cost, in the order of [`Ratio`](super::Ratio).
pub(super) const MEASURES: usize = 3;
pub(super) type Measures = [f64; MEASURES];

/// Hash-disjoint parts of the sample, between which errors are measured.
pub(super) const GROUPS: usize = 32;
/// Beyond one in fifty evictions that are young, all young hits are in doubt.
const DOUBTS_PER_YOUNG_EVICTION: f64 = 50.0;
type Groups = [Measures; GROUPS];

/// What was requested of the cache itself, sampled or not, and missed.
#[derive(Clone, Copy, Default)]
pub(super) struct Truth {
    pub(super) requested: Measures,
    pub(super) missed: Measures,
    pub(super) is_known: [bool; MEASURES],
}

impl Truth {
    pub(super) fn add(&mut self, more: &Self, counts: f64) {
        for measure in 0..MEASURES {
            self.requested[measure] += counts * more.requested[measure];
            self.missed[measure] += counts * more.missed[measure];
            self.is_known[measure] = more.is_known[measure];
        }
    }

    pub(super) fn scale(&mut self, factor: f64) {
        self.requested.iter_mut().chain(&mut self.missed).for_each(|sum| *sum *= factor);
    }
}

/// A read, as the tally counts it.
pub(super) struct Read {
    pub(super) group: usize,
    /// What it stands for: its age's weight, over the sampling rate.
    pub(super) counts: f64,
    /// The part of the keys that is not sampled.
    pub(super) left_out: f64,
    /// Which policies missed, one bit each.
    pub(super) missed: u64,
    /// Which policies hit an entry that had only just come in.
    pub(super) young: u64,
    /// Whether the cache itself missed.
    pub(super) was_missed: bool,
    /// Weight and cost, if known.
    pub(super) known: Option<(u32, u32)>,
}

/// What a ghost owes to entries that only just came in, aged, and what it
/// misses of those that only just went.
#[derive(Clone, Copy, Default)]
struct Youth {
    hits: f64,
    evictions: f64,
    all_evictions: f64,
    near_misses: f64,
}

/// Misses per policy and group, aged and divided by the sampling rate.
pub(super) struct Tally {
    requested: Box<Groups>,
    missed_by_cache: Box<Groups>,
    missed: Vec<Groups>,
    youth: Vec<Youth>,
    truth: Truth,
    reads: f64,
    left_out: f64,
}

impl Tally {
    pub(super) fn new(policies: usize) -> Self {
        let none = [Measures::default(); GROUPS];
        Self {
            requested: Box::new(none),
            missed_by_cache: Box::new(none),
            missed: vec![none; policies],
            youth: vec![Youth::default(); policies],
            truth: Truth::default(),
            reads: 0.0,
            left_out: 0.0,
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        (self.missed.len() + 2) * size_of::<Groups>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reads == 0.0
    }

    pub(super) fn is_exact(&self) -> bool {
        self.left_out == 0.0
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.missed.len());
    }

    pub(super) fn count(&mut self, read: &Read) {
        let Read { group, counts, missed, .. } = *read;
        self.reads += counts;
        self.left_out += counts * read.left_out;
        let (weight, cost) = read.known.unwrap_or_default();
        let measures = [counts, counts * f64::from(weight), counts * f64::from(cost)];
        add(&mut self.requested[group], &measures);
        if read.was_missed {
            add(&mut self.missed_by_cache[group], &measures);
        }
        let mut rest = missed;
        while rest != 0 {
            add(&mut self.missed[rest.trailing_zeros() as usize][group], &measures);
            rest &= rest - 1;
        }
        let mut rest = read.young;
        while rest != 0 {
            self.youth[rest.trailing_zeros() as usize].hits += counts;
            rest &= rest - 1;
        }
    }

    /// `counts` is the age's weight, and `rate` that of the sample.
    pub(super) fn evicted(&mut self, policy: usize, evictions: Evictions, counts: f64, rate: f64) {
        let youth = &mut self.youth[policy];
        youth.evictions += counts * evictions.young as f64;
        youth.all_evictions += counts * evictions.all as f64;
        youth.near_misses += counts / rate * evictions.near as f64;
    }

    /// The part of the requests that hit in a small ghost and may miss in a
    /// large cache, or the other way round, because fates are decided within
    /// a few entries, which don't shrink with the ghost.
    pub(super) fn doubt(&self, policy: usize) -> f64 {
        let Youth { hits, evictions, all_evictions, .. } = self.youth[policy];
        if self.is_exact() || all_evictions == 0.0 {
            return 0.0;
        }
        let risk = (DOUBTS_PER_YOUNG_EVICTION * evictions / all_evictions).min(1.0);
        risk * hits / self.requested(0).max(hits)
    }

    /// The part of the requests that a ghost misses and one that is larger by
    /// two square roots of its entries would hit.
    pub(super) fn near_misses(&self, policy: usize) -> f64 {
        let near = self.youth[policy].near_misses;
        near / self.requested(0).max(near).max(f64::MIN_POSITIVE)
    }

    /// Weight and cost of reads that were counted without, and that every
    /// policy missed, as the cache did.
    pub(super) fn learn(&mut self, group: usize, counts: f64, weight: u32, cost: u32) {
        let measures = [0.0, counts * f64::from(weight), counts * f64::from(cost)];
        add(&mut self.requested[group], &measures);
        add(&mut self.missed_by_cache[group], &measures);
        self.missed.iter_mut().for_each(|groups| add(&mut groups[group], &measures));
    }

    pub(super) fn settle(&mut self, truth: &Truth, counts: f64) {
        self.truth.add(truth, counts);
    }

    /// Multiplies every count: when the ageing begins anew.
    pub(super) fn scale(&mut self, factor: f64) {
        let policies = self.missed.iter_mut().flatten();
        let groups = self.requested.iter_mut().chain(self.missed_by_cache.iter_mut());
        groups.chain(policies).flatten().for_each(|sum| *sum *= factor);
        self.truth.scale(factor);
        for youth in &mut self.youth {
            youth.hits *= factor;
            youth.evictions *= factor;
            youth.all_evictions *= factor;
            youth.near_misses *= factor;
        }
        self.reads *= factor;
        self.left_out *= factor;
    }

    /// The part that a policy misses.
    pub(super) fn missed(&self, policy: usize, measure: usize) -> Part {
        self.estimate(&column(&self.missed[policy], measure), measure)
    }

    /// How much more a policy misses than another does.
    pub(super) fn difference(&self, policy: usize, other: usize, measure: usize) -> Part {
        let mut difference = column(&self.missed[policy], measure);
        let other = column(&self.missed[other], measure);
        difference.iter_mut().zip(other).for_each(|(sum, other)| *sum -= other);
        self.estimate(&difference, measure)
    }

    /// Whether anything is known in a measure.
    pub(super) fn has(&self, measure: usize) -> bool {
        self.requested.iter().any(|group| group[measure] > 0.0)
    }

    /// The part of the requests that the cache itself missed, if it is known.
    pub(super) fn missed_by_cache(&self, measure: usize) -> Option<f64> {
        let Truth { requested, missed, is_known } = self.truth;
        (is_known[measure] && requested[measure] > 0.0)
            .then(|| missed[measure] / requested[measure])
    }

    /// What was requested, by the best knowledge there is.
    pub(super) fn requested(&self, measure: usize) -> f64 {
        let sampled = total(&self.requested, measure);
        let truth = &self.truth;
        if self.is_exact() {
            sampled
        } else if truth.is_known[measure] {
            truth.requested[measure]
        } else if truth.is_known[0] {
            sampled / total(&self.requested, 0) * truth.requested[0]
        } else {
            sampled
        }
    }

    fn estimate(&self, missed: &Sums, measure: usize) -> Part {
        let requested = self.requested(measure);
        if requested <= 0.0 {
            return Part { part: 0.0, deviation: 1.0 };
        }
        if self.is_exact() {
            return Part { part: missed.iter().sum::<f64>() / requested, deviation: 0.0 };
        }
        let truth = &self.truth;
        let known = if truth.is_known[measure] { measure } else { 0 };
        let unit = total(&self.requested, measure) / total(&self.requested, known);
        let control = truth.is_known[known].then(|| Control {
            sampled: column(&self.missed_by_cache, known),
            truth: truth.missed[known],
            unit,
        });
        let mut doubtful = [0.0; GROUPS];
        if !truth.is_known[measure] {
            doubtful = column(&self.requested, measure);
            if truth.is_known[known] {
                // What one request asks for is in doubt, their number isn't.
                let counted = column(&self.requested, known);
                doubtful.iter_mut().zip(counted).for_each(|(sum, counted)| *sum -= unit * counted);
            }
        }
        let left_out = self.left_out / self.reads;
        regression::estimate(missed, control.as_ref(), requested, &doubtful, left_out)
    }
}

fn add(sums: &mut Measures, more: &Measures) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

fn total(groups: &Groups, measure: usize) -> f64 {
    groups.iter().map(|group| group[measure]).sum()
}

fn column(groups: &Groups, measure: usize) -> Sums {
    groups.map(|group| group[measure])
}

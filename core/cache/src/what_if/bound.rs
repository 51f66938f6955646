//! What no policy can exceed: the offline bound PFOO-L, over a sample of the
//! keys and for any capacity at once. It never simulates a cache.
//!
//! Source: Berger, Beckmann and Harchol-Balter, "Practical bounds on optimal
//! caching with variable object sizes", POMACS 2(2), 2018. Between two
//! requests of a key the entry must be held for the second to hit. Holding it
//! takes its size times the time: that much of the cache's capacity times all
//! time. PFOO-L hands the whole out to the intervals that take the least for
//! what they spare, as if the cache's contents could exceed its capacity for a
//! moment. No real cache can beat that.
//!
//! The sort of the paper becomes a histogram of intervals by what they take
//! per unit spared, in steps of 2^(1/16), so a bucket is cut with an error of
//! 4 % of its own content. That makes it a stream algorithm whose counts can
//! age. Sampling is SHARDS-max over all keys seen: the sum over keys is
//! additive, so unlike a ghost it needs no minimum of entries, and one sample
//! serves all capacities.

use hashbrown::HashTable;

use super::tally::{MEASURES, Measures};

/// Buckets per doubling of the price.
const STEPS: f64 = 16.0;
/// The least price is 2^-32: a weight of 1 held for one request, for a cost
/// of 2^32.
const LEAST_EXPONENT: f64 = 32.0;
/// Counts are 2^-8 of what they were when a key is forgotten.
const HALF_LIVES: f64 = 8.0;
const BUCKETS: usize = (32 + 96) * STEPS as usize;

#[derive(Clone, Copy)]
struct Seen {
    key: u64,
    hash: u64,
    at: f64,
    weight: u32,
    cost: u32,
}

/// What intervals of about one price spare, and take, in all.
#[derive(Clone, Copy, Default)]
struct Bucket {
    spared: f64,
    taken: f64,
}

/// The sampled keys, when they were last asked for, and the histograms.
pub(super) struct Bound {
    seen: HashTable<Seen>,
    most_keys: usize,
    /// Requests after which a key that wasn't asked for may be forgotten.
    horizon: f64,
    shift: u32,
    /// Requests to all keys, by the sample: only its proportions matter.
    clock: f64,
    /// The same, aged: together with a capacity what there is to hand out.
    time: f64,
    requested: Measures,
    histograms: [Vec<Bucket>; MEASURES],
}

impl Bound {
    pub(super) fn new(most_keys: usize, half_life: Option<u64>) -> Self {
        Self {
            horizon: half_life.map_or(f64::INFINITY, |requests| HALF_LIVES * requests as f64),
            seen: HashTable::with_capacity(most_keys),
            most_keys,
            shift: 0,
            clock: 0.0,
            time: 0.0,
            requested: Measures::default(),
            histograms: std::array::from_fn(|_| vec![Bucket::default(); BUCKETS]),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.seen.allocation_size() + MEASURES * BUCKETS * size_of::<Bucket>()
    }

    pub(super) fn threshold(&self) -> u64 {
        u64::MAX >> self.shift
    }

    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    pub(super) fn is_exact(&self) -> bool {
        self.shift == 0
    }

    /// A read of a key whose hash is below the threshold, with its weight and
    /// cost if known. `ageing` is what a request counts by now.
    pub(super) fn read(&mut self, key: u64, hash: u64, known: Option<(u32, u32)>, ageing: f64) {
        let all = 2f64.powi(self.shift as i32);
        self.clock += all;
        self.time += ageing * all;
        let counts = ageing * all;
        self.requested[0] += counts;
        let at = self.clock;
        let (weight, cost) = match self.seen.find_mut(key, |seen| seen.key == key) {
            Some(seen) => {
                let before = *seen;
                seen.at = at;
                if let Some((weight, cost)) = known {
                    (seen.weight, seen.cost) = (weight, cost);
                }
                let now = *seen;
                self.interval(&before, at, counts);
                (now.weight, now.cost)
            }
            None => {
                let (weight, cost) = known.unwrap_or_default();
                let seen = Seen { key, hash, at, weight, cost };
                self.seen.insert_unique(key, seen, |seen| seen.key);
                if self.seen.len() >= self.most_keys {
                    self.shrink();
                }
                (weight, cost)
            }
        };
        self.requested[1] += counts * f64::from(weight);
        self.requested[2] += counts * f64::from(cost);
    }

    /// Weight and cost of a key become known; they were not at its last
    /// `reads` reads.
    pub(super) fn learn(&mut self, key: u64, weight: u32, cost: u32, reads: f64, ageing: f64) {
        if let Some(seen) = self.seen.find_mut(key, |seen| seen.key == key) {
            (seen.weight, seen.cost) = (weight, cost);
            let counts = reads * ageing * 2f64.powi(self.shift as i32);
            self.requested[1] += counts * f64::from(weight);
            self.requested[2] += counts * f64::from(cost);
        }
    }

    /// What loading a key cost when it was last loaded.
    pub(super) fn cost(&self, key: u64) -> Option<u32> {
        self.seen.find(key, |seen| seen.key == key).map(|seen| seen.cost)
    }

    /// The entry can't be held across its removal.
    pub(super) fn remove(&mut self, key: u64) {
        if let Ok(found) = self.seen.find_entry(key, |seen| seen.key == key) {
            found.remove();
        }
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }

    /// Halves the sample until the shift is reached.
    pub(super) fn lower(&mut self, shift: u32) {
        self.shift = self.shift.max(shift);
        let threshold = self.threshold();
        self.seen.retain(|seen| seen.hash < threshold);
    }

    /// Multiplies every count: when the ageing begins anew.
    pub(super) fn scale(&mut self, factor: f64) {
        self.time *= factor;
        self.requested.iter_mut().for_each(|sum| *sum *= factor);
        for bucket in self.histograms.iter_mut().flatten() {
            bucket.spared *= factor;
            bucket.taken *= factor;
        }
    }

    /// What would still be missed at best, and what was requested, both by
    /// the sample and in each measure.
    pub(super) fn missed(&self, capacity_bytes: u64) -> [(f64, f64); MEASURES] {
        std::array::from_fn(|measure| {
            let mut left = capacity_bytes as f64 * self.time;
            let mut spared = 0.0;
            for bucket in &self.histograms[measure] {
                if bucket.taken > left {
                    spared += bucket.spared * left / bucket.taken;
                    break;
                }
                left -= bucket.taken;
                spared += bucket.spared;
            }
            let requested = self.requested[measure];
            ((requested - spared).max(0.0), requested)
        })
    }

    fn shrink(&mut self) {
        let oldest = self.clock - self.horizon;
        self.seen.retain(|seen| seen.at >= oldest);
        // At least a quarter goes, so that this comes seldom.
        if self.seen.len() > self.most_keys / 4 * 3 {
            self.lower(self.shift + 1);
        }
    }

    fn interval(&mut self, before: &Seen, now: f64, counts: f64) {
        let takes = (now - before.at) * f64::from(before.weight.max(1));
        let spares = [1.0, f64::from(before.weight), f64::from(before.cost)];
        for (histogram, spares) in self.histograms.iter_mut().zip(spares) {
            if spares > 0.0 {
                let exponent = (takes / spares).log2() + LEAST_EXPONENT;
                let bucket = ((exponent.max(0.0) * STEPS) as usize).min(BUCKETS - 1);
                histogram[bucket].spared += counts * spares;
                histogram[bucket].taken += counts * takes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratios(bound: &Bound, capacity_bytes: u64) -> [f64; MEASURES] {
        bound.missed(capacity_bytes).map(|(missed, requested)| 1.0 - missed / requested)
    }

    /// Worked by hand: a loop over four keys of weight 10, 100 rounds. With
    /// room for one, PFOO-L takes a quarter of the intervals, of which there
    /// are 396, and a little more: open ends take nothing.
    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn a_loop_hits_in_proportion_to_the_room() {
        let mut bound = Bound::new(100, None);
        for request in 0..400u64 {
            bound.read(request % 4, request % 4, Some((10, 1)), 1.0);
        }
        let [objects, bytes, cost] = ratios(&bound, 10);
        assert!((objects - 0.25).abs() < 1e-9, "{objects}");
        assert!((bytes - objects).abs() < 1e-9 && (cost - objects).abs() < 1e-9);
        assert!((ratios(&bound, 40)[0] - 0.99).abs() < 1e-9);
        assert_eq!(ratios(&bound, 0)[0], 0.0);
    }

    /// Two keys in turn, one a hundred times as heavy: for objects the light
    /// one is held, for bytes neither is worth more per byte.
    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn light_objects_come_first_for_objects() {
        let mut bound = Bound::new(100, None);
        for _ in 0..1000 {
            bound.read(1, 1, Some((10, 1)), 1.0);
            bound.read(2, 2, Some((1000, 1)), 1.0);
        }
        let [objects, bytes, _] = ratios(&bound, 10);
        assert!(objects > 0.499 && bytes < 0.011, "{objects} {bytes}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn the_sample_halves_and_the_bound_stays_about_the_same() {
        let mix = |key: u64| key.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (key << 7);
        let (mut exact, mut sampled) = (Bound::new(10_000, None), Bound::new(1000, None));
        for request in 0..100_000u64 {
            let key = mix(request % 5000);
            exact.read(key, key, Some((10, 1)), 1.0);
            if key < sampled.threshold() {
                sampled.read(key, key, Some((10, 1)), 1.0);
            }
        }
        assert!(exact.is_exact() && !sampled.is_exact() && sampled.seen.len() < 1000);
        let off = ratios(&exact, 10_000)[0] - ratios(&sampled, 10_000)[0];
        assert!(off.abs() < 0.02, "{off}");
    }
}

//! The estimates of a sample, held against simulations of all requests.

use larder_cache::what_if::{Event, Settings, Totals, WhatIf};
use larder_cache::{Ghost, Objective, PolicyKind};

const WEIGHT: u32 = 100;
const REQUESTS: u64 = 200_000;
const KEYS: f64 = 100_000.0;

/// SplitMix64's output function.
fn mix(key: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Hashes of keys drawn by Zipf's law with an exponent of 1: the logarithm of
/// the rank is uniform.
fn stream(seed: u64) -> impl Iterator<Item = u64> {
    (0..REQUESTS).map(move |n| {
        let uniform = (mix(n ^ mix(seed)) >> 11) as f64 / (1u64 << 53) as f64;
        mix(KEYS.powf(uniform) as u64 ^ mix(!seed))
    })
}

#[test]
fn sampled_estimates_are_within_their_errors() {
    for seed in [1] {
        let capacity_bytes = 8000 * u64::from(WEIGHT);
        let settings = Settings { capacity_bytes, half_life: None, seed, ..Settings::default() };
        let mut what_if = WhatIf::new(settings);
        let mut cache = Ghost::new(PolicyKind::Lru, Objective::Objects, capacity_bytes, seed);
        let mut totals = Totals::default();
        for (n, hash) in stream(seed).enumerate() {
            let weight = cache.hit(hash);
            totals.requests += 1;
            totals.hits += u64::from(weight.is_some());
            if hash < what_if.threshold() {
                what_if.observe(&[Event::Read { hash, weight, cost: 1 }]);
            }
            if weight.is_none() {
                cache.insert(hash, WEIGHT, 1);
                if hash < what_if.threshold() {
                    what_if.observe(&[Event::Insert { hash, weight: WEIGHT, cost: 1 }]);
                }
            }
            if n % 1000 == 999 {
                what_if.step(Some(totals));
            }
        }
        let report = what_if.report();
        assert_eq!(report.requests_seen, REQUESTS);
        assert!(report.rungs.last().is_some_and(|rung| rung.rate < 0.1), "seed {seed}");
        let (mut cells, mut covered, mut off) = (0.0, 0.0, 0.0);
        for rung in report.rungs.iter().filter(|rung| rung.rate < 1.0) {
            for estimate in &rung.estimates {
                let mut ghost =
                    Ghost::new(estimate.policy, Objective::Objects, rung.capacity_bytes, seed);
                let hits = stream(seed).filter(|&hash| ghost.request(hash, WEIGHT, 1)).count();
                let error = (estimate.hits.objects - hits as f64 / REQUESTS as f64).abs();
                assert!(error < 0.03, "seed {seed}: {estimate:?}");
                assert!(rung.bound.objects >= estimate.hits.objects);
                cells += 1.0;
                off += error;
                covered += f64::from(error <= estimate.error.objects);
            }
        }
        assert!(off / cells < 0.01, "seed {seed}: {}", off / cells);
        // Nineteen of twenty are promised; the cells of a sample err together.
        assert!(covered / cells >= 0.85, "seed {seed}: {covered} of {cells}");
    }
}

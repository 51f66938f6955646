//! Small streams, by hand.

use super::*;
use crate::{Ghost, Objective};

const WEIGHT: u32 = 10;

/// SplitMix64's output function: as mixed as keys' hashes are.
fn mix(key: u64) -> u64 {
    let mut mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A cache and the what-if that watches it.
struct Watched {
    cache: Ghost,
    what_if: WhatIf,
    totals: Totals,
}

impl Watched {
    fn new(settings: Settings) -> Self {
        let Settings { policy, objective, capacity_bytes, seed, .. } = settings;
        let cache = Ghost::new(policy, objective, capacity_bytes, seed);
        Self { cache, what_if: WhatIf::new(settings), totals: Totals::default() }
    }

    fn read(&mut self, hash: u64, weight: u32) {
        let held = self.cache.hit(hash);
        self.totals.requests += 1;
        self.totals.hits += u64::from(held.is_some());
        self.what_if.observe(&[Event::Read { hash, weight: held, cost: 1 }]);
        if held.is_none() {
            self.cache.insert(hash, weight, 1);
            self.what_if.observe(&[Event::Insert { hash, weight, cost: 1 }]);
        }
    }

    fn step(&mut self) {
        self.what_if.step(Some(self.totals));
    }

    fn hits(&self, rung: usize, policy: PolicyKind) -> Ratio {
        self.what_if.report().rungs[rung].estimate(policy).expect("all are there").hits
    }
}

fn settings(capacity_bytes: u64) -> Settings {
    Settings { capacity_bytes, half_life: None, recent_half_life: None, ..Settings::default() }
}

/// 20 000 reads of 800 keys, some far more often than others.
fn skewed() -> impl Iterator<Item = (u64, u32)> {
    (0..20_000u64).map(|n| {
        let key = mix(n) % (1 + mix(n ^ 0xabcd) % 800);
        (mix(key), 5 + (key % 30) as u32)
    })
}

#[test]
fn while_everything_is_simulated_the_estimates_are_exact() {
    let mut watched = Watched::new(settings(1600));
    skewed().for_each(|(hash, weight)| watched.read(hash, weight));
    watched.step();
    let report = watched.what_if.report();
    assert_eq!((report.rungs.len(), report.now.rung, report.sampled), (9, 4, 20_000));
    for rung in &report.rungs {
        assert_eq!(rung.rate, 1.0);
        for estimate in &rung.estimates {
            let mut ghost = Ghost::new(estimate.policy, Objective::Objects, rung.capacity_bytes, 0);
            let (mut hits, mut hit_bytes, mut bytes) = (0, 0, 0);
            for (hash, weight) in skewed() {
                bytes += u64::from(weight);
                if ghost.request(hash, weight, 1) {
                    hits += 1;
                    hit_bytes += u64::from(weight);
                }
            }
            let Estimate { policy, hits: estimated, error } = *estimate;
            let off = (estimated.objects - f64::from(hits) / 20_000.0).abs();
            let bytes_off = (estimated.bytes - hit_bytes as f64 / bytes as f64).abs();
            assert!(off < 1e-12 && bytes_off < 1e-12, "{policy} {estimated:?}");
            assert_eq!(error, Ratio::default());
            assert!(rung.bound.objects >= estimated.objects, "{policy}");
        }
    }
    let measured = watched.totals.hits as f64 / 20_000.0;
    assert!(report.measured.is_some_and(|ratio| (ratio - measured).abs() < 1e-12));
    let present = report.present().expect("it is on the ladder").hits.objects;
    assert!((present - measured).abs() < 1e-12);
}

#[test]
fn the_past_fades_with_the_half_life() {
    for (half_life, least, most) in [(None, 0.49, 0.51), (Some(1000), 0.0, 0.05)] {
        let mut watched = Watched::new(Settings { half_life, ..settings(1000) });
        for n in 0..20_000 {
            // One key for half the time, then none twice.
            let key = if n < 10_000 { 0 } else { n };
            watched.read(mix(key), WEIGHT);
            if n % 100 == 99 {
                watched.step();
            }
        }
        let hits = watched.hits(4, PolicyKind::Lru).objects;
        assert!((least..=most).contains(&hits), "{half_life:?}: {hits}");
    }
}

#[test]
fn large_caches_are_sampled_within_the_memory() {
    let mut watched = Watched::new(settings(50_000 * u64::from(WEIGHT)));
    let mut most = 0;
    for n in 0..80_000u64 {
        let hash = mix(mix(n) % 60_000);
        if hash < watched.what_if.threshold() {
            watched.read(hash, WEIGHT);
        }
        if n % 5000 == 0 {
            watched.step();
            most = most.max(watched.what_if.memory_bytes());
        }
    }
    assert!(most <= 8_000_000, "{most}");
    assert!(watched.what_if.threshold() <= u64::MAX / 2);
    let report = watched.what_if.report();
    let rates: Vec<f64> = report.rungs.iter().map(|rung| rung.rate).collect();
    assert!(rates.is_sorted_by(|a, b| a >= b), "{rates:?}");
    for rung in &watched.what_if.rungs {
        let most = watched.what_if.most_items as f64;
        assert!(rung.items() <= most && rung.items() * 4.0 > most);
    }
}

/// A loop over twice what fits: LRU never hits, and would with twice the
/// memory.
#[test]
fn a_loop_gives_a_recommendation() {
    let mut watched = Watched::new(settings(100 * u64::from(WEIGHT)));
    for n in 0..10_000 {
        watched.read(mix(n % 200), WEIGHT);
    }
    watched.step();
    let advice = watched.what_if.report().recommendation.expect("anything is better than LRU");
    assert!(advice.policy != PolicyKind::Lru && advice.ratio > 0.1, "{advice:?}");
    assert_eq!((advice.present_policy, advice.present_ratio), (PolicyKind::Lru, 0.0));
    assert!(advice.memory_factor.is_some_and(|factor| factor > 1.0 && factor <= 2.0));
    let standings = watched.what_if.standings();
    let lead = standings.policies.iter().find(|standing| standing.policy == advice.policy);
    assert!(lead.is_some_and(|lead| (lead.gain - advice.ratio).abs() < 1e-9 && lead.error == 0.0));
    watched.what_if.reconfigure(100 * u64::from(WEIGHT), advice.policy);
    assert_eq!(watched.what_if.report().recommendation, None, "it has the best now");
}

#[test]
fn the_recommendation_is_a_sentence() {
    let mut advice = Recommendation {
        objective: Objective::Objects,
        policy: PolicyKind::S3Fifo,
        ratio: 0.812,
        present_policy: PolicyKind::Lru,
        present_ratio: 0.721,
        memory_factor: Some(2.31),
        top_factor: 16.0,
    };
    assert_eq!(
        advice.to_string(),
        "S3-FIFO at the same size: 81 % instead of 72 %; LRU would need 2.3× the memory for that"
    );
    advice.objective = Objective::Bytes;
    advice.ratio = 0.735;
    advice.memory_factor = None;
    assert_eq!(
        advice.to_string(),
        "S3-FIFO at the same size: 73.5 % instead of 72.1 % of the bytes; LRU would not get \
         there with 16× the memory"
    );
}

#[test]
fn another_capacity_keeps_what_still_counts() {
    let mut watched = Watched::new(settings(1600));
    skewed().for_each(|(hash, weight)| watched.read(hash, weight));
    watched.step();
    let before = watched.what_if.report();
    watched.what_if.reconfigure(3200, PolicyKind::Sieve);
    let after = watched.what_if.report();
    assert_eq!((after.now.rung, after.now.policy), (4, PolicyKind::Sieve));
    for (rung, before) in after.rungs.iter().zip(&before.rungs[1..]) {
        assert_eq!(rung.capacity_bytes, before.capacity_bytes);
        assert_eq!(rung.estimates, before.estimates);
    }
    let new = after.rungs[8].estimate(PolicyKind::Lru).expect("all are there");
    assert_eq!((new.hits.objects, new.error.objects), (0.0, 1.0), "it has to be seen first");
    watched.what_if.reconfigure(0, PolicyKind::Sieve);
    watched.read(mix(1), WEIGHT);
    watched.what_if.reconfigure(7, PolicyKind::Sieve);
    watched.read(mix(1), WEIGHT);
    watched.step();
    assert_eq!(watched.what_if.report().rungs.len(), 7, "7 / 16 and 7 / 8 hold nothing");
}

#[test]
fn what_is_removed_is_missed() {
    let mut watched = Watched::new(settings(1000));
    let clear = Event::Clear;
    let remove = Event::Remove { hash: mix(1) };
    for (event, hits) in [(None, 0.5), (Some(remove), 0.25), (Some(clear), 1.0 / 6.0)] {
        watched.read(mix(1), WEIGHT);
        event.iter().for_each(|&event| watched.what_if.observe(&[event]));
        watched.read(mix(1), WEIGHT);
        watched.cache.clear();
        watched.what_if.observe(&[Event::Clear]);
        let estimated = watched.hits(4, PolicyKind::Lru).objects;
        assert!((estimated - hits).abs() < 1e-9, "{event:?}: {estimated}");
    }
}

/// The load of a miss that nobody can weigh before takes until the insert.
#[test]
fn bytes_count_when_they_are_known() {
    let mut what_if = WhatIf::new(settings(1000));
    let read = |weight| Event::Read { hash: mix(1), weight, cost: 1 };
    what_if.observe(&[read(None), read(None)]);
    let missed = what_if.report().rungs[4].estimates[0].hits;
    assert_eq!((missed.objects, missed.bytes), (0.0, 0.0));
    what_if.observe(&[Event::Insert { hash: mix(1), weight: WEIGHT, cost: 1 }]);
    what_if.observe(&[read(Some(WEIGHT)), read(Some(2 * WEIGHT))]);
    let hits = what_if.report().rungs[4].estimates[0].hits;
    assert_eq!((hits.objects, hits.bytes), (0.5, 0.6));
}

#[test]
fn less_can_be_sampled() {
    let mut watched = Watched::new(Settings { max_rate: 0.5, ..settings(100_000) });
    assert_eq!(watched.what_if.threshold(), u64::MAX / 2);
    watched.what_if.limit_rate(0.1);
    assert_eq!(watched.what_if.threshold(), u64::MAX >> 4);
    for n in 0..1000 {
        watched.read(mix(n), WEIGHT);
    }
    let sampled = watched.what_if.report().sampled;
    assert!((20..120).contains(&sampled), "{sampled}");
    watched.what_if.limit_rate(1.0);
    watched.step();
    assert!(watched.what_if.threshold() > u64::MAX >> 4, "the smallest are full");
}

/// A sample that has become too small for a smaller cache grows again.
#[test]
fn samples_grow_back() {
    let small = Settings { memory_bytes: 2_000_000, ..settings(100_000) };
    let mut watched = Watched::new(small);
    let play = |watched: &mut Watched| {
        for n in 0..40_000u64 {
            let hash = mix(mix(n) % 10_000);
            if hash < watched.what_if.threshold() {
                watched.read(hash, WEIGHT);
            }
            if n % 1000 == 0 {
                watched.step();
            }
        }
    };
    play(&mut watched);
    let before = watched.what_if.report().rungs[4].rate;
    watched.what_if.reconfigure(2000, PolicyKind::Lru);
    play(&mut watched);
    let after = watched.what_if.report().rungs[4].rate;
    assert!(after >= 4.0 * before, "{before} {after}");
}

#[test]
fn the_past_of_the_cache_does_not_count() {
    let mut watched = Watched::new(settings(1600));
    watched.totals = Totals { requests: 1_000_000, hits: 1_000_000, ..Totals::default() };
    watched.step();
    skewed().for_each(|(hash, weight)| watched.read(hash, weight));
    watched.step();
    let report = watched.what_if.report();
    assert_eq!(report.requests_seen, 1_020_000);
    let present = report.present().expect("it is on the ladder").hits.objects;
    assert!(report.measured.is_some_and(|ratio| (ratio - present).abs() < 1e-9));
}

/// Half of the events get lost, and the cache's counts know nothing of it.
#[test]
fn lost_events_are_no_hits() {
    let mut watched = Watched::new(Settings { max_rate: 0.5, ..settings(1600) });
    for (number, (hash, weight)) in skewed().enumerate() {
        let held = watched.cache.hit(hash);
        watched.totals.requests += 1;
        watched.totals.hits += u64::from(held.is_some());
        let is_sampled = hash < watched.what_if.threshold();
        let is_lost = number % 2 == 0;
        watched.totals.lost += u64::from(is_sampled && is_lost);
        if is_sampled && !is_lost {
            watched.what_if.observe(&[Event::Read { hash, weight: held, cost: 1 }]);
        }
        if held.is_none() {
            watched.cache.insert(hash, weight, 1);
            watched.what_if.observe(&[Event::Insert { hash, weight, cost: 1 }]);
        }
    }
    watched.step();
    let measured = watched.totals.hits as f64 / watched.totals.requests as f64;
    let estimated = watched.hits(4, PolicyKind::Lru).objects;
    assert!((estimated - measured).abs() < 0.05, "{estimated} {measured}");
}

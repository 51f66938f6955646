//! Random operations on the cache and on a plain model of it, with a recount
//! after every step. A failing sequence is shrunk and printed.

mod bytes;
mod model;

use larder_cache::{Cache, Config, Objective, PolicyKind};
use proptest::prelude::*;

use model::{Blob, KEYS, Key, Model, Step, entry};

/// Half of the blobs weigh little, some more than most capacities.
fn weight() -> impl Strategy<Value = u64> {
    prop_oneof![0..50u64, 0..1000u64, 0..8000u64]
}

fn capacity() -> impl Strategy<Value = u64> {
    prop_oneof![0..1000u64, 1000..8000u64]
}

fn items() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![3 => Just(None), 1 => (0..12u64).prop_map(Some)]
}

fn objective() -> impl Strategy<Value = Objective> {
    prop::sample::select(Objective::ALL)
}

fn policy() -> impl Strategy<Value = PolicyKind> {
    prop::sample::select(PolicyKind::ALL)
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    // With more keys than are looked up together, twice the same, and none.
    let keys = || prop::collection::vec(0..KEYS, 0..40);
    prop_oneof![
        6 => key.clone().prop_map(Step::Get),
        1 => key.clone().prop_map(Step::Peek),
        2 => keys().prop_map(Step::GetMany),
        1 => keys().prop_map(Step::ReadMany),
        6 => (key.clone(), weight()).prop_map(|(key, weight)| Step::Insert(key, weight)),
        2 => key.clone().prop_map(Step::Invalidate),
        1 => Just(Step::Clear),
        1 => (capacity(), items(), policy()).prop_map(|(c, i, p)| Step::Reconfigure(c, i, p)),
        1 => objective().prop_map(Step::Pursue),
        8 => key.prop_map(Step::Lookup),
        4 => (any::<usize>(), weight()).prop_map(|(n, weight)| Step::Fill(n, weight)),
        1 => any::<usize>().prop_map(Step::Share),
        1 => any::<usize>().prop_map(Step::Drop),
    ]
}

fn settings(cases: u32) -> ProptestConfig {
    // Miri takes a thousand times as long.
    let cases = if cfg!(miri) { 2 } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings(300))]

    #[test]
    fn the_cache_does_what_the_model_does(
        capacity_bytes in capacity(),
        max_items in items(),
        policy in policy(),
        objective in objective(),
        shards in prop::sample::select(vec![1usize, 2, 8]),
        seed: u64,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let config = Config { capacity_bytes, max_items, policy, objective, shards, seed };
        let mut model = Model::new(config);
        for step in &steps {
            model.play(step);
        }
    }
}

/// As the fuzzer does, whose finds can be pasted here.
#[test]
fn bytes_are_operations_too() {
    let mut dice = 1u64;
    let mut steps = 0;
    for _ in 0..if cfg!(miri) { 3 } else { 1000 } {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) as u8
        })
        .take(200)
        .collect();
        steps += bytes::play(&bytes);
    }
    assert!(cfg!(miri) || steps > 40_000, "{steps}");
}

/// Each policy takes over from each, under each objective, and back.
#[test]
#[cfg_attr(miri, ignore = "takes Miri too long")]
fn every_policy_takes_over_from_every_other() {
    let capacity_bytes = 8 * entry(100);
    for &policy in PolicyKind::ALL {
        for &next in PolicyKind::ALL {
            let config = Config { capacity_bytes, policy, shards: 1, ..Config::default() };
            let mut model = Model::new(config);
            (0..KEYS).for_each(|key| model.play(&Step::Insert(key, 40 + 8 * u64::from(key))));
            for &objective in Objective::ALL {
                model.play(&Step::Pursue(objective));
                for (policy, share) in [(next, 1), (policy, 2), (next, 2), (policy, 1)] {
                    model.play(&Step::GetMany((0..KEYS).collect()));
                    model.play(&Step::Reconfigure(capacity_bytes / share, None, policy));
                    (0..KEYS / 2).for_each(|key| model.play(&Step::Insert(key, 100)));
                    model.play(&Step::Invalidate(1));
                }
                model.play(&Step::Clear);
                (0..KEYS).for_each(|key| model.play(&Step::Insert(key, 60)));
            }
        }
    }
}

proptest! {
    #![proptest_config(settings(200))]

    /// With one shard, LRU and FIFO hold exactly the entries that a plain list
    /// of them would, to the byte.
    #[test]
    fn one_shard_evicts_in_exact_order(
        by_use: bool,
        capacity_bytes in 500..8000u64,
        max_items in prop_oneof![Just(None), (1..12u64).prop_map(Some)],
        steps in prop::collection::vec((0..KEYS, weight(), 0..3u8), 1..200),
    ) {
        let policy = if by_use { PolicyKind::Lru } else { PolicyKind::Fifo };
        let cache: Cache<Blob> = Cache::new(Config { capacity_bytes, max_items, policy, shards: 1, seed: 1, ..Config::default() });
        // Oldest first.
        let mut list: Vec<(Key, u64)> = Vec::new();
        for (key, weight, verb) in steps {
            let place = list.iter().position(|&(other, _)| other == key);
            if verb == 0 {
                prop_assert_eq!(cache.get(&[key]).is_some(), place.is_some());
                if let (Some(place), true) = (place, by_use) {
                    let used = list.remove(place);
                    list.push(used);
                }
            } else {
                // New keys only: where a replaced entry stands is for the
                // model above.
                cache.invalidate(&[key]);
                list.retain(|&(other, _)| other != key);
                cache.insert(&[key], Blob { version: 0, weight });
                if entry(weight) <= capacity_bytes {
                    list.push((key, weight));
                }
                let bytes = |list: &[(Key, u64)]| list.iter().map(|&(_, w)| entry(w)).sum::<u64>();
                while bytes(&list) > capacity_bytes || list.len() as u64 > max_items.unwrap_or(u64::MAX) {
                    list.remove(0);
                }
            }
            let mut expected: Vec<Key> = list.iter().map(|&(key, _)| key).collect();
            expected.sort_unstable();
            let mut held: Vec<Key> = cache.keys().iter().map(|key| key[0]).collect();
            held.sort_unstable();
            prop_assert_eq!(held, expected);
            cache.validate();
        }
    }
}

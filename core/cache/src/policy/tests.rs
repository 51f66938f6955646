//! Every deterministic policy against a slow model written from its paper: the
//! same calls must give the same victims.

use proptest::prelude::*;

use super::{AnyPolicy, Item, Policy, PolicyKind, Slot};

/// An item as most objectives see it.
fn item(weight: u32, fingerprint: u32) -> Item {
    Item { weight, cost: 1, fingerprint }
}

/// A policy as plainly as it can be said; index 0 is the oldest.
trait Model {
    fn insert(&mut self, slot: Slot, item: Item);
    fn hit(&mut self, slot: Slot);
    fn remove(&mut self, slot: Slot);
    fn evict(&mut self) -> Option<Slot>;
    fn reweigh(&mut self, _slot: Slot, _item: Item) {}
}

fn place(queue: &[Slot], slot: Slot) -> usize {
    let found = queue.iter().position(|&other| other == slot);
    found.expect("the test names slots in use")
}

struct Queue {
    slots: Vec<Slot>,
    moves_on_hit: bool,
}

impl Model for Queue {
    fn insert(&mut self, slot: Slot, _item: Item) {
        self.slots.push(slot);
    }

    fn hit(&mut self, slot: Slot) {
        if self.moves_on_hit {
            self.remove(slot);
            self.slots.push(slot);
        }
    }

    fn remove(&mut self, slot: Slot) {
        self.slots.remove(place(&self.slots, slot));
    }

    fn evict(&mut self) -> Option<Slot> {
        (!self.slots.is_empty()).then(|| self.slots.remove(0))
    }
}

/// A real ring with a real hand; newcomers stand right behind it.
#[derive(Default)]
struct Ring {
    slots: Vec<Slot>,
    uses: Vec<u8>,
    hand: usize,
}

impl Model for Ring {
    fn insert(&mut self, slot: Slot, _item: Item) {
        self.slots.insert(self.hand, slot);
        self.uses.insert(self.hand, 0);
        self.hand = (self.hand + 1) % self.slots.len();
    }

    fn hit(&mut self, slot: Slot) {
        let place = place(&self.slots, slot);
        self.uses[place] = 3.min(self.uses[place] + 1);
    }

    fn remove(&mut self, slot: Slot) {
        let place = place(&self.slots, slot);
        self.slots.remove(place);
        self.uses.remove(place);
        if place < self.hand {
            self.hand -= 1;
        }
        self.hand %= self.slots.len().max(1);
    }

    fn evict(&mut self) -> Option<Slot> {
        if self.slots.is_empty() {
            return None;
        }
        while self.uses[self.hand] > 0 {
            self.uses[self.hand] -= 1;
            self.hand = (self.hand + 1) % self.slots.len();
        }
        let slot = self.slots[self.hand];
        self.remove(slot);
        Some(slot)
    }
}

/// Algorithm 1 of the SIEVE paper, the hand being a place in the queue.
#[derive(Default)]
struct Sieve {
    slots: Vec<Slot>,
    visited: Vec<Slot>,
    hand: usize,
}

impl Model for Sieve {
    fn insert(&mut self, slot: Slot, _item: Item) {
        self.slots.push(slot);
        // A hand that had passed the newest starts over at the oldest, even
        // if somebody newer has come since.
        if self.hand == self.slots.len() - 1 {
            self.hand = 0;
        }
    }

    fn hit(&mut self, slot: Slot) {
        self.visited.push(slot);
    }

    fn remove(&mut self, slot: Slot) {
        let place = place(&self.slots, slot);
        self.slots.remove(place);
        self.visited.retain(|&other| other != slot);
        if place < self.hand {
            self.hand -= 1;
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        if self.slots.is_empty() {
            return None;
        }
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = self.slots[self.hand];
            if !self.visited.contains(&slot) {
                self.remove(slot);
                return Some(slot);
            }
            self.visited.retain(|&other| other != slot);
            self.hand += 1;
        }
    }
}

#[derive(Clone, Copy)]
struct Record {
    slot: Slot,
    weight: u32,
    fingerprint: u32,
    uses: u8,
}

/// Algorithm 1 of the S3-FIFO paper, with the deviations that `s3_fifo.rs`
/// names. A ghost that came back is a `None` that keeps its place.
#[derive(Default)]
struct S3Fifo {
    small: Vec<Record>,
    main: Vec<Record>,
    ghosts: Vec<Option<u32>>,
}

impl S3Fifo {
    fn record(&mut self, slot: Slot) -> &mut Record {
        let mut records = self.small.iter_mut().chain(&mut self.main);
        let found = records.find(|record| record.slot == slot);
        found.expect("the test names slots in use")
    }

    fn recall(&mut self, fingerprint: u32) -> bool {
        let found = self.ghosts.iter_mut().find(|g| **g == Some(fingerprint));
        found.map(|ghost| *ghost = None).is_some()
    }
}

impl Model for S3Fifo {
    fn insert(&mut self, slot: Slot, Item { weight, fingerprint, .. }: Item) {
        let record = Record { slot, weight, fingerprint, uses: 0 };
        if self.recall(fingerprint) {
            self.main.push(record);
        } else {
            self.small.push(record);
        }
    }

    fn hit(&mut self, slot: Slot) {
        let record = self.record(slot);
        record.uses = 3.min(record.uses + 1);
    }

    fn remove(&mut self, slot: Slot) {
        self.small.retain(|record| record.slot != slot);
        self.main.retain(|record| record.slot != slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        let entries = self.small.len() + self.main.len();
        loop {
            let bytes = |queue: &[Record]| queue.iter().map(|r| u64::from(r.weight)).sum::<u64>();
            let (small, main) = (bytes(&self.small), bytes(&self.main));
            if self.main.is_empty() || small > (small + main) / 10 {
                if self.small.is_empty() {
                    return None;
                }
                let record = self.small.remove(0);
                if record.uses > 1 {
                    self.main.push(Record { uses: 0, ..record });
                    continue;
                }
                self.recall(record.fingerprint);
                self.ghosts.push(Some(record.fingerprint));
                while self.ghosts.len() > (entries * 9).div_ceil(10) {
                    self.ghosts.remove(0);
                }
                return Some(record.slot);
            }
            let record = self.main.remove(0);
            if record.uses == 0 {
                return Some(record.slot);
            }
            let uses = record.uses - 1;
            self.main.push(Record { uses, ..record });
        }
    }

    fn reweigh(&mut self, slot: Slot, Item { weight, .. }: Item) {
        self.record(slot).weight = weight;
    }
}

fn model(kind: PolicyKind) -> Option<Box<dyn Model>> {
    let queue = |moves_on_hit| Box::new(Queue { slots: Vec::new(), moves_on_hit });
    Some(match kind {
        PolicyKind::Lru => queue(true),
        PolicyKind::Fifo => queue(false),
        PolicyKind::Clock => Box::new(Ring::default()),
        PolicyKind::Sieve => Box::new(Sieve::default()),
        PolicyKind::S3Fifo => Box::new(S3Fifo::default()),
        PolicyKind::Random => return None,
    })
}

#[derive(Clone, Debug)]
enum Step {
    /// Insert a key unless it is there; else hit it.
    Read(u32, u32),
    Remove(u32),
    Reweigh(u32, u32),
    Evict,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..24u32;
    let weight = 1..50u32;
    prop_oneof![
        12 => (key.clone(), weight.clone()).prop_map(|(key, weight)| Step::Read(key, weight)),
        1 => key.clone().prop_map(Step::Remove),
        1 => (key, weight).prop_map(|(key, weight)| Step::Reweigh(key, weight)),
        5 => Just(Step::Evict),
    ]
}

/// Gives slots to keys as a table does, lowest first, and plays the steps on
/// policy and model.
fn play(kind: PolicyKind, steps: &[Step]) -> Result<(), TestCaseError> {
    let Some(mut model) = model(kind) else {
        return Ok(());
    };
    let mut policy = kind.build(0);
    let mut keys: Vec<Option<u32>> = Vec::new();
    let drain = std::iter::repeat_n(&Step::Evict, 30);
    for step in steps.iter().chain(drain) {
        let find = |key: u32| keys.iter().position(|&other| other == Some(key));
        match *step {
            Step::Read(key, weight) => {
                if let Some(slot) = find(key) {
                    policy.hit(slot as Slot);
                    model.hit(slot as Slot);
                } else {
                    let vacant = keys.iter().position(Option::is_none);
                    let slot = vacant.unwrap_or(keys.len());
                    keys.resize(keys.len().max(slot + 1), None);
                    keys[slot] = Some(key);
                    policy.insert(slot as Slot, item(weight, key));
                    model.insert(slot as Slot, item(weight, key));
                }
            }
            Step::Remove(key) => {
                if let Some(slot) = find(key) {
                    keys[slot] = None;
                    policy.remove(slot as Slot);
                    model.remove(slot as Slot);
                }
            }
            Step::Reweigh(key, weight) => {
                if let Some(slot) = find(key) {
                    policy.reweigh(slot as Slot, item(weight, key));
                    model.reweigh(slot as Slot, item(weight, key));
                }
            }
            Step::Evict => {
                let victim = policy.evict();
                prop_assert_eq!(victim, model.evict(), "{}", kind);
                if let Some(slot) = victim {
                    keys[slot as usize] = None;
                }
            }
        }
        let mut ranked = policy.ranked();
        ranked.sort_unstable();
        let occupied = (0..).zip(&keys).filter(|(_, key)| key.is_some());
        prop_assert_eq!(ranked, occupied.map(|(slot, _)| slot).collect::<Vec<Slot>>());
    }
    prop_assert!(keys.iter().all(Option::is_none), "{} left entries", kind);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_policy_names_the_victims_of_its_paper(steps in prop::collection::vec(step(), 0..120)) {
        for &kind in PolicyKind::ALL {
            play(kind, &steps)?;
        }
    }
}

fn filled(kind: PolicyKind, slots: std::ops::Range<Slot>) -> AnyPolicy {
    let mut policy = kind.build(7);
    for slot in slots {
        policy.insert(slot, item(10, slot));
    }
    policy
}

fn drain(policy: &mut AnyPolicy) -> Vec<Slot> {
    std::iter::from_fn(|| policy.evict()).collect()
}

#[test]
fn lru_evicts_by_last_use_and_fifo_by_arrival() {
    for (kind, order) in [(PolicyKind::Lru, [1, 3, 2, 0]), (PolicyKind::Fifo, [0, 1, 2, 3])] {
        let mut policy = filled(kind, 0..4);
        policy.hit(2);
        policy.hit(0);
        assert_eq!(drain(&mut policy), order, "{kind}");
    }
}

#[test]
fn clock_gives_one_round_per_use_and_at_most_three() {
    let mut policy = filled(PolicyKind::Clock, 0..4);
    policy.hit(0);
    (0..2).for_each(|_| policy.hit(1));
    (0..9).for_each(|_| policy.hit(2));
    assert_eq!(drain(&mut policy), [3, 0, 1, 2]);
}

/// Worked by hand: the hand spares 0 once, then goes on from where it stood,
/// so newcomers in its way go before the old survivor.
#[test]
fn sieve_goes_on_from_where_the_hand_stood() {
    let mut policy = filled(PolicyKind::Sieve, 0..3);
    policy.hit(0);
    assert_eq!(policy.evict(), Some(1));
    policy.insert(3, item(10, 3));
    assert_eq!(policy.evict(), Some(2));
    assert_eq!(policy.evict(), Some(3));
    assert_eq!(policy.evict(), Some(0));
}

/// Worked by hand: one use isn't enough to enter the main queue, two are; and
/// who comes back as a ghost enters it at once.
#[test]
fn s3_fifo_promotes_at_the_second_use_and_on_return() {
    let mut policy = filled(PolicyKind::S3Fifo, 0..4);
    policy.hit(0);
    (0..2).for_each(|_| policy.hit(1));
    assert_eq!(policy.evict(), Some(0), "one use");
    assert_eq!(policy.evict(), Some(2), "1 went to the main queue");
    policy.insert(4, item(10, 0));
    policy.insert(5, item(10, 5));
    assert_eq!(policy.evict(), Some(3));
    assert_eq!(policy.evict(), Some(5), "4 came back into the main queue");
    assert_eq!(drain(&mut policy), [1, 4]);
}

#[test]
fn random_repeats_itself_for_a_seed_and_spares_nobody() {
    let order = |seed| {
        let mut policy = PolicyKind::Random.build(seed);
        (0..100).for_each(|slot| policy.insert(slot, item(1, 0)));
        drain(&mut policy)
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    let mut first = [0u32; 4];
    for seed in 0..4000 {
        let mut policy = PolicyKind::Random.build(seed);
        (0..4).for_each(|slot| policy.insert(slot, item(1, 0)));
        first[policy.evict().expect("four entries") as usize] += 1;
    }
    // 1000 expected each; six standard deviations are 164.
    assert!(first.iter().all(|n| n.abs_diff(1000) < 164), "{first:?}");
}

#[test]
fn names_are_read_back_in_any_case() {
    for &kind in PolicyKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        assert_eq!(kind.to_string().to_uppercase().parse(), Ok(kind));
        assert!(!kind.title().is_empty() && kind.summary().ends_with('.'));
    }
    assert_eq!("RR".parse(), Ok(PolicyKind::Random));
    assert_eq!("S3FIFO".parse(), Ok(PolicyKind::S3Fifo));
    let unknown = "mru".parse::<PolicyKind>().unwrap_err().to_string();
    assert_eq!(
        unknown,
        "no policy is called \"mru\"; there are lru, random, fifo, clock, sieve, s3-fifo"
    );
}

//! Every deterministic policy against a slow model written from its paper: the
//! same calls must give the same victims.

mod by_hand;
mod plain;
mod s3_fifo;
mod w_tinylfu;

use proptest::prelude::*;

use super::{AnyPolicy, Item, Items, Policy, PolicyKind, Slot};

/// A policy with entries to ask about, which keep what was last said of them.
pub(super) struct Told<P> {
    pub(super) policy: P,
    said: Vec<Item>,
}

impl Items for Vec<Item> {
    fn item(&self, slot: Slot) -> Item {
        self[slot as usize]
    }

    fn weight(&self, slot: Slot) -> u32 {
        self[slot as usize].weight
    }
}

impl Told<AnyPolicy> {
    fn of(kind: PolicyKind, seed: u64) -> Self {
        Self::new(kind.build(seed))
    }
}

impl<P: Policy> Told<P> {
    pub(super) fn new(policy: P) -> Self {
        Self { policy, said: Vec::new() }
    }

    pub(super) fn insert(&mut self, slot: Slot, item: Item) {
        let slots = self.said.len().max(slot as usize + 1);
        self.said.resize(slots, Item::default());
        self.said[slot as usize] = item;
        self.policy.insert(slot, item, &self.said);
    }

    pub(super) fn hit(&self, slot: Slot) {
        self.policy.hit(slot);
    }

    fn remove(&mut self, slot: Slot) {
        self.policy.remove(slot, &self.said);
    }

    pub(super) fn evict(&mut self) -> Option<Slot> {
        self.policy.evict(&self.said)
    }

    fn reweigh(&mut self, slot: Slot, item: Item) {
        let old = std::mem::replace(&mut self.said[slot as usize], item);
        self.policy.reweigh(slot, old.weight, item);
    }
}

/// A policy as plainly as it can be said; index 0 is the oldest.
trait Model {
    fn insert(&mut self, slot: Slot, item: Item);
    fn hit(&mut self, slot: Slot);
    fn remove(&mut self, slot: Slot);
    fn evict(&mut self) -> Option<Slot>;
    fn reweigh(&mut self, _slot: Slot, _item: Item) {}
}

fn model(kind: PolicyKind) -> Option<Box<dyn Model>> {
    let queue = |moves_on_hit| Box::new(plain::Queue { slots: Vec::new(), moves_on_hit });
    Some(match kind {
        PolicyKind::Lru => queue(true),
        PolicyKind::Fifo => queue(false),
        PolicyKind::Clock => Box::new(plain::Ring::new(3)),
        PolicyKind::Sieve => Box::new(plain::Sieve::default()),
        PolicyKind::S3Fifo => Box::new(s3_fifo::S3Fifo::default()),
        PolicyKind::S3FifoSize => Box::new(s3_fifo::S3Fifo::by_size()),
        PolicyKind::WTinyLfu => Box::new(w_tinylfu::WTinyLfu::default()),
        PolicyKind::Gdsf => Box::new(plain::Gdsf::default()),
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

/// What missing a key of this weight costs.
type Cost = fn(key: u32, weight: u32) -> u32;

/// As under the three objectives; a cost of 0 is one, too.
const COSTS: [Cost; 3] = [|_, _| 1, |_, weight| weight, |key, _| key % 7 * 10];

/// Gives slots to keys as a table does, lowest first, and plays the steps on
/// policy and model.
fn play(
    policy: impl Policy,
    model: &mut dyn Model,
    cost: Cost,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let mut policy = Told::new(policy);
    let item = |weight, key| Item { weight, cost: cost(key, weight), fingerprint: key };
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
                prop_assert_eq!(victim, model.evict());
                if let Some(slot) = victim {
                    keys[slot as usize] = None;
                }
            }
        }
        let mut ranked = policy.policy.ranked();
        ranked.sort_unstable();
        let occupied = (0..).zip(&keys).filter(|(_, key)| key.is_some());
        prop_assert_eq!(ranked, occupied.map(|(slot, _)| slot).collect::<Vec<Slot>>());
    }
    prop_assert!(keys.iter().all(Option::is_none), "entries are left");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 300 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn every_policy_names_the_victims_of_its_paper(steps in prop::collection::vec(step(), 0..120)) {
        for &kind in PolicyKind::ALL {
            for cost in COSTS {
                if let Some(mut model) = model(kind) {
                    let played = play(kind.build(0), &mut *model, cost, &steps);
                    played.map_err(|why| TestCaseError::fail(format!("{kind}: {why}")))?;
                }
            }
        }
        play(super::clock::Clock::<1>::new(0), &mut plain::Ring::new(1), COSTS[0], &steps)?;
    }

    #[test]
    fn s3_fifo_by_size_is_plain_where_cost_is_weight(steps in prop::collection::vec(step(), 0..120)) {
        let policy = PolicyKind::S3FifoSize.build(0);
        play(policy, &mut s3_fifo::S3Fifo::default(), COSTS[1], &steps)?;
    }
}

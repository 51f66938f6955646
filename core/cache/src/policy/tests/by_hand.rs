//! Victims worked out by hand, and what no model can say.

use super::Told;
use crate::policy::clock::Clock;
use crate::policy::{AnyPolicy, Item, Policy, PolicyKind, Slot};

/// An item as most objectives see it.
fn item(weight: u32, fingerprint: u32) -> Item {
    Item { weight, cost: 1, fingerprint }
}

fn filled(kind: PolicyKind, slots: std::ops::Range<Slot>) -> Told<AnyPolicy> {
    let mut policy = Told::of(kind, 7);
    for slot in slots {
        policy.insert(slot, item(10, slot));
    }
    policy
}

fn drain(policy: &mut Told<impl Policy>) -> Vec<Slot> {
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
    let mut one_bit = Told::new(Clock::<1>::new(0));
    (0..4).for_each(|slot| one_bit.insert(slot, item(10, slot)));
    one_bit.hit(0);
    (0..9).for_each(|_| one_bit.hit(2));
    assert_eq!(drain(&mut one_bit), [1, 3, 0, 2]);
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

/// Worked by hand: six cost 1 each and weigh 110, so the mean weighs 18 1/3.
/// One of 60 is 3.3 times as dear and needs seven uses; one of 10 needs one.
#[test]
fn s3_fifo_by_size_asks_more_of_the_large() {
    for (uses, victim) in [(6, 0), (7, 1)] {
        let mut policy = Told::of(PolicyKind::S3FifoSize, 0);
        policy.insert(0, item(60, 0));
        (1..6).for_each(|slot| policy.insert(slot, item(10, slot)));
        (0..uses).for_each(|_| policy.hit(0));
        (2..6).for_each(|slot| policy.hit(slot));
        assert_eq!(policy.evict(), Some(victim), "{uses} uses");
    }
}

/// Worked by hand: 1/100 goes before 1/10, and raises the level to 0.01; from
/// there two uses of 1/10 make 0.21, one 0.11, and nobody has less than 0.1.
#[test]
fn gdsf_evicts_what_costs_least_per_byte_and_ages_the_rest() {
    let mut policy = Told::of(PolicyKind::Gdsf, 0);
    [10, 100, 10]
        .into_iter()
        .zip(0..)
        .for_each(|(weight, slot)| policy.insert(slot, item(weight, slot)));
    assert_eq!(policy.evict(), Some(1));
    policy.hit(0);
    policy.insert(1, item(10, 3));
    assert_eq!(policy.evict(), Some(2), "0.1");
    // From 0.1 on, a hundred bytes make 0.11 too, but later by a hair.
    policy.insert(2, item(100, 4));
    assert_eq!(drain(&mut policy), [1, 2, 0]);
}

/// Worked by hand: of ten entries one waits in the window. Asked for once, it
/// isn't worth more than the oldest; asked for again, it is.
#[test]
fn w_tinylfu_lets_in_who_was_asked_for_more_often() {
    let mut policy = filled(PolicyKind::WTinyLfu, 0..10);
    assert_eq!(policy.evict(), Some(9));
    for key in [10, 11] {
        policy.insert(9, item(10, key));
        assert_eq!(policy.evict(), Some(9), "{key} for the first time");
    }
    policy.insert(9, item(10, 10));
    assert_eq!(policy.evict(), Some(0), "10 for the second time");
    // One of 20 must be worth more than the next two together.
    policy.insert(0, item(20, 10));
    assert_eq!(policy.evict(), Some(1), "three times against two");
    let mut policy = filled(PolicyKind::WTinyLfu, 0..10);
    policy.hit(0);
    policy.insert(10, item(10, 10));
    policy.hit(10);
    assert_eq!(policy.evict(), Some(9));
    assert_eq!(policy.evict(), Some(1), "0 was used and goes up");
}

#[test]
#[cfg_attr(miri, ignore = "takes Miri too long")]
fn random_repeats_itself_for_a_seed_and_spares_nobody() {
    let order = |seed| {
        let mut policy = Told::of(PolicyKind::Random, seed);
        (0..100).for_each(|slot| policy.insert(slot, item(1, 0)));
        drain(&mut policy)
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    let mut first = [0u32; 4];
    for seed in 0..4000 {
        let mut policy = Told::of(PolicyKind::Random, seed);
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
    assert_eq!("s3fifosize".parse(), Ok(PolicyKind::S3FifoSize));
    for name in ["tinylfu", "wtinylfu", "W-TinyLFU"] {
        assert_eq!(name.parse(), Ok(PolicyKind::WTinyLfu));
    }
    let unknown = "mru".parse::<PolicyKind>().unwrap_err().to_string();
    assert_eq!(
        unknown,
        "no policy is called \"mru\"; there are lru, random, fifo, clock, sieve, s3-fifo, \
         s3-fifo-size, w-tinylfu, gdsf"
    );
}

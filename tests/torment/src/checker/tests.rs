//! Histories by hand for each kind of violation, and many small ones by
//! chance on which the quick judge and the slow one must agree.

use super::search::is_explained;
use super::*;
use crate::dice::Dice;
use crate::history::{DATABASE, NEVER, Told, What};

fn operation(start: u64, end: u64, what: What) -> Operation {
    Operation { key: 1, node: 0, start, end, what }
}

fn put(start: u64, end: u64, version: u64, replaced: Option<u64>) -> Operation {
    let told = Some(Told { version, replaced });
    operation(start, end, What::Put { stamp: 100 + version, told })
}

fn unanswered(start: u64, stamp: u64) -> Operation {
    operation(start, NEVER, What::Put { stamp, told: None })
}

fn found(start: u64, end: u64, version: u64) -> Operation {
    operation(start, end, What::Found { version, stamp: Some(100 + version) })
}

fn absent(start: u64, end: u64) -> Operation {
    operation(start, end, What::Absent)
}

fn delete(start: u64, end: u64, version: u64) -> Operation {
    operation(start, end, What::Delete { version, done: true })
}

/// The kinds of what is wrong, each once.
fn kinds(operations: &[Operation]) -> Vec<Kind> {
    let verdict = check(operations);
    let mut kinds: Vec<Kind> = verdict.violations.iter().map(|found| found.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.is_empty(), is_explained(operations), "{:?}", verdict.violations);
    kinds
}

#[test]
fn an_ordinary_history_is_explained() {
    let history = [
        absent(0, 1),
        put(2, 5, 1, None),
        found(3, 6, 1),
        absent(3, 6),
        put(7, 9, 2, Some(1)),
        found(8, 10, 1),
        found(8, 10, 2),
        delete(11, 13, 2),
        found(12, 14, 2),
        absent(12, 14),
        put(15, 16, 3, None),
        found(17, 18, 3),
    ];
    assert_eq!(kinds(&history), []);
}

#[test]
fn a_read_below_the_floor_is_stale() {
    let written = [put(0, 1, 1, None), put(2, 3, 2, Some(1))];
    let after = |last| [&written[..], &[last]].concat();
    assert_eq!(kinds(&after(found(4, 5, 1))), [Kind::Stale], "after the acknowledgement");
    assert_eq!(kinds(&after(absent(4, 5))), [Kind::Stale], "an absence is a version too");
    assert_eq!(kinds(&after(found(3, 5, 1))), [], "it may have been before");
    let inverted = [put(0, 1, 1, None), put(2, 9, 2, Some(1)), found(3, 4, 2), found(5, 6, 1)];
    assert_eq!(kinds(&inverted), [Kind::Stale], "after another read, before the acknowledgement");
    let risen = [put(0, 1, 1, None), delete(2, 3, 1), found(4, 5, 1)];
    assert_eq!(kinds(&risen), [Kind::Stale], "after the deletion");
}

#[test]
fn what_the_database_holds_in_the_end_may_not_be_older_than_an_acknowledged_write() {
    let mut last = found(4, 5, 1);
    last.node = DATABASE;
    let history = [put(0, 1, 1, None), put(2, 3, 2, Some(1)), last];
    assert_eq!(kinds(&history), [Kind::Lost]);
    let mut forked = put(4, 5, 2, Some(1));
    forked.what = What::Put { stamp: 7, told: Some(Told { version: 2, replaced: Some(1) }) };
    let history = [put(0, 1, 1, None), put(2, 3, 2, Some(1)), forked];
    assert_eq!(kinds(&history), [Kind::Lost], "the first of two writes of version 2");
    let history = [put(0, 1, 1, None), delete(2, 3, 1), put(4, 5, 2, Some(1))];
    assert_eq!(kinds(&history), [Kind::Lost], "a deletion");
    let known = [found(0, 1, 1), put(2, 3, 1, None)];
    assert_eq!(kinds(&known), [Kind::Lost], "a write that makes a version which was known before");
}

#[test]
fn a_write_that_happens_twice_is_found() {
    let twice = [put(0, 1, 1, None), found(2, 3, 1)];
    let mut again = found(4, 5, 2);
    again.what = What::Found { version: 2, stamp: Some(101) };
    assert_eq!(kinds(&[&twice[..], &[again]].concat()), [Kind::Doubled], "both were read");
    let unseen = [put(0, 1, 1, None), put(2, 3, 3, Some(2))];
    assert_eq!(kinds(&unseen), [Kind::Doubled], "nobody else can have made version 2");
    let explained = [&unseen[..], &[unanswered(1, 9)]].concat();
    assert_eq!(kinds(&explained), [], "somebody else may have");
    let too_late = [&unseen[..], &[unanswered(4, 9)]].concat();
    assert_eq!(kinds(&too_late), [Kind::Doubled], "but not that late");
    let deleted = [put(0, 1, 1, None), delete(2, 5, 1), delete(3, 6, 1)];
    assert_eq!(kinds(&deleted), [Kind::Doubled]);
}

#[test]
fn what_nobody_wrote_is_found() {
    let mut strange = found(2, 3, 1);
    strange.what = What::Found { version: 1, stamp: Some(5) };
    assert_eq!(kinds(&[put(0, 1, 1, None), strange]), [Kind::Invented], "bytes");
    let freed = [put(0, 1, 1, None), put(2, 3, 2, None)];
    assert_eq!(kinds(&freed), [Kind::Invented], "an absence");
    let mut possible = delete(1, NEVER, 1);
    possible.what = What::Delete { version: 1, done: false };
    assert_eq!(kinds(&[&freed[..], &[possible]].concat()), [], "a deletion without an answer");
}

#[test]
fn a_write_without_an_answer_is_possible_until_it_is_read() {
    let history = [put(0, 1, 1, None), unanswered(2, 102), found(3, 4, 1)];
    assert_eq!(kinds(&history), []);
    let read = [&history[..], &[found(5, 6, 2)]].concat();
    assert_eq!(kinds(&read), []);
    let back = [&read[..], &[found(7, 8, 1)]].concat();
    assert_eq!(kinds(&back), [Kind::Stale]);
}

#[test]
fn keys_are_judged_apart() {
    let mut other = found(2, 3, 1);
    other.key = 2;
    assert_eq!(check(&[put(0, 1, 1, None), other]).count(Kind::Invented), 1);
}

/// A register that works, seen by a few clients whose times are drawn around
/// the moments at which their operations happen.
fn history_by_chance(dice: &mut Dice) -> Vec<Operation> {
    let (mut version, mut stamp, mut is_present) = (0, 0, false);
    let mut history = Vec::new();
    for turn in 1..=2 + dice.below(6) {
        let moment = 10 * turn;
        let start = moment.saturating_sub(dice.below(25));
        let mut end = moment + dice.below(25);
        let is_known = dice.percent(75);
        let before = is_present.then_some(version);
        let what = match dice.below(5) {
            0 | 1 => {
                let happens = is_known || dice.percent(50);
                let told = Told { version: version + 1, replaced: before };
                if happens {
                    (version, stamp, is_present) = (version + 1, turn, true);
                }
                What::Put { stamp: turn, told: is_known.then_some(told) }
            }
            2 if is_present => {
                is_present = !is_known && dice.percent(50);
                What::Delete { version, done: is_known }
            }
            _ if is_present => What::Found { version, stamp: is_known.then_some(stamp) },
            _ => What::Absent,
        };
        if matches!(what, What::Put { told: None, .. } | What::Delete { done: false, .. }) {
            end = NEVER;
        }
        history.push(operation(start, end, what));
    }
    history
}

/// Changes one answer or time.
fn spoil(history: &mut [Operation], dice: &mut Dice) {
    let index = dice.below(history.len() as u64) as usize;
    let operation = &mut history[index];
    let other = 1 + dice.below(4);
    match &mut operation.what {
        What::Put { told: Some(told), .. } => match dice.below(3) {
            0 => told.version = other,
            1 => told.replaced = Some(other),
            _ => told.replaced = None,
        },
        What::Delete { version, .. } => *version = other,
        What::Found { version, stamp } => match dice.below(3) {
            0 => *version = other,
            1 => *stamp = Some(other),
            _ => operation.what = What::Absent,
        },
        What::Absent => operation.what = What::Found { version: other, stamp: None },
        What::Put { told: None, .. } => operation.start += 10 * other,
    }
    if operation.end != NEVER && dice.percent(30) {
        let later = 10 * other;
        (operation.start, operation.end) = (operation.start + later, operation.end + later);
    }
}

#[test]
fn both_judges_agree_on_histories_by_chance() {
    let [mut explained, mut refused] = [0; 2];
    for seed in 0..100_000 {
        let mut dice = Dice::new(seed);
        let mut history = history_by_chance(&mut dice);
        let is_spoilt = dice.percent(70);
        if is_spoilt {
            spoil(&mut history, &mut dice);
        }
        let violations = check(&history).violations;
        let is_right = is_explained(&history);
        assert!(is_right || is_spoilt, "seed {seed}: the search refuses {history:#?}");
        assert_eq!(violations.is_empty(), is_right, "seed {seed}: {violations:#?} in {history:#?}");
        *(if is_right { &mut explained } else { &mut refused }) += 1;
    }
    assert!(explained > 20_000 && refused > 20_000, "{explained} explained, {refused} refused");
}

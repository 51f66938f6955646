//! What the page makes of a report that was made by hand.

use std::sync::Arc;

use super::*;
use crate::samples::report;
use crate::{Advice, MEGABYTE};

fn decision(at_requests: u64, gain: f64, reason: &str) -> Decision {
    let (from, to) = (PolicyKind::Lru, PolicyKind::Gdsf);
    Decision { at_requests, from, to, expected_gain: gain, reason: reason.into() }
}

fn view(report: Option<Report>, policy: PolicyKind, of: Objective) -> WhatIfView {
    let advice = Advice::of(report.as_ref(), 12);
    let decisions =
        vec![decision(1000, -0.01, "too little is known"), decision(22_000, 0.0891, "It led.")];
    let insight = Insight { report: report.map(Arc::new), advice, decisions };
    let (capacity_bytes, objective) = (64 * MEGABYTE, Objective::Objects);
    WhatIfView::new(&insight, Settings { capacity_bytes, policy, objective, autopilot: true }, of)
}

#[test]
fn a_better_policy_is_recommended_with_a_way_to_apply_it() {
    let view = view(Some(report()), PolicyKind::Lru, Objective::Objects);
    assert_eq!(view.tone, "change");
    assert!(view.sentence.starts_with("GDSF at the same size: 81 % instead of 72 %;"));
    assert_eq!(view.change.expect("is offered").name, "gdsf");
}

#[test]
fn what_has_been_done_since_is_not_offered_again() {
    assert!(view(Some(report()), PolicyKind::Gdsf, Objective::Objects).change.is_none());
}

#[test]
fn nothing_is_drawn_before_there_is_enough_to_go_by() {
    let early = Report { requests_seen: 900, ..report() };
    for (report, requests) in [(None, "12"), (Some(early), "900")] {
        let view = view(report, PolicyKind::Lru, Objective::Objects);
        assert_eq!(view.tone, "wait");
        assert!(view.sentence.contains(requests), "{}", view.sentence);
        assert!(view.figures.is_none() && view.change.is_none());
    }
}

#[test]
fn the_figures_are_ranked_at_the_present_size_and_honest_about_their_source() {
    let figures = view(Some(report()), PolicyKind::Lru, Objective::Objects).figures;
    let figures = figures.expect("there are some");
    let first = &figures.rows[0];
    assert_eq!((first.title, first.is_better, first.is_present), ("GDSF", true, false));
    assert_eq!((first.hits_here.as_str(), first.error_here.as_str()), ("81.0%", "± 0.7"));
    assert!(figures.rows.last().expect("there are some").is_present);
    assert_eq!(figures.rows.len(), PolicyKind::ALL.len());
    let column = |at: usize| {
        let Column { capacity, factor, sample, is_here } = &figures.columns[at];
        (capacity.as_str(), factor.as_str(), sample.as_str(), *is_here)
    };
    assert_eq!(column(0), ("4 MB", "0.0625×", "all", false));
    assert_eq!(column(4), ("64 MB", "1×", "1 in 64", true));
    assert_eq!(column(8), ("1 GB", "16×", "1 in 64", false));
    assert!(figures.source.contains("one key in 64"), "{}", figures.source);
    assert!(figures.measured.expect("was counted").contains("71.8%"));
    assert_eq!(figures.bound_here, "97.0%");
}

#[test]
fn what_is_exact_says_so() {
    let mut report = report();
    for rung in &mut report.rungs {
        rung.rate = 1.0;
        rung.estimates.iter_mut().for_each(|estimate| estimate.error = Ratio::default());
    }
    let figures = view(Some(report), PolicyKind::Lru, Objective::Objects).figures;
    let figures = figures.expect("there are some");
    assert_eq!(figures.rows[0].error_here, "exact");
    assert!(figures.source.contains("every key is simulated"), "{}", figures.source);
}

#[test]
fn bytes_are_shown_beside_an_advice_for_objects() {
    let figures = view(Some(report()), PolicyKind::Lru, Objective::Bytes).figures;
    let figures = figures.expect("there are some");
    assert_eq!(figures.other_objective, Some("objects"));
    assert_eq!(figures.rows[0].hits_here, "51.0%");
    assert!(figures.measured.is_none(), "that is of objects");
    assert!(figures.rows.iter().all(|row| !row.is_better), "and so is that");
    assert!(figures.tabs.iter().any(|tab| tab.name == "bytes" && tab.is_current));
}

#[test]
fn the_log_tells_the_latest_change_first() {
    let decisions = view(None, PolicyKind::Lru, Objective::Objects).decisions;
    let [latest, first] = &decisions[..] else { panic!("there were two") };
    assert_eq!((latest.requests.as_str(), latest.gain.as_str()), ("22,000 requests", "+8.9"));
    assert_eq!((latest.from, latest.to, latest.reason.as_str()), ("LRU", "GDSF", "It led."));
    assert_eq!((first.gain.as_str(), first.reason.as_str()), ("−1.0", "Too little is known."));
}

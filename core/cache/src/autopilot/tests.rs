//! Standings made up by hand, window by window.

use super::*;

/// Everyone's gain over the present policy is 0, but for these.
fn standings(present: PolicyKind, gains: &[(PolicyKind, f64)]) -> Standings {
    let standing = |&policy: &PolicyKind| {
        let gain = gains.iter().find(|(kind, _)| *kind == policy).map_or(0.0, |&(_, gain)| gain);
        Standing { policy, ratio: 0.5 + gain, gain, error: 0.001 }
    };
    let policies = PolicyKind::ALL.iter().map(standing).collect();
    Standings { present, requests: 100_000.0, items: 1000.0, policies }
}

/// One that has had its first window, and S3-FIFO.
fn begun(caution: Caution) -> Autopilot {
    let mut pilot = Autopilot::new(caution);
    assert_eq!(pilot.consider(1000, &standings(PolicyKind::S3Fifo, &[])), None);
    pilot
}

#[test]
fn it_begins_with_the_best_on_average() {
    let first = |standings| Autopilot::new(Caution::default()).consider(1000, &standings);
    assert_eq!(first(standings(PolicyKind::Lru, &[])), Some(PolicyKind::WTinyLfu));
    let proven = standings(PolicyKind::Lru, &[(PolicyKind::WTinyLfu, -0.01)]);
    assert_eq!(first(proven), None);
    assert_eq!(first(standings(PolicyKind::WTinyLfu, &[])), None);
    assert_eq!(first(standings(PolicyKind::S3Fifo, &[])), None, "that is as safe");
}

#[test]
fn a_change_takes_a_lead_in_several_windows() {
    let mut pilot = begun(Caution::default());
    let lead = standings(PolicyKind::S3Fifo, &[(PolicyKind::Sieve, 0.03)]);
    let other = standings(PolicyKind::S3Fifo, &[(PolicyKind::Clock, 0.03)]);
    assert_eq!(pilot.consider(2000, &lead), None);
    assert_eq!(pilot.consider(2500, &lead), None, "that is no window");
    assert_eq!(pilot.consider(3000, &lead), None);
    assert_eq!(pilot.consider(4000, &other), None, "it has to begin anew");
    assert_eq!(pilot.consider(5000, &lead), None);
    assert_eq!(pilot.consider(6000, &lead), None);
    assert_eq!(pilot.consider(7000, &lead), Some(PolicyKind::Sieve));
    let decision = &pilot.log()[0];
    assert_eq!(
        (decision.at_requests, decision.from, decision.to),
        (7000, PolicyKind::S3Fifo, PolicyKind::Sieve)
    );
    assert_eq!(decision.expected_gain, 0.03);
    assert_eq!(decision.reason, "SIEVE led S3-FIFO by 3.0 points in 3 windows in a row");
}

#[test]
fn what_is_in_doubt_or_too_small_changes_nothing() {
    let mut pilot = begun(Caution { cost_per_item: 0.3, ..Caution::default() });
    for window in 2..50 {
        // The error takes 0.001 of each.
        let small = if window % 2 == 0 { 0.0029 } else { 0.0025 };
        let standings = standings(PolicyKind::S3Fifo, &[(PolicyKind::Lru, small)]);
        assert_eq!(pilot.consider(window * 1000, &standings), None);
    }
    // What a change costs: 0.3 hits for each of 1000 entries are 0.01 of 30 000 requests.
    let mut early = standings(PolicyKind::S3Fifo, &[(PolicyKind::Lru, 0.009)]);
    early.requests = 30_000.0;
    assert!((50..60).all(|window| pilot.consider(window * 1000, &early).is_none()));
}

#[test]
fn a_change_is_given_time() {
    let mut pilot = begun(Caution::default());
    let to_sieve = standings(PolicyKind::S3Fifo, &[(PolicyKind::Sieve, 0.03)]);
    let to_clock = standings(PolicyKind::Sieve, &[(PolicyKind::Clock, 0.03)]);
    let changed = (2..=4).find_map(|window| pilot.consider(window * 1000, &to_sieve));
    assert_eq!(changed, Some(PolicyKind::Sieve));
    let again = (5..30).find(|window| pilot.consider(window * 1000, &to_clock).is_some());
    assert_eq!(again, Some(14), "10 000 requests after the last change");
}

#[test]
fn behind_the_refuge_it_does_not_wait() {
    let mut pilot = begun(Caution::default());
    let behind = standings(PolicyKind::Sieve, &[(PolicyKind::S3Fifo, 0.05)]);
    assert_eq!(pilot.consider(2000, &behind), Some(PolicyKind::S3Fifo));
    assert!(pilot.log()[0].reason.starts_with("SIEVE fell 5.0 points behind S3-FIFO"));
}

#[test]
fn the_log_keeps_the_latest() {
    let mut pilot = begun(Caution { log_length: 3, ..Caution::default() });
    let behind = standings(PolicyKind::Sieve, &[(PolicyKind::S3Fifo, 0.05)]);
    (2..12).for_each(|window| _ = pilot.consider(window * 1000, &behind));
    let at: Vec<u64> = pilot.log().iter().map(|decision| decision.at_requests).collect();
    assert_eq!(at, [9000, 10_000, 11_000]);
}

#[test]
fn nothing_known_is_nothing_done() {
    let mut pilot = Autopilot::new(Caution::default());
    let nothing = Standings { policies: Vec::new(), ..standings(PolicyKind::Lru, &[]) };
    assert_eq!(pilot.consider(1000, &nothing), None);
    assert!(pilot.log().is_empty());
}

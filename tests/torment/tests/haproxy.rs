//! Larder's nodes behind HAProxy with the shipped configuration, all of them
//! restarted under load and one killed. `LARDER_BINARY` names another program
//! than the one that was built with this, `LARDER_TEST_SEED` a seed.

use larder_torment::{Dice, Larder, balanced};

#[test]
fn behind_haproxy_a_restart_fails_no_request_and_a_kill_only_what_is_under_way() {
    let seed = Dice::seed();
    let Some(found) = balanced(&Larder::built(), seed) else { return };
    assert!(found.verdict.violations.is_empty(), "{:?}", found.verdict.violations);
    assert!(found.failed_at_restarts.is_empty(), "seed {seed}: {:?}", found.failed_at_restarts);
    assert!(found.failed_later.is_empty(), "seed {seed}: {:?}", found.failed_later);
    assert!(found.after_the_kill > 100, "only {} operations", found.after_the_kill);
    eprintln!(
        "{} requests, {} operations judged; {} failed that were under way at the kill",
        found.asked,
        found.verdict.operations,
        found.failed_at_the_kill.len()
    );
}

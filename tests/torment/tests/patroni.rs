//! Larder's cluster over three PostgreSQL servers under Patroni whose leader
//! is killed, and whose next leader stands still for so long that another one
//! takes its place, and then goes on. Takes two and a half minutes, and so only
//! runs if `LARDER_TORMENT` is `long` or `LARDER_TEST_LONG` is set. The other
//! variables are those of `larder.rs`.

use std::env::{var, var_os};
use std::time::Duration;

use larder_torment::{Course, Dice, Engine, Explains, Larder, torment};

/// How long there may be no write. Patroni gives a leader up after 20 s (`ttl`),
/// and the others notice within 2 s (`loop_wait`); a second later one leads.
/// Nothing is acknowledged until the third follows it, after two attempts of a
/// second each (`wal_retrieve_retry_interval`), and the nodes join within 2 s.
/// Some more on a busy machine, and still far less than the 60 s for which the
/// leader is away: nobody waits for it to come back.
const FAILOVER: Duration = Duration::from_secs(35);

#[test]
fn three_nodes_stay_one_register_per_key_when_the_database_fails_over() {
    if var_os("LARDER_TEST_LONG").is_none() && var("LARDER_TORMENT").as_deref() != Ok("long") {
        return;
    }
    let course = Course {
        seed: Dice::seed(),
        engine: Engine::Patroni,
        nodes: 3,
        clients: 6,
        rest: Duration::from_millis(4),
        lasts: Duration::from_secs(100),
        operations: 5000,
        faults: 2,
        explains: match var_os("LARDER_TORMENT_KEEP") {
            Some(_) => Explains::Always,
            None => Explains::Wrong,
        },
    };
    let Some(summary) = torment(&Larder::built(), &course) else { return };
    if let Some(file) = var_os("LARDER_TORMENT_SUMMARY") {
        std::fs::write(file, format!("{summary}\n")).expect("the summary can be written");
    }
    assert!(summary.verdict.violations.is_empty(), "seed {}", course.seed);
    assert!(summary.unhealed.is_empty(), "seed {}", course.seed);
    assert!(summary.ended.is_empty(), "seed {}: a node ended", course.seed);
    assert_eq!(summary.fault_count(), 2);
    let stall = summary.longest_without_write;
    assert!(stall < FAILOVER, "no write for {stall:.0?}");
}

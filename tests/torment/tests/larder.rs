//! Larder's cluster under torment: three nodes over one database are one
//! register per key, whatever is killed, stopped or cut off. For some forty
//! seconds, or as these variables say:
//!
//! - `LARDER_TORMENT`: `long` for a million operations and five hundred faults,
//!   or a number of seconds
//! - `LARDER_TORMENT_DATABASE`: `mariadb` instead of PostgreSQL, or
//!   `mariadb-semi-sync` for two of which one takes the other's place
//! - `LARDER_TORMENT_SUMMARY`: a file for the figures
//! - `LARDER_TORMENT_KEEP`: logs, faults and history stay even if all is well
//! - `LARDER_LOG_LEVEL`: what the nodes log, `info,larder_tier=debug` for example
//! - `LARDER_TEST_SEED`: the seed of a run that failed
//! - `LARDER_BINARY`: another program than the one that was built with this

use std::env::{var, var_os};
use std::time::Duration;

use larder_torment::{Course, Dice, Engine, Explains, Larder, torment};

fn course() -> Course {
    let short = Course {
        seed: Dice::seed(),
        engine: match var("LARDER_TORMENT_DATABASE").as_deref() {
            Ok("mariadb") => Engine::MariaDb,
            Ok("mariadb-semi-sync") => Engine::SemiSyncMariaDb,
            _ => Engine::Postgres,
        },
        nodes: 3,
        clients: 9,
        rest: Duration::from_millis(4),
        lasts: Duration::from_secs(25),
        operations: 5000,
        faults: 14,
        explains: match var_os("LARDER_TORMENT_KEEP") {
            Some(_) => Explains::Always,
            None => Explains::Wrong,
        },
    };
    let length = var("LARDER_TORMENT").unwrap_or_default();
    if length == "long" {
        let lasts = Duration::ZERO;
        return Course { rest: lasts, lasts, operations: 1_000_000, faults: 500, ..short };
    }
    match length.parse() {
        Ok(seconds) => {
            Course { rest: Duration::ZERO, lasts: Duration::from_secs(seconds), ..short }
        }
        Err(_) => short,
    }
}

#[test]
fn three_nodes_are_one_register_per_key_under_torment() {
    let course = course();
    let Some(summary) = torment(&Larder::built(), &course) else { return };
    if let Some(file) = var_os("LARDER_TORMENT_SUMMARY") {
        std::fs::write(file, format!("{summary}\n")).expect("the summary can be written");
    }
    assert!(summary.verdict.violations.is_empty(), "seed {}", course.seed);
    assert!(summary.unhealed.is_empty(), "seed {}", course.seed);
    assert!(summary.hits_percent > 1.0, "who never answers from memory proves nothing");
}

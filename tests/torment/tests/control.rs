//! The harness must see: the same load, faults and judge that Larder has to
//! pass find what is wrong with stores as they are usually built, and nothing
//! that isn't.

use std::time::Duration;

use larder_torment::{Course, Dice, Engine, Explains, Kind, StaleCache, Summary, torment};

/// Among its faults, with a network and without, is a kill of the database.
const SEED_THAT_KILLS_THE_DATABASE: u64 = 32;

fn torment_control(manner: &'static str, engine: Engine, seed: u64) -> Option<Summary> {
    let program = env!("CARGO_BIN_EXE_stale-cache").into();
    let course = Course {
        seed,
        engine,
        nodes: 3,
        clients: 9,
        rest: Duration::from_millis(4),
        lasts: Duration::from_secs(7),
        operations: 1000,
        faults: 5,
        explains: Explains::Never,
    };
    torment(&StaleCache { program, manner }, &course)
}

/// One after the other: there is one network in a process.
#[test]
fn what_is_wrong_with_common_stores_is_found() {
    for manner in ["aside", "ttl"] {
        let Some(found) = torment_control(manner, Engine::Postgres, Dice::seed()) else { return };
        assert!(found.verdict.count(Kind::Stale) > 0, "no old read was seen");
        for kind in [Kind::Lost, Kind::Doubled, Kind::Invented] {
            assert_eq!(found.verdict.count(kind), 0, "{kind}: the database itself is right");
        }
        assert!(found.unhealed.is_empty());
    }
    let engine = Engine::ForgetfulPostgres;
    let found = torment_control("aside", engine, SEED_THAT_KILLS_THE_DATABASE);
    let found = found.expect("PostgreSQL was there before");
    assert!(found.verdict.count(Kind::Lost) > 0, "no lost write was seen");
}

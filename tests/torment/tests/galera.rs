//! The harness must see what a database does, too: a Galera cluster as it is
//! preset acknowledges a write that its other servers have not done yet, and
//! returns old pictures without any cache. Starts three servers, and so only
//! runs if `LARDER_TEST_LONG` is set. `LARDER_TEST_SEED` is a seed.

use std::env::var_os;
use std::time::Duration;

use larder_torment::{Course, Dice, Engine, Explains, Kind, StaleCache, Summary, torment};

fn torment_on(engine: Engine) -> Option<Summary> {
    let course = Course {
        seed: Dice::seed(),
        engine,
        nodes: 3,
        clients: 9,
        rest: Duration::ZERO,
        lasts: Duration::from_secs(15),
        operations: 5000,
        faults: 5,
        explains: Explains::Never,
    };
    let program = env!("CARGO_BIN_EXE_stale-cache").into();
    torment(&StaleCache { program, manner: "none" }, &course)
}

#[test]
fn old_reads_from_galera_as_it_is_preset_are_found() {
    if var_os("LARDER_TEST_LONG").is_none() {
        return;
    }
    let Some(found) = torment_on(Engine::Galera) else { return };
    assert!(found.verdict.count(Kind::Stale) > 0, "no old read was seen");
    for kind in [Kind::Lost, Kind::Doubled, Kind::Invented] {
        assert_eq!(found.verdict.count(kind), 0, "{kind}: the cluster orders all writes");
    }
    assert!(found.unhealed.is_empty());
    // Not judged: whether waiting before each read is enough isn't ours to say.
    torment_on(Engine::CausalGalera);
}

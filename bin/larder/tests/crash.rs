//! `kill -9` at any moment: a real server under load is killed in a loop, and
//! each time what it holds afterwards is compared with what its clients were
//! told. The kernel survives here; `power_cut.rs` takes that away too.

mod support;

use std::time::{Duration, Instant};

use support::ledger::{Content, Ledger, Outcome};
use support::load::Clients;
use support::verify::verify;
use support::{Dice, Process, Server, folder, serve, spin, tell};

const KILLS: usize = 80;

#[test]
fn a_server_killed_at_any_moment_keeps_all_it_acknowledged_and_nothing_else() {
    let began = Instant::now();
    let mut dice = Dice::thrown("kills");
    let (folder, clients) = (folder(), Clients::new());
    let ledger = &clients.ledger;
    let data = folder.path().join("data");
    let (mut kills, mut read, mut slowest_start) = (0, 0, Duration::ZERO);

    while kills < KILLS {
        let starting = Instant::now();
        let mut server = Server::start(&data, &[]);
        slowest_start = slowest_start.max(starting.elapsed());
        read += verify(&server, ledger, dice.below(13) == 0);
        clients.work_until(server.images, &mut dice, 60, || server.process.kill());
        kills += 1;
        if dice.below(6) == 0 {
            // Again, while it recovers from that.
            let mut starting = Process::spawn(&mut serve(&data));
            spin(&mut dice, Duration::from_millis(150));
            starting.kill();
            kills += 1;
        }
    }
    let mut server = Server::start(&data, &[]);
    read += verify(&server, ledger, true);
    assert_eq!(server.end(rustix::process::Signal::TERM).0, Some(0));
    tell(&format!(
        "kills: {kills}, acknowledged changes {}, images read back {read}, keys {}, slowest \
         restart {slowest_start:?}, {:?} in all",
        ledger.acknowledged(),
        ledger.keys().len(),
        began.elapsed()
    ));
    assert!(ledger.acknowledged() > 10 * KILLS, "the load was no load");
}

#[test]
fn a_ledger_tells_lost_and_stale_contents_from_possible_ones() {
    let [one, two, three] = ["1", "2", "3"].map(|text| Some(blake3::hash(text.as_bytes())));
    let complaints_of = |ledger: &Ledger, held: Content| {
        ledger.settle("k", held.map(|hash| (hash, 9)));
        ledger.complaints().len()
    };
    let put = |ledger: &Ledger, content, outcome| {
        let ticket = ledger.begin("k", content);
        ledger.end(ticket, outcome);
    };
    let told = || {
        let ledger = Ledger::default();
        put(&ledger, one, Outcome::Acknowledged(Some(1)));
        put(&ledger, two, Outcome::Acknowledged(Some(2)));
        put(&ledger, three, Outcome::Unknown);
        ledger
    };
    assert_eq!(complaints_of(&told(), two), 0, "the last acknowledged one");
    assert_eq!(complaints_of(&told(), three), 0, "a later one of unknown outcome");
    assert_eq!(complaints_of(&told(), one), 1, "an older one");
    assert_eq!(complaints_of(&told(), None), 1, "nothing");

    let deleted = told();
    put(&deleted, None, Outcome::Acknowledged(None));
    assert_eq!(complaints_of(&deleted, three), 1, "one that came back");

    let at_once = told();
    let (first, second) = (at_once.begin("k", one), at_once.begin("k", None));
    at_once.end(second, Outcome::Acknowledged(None));
    at_once.end(first, Outcome::Acknowledged(Some(3)));
    assert_eq!(complaints_of(&at_once, one), 0, "either of two at once");

    let read = told();
    read.found("k", read.now(), three);
    assert_eq!(complaints_of(&read, two), 1, "older than what was read");
}

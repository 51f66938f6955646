//! A real server whose stores get into trouble under load: a database that is
//! killed, stopped, out of disk or out of connections, an S3 that fails in
//! every way. Each time: what the clients are told, that nothing acknowledged
//! is lost, that what is in memory is served throughout, and that everything
//! goes on by itself once the store is back.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use larder_servers::{MariaDb, Postgres};
use rustix::process::Signal;
use support::http::{Answer, Client, image_path};
use support::load::{Clients, is_refusal};
use support::pictures::Photos;
use support::verify::verify;
use support::{Dice, Process, Server, folder, serve, tell, wait_until};

/// Within which time after a store's return everything works again.
const RECOVERY: Duration = Duration::from_secs(5);

/// A database server of one kind or the other.
enum Rows {
    MariaDb(MariaDb),
    Postgres(Postgres),
}

impl Rows {
    /// Those that are installed, started with these settings.
    fn all(maria: &[&str], postgres: &[&str]) -> Vec<Self> {
        let maria = MariaDb::start_with(maria, None).map(Self::MariaDb);
        let postgres = Postgres::start_with(postgres, None).map(Self::Postgres);
        maria.into_iter().chain(postgres).collect()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::MariaDb(_) => "MariaDB",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    fn make_database(&self) -> String {
        match self {
            Self::MariaDb(server) => server.make_database("larder"),
            Self::Postgres(server) => server.make_database("larder"),
        }
    }

    fn kill(&mut self) {
        match self {
            Self::MariaDb(server) => server.kill(),
            Self::Postgres(server) => server.kill(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::MariaDb(server) => server.restart(),
            Self::Postgres(server) => server.restart(),
        }
    }

    fn signal(&self, signal: Signal) {
        match self {
            Self::MariaDb(server) => server.signal(signal),
            Self::Postgres(server) => server.signal(signal),
        }
    }
}

/// A server with one image in memory that nobody changes.
struct Stage {
    server: Server,
    photos: Photos,
}

impl Stage {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = serve(data);
        Self::ready(command.args(arguments), data)
    }

    fn ready(command: &mut Command, data: &Path) -> Self {
        let server = Server::ready(Process::spawn(command), data);
        let stage = Self { server, photos: Photos::develop() };
        assert_eq!(stage.put("in memory", 1).status, 201);
        assert_eq!(stage.get("in memory").header("x-cache"), Some("miss"));
        stage
    }

    fn image(&self, number: usize) -> Vec<u8> {
        self.photos.stamped(number, "stage")
    }

    fn put(&self, key: &str, number: usize) -> Answer {
        self.server.client().ask("PUT", &image_path(key), &self.image(number))
    }

    fn get(&self, key: &str) -> Answer {
        self.server.client().get(&image_path(key))
    }

    /// What is in memory is served, and quickly, whatever the stores do.
    fn assert_memory_serves(&self) {
        let began = Instant::now();
        let answer = self.get("in memory");
        assert_eq!((answer.status, answer.header("x-cache")), (200, Some("hit")));
        assert!(answer.body == self.image(1));
        assert!(began.elapsed() < Duration::from_secs(1), "memory waits for no store");
        assert_eq!(self.server.client().get("/healthz").status, 200);
    }

    /// Everything is as before within the time that is promised.
    fn assert_recovers(&self, since: Instant) {
        wait_until("the server is ready again", RECOVERY.saturating_sub(since.elapsed()), || {
            self.server.client().get("/readyz").status == 200
        });
        let key = "after";
        let left = || RECOVERY.saturating_sub(since.elapsed());
        wait_until("an upload is stored", left(), || matches!(self.put(key, 2).status, 200 | 201));
        wait_until("it is read back", left(), || {
            let answer = self.get(key);
            answer.status == 200 && answer.body == self.image(2)
        });
        let page = self.server.client().get("/keys");
        assert_eq!(page.status, 200, "{}", page.text());
    }

    /// A sample of the statistics is stored that was taken from now on.
    fn assert_statistics_go_on(&self) {
        let newest = || {
            let data = self.server.client().get("/statistics/data?view=1h").json();
            let samples = data["samples"].as_array().expect("a list").clone();
            samples.last().map_or(0, |sample| sample["at"].as_i64().expect("a time"))
        };
        let before = newest();
        wait_until("a new sample is stored", Duration::from_secs(20), || newest() > before);
    }
}

/// Lets clients work while `trouble` happens, and compares what is there
/// afterwards with what they were told.
fn under_load(rows: &mut Rows, arguments: &[&str], trouble: impl Fn(&mut Rows, &Stage) -> Instant) {
    let mut dice = Dice::thrown("store faults");
    let (folder, clients) = (folder(), Clients::new());
    let data = folder.path().join("data");
    let url = rows.make_database();
    let arguments = [&["--database", &url], arguments].concat();
    let mut stage = Stage::start(&data, &arguments);
    let ledger = &clients.ledger;
    for key in ["in memory", "after"] {
        // Theirs are other keys; those of the stage are known to the ledger.
        let ticket =
            ledger.begin(key, Some(blake3::hash(&stage.image(1 + usize::from(key == "after")))));
        ledger.end(ticket, support::ledger::Outcome::Unknown);
    }
    let enough = |more: usize| {
        let goal = ledger.acknowledged() + more;
        wait_until("changes are acknowledged", support::PATIENCE, || {
            ledger.acknowledged() >= goal || !ledger.complaints().is_empty()
        });
    };
    let refusals = clients.work_during(stage.server.images, &mut dice, || {
        enough(30);
        let back = trouble(rows, &stage);
        stage.assert_recovers(back);
        enough(30);
    });
    stage.assert_statistics_go_on();
    assert!(ledger.complaints().is_empty(), "{}", ledger.complaints().join("\n"));
    verify(&stage.server, ledger, true);
    tell(&format!("{}: {} acknowledged, {refusals} refused", rows.name(), ledger.acknowledged()));
    assert_eq!(stage.server.end(Signal::TERM).0, Some(0));
}

/// Nothing is served but what is in memory, and everything else is refused in
/// the right form.
fn assert_refused(stage: &Stage) {
    for (method, target) in [
        ("PUT", "/images/new"),
        ("GET", "/images/elsewhere"),
        ("DELETE", "/images/elsewhere"),
        ("GET", "/images?limit=5"),
        ("POST", "/api/list_keys"),
        ("POST", "/api/key/elsewhere"),
        ("POST", "/api/delete_all"),
    ] {
        let body = if method == "PUT" { stage.image(3) } else { Vec::new() };
        let answer = stage.server.client().ask(method, target, &body);
        assert!(
            is_refusal(&answer),
            "{method} {target}: {} {}",
            answer.status,
            answer.everything()
        );
    }
    assert_eq!(stage.server.client().get("/readyz").status, 503);
    let page = stage.server.client().send("GET", "/keys", &[("Accept", "text/html")], b"");
    let page = page.expect("a page");
    assert_eq!(page.status, 503);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    stage.assert_memory_serves();
}

#[test]
fn a_database_that_is_killed_and_restarted_under_load_loses_nothing() {
    for mut rows in Rows::all(&[], &[]) {
        under_load(&mut rows, &[], |rows, stage| {
            let mut back = Instant::now();
            for _ in 0..3 {
                rows.kill();
                stage.assert_memory_serves();
                rows.restart();
                back = Instant::now();
                stage.assert_recovers(back);
            }
            rows.kill();
            assert_refused(stage);
            rows.restart();
            back = back.max(Instant::now());
            back
        });
    }
}

#[test]
fn a_database_that_is_stopped_for_ten_seconds_holds_up_nobody_for_ever() {
    for mut rows in Rows::all(&[], &[]) {
        under_load(&mut rows, &[], |rows, stage| {
            rows.signal(Signal::STOP);
            let since = Instant::now();
            while since.elapsed() < Duration::from_secs(10) {
                stage.assert_memory_serves();
                let asked = Instant::now();
                let answer = stage.get("elsewhere");
                assert!(is_refusal(&answer), "{} {}", answer.status, answer.text());
                assert!(asked.elapsed() < Duration::from_secs(9), "refused in time");
            }
            rows.signal(Signal::CONT);
            Instant::now()
        });
    }
}

#[test]
fn connections_that_others_took_are_waited_for() {
    let limits = (&["max_connections=6"][..], &["max_connections=8"][..]);
    for mut rows in Rows::all(limits.0, limits.1) {
        // Fewer connections than the pool would like, and many clients.
        under_load(&mut rows, &[], |_, stage| {
            let (images, image) = (stage.server.images, stage.image(3));
            let path = |n: usize| image_path(&format!("many/{n}"));
            let answers: Vec<u16> = std::thread::scope(|scope| {
                let put = |n: usize| {
                    let mut client = Client::connect(images).expect("connects");
                    client.ask("PUT", &path(n), &image).status
                };
                let asked: Vec<_> = (0..24).map(|n| scope.spawn(move || put(n))).collect();
                asked.into_iter().map(|asked| asked.join().expect("asks")).collect()
            });
            assert!(answers.iter().all(|status| matches!(status, 201 | 503)), "{answers:?}");
            assert!(answers.contains(&201), "{answers:?}");
            for n in 0..24 {
                wait_until("it is deleted", RECOVERY, || {
                    let gone = stage.server.client().ask("DELETE", &path(n), b"");
                    matches!(gone.status, 204 | 404)
                });
            }
            Instant::now()
        });
    }
}

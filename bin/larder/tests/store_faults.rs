//! A real server whose stores get into trouble under load: a database that is
//! killed, stopped, out of disk or out of connections, an S3 that fails in
//! every way. Each time: what the clients are told, that nothing acknowledged
//! is lost, that what is in memory is served throughout, and that everything
//! goes on by itself once the store is back.

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder_servers::{FaultProxy, MariaDb, Mode, Postgres, S3Server};
use rustix::process::Signal;
use support::disk::SmallDisk;
use support::http::{Answer, Client, image_path};
use support::ledger::Ledger;
use support::load::{Clients, is_refusal};
use support::pictures::Photos;
use support::verify::verify;
use support::{Dice, Process, Server, folder, serve, tell, wait_until};

/// Within which time after a store's return everything works again.
const RECOVERY: Duration = Duration::from_secs(5);

/// Where the rows are.
enum Rows {
    /// In this file, or in the data folder.
    Sqlite(Option<PathBuf>),
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
            Self::Sqlite(_) => "SQLite",
            Self::MariaDb(_) => "MariaDB",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// What names a fresh database there.
    fn arguments(&self) -> Vec<String> {
        let url = match self {
            Self::Sqlite(None) => return Vec::new(),
            Self::Sqlite(Some(file)) => format!("sqlite:{}", file.display()),
            Self::MariaDb(server) => server.make_database("larder"),
            Self::Postgres(server) => server.make_database("larder"),
        };
        vec!["--database".to_owned(), url]
    }

    /// Starts it again if it has ended by itself.
    fn see_that_it_runs(&mut self) {
        let runs = match self {
            Self::Sqlite(_) => true,
            Self::MariaDb(server) => server.is_running(),
            Self::Postgres(server) => server.is_running(),
        };
        if !runs {
            self.kill();
            self.restart();
        }
    }

    fn kill(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            Self::MariaDb(server) => server.kill(),
            Self::Postgres(server) => server.kill(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            Self::MariaDb(server) => server.restart(),
            Self::Postgres(server) => server.restart(),
        }
    }

    fn signal(&self, signal: Signal) {
        match self {
            Self::Sqlite(_) => {}
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
    fn start(data: &Path, arguments: &[String]) -> Self {
        let mut command = serve(data);
        command.args(arguments);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env(name, S3Server::environment(name).expect("S3's key has both"));
        }
        let server = Server::ready(Process::spawn(&mut command), data);
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
fn under_load(
    rows: &mut Rows,
    blobs: Option<String>,
    trouble: impl FnOnce(&mut Rows, &Stage, &Ledger) -> Instant,
) {
    let mut dice = Dice::thrown("store faults");
    let (folder, clients) = (folder(), Clients::new());
    let data = folder.path().join("data");
    let mut arguments = rows.arguments();
    arguments.extend(blobs.into_iter().flat_map(|url| ["--blobs".to_owned(), url]));
    let mut stage = Stage::start(&data, &arguments);
    let ledger = &clients.ledger;
    // Theirs are other keys.
    ledger.expect("in memory", &stage.image(1));
    ledger.expect("after", &stage.image(2));
    let enough = |more: usize| {
        let goal = ledger.acknowledged() + more;
        wait_until("changes are acknowledged", support::PATIENCE, || {
            ledger.acknowledged() >= goal || !ledger.complaints().is_empty()
        });
    };
    let refusals = clients.work_during(stage.server.images, &mut dice, || {
        enough(30);
        let back = trouble(rows, &stage, ledger);
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
        under_load(&mut rows, None, |rows, stage, _| {
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
        under_load(&mut rows, None, |rows, stage, _| {
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
        under_load(&mut rows, None, |_, stage, _| {
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

#[test]
fn a_full_disk_of_the_database_refuses_changes_and_takes_them_again_when_there_is_room() {
    let folder = folder();
    let room = folder.path().join("rows");
    let disk = match SmallDisk::make(room.clone(), 160) {
        Ok(disk) => disk,
        Err(why) => return tell(&format!("skipped: full disks: {why}")),
    };
    // One after the other: each has the disk for itself.
    let starts: [fn(&Path) -> Option<Rows>; 3] = [
        |room| Some(Rows::Sqlite(Some(room.join("larder.db")))),
        |room| MariaDb::start_with(&[], Some(room)).map(Rows::MariaDb),
        |room| {
            Postgres::start_with(&["max_wal_size=8MB", "min_wal_size=2MB"], Some(room))
                .map(Rows::Postgres)
        },
    ];
    for start in starts {
        let Some(mut rows) = start(&room) else { continue };
        under_load(&mut rows, None, |rows, stage, ledger| {
            disk.fill();
            // New rows, and long ones: changed ones need little room.
            let refusal = (0..20_000).find_map(|number| {
                let key = format!("{number:0>500}");
                ledger.expect(&key, &stage.image(2));
                let answer = stage.put(&key, 2);
                (answer.status != 201).then_some(answer)
            });
            let refusal = refusal.expect("the disk gets full");
            assert!(is_refusal(&refusal), "{} {}", refusal.status, refusal.text());
            stage.assert_memory_serves();
            disk.free();
            // One that gave up, as PostgreSQL does without room for its log,
            // is started again by whoever watches over it.
            rows.see_that_it_runs();
            Instant::now()
        });
        drop(rows);
        for entry in std::fs::read_dir(disk.path()).expect("lists").flatten() {
            let path = entry.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            removed.expect("is ours");
        }
    }
}

#[test]
fn an_s3_that_fails_in_every_way_changes_nothing_and_is_used_again_when_it_is_back() {
    let Some(s3) = S3Server::start() else { return };
    s3.make_bucket("images");
    let proxy = FaultProxy::start(&s3.address());
    let url = format!("{}&timeout=1", proxy.url("images"));
    under_load(&mut Rows::Sqlite(None), Some(url), |_, stage, _| {
        let mut back = Instant::now();
        for mode in
            [Mode::Status(500), Mode::Status(503), Mode::HalfBody, Mode::Silence, Mode::Refuse]
        {
            assert!(matches!(stage.put("after", 2).status, 200 | 201));
            proxy.set(mode);
            let asked = Instant::now();
            let answer = stage.get("after");
            assert!(is_refusal(&answer), "{mode:?}: GET {} {}", answer.status, answer.text());
            if mode != Mode::HalfBody {
                let answer = stage.put("in memory", 3);
                assert!(is_refusal(&answer), "{mode:?}: PUT {} {}", answer.status, answer.text());
            }
            assert!(asked.elapsed() < Duration::from_secs(10), "{mode:?}: refused in time");
            // The old image is in force, and still in memory.
            stage.assert_memory_serves();
            proxy.set(Mode::Pass);
            back = Instant::now();
            stage.assert_recovers(back);
        }
        back
    });
}

#[test]
fn a_part_of_a_large_image_is_fetched_alone_and_the_whole_is_kept() {
    let Some(s3) = S3Server::start() else { return };
    s3.make_bucket("images");
    let folder = folder();
    let arguments = ["--blobs".to_owned(), s3.url("images")];
    let stage = Stage::start(&folder.path().join("data"), &arguments);
    let large = larder_picture::samples::photo_of_about(3_000_000, 7);
    let mut client = stage.server.client();
    assert_eq!(client.ask("PUT", "/images/large", &large).status, 201);
    let mut part = |range: &str| {
        let answer =
            client.send("GET", "/images/large", &[("Range", range)], b"").expect("answers");
        (answer.status, answer.header("x-cache").expect("says").to_owned(), answer.body)
    };
    for _ in 0..2 {
        let expected = large[1_000_000..2_000_001].to_vec();
        assert!(part("bytes=1000000-2000000") == (206, "miss".to_owned(), expected));
    }
    assert!(part("bytes=-5") == (206, "miss".to_owned(), large[large.len() - 5..].to_vec()));
    for source in ["miss", "hit"] {
        let answer = stage.get("large");
        assert_eq!(answer.header("x-cache"), Some(source));
        assert!(answer.body == large);
    }
    assert!(part("bytes=0-0") == (206, "hit".to_owned(), large[..1].to_vec()));
}

//! `larder admin` beside the real program and on real engines: what is wrong
//! is found and repaired, backups come back on any engine, and a store that
//! moves while it is written to loses nothing.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use std::sync::Arc;

use larder_servers::{S3Server, mariadb, postgres, s3};
use larder_sql::{Config, Connection, Database, DatabaseUrl, Error};
use rustix::process::Signal;
use support::http::image_path;
use support::pictures::{Photos, small};
use support::{
    Client, Ended, PATIENCE, Process, Server, files_below, folder, larder, run, serve, wait_until,
};

/// A place for a store, by the flags that name it.
#[derive(Clone)]
struct Place {
    data: PathBuf,
    flags: Vec<String>,
}

impl Place {
    /// The embedded engines in `folder`.
    fn embedded(folder: &Path, name: &str) -> Self {
        Self { data: folder.join(name), flags: Vec::new() }
    }

    fn with(mut self, flag: &str, url: &str) -> Self {
        self.flags.extend([flag.to_owned(), url.to_owned()]);
        self
    }

    fn named(&self, command: &mut Command) {
        command.args(&self.flags).envs([
            ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
        ]);
    }

    fn serve(&self) -> Server {
        let mut command = serve(&self.data);
        self.named(&mut command);
        Server::ready(Process::spawn(&mut command), &self.data)
    }

    /// A command of `larder admin` on this store.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = larder();
        command.arg("admin").args(words).arg("--data").arg(&self.data);
        self.named(&mut command);
        command
    }

    /// Runs one; returns what it printed.
    fn admin(&self, words: &[&str], expected: i32) -> String {
        let Ended { code, out, log } = run(&mut self.command(words));
        assert_eq!(code, Some(expected), "{words:?}: {out}\n{log}");
        if expected == 2 { log } else { out }
    }

    /// Changes rows of an embedded store behind everybody's back.
    fn execute(&self, sql: &str) {
        let url = DatabaseUrl::Sqlite(self.data.join("larder.db"));
        let sql = sql.to_owned();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let changed = runtime.block_on(async {
            let database = Database::open_existing(&Config { url, readers: 1 }).await?;
            let work = move |rows: &mut dyn Connection| rows.execute(&sql, &[]);
            let changed = database.write::<_, Error>(work).await?;
            database.close().await;
            Ok::<_, Error>(changed)
        });
        assert!(changed.expect("the statement is right") > 0, "it changes something");
    }
}

/// Images by key: the hash of their bytes and their version.
type Images = BTreeMap<String, (String, u64)>;

fn put(client: &mut Client, key: &str, image: &[u8]) -> (String, u64) {
    let answer = client.ask("PUT", &image_path(key), image);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    let version = answer.json()["version"].as_u64().expect("a version");
    (blake3::hash(image).to_string(), version)
}

/// The file of the blob that an image names.
fn blob_of(place: &Place, client: &mut Client, key: &str) -> PathBuf {
    let described = client.get(&format!("{}/meta", image_path(key))).json();
    place.data.join("blobs").join(described["location"].as_str().expect("a location"))
}

/// All that a server lists, and that the bytes of each are those listed.
fn held(server: &Server) -> Images {
    let mut client = server.client();
    let (mut held, mut cursor) = (Images::new(), String::new());
    loop {
        let page = client.get(&format!("/images?limit=1000{cursor}")).json();
        for image in page["images"].as_array().expect("a list has images") {
            let text = |field: &str| image[field].as_str().expect("is a text").to_owned();
            let version = image["version"].as_u64().expect("is a number");
            held.insert(text("key"), (text("hash"), version));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for (key, (hash, _)) in &held {
        let answer = client.get(&image_path(key));
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
        assert_eq!(blake3::hash(&answer.body).to_string(), *hash, "{key}");
    }
    held
}

/// Writers that each keep a book of what was acknowledged.
struct Writers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Images>>,
}

impl Writers {
    fn start(server: &Server, number: usize) -> Self {
        let (stop, done, refused): (Arc<AtomicBool>, Arc<AtomicUsize>, Arc<AtomicUsize>) =
            Default::default();
        let address = server.images;
        let threads = (0..number)
            .map(|writer| {
                let (stop, done, refused) = (stop.clone(), done.clone(), refused.clone());
                std::thread::spawn(move || {
                    let mut client = Client::connect(address).expect("connects");
                    let (photos, mut book) = (Photos::develop(), Images::new());
                    for turn in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        // Keys of its own, some of them again and again; the
                        // bytes of every fifth are the same for all.
                        let key = format!("{writer}/🦀 {}", turn * 7 % 60);
                        let (method, image) = match turn % 6 {
                            5 => ("DELETE", Vec::new()),
                            0 => ("PUT", photos.stamped(0, &format!("same {}", turn % 12))),
                            _ => ("PUT", photos.stamped(0, &format!("{writer} {turn}"))),
                        };
                        let answer = client.ask(method, &image_path(&key), &image);
                        match answer.status {
                            200 | 201 => {
                                let version = answer.json()["version"].as_u64();
                                let hash = blake3::hash(&image).to_string();
                                book.insert(key, (hash, version.expect("a version")));
                            }
                            204 => drop(book.remove(&key)),
                            404 if method == "DELETE" => assert!(!book.contains_key(&key)),
                            503 => {
                                let kind = answer.header("content-type");
                                assert_eq!(kind, Some("application/problem+json"));
                                assert!(answer.header("retry-after").is_some());
                                refused.fetch_add(1, Ordering::Relaxed);
                                continue;
                            }
                            other => panic!("{method} {key}: {other} {}", answer.text()),
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    book
                })
            })
            .collect();
        Self { stop, done, refused, threads }
    }

    /// Waits until so many more changes were acknowledged.
    fn work(&self, changes: usize) {
        let enough = self.done.load(Ordering::Relaxed) + changes;
        wait_until("enough was acknowledged", PATIENCE, || {
            self.done.load(Ordering::Relaxed) >= enough
                || self.threads.iter().any(JoinHandle::is_finished)
        });
    }

    /// Waits until a change was refused.
    fn work_until_refused(&self) {
        let before = self.refused.load(Ordering::Relaxed);
        wait_until("a change is refused", PATIENCE, || {
            self.refused.load(Ordering::Relaxed) > before
        });
    }

    /// Ends them; returns what all were acknowledged.
    fn end(self) -> Images {
        self.stop.store(true, Ordering::Relaxed);
        let books = self.threads.into_iter().map(|thread| thread.join().expect("no complaint"));
        books.flatten().collect()
    }
}

/// What a row file says.
fn images_of_backup(file: &Path) -> Images {
    let text = std::fs::read_to_string(file).expect("a row file");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON"));
    let images = lines.filter_map(|line: serde_json::Value| line.get("images").cloned());
    let text = |image: &serde_json::Value, field: &str| {
        image[field].as_str().expect("is a text").to_owned()
    };
    images
        .map(|i| (text(&i, "key"), (text(&i, "hash"), i["version"].as_u64().expect("a number"))))
        .collect()
}

fn row_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
}

#[test]
fn what_is_wrong_is_found_and_repaired_as_far_as_it_can_be() {
    let folder = folder();
    let place = Place::embedded(folder.path(), "data");
    let server = place.serve();
    let mut client = server.client();
    let keys = ["fine", "flipped", "cut \"off\"", "missing", "saved", "unknown", "row"];
    for key in keys {
        put(&mut client, key, &small(key));
    }
    put(&mut client, "saved too", &small("saved"));
    let clean = place.admin(&["verify"], 0);
    assert!(clean.starts_with("verified: 8 images in 7 blobs"), "{clean}");
    assert!(clean.ends_with("wrong: 0"), "{clean}");

    let mut blob = |key: &str| blob_of(&place, &mut client, key);
    let mut bytes = std::fs::read(blob("flipped")).expect("is there");
    bytes[99] ^= 4;
    std::fs::write(blob("flipped"), bytes).expect("writes");
    let cut = std::fs::read(blob("cut \"off\"")).expect("is there");
    std::fs::write(blob("cut \"off\""), &cut[..cut.len() - 1]).expect("writes");
    std::fs::remove_file(blob("missing")).expect("was there");
    let saved = blob("saved");
    std::fs::rename(&saved, saved.with_extension("0000000000000001")).expect("was there");
    let unknown = blob("unknown");
    let name = unknown.strip_prefix(place.data.join("blobs")).expect("is below").display();
    place.execute(&format!("DELETE FROM blobs WHERE location = '{name}'"));
    place.execute("UPDATE images SET size = size + 1 WHERE \"key\" = 'row'");
    place.execute("UPDATE totals SET images = images + 3 WHERE id = 1");
    let orphan = |name: char, age: Duration| {
        let hash = name.to_string().repeat(64);
        let path = place.data.join(format!("blobs/{name}{name}/{hash}.00000000000000aa"));
        let file = std::fs::File::create(&path).expect("is made");
        file.set_modified(SystemTime::now() - age).expect("its time is set");
        path
    };
    let (old, young) =
        (orphan('a', Duration::from_secs(7200)), orphan('b', Duration::from_secs(60)));

    let told = place.admin(&["verify"], 1);
    for line in [
        "image \"flipped\": its blob",
        "image \"cut \\\"off\\\"\": its blob",
        "image \"missing\": its blob",
        "image \"saved\": its blob",
        "image \"saved too\": its blob",
        "image \"row\": its row is wrong",
        "an image names it, and it has no row",
        "aa/aaaa",
        "totals: 11 images",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(told.contains("wrong: 9; --repair"), "{told}");
    assert!(old.exists(), "nobody asked for repairs");

    let told = place.admin(&["verify", "--repair"], 1);
    assert_eq!(told.matches(" - can't be repaired").count(), 3, "{told}");
    assert!(told.contains("wrong: 9, repaired: 6"), "{told}");
    assert!(!old.exists() && young.exists(), "only the old orphan goes");
    for (key, stamp) in [("saved", "saved"), ("saved too", "saved"), ("unknown", "unknown")] {
        assert_eq!(client.get(&image_path(key)).body, small(stamp));
    }
    let told = place.admin(&["verify"], 1);
    assert!(told.contains("wrong: 3"), "only what can't be repaired is left: {told}");

    // What is lost is known now, and no reason not to serve the rest.
    drop(server);
    let server = place.serve();
    let mut client = server.client();
    assert_eq!(client.get("/images/missing").status, 500);
    assert_eq!(client.get("/images/saved").status, 200);
    // Nor one not to back up and restore the rest.
    let backups = folder.path().join("backups");
    let to = backups.to_str().expect("UTF-8");
    let told = place.admin(&["backup", to], 1);
    assert_eq!(told.matches("is damaged or missing").count(), 3, "{told}");
    let restored = Place::embedded(folder.path(), "restored");
    let told = restored.admin(&["restore", to], 1);
    assert_eq!(told.matches("; left out").count(), 3, "{told}");
    restored.admin(&["verify"], 0);
    assert_eq!(held(&restored.serve()).len(), 5);

    // Who still has the bytes brings them back: for all images that had them.
    put(&mut client, "flipped", &small("flipped"));
    put(&mut client, "another", &small("missing"));
    let told = place.admin(&["verify", "--repair"], 1);
    assert!(told.contains("wrong: 2, repaired: 1"), "{told}");
    assert_eq!(client.ask("DELETE", &image_path("cut \"off\""), b"").status, 204);
    place.admin(&["verify"], 0);
    drop(server);
    let server = place.serve();
    assert_eq!(held(&server).len(), 8);
}

#[test]
fn a_sound_store_is_sound_while_it_is_written_to() {
    let folder = folder();
    let place = Place::embedded(folder.path(), "data");
    let server = place.serve();
    let writers = Writers::start(&server, 3);
    for _ in 0..4 {
        writers.work(100);
        let told = place.admin(&["verify", "--repair"], 0);
        assert!(told.ends_with("wrong: 0, repaired: 0"), "{told}");
    }
    assert_eq!(writers.end(), held(&server));
}

#[test]
fn what_is_no_store_is_refused_by_name_and_not_made() {
    let folder = folder();
    let place = Place::embedded(folder.path(), "nowhere");
    let log = place.admin(&["verify"], 2);
    assert!(log.contains("there is no database") && log.contains("nowhere/larder.db"), "{log}");
    assert!(!place.data.exists());
    std::fs::create_dir(&place.data).expect("is made");
    std::fs::write(place.data.join("larder.db"), b"").expect("writes");
    let log = place.admin(&["backup", "/nowhere/at/all"], 2);
    assert!(log.contains("holds no image store yet"), "{log}");
    let log = place.admin(&["restore", folder.path().to_str().expect("UTF-8")], 2);
    assert!(log.contains("there is no backup in"), "{log}");
    for words in [&["verify", "--frobnicate"][..], &["copy"], &["backup"], &["frobnicate"]] {
        place.admin(words, 2);
    }
}

#[test]
fn a_backup_under_load_comes_back_on_every_engine() {
    let folder = folder();
    let place = Place::embedded(folder.path(), "data");
    let backups = folder.path().join("backups");
    let to = backups.to_str().expect("UTF-8");
    let mut server = place.serve();
    put(&mut server.client(), "old", &small("old"));
    let writers = Writers::start(&server, 3);
    writers.work(200);
    place.admin(&["backup", to], 0);
    let first = row_files(&backups).pop().expect("a row file");
    // A blob that the next backup need not have any more.
    assert_eq!(server.client().ask("DELETE", &image_path("old"), b"").status, 204);
    writers.work(100);
    drop(writers.end());
    place.admin(&["backup", to], 0);
    let told = place.admin(&["backup", to], 0);
    assert!(told.contains("0 blobs copied (0 bytes)"), "{told}");
    put(&mut server.client(), "one more", &small("one more"));
    let told = place.admin(&["backup", to], 0);
    assert!(told.contains("1 blobs copied"), "{told}");
    let last = row_files(&backups).pop().expect("row files");
    assert_eq!(images_of_backup(&last), held(&server));
    assert_eq!(server.end(Signal::TERM).0, Some(0));

    let moment = images_of_backup(&first);
    let from = first.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let mut targets = vec![Place::embedded(folder.path(), "restored")];
    if let (Some(rows), Some(blobs)) = (mariadb(), s3()) {
        blobs.make_bucket("restored");
        let url = rows.make_database("restored");
        let place = Place::embedded(folder.path(), "restored-1").with("--database", &url);
        targets.push(place.with("--blobs", &blobs.url("restored")));
    }
    if let Some(rows) = postgres() {
        let url = rows.make_database("restored");
        targets.push(Place::embedded(folder.path(), "restored-2").with("--database", &url));
    }
    for (number, target) in targets.iter().enumerate() {
        if number == 0 {
            // Broken off when the first blobs are there; nobody serves that.
            let mut broken = Process::spawn(&mut target.command(&["restore", to, "--from", from]));
            let blobs = target.data.join("blobs");
            wait_until("the first blob is there", PATIENCE, || files_below(&blobs).len() > 1);
            broken.kill();
            let Ended { code, log, .. } = run(&mut serve(&target.data));
            assert_eq!(code, Some(2), "{log}");
            assert!(log.contains("has not been finished: run it again"), "{log}");
        }
        target.admin(&["restore", to, "--from", from], 0);
        let log = target.admin(&["restore", to], 2);
        assert!(log.contains("has images already"), "{log}");
        let mut server = target.serve();
        assert_eq!(held(&server), moment, "{:?}", target.flags);
        target.admin(&["verify"], 0);
        // Versions of deleted keys go on where they were.
        let again = put(&mut server.client(), "old", &small("new"));
        assert_eq!(again.1, 2, "it replaces version 1");
        assert_eq!(server.end(Signal::TERM).0, Some(0));
    }

    let server = place.serve();
    let blobs_before = files_below(&backups.join("blobs")).len();
    let own = place.data.to_str().expect("UTF-8");
    let log = place.admin(&["backup", own, "--keep", "1"], 2);
    assert!(log.contains("is the store's own folder"), "{log}");
    let told = place.admin(&["backup", to, "--keep", "1"], 0);
    assert!(told.contains("deleted: 4 older backups"), "{told}");
    assert_eq!(row_files(&backups).len(), 1);
    assert!(files_below(&backups.join("blobs")).len() < blobs_before);
    let kept = row_files(&backups).pop().expect("one");
    assert_eq!(images_of_backup(&kept), held(&server));

    let whole = std::fs::read(&kept).expect("reads");
    std::fs::write(&kept, &whole[..whole.len() / 2]).expect("writes");
    let other = Place::embedded(folder.path(), "other");
    let log = run(&mut other.command(&["restore", to])).log;
    assert!(log.contains("is damaged"), "{log}");
    assert!(!other.data.exists(), "nothing is touched");
}

#[test]
fn a_store_moves_to_servers_under_load_and_loses_nothing() {
    let (Some(rows), Some(blobs)) = (postgres(), s3()) else { return };
    let folder = folder();
    let old = Place::embedded(folder.path(), "data");
    let (url, bucket) = (rows.make_database("moved"), blobs.url("moved"));
    blobs.make_bucket("moved");
    let new = Place::embedded(folder.path(), "new");
    let new = new.with("--database", &url).with("--blobs", &bucket);
    let words = ["copy", "--to-database", &url, "--to-blobs", &bucket];

    let mut server = old.serve();
    let mut writers = Writers::start(&server, 3);
    writers.work(300);
    // Broken off in its first pass, and again while the store is frozen.
    let mut broken = Process::spawn(&mut old.command(&words));
    let there = blobs.root().join("moved");
    wait_until("a blob is there", PATIENCE, || files_below(&there).len() > 10);
    broken.kill();
    let Ended { log, .. } = run(serve(&new.data).args(&new.flags).envs([
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
    ]));
    assert!(log.contains("has not been finished"), "half a copy is not served: {log}");
    writers.work(50);
    let mut broken = Process::spawn(&mut old.command(&words));
    wait_until("it is frozen", PATIENCE, || broken.log().contains("frozen:"));
    broken.kill();
    if server.client().ask("PUT", &image_path("probe"), &small("probe")).status == 503 {
        writers.work_until_refused();
        assert_eq!(server.client().ask("DELETE", &image_path("probe"), b"").status, 404);
    }
    let acknowledged = writers.end();
    assert_eq!(acknowledged, held(&server), "a frozen store is read as ever");
    assert!(old.admin(&["thaw"], 0).contains("takes changes again"));

    writers = Writers::start(&server, 3);
    writers.work(100);
    let told = old.admin(&words, 0);
    assert!(told.contains("copied and compared:") && told.contains("next: stop"), "{told}");
    assert!(!told.contains("pass%2Fword"), "no password is shown: {told}");
    writers.work_until_refused();
    writers.end();
    let acknowledged = held(&server);
    let answer = server.client().ask("PUT", &image_path("late"), &small("late"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(server.end(Signal::TERM).0, Some(0));

    let server = new.serve();
    assert_eq!(held(&server), acknowledged);
    new.admin(&["verify"], 0);
    let writers = Writers::start(&server, 2);
    writers.work(30);
    writers.end();
    new.admin(&["verify"], 0);
    let log = old.admin(&words, 2);
    assert!(log.contains("has images already"), "{log}");
}

#[test]
fn a_store_moves_from_a_server_to_one_file() {
    let Some(rows) = mariadb() else { return };
    let folder = folder();
    let old = Place::embedded(folder.path(), "data");
    let old = old.with("--database", &rows.make_database("old"));
    let mut server = old.serve();
    let writers = Writers::start(&server, 2);
    writers.work(120);
    let file = folder.path().join("new.db");
    let url = format!("sqlite:{}", file.display());
    old.admin(&["copy", "--to-database", &url], 0);
    writers.work_until_refused();
    let acknowledged = writers.end();
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    // The blobs have stayed where they were.
    let new = Place { data: old.data.clone(), flags: vec!["--database".into(), url] };
    let server = new.serve();
    assert_eq!(held(&server), acknowledged);
    new.admin(&["verify"], 0);
    put(&mut server.client(), "new", &small("new"));
}

#[test]
fn blobs_move_to_a_bucket_under_load() {
    let Some(blobs) = s3() else { return };
    let folder = folder();
    let old = Place::embedded(folder.path(), "data");
    let bucket = blobs.url("migrated");
    blobs.make_bucket("migrated");
    let mut server = old.serve();
    let writers = Writers::start(&server, 2);
    writers.work(120);
    let told = old.admin(&["migrate-blobs", "--to", &bucket], 0);
    assert!(told.contains("larder admin thaw"), "{told}");
    writers.work_until_refused();
    let acknowledged = writers.end();
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    let new = old.with("--blobs", &bucket);
    let server = new.serve();
    assert_eq!(held(&server), acknowledged);
    assert_eq!(server.client().ask("PUT", &image_path("a"), &small("a")).status, 503);
    new.admin(&["thaw"], 0);
    put(&mut server.client(), "a", &small("a"));
    new.admin(&["verify"], 0);

    // Another store's bucket is not taken.
    let other = Place::embedded(folder.path(), "other");
    let _server = other.serve();
    let log = other.admin(&["migrate-blobs", "--to", &bucket], 2);
    assert!(log.contains("belong to another database"), "{log}");
    other.admin(&["verify"], 0);
}

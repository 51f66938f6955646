//! What the statements do to the rows, and how the engine runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use larder_cache::Objective;
use larder_sql::{Config, DatabaseUrl, Dialect};
use parking_lot::Mutex;

use super::changes::put;
use super::lists::list_statement;
use super::*;
use crate::model::{Cursor, Listing, Precondition, Settings, Sort};

async fn open(folder: &std::path::Path) -> Store {
    open_at(DatabaseUrl::Sqlite(folder.join("test.db"))).await
}

async fn open_at(url: DatabaseUrl) -> Store {
    let database = Database::open(&Config { url, readers: 1 }).await.expect("opens");
    Store::open(database).await.expect("opens")
}

/// A fresh database on every engine that is installed.
fn on_every_engine(folder: &std::path::Path, name: &str) -> Vec<DatabaseUrl> {
    let servers = [
        larder_servers::mariadb().map(|server| server.make_database(name)),
        larder_servers::postgres().map(|server| server.make_database(name)),
    ];
    let servers = servers.into_iter().flatten().map(|url| url.parse().expect("a URL"));
    let sqlite = DatabaseUrl::Sqlite(folder.join(format!("{name}.db")));
    std::iter::once(sqlite).chain(servers).collect()
}

fn new_image(key: &str, hash: u8, size: u64) -> NewImage {
    let location = format!("{hash:02x}/{}.{:016x}", format!("{hash:02x}").repeat(32), size);
    NewImage {
        key: key.parse().expect("a key"),
        location: location.parse().expect("a location"),
        picture: larder_picture::Picture {
            format: larder_picture::Format::Png,
            width: 1,
            height: 1,
            frames: 1,
            orientation: 1,
        },
        size,
        precondition: Precondition::None,
        now: Timestamp(1),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_follow_every_change() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in on_every_engine(folder.path(), "totals") {
        check_totals(&open_at(url).await).await;
    }
}

async fn check_totals(store: &Store) {
    let key = |text: &str| text.parse::<ImageKey>().expect("a key");
    assert_eq!(store.totals().await.expect("reads"), (0, 0));
    store.put(new_image("a", 1, 100)).await.expect("is stored");
    store.put(new_image("b", 2, 1000)).await.expect("is stored");
    assert_eq!(store.totals().await.expect("reads"), (2, 1100));
    store.put(new_image("a", 3, 7)).await.expect("is replaced");
    assert_eq!(store.totals().await.expect("reads"), (2, 1007));
    let refused = NewImage { precondition: Precondition::Absent, ..new_image("a", 4, 9) };
    assert!(matches!(store.put(refused).await, Err(Error::PreconditionFailed)));
    assert!(store.delete(&key("b"), Precondition::None, Timestamp(2)).await.expect("deletes"));
    assert!(!store.delete(&key("b"), Precondition::None, Timestamp(2)).await.expect("is gone"));
    assert_eq!(store.totals().await.expect("reads"), (1, 7));
    assert_eq!(store.delete_all(Timestamp(3)).await.expect("deletes"), 1);
    assert_eq!(store.totals().await.expect("reads"), (0, 0));
}

/// A page is as quick at a million images as at ten when an index leads to its
/// first image and gives the order from there.
#[tokio::test]
async fn every_page_is_found_by_an_index_and_never_sorted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    for sort in Sort::ALL {
        for descending in [false, true] {
            for paged in [false, true] {
                let after = paged.then(|| Cursor { value: "1".into(), key: "k".into() });
                let listing = Listing { sort, descending, after, limit: 50, ..Listing::default() };
                let (sql, parameters) = list_statement(Dialect::Sqlite, &listing);
                let explain = move |rows: &mut dyn Connection| {
                    let plan = rows.query(&format!("EXPLAIN QUERY PLAN {sql}"), &parameters)?;
                    plan.iter().map(|row| row.get::<String>(3)).collect::<Result<Vec<_>, _>>()
                };
                let plan = store.database.read(explain).await.expect("explains").join("; ");
                assert!(plan.contains("USING INDEX"), "{listing:?}: {plan}");
                assert!(!plan.contains("TEMP B-TREE"), "{listing:?} sorts: {plan}");
                assert_eq!(plan.contains("SEARCH"), paged, "{listing:?}: {plan}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_store_takes_no_changes_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in on_every_engine(folder.path(), "frozen") {
        let store = open_at(url).await;
        store.put(new_image("a", 1, 100)).await.expect("is stored");
        store.freeze(true).await.expect("freezes");
        let key = "a".parse().expect("a key");
        assert!(matches!(store.put(new_image("b", 2, 1)).await, Err(Error::Frozen)));
        assert!(matches!(store.put(new_image("a", 1, 100)).await, Err(Error::Frozen)));
        let deleted = store.delete(&key, Precondition::None, Timestamp(2)).await;
        assert!(matches!(deleted, Err(Error::Frozen)));
        assert!(matches!(store.delete_all(Timestamp(2)).await, Err(Error::Frozen)));
        assert!(matches!(store.save_settings(None, Timestamp(2)).await, Err(Error::Frozen)));
        assert_eq!(store.totals().await.expect("reads"), (1, 100));
        store.freeze(false).await.expect("thaws");
        store.put(new_image("b", 2, 1)).await.expect("is stored");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_earlier_versions_are_read_and_go_on_as_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in on_every_engine(folder.path(), "settings") {
        let config = Config { url: url.clone(), readers: 1 };
        let earlier = Database::open(&config).await.expect("opens");
        earlier.migrate("images", &MIGRATIONS[..2]).await.expect("migrates");
        let save = |rows: &mut dyn Connection| -> Result<()> {
            let sql = "INSERT INTO cache_properties (max_capacity, replacement_method, created_at)
                 VALUES (1000, 'sieve', 1)";
            Ok(rows.execute(sql, &[]).map(drop)?)
        };
        earlier.write(save).await.expect("is saved");
        earlier.close().await;

        let store = open_at(url).await;
        let before = Settings {
            capacity_bytes: 1000,
            policy: "sieve".parse().expect("a policy"),
            objective: Objective::Objects,
            autopilot: false,
        };
        assert_eq!(store.settings().await.expect("reads"), Some(before));
        let after = Settings { objective: Objective::Bytes, autopilot: true, ..before };
        store.save_settings(Some(after), Timestamp(2)).await.expect("saves");
        assert_eq!(store.settings().await.expect("reads"), Some(after));

        // An objective that only another program knows.
        let change = |rows: &mut dyn Connection| -> Result<()> {
            let sql = "UPDATE cache_properties SET objective = 'latency'";
            Ok(rows.execute(sql, &[]).map(drop)?)
        };
        store.database.write(change).await.expect("changes");
        let known = Settings { objective: Objective::Objects, ..after };
        assert_eq!(store.settings().await.expect("reads"), Some(known));
        store.save_settings(None, Timestamp(3)).await.expect("saves");
        assert_eq!(store.settings().await.expect("reads"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_blob_stays_until_the_hold_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in on_every_engine(folder.path(), "holds") {
        let store = open_at(url).await;
        let blob = store.put(new_image("a", 1, 1)).await.expect("is stored").image.location;
        store.put(new_image("a", 2, 2)).await.expect("is replaced");
        let retire = |at| store.retire_blobs(Timestamp(at), Timestamp(at), 10);
        store.hold_blobs("a copy", Timestamp(100)).await.expect("holds");
        assert_eq!(retire(50).await.expect("looks"), []);
        store.hold_blobs("a copy", Timestamp(200)).await.expect("renews");
        assert_eq!(retire(150).await.expect("looks"), []);
        store.release_blobs("a copy", Timestamp(150)).await.expect("releases");
        assert_eq!(retire(150).await.expect("looks"), [blob]);
        assert_eq!(retire(150).await.expect("looks"), [blob], "until it is forgotten");
        store.forget_blobs(vec![blob]).await.expect("forgets");
        assert_eq!(retire(150).await.expect("looks"), []);
    }
}

/// Two programs over one database, each with several clients and a collector,
/// on few keys and few contents, so that everything meets everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_share_a_database_agree_on_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in on_every_engine(folder.path(), "shared") {
        // An embedded database is used by one program.
        let programs = if matches!(url, DatabaseUrl::Sqlite(_)) { 1 } else { 2 };
        let mut stores = Vec::new();
        for _ in 0..programs {
            stores.push(open_at(url.clone()).await);
        }
        // Versions that were acknowledged, by key.
        let versions: Arc<Mutex<BTreeMap<String, Vec<u64>>>> = Arc::default();
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..6_u64 {
            let (store, versions) = (stores[client as usize % programs].clone(), versions.clone());
            tasks.spawn(async move {
                for step in 0..30_u64 {
                    let dice = blake3_of(client, step);
                    let key = format!("{}", dice % 3);
                    match dice % 16 {
                        0 => drop(store.delete_all(Timestamp(1)).await.expect("deletes")),
                        1..4 => {
                            let key = key.parse().expect("a key");
                            let none = Precondition::None;
                            store.delete(&key, none, Timestamp(1)).await.expect("deletes");
                        }
                        _ => {
                            // Its own copy of one of few contents.
                            let content = (dice >> 8) % 4 + 1;
                            let mut new = new_image(&key, content as u8, content * 10);
                            new.location.copy = dice;
                            let stored = store.put(new).await.expect("is stored");
                            let version = stored.image.version;
                            versions.lock().entry(key).or_default().push(version);
                        }
                    }
                }
            });
        }
        let mut collectors = tokio::task::JoinSet::new();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for store in stores.clone() {
            let stop = stop.clone();
            collectors.spawn(async move {
                let mut removed = BTreeSet::new();
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    let now = Timestamp(2);
                    let retired = store.retire_blobs(now, now, 5).await.expect("looks");
                    removed.extend(retired.iter().copied());
                    store.forget_blobs(retired).await.expect("forgets");
                    tokio::task::yield_now().await;
                }
                removed
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("works");
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        let mut removed = BTreeSet::new();
        while let Some(done) = collectors.join_next().await {
            removed.extend(done.expect("collects"));
        }
        for (key, mut given) in versions.lock().clone() {
            let count = given.len();
            given.sort_unstable();
            given.dedup();
            assert_eq!(given.len(), count, "{url}: a version of {key} was given twice");
        }
        let images = stores[0].list(Listing { limit: 100, ..Listing::default() }).await;
        let images = images.expect("lists").images;
        let bytes = images.iter().map(|image| image.size).sum::<u64>();
        let totals = stores[0].totals().await.expect("adds up");
        assert_eq!(totals, (images.len() as u64, bytes), "{url}");
        assert!(stores[0].images_without_blob().await.expect("looks").is_empty(), "{url}");
        for image in images {
            assert!(!removed.contains(&image.location), "{url}: {image:?} has lost its blob");
        }
    }
}

/// Numbers without a pattern, the same in each run.
fn blake3_of(client: u64, step: u64) -> u64 {
    let hash = blake3::hash(&[client.to_le_bytes(), step.to_le_bytes()].concat());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"))
}

/// A commit that is on its way while its program is gone, here as one that is
/// held back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_starts_waits_for_the_changes_of_the_last_one() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in on_every_engine(folder.path(), "predecessors") {
        if matches!(url, DatabaseUrl::Sqlite(_)) {
            // There a commit ends with its program.
            continue;
        }
        let last = open_at(url.clone()).await;
        let (commit, wait) = std::sync::mpsc::channel::<()>();
        let (began, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let changing = tokio::spawn({
            let database = last.database.clone();
            let work = move |rows: &mut dyn Connection| -> Result<()> {
                put(rows, &new_image("a", 1, 1))?;
                let _ = began.send(());
                let _ = wait.recv();
                Ok(())
            };
            async move { database.write(work).await }
        });
        has_begun.recv().await.expect("begins");
        let starting = tokio::spawn(open_at(url));
        // It reads nothing before the change has ended.
        for _ in 0..50 {
            assert!(!starting.is_finished());
            last.totals().await.expect("others read on");
        }
        commit.send(()).expect("the change waits");
        let next = starting.await.expect("starts");
        assert_eq!(next.totals().await.expect("reads"), (1, 1));
        changing.await.expect("runs").expect("is committed");
    }
}

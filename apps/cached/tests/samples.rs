//! Statistics of the mem-cache server on every engine: what is stored, and
//! that a database that isn't there stops nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use larder_cache::PolicyKind;
use larder_cached::{Config, MAX_ITEM_BYTES, MemCache, Samples};
use larder_clock::{Clock, SystemClock, Timestamp};
use larder_sql::{Config as SqlConfig, Database, DatabaseUrl};
use larder_web::Shutdown;

const PATIENCE: Duration = Duration::from_secs(30);

fn cache() -> MemCache {
    let config =
        Config { capacity_bytes: 1 << 20, policy: PolicyKind::Lru, max_item_bytes: MAX_ITEM_BYTES };
    MemCache::new(&config, Arc::new(SystemClock))
}

fn samples(url: &str) -> Samples {
    let database = url.parse().expect("a URL");
    Samples { database, service: "127.0.0.1:5001".into(), every: Duration::from_millis(20) }
}

/// The computer's clock, and how often it was asked: once by each sample.
#[derive(Default)]
struct Asked(AtomicUsize);

impl Clock for Asked {
    fn now(&self) -> Timestamp {
        self.0.fetch_add(1, Ordering::SeqCst);
        SystemClock.now()
    }
}

/// The sums of the samples, and how many there are: 0 before there is a table.
async fn stored(database: &Database) -> [i64; 4] {
    let integer = |expression: &str| database.dialect().integer(expression);
    let sums = ["request_count", "hit_count", "miss_count"]
        .map(|column| integer(&format!("COALESCE(SUM({column}), 0)")));
    let sql = format!(
        "SELECT {}, {} FROM memcache_stats WHERE service = ?",
        sums.join(", "),
        integer("COUNT(*)")
    );
    match database.query_one(sql, vec!["127.0.0.1:5001".into()]).await {
        Ok(Some(row)) => [0, 1, 2, 3].map(|column| row.get(column).expect("a number")),
        _ => [0; 4],
    }
}

async fn becomes(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until(database: &Database, what: impl Fn([i64; 4]) -> bool) -> [i64; 4] {
    let since = Instant::now();
    loop {
        let found = stored(database).await;
        if what(found) {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "only {found:?} after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn are_stored_in(url: &str) {
    let database: DatabaseUrl = url.parse().expect("a URL");
    let database = Database::open(&SqlConfig { url: database, readers: 1 }).await.expect("opens");
    let (cache, shutdown) = (cache(), Shutdown::default());
    let storing = samples(url).store(cache.clone(), Arc::new(SystemClock), shutdown.clone());
    let storing = tokio::spawn(storing);
    until(&database, |[.., count]| count > 0).await;
    cache.put("a/key", b"value");
    assert!(cache.get("a/key").is_some() && cache.get("b/key").is_none());
    assert!(cache.get("a/key").is_some());
    let found = until(&database, |[requests, ..]| requests > 0).await;
    assert_eq!(found[..3], [3, 2, 1], "what was done since the sample before");
    let held = "SELECT key_count, cache_size FROM memcache_stats ORDER BY id DESC";
    let row = database.query_one(held, vec![]).await.expect("reads").expect("a row");
    let (items, bytes): (i64, i64) = (row.get(0).expect("items"), row.get(1).expect("bytes"));
    assert!(items == 1 && bytes > 10, "{items} of {bytes} bytes");
    shutdown.ask();
    storing.await.expect("ends");
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_are_stored_on_every_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    are_stored_in(&format!("sqlite:{}", folder.path().join("stats.db").display())).await;
    if let Some(server) = larder_servers::mariadb() {
        are_stored_in(&server.make_database("samples")).await;
    }
    if let Some(server) = larder_servers::postgres() {
        are_stored_in(&server.make_database("samples")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_comes_later_gets_what_is_sampled_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let path = missing.join("stats.db");
    // In the way of the folder is a file.
    std::fs::write(&missing, b"in the way").expect("writes");
    let (cache, shutdown) = (cache(), Shutdown::default());
    let url = format!("sqlite:{}", path.display());
    let clock = Arc::new(Asked::default());
    let storing = samples(&url).store(cache.clone(), clock.clone(), shutdown.clone());
    let storing = tokio::spawn(storing);
    // The second begins after the first was lost.
    becomes("second sample", || clock.0.load(Ordering::SeqCst) > 1).await;
    assert!(!storing.is_finished(), "it goes on without its database");
    cache.put("a/key", b"value");
    std::fs::remove_file(&missing).expect("removes");
    std::fs::create_dir(&missing).expect("makes a folder");
    becomes("database", || path.exists()).await;
    let config = SqlConfig { url: url.parse().expect("a URL"), readers: 1 };
    let database = Database::open(&config).await.expect("opens");
    until(&database, |[.., count]| count > 2).await;
    shutdown.ask();
    storing.await.expect("ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_does_not_hold_up_the_end() {
    // It accepts and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = mute.local_addr().expect("is bound");
    let shutdown = Shutdown::default();
    let samples = samples(&format!("mariadb://user:word@{address}/stats"));
    let storing = tokio::spawn(samples.store(cache(), Arc::new(SystemClock), shutdown.clone()));
    tokio::task::spawn_blocking(move || mute.accept()).await.expect("waits").expect("it was tried");
    shutdown.ask();
    tokio::time::timeout(Duration::from_secs(5), storing).await.expect("in time").expect("ends");
}

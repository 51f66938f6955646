//! Rows of the mem-cache server: what it did, every few seconds, in a table of
//! its own, so that an image store may use the same database. The only SQL
//! there is in this app. No entry is ever kept here.

use std::time::Duration;

use larder_clock::Timestamp;
use larder_sql::{Config, Database, DatabaseUrl, Migration, Result, Value};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "statistics of the mem-cache server",
    sql: include_str!("store/1.sql"),
}];

/// Seconds for which samples are kept: a day, and a little more.
const KEEP_FOR: i64 = 24 * 3600 + 600;

/// How long the end of the server may wait for what is under way.
const CLOSING: Duration = Duration::from_secs(2);

/// What the cache held at one moment, and what it did since the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) size_bytes: u64,
    pub(crate) items: u64,
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

/// The rows.
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// The store in a database, its table made or brought up to date.
    pub(crate) async fn open(url: DatabaseUrl) -> Result<Self> {
        let database = Database::open(&Config { url, readers: 1 }).await?;
        database.migrate("memcache", MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// Keeps a sample of the server at `service`, and drops those of a day ago.
    pub(crate) async fn add(&self, service: &str, sample: Sample) -> Result<()> {
        let Sample { at, size_bytes, items, requests, hits, misses } = sample;
        let now = at.seconds();
        let row: [Value; 7] = [
            size_bytes.into(),
            items.into(),
            requests.into(),
            hits.into(),
            misses.into(),
            now.into(),
            service.into(),
        ];
        let work = move |rows: &mut dyn larder_sql::Connection| {
            rows.execute(
                "INSERT INTO memcache_stats (cache_size, key_count, request_count, hit_count,
                     miss_count, created_at, service) VALUES (?, ?, ?, ?, ?, ?, ?)",
                &row,
            )?;
            let old = "DELETE FROM memcache_stats WHERE created_at < ?";
            rows.execute(old, &[(now - KEEP_FOR).into()])?;
            Ok(())
        };
        self.database.write(work).await
    }

    /// Ends what is under way, if that doesn't take long.
    pub(crate) async fn close(&self) {
        let _ = tokio::time::timeout(CLOSING, self.database.close()).await;
    }
}

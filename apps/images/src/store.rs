//! Rows of the image store: the only SQL there is in this app. Every verb is
//! one transaction. Decides nothing.

mod blobs;
mod changes;
mod holds;
mod lists;
mod pool;
mod repairs;
mod samples;
mod settings;
mod whole;

use std::time::{Duration, Instant};

use larder_blobs::BlobId;
use larder_clock::Timestamp;
use larder_sql::{Connection, Database, Error as SqlError, Guard, Migration, Row, Value};

use crate::error::{Error, Result};
use crate::model::{Image, ImageKey};
pub use changes::NewImage;
pub use pool::PoolDecision;
pub use repairs::Entry;
pub use samples::{INTERVAL_SECONDS, Sample, Sampled};
pub use whole::{Counts, Table, Values};

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "images, blobs, cache settings and statistics",
        sql: include_str!("store/1.sql"),
    },
    Migration {
        version: 2,
        name: "totals in parts, holds on blobs, freezing",
        sql: include_str!("store/2.sql"),
    },
    Migration {
        version: 3,
        name: "objective and autopilot of the cache",
        sql: include_str!("store/3.sql"),
    },
    Migration {
        version: 4,
        name: "several nodes: whose statistics, and the pool",
        sql: include_str!("store/4.sql"),
    },
];

/// Columns of an image, in the order in which [`image`] reads them.
const COLUMNS: &str =
    "\"key\", version, location, type, size, width, height, frames, created_at, updated_at";

/// How long changes of an earlier run may go on: longer than a server keeps a
/// transaction whose client is gone.
const PREDECESSORS: Duration = Duration::from_secs(90);

/// The rows of the image store.
#[derive(Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// The store in `database`, its tables brought up to date.
    pub async fn open(database: Database) -> Result<Self> {
        database.migrate("images", MIGRATIONS).await?;
        let store = Self { database };
        store.outwait_predecessors().await?;
        Ok(store)
    }

    /// The same store, whose changes begin with `guard`.
    #[must_use]
    pub fn guarded(&self, guard: Option<Guard>) -> Self {
        Self { database: self.database.guarded(guard) }
    }

    /// Waits for changes of programs that are gone. 1. One sends a commit and
    /// is killed. 2. We start, read what the rows say, and remember it or
    /// remove a blob that none names. 3. The server gets to that commit. Each
    /// change that can still be committed holds a row of the totals.
    async fn outwait_predecessors(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let work = |rows: &mut dyn Connection| {
                let lock = rows.dialect().for_update();
                rows.query(&format!("SELECT id FROM totals ORDER BY id{lock}"), &[])?;
                Ok(())
            };
            match self.database.write(work).await {
                Err(Error::Unavailable(error)) if started.elapsed() < PREDECESSORS => {
                    tracing::warn!(%error, "waiting for changes of an earlier run to end");
                }
                ended => return ended,
            }
        }
    }

    /// The store in `database`, whose tables are used as they are.
    ///
    /// # Errors
    /// [`Error::OtherVersion`] if they aren't those of this program.
    pub async fn open_beside(database: Database) -> Result<Self> {
        let found = database.version("images").await?;
        let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
        match found == known {
            true => Ok(Self { database }),
            false => Err(Error::OtherVersion { found, known }),
        }
    }

    /// The name by which these rows know their blobs and no others: made once,
    /// at random, and taken along wherever the rows go.
    pub async fn identity(&self) -> Result<String> {
        let fresh = getrandom::u64().map_err(|error| Error::Damaged(error.to_string()))?;
        let fresh = format!("larder-{fresh:016x}");
        let work = move |rows: &mut dyn Connection| {
            let sql = "SELECT name FROM identity WHERE id = 1";
            if let Some(row) = rows.query_one(sql, &[])? {
                return Ok(row.get(0)?);
            }
            let insert = "INSERT INTO identity (id, name) VALUES (1, ?)";
            match rows.execute(insert, &[fresh.as_str().into()]) {
                Ok(_) => Ok(fresh.clone()),
                // Another program was faster.
                Err(SqlError::Constraint(_)) => Err(rows.conflict().into()),
                Err(error) => Err(error.into()),
            }
        };
        self.database.write(work).await
    }

    /// The image under `key`.
    pub async fn image(&self, key: &ImageKey) -> Result<Option<Image>> {
        let sql = format!("SELECT {COLUMNS} FROM images WHERE \"key\" = ?");
        self.database.query_one(sql, vec![text(key)]).await?.map(|row| image(&row)).transpose()
    }

    /// The image under `key`, and what `then` makes of it on a thread that may
    /// block.
    pub async fn image_then<T: Send + 'static>(
        &self,
        key: &ImageKey,
        then: impl FnOnce(&Image) -> T + Send + 'static,
    ) -> Result<Option<(Image, T)>> {
        let sql = format!("SELECT {COLUMNS} FROM images WHERE \"key\" = ?");
        let then = move |row: Option<Row>| {
            let Some(row) = row else { return Ok(None) };
            let image = image(&row)?;
            let made = then(&image);
            Ok(Some((image, made)))
        };
        self.database.query_one_then(sql, vec![text(key)], then).await?
    }

    /// Forgets versions of keys that were deleted before `before`: no cache
    /// anywhere remembers them by then.
    pub async fn forget_tombstones(&self, before: Timestamp) -> Result<u64> {
        let work = move |rows: &mut dyn Connection| {
            Ok(rows.execute("DELETE FROM tombstones WHERE deleted_at < ?", &[before.0.into()])?)
        };
        self.database.write(work).await
    }

    /// Whether the database answers.
    pub async fn is_reachable(&self) -> bool {
        self.database.query("SELECT 1", vec![]).await.is_ok()
    }

    /// Whether a change can begin, as far as can be told at no cost.
    pub async fn check(&self) -> Result<()> {
        Ok(self.database.check().await?)
    }

    /// Finishes what is under way and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

fn text(key: &ImageKey) -> Value {
    key.as_str().into()
}

fn image(row: &Row) -> Result<Image> {
    let damaged = |what: &str| Error::Damaged(format!("an image's {what} can't be read"));
    let (key, format): (String, String) = (row.get(0)?, row.get(3)?);
    Ok(Image {
        key: key.parse().map_err(|_| damaged("key"))?,
        version: row.get(1)?,
        location: location(row, 2)?,
        format: format.parse().map_err(|_| damaged("type"))?,
        size: row.get(4)?,
        width: row.get(5)?,
        height: row.get(6)?,
        frames: row.get(7)?,
        created_at: Timestamp(row.get(8)?),
        updated_at: Timestamp(row.get(9)?),
    })
}

fn location(row: &Row, column: usize) -> Result<BlobId> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| Error::Damaged(format!("{text:?} is not the location of a blob")))
}

#[cfg(test)]
mod tests;

//! Rows of the image store: the only SQL there is in this app. Every verb is
//! one transaction. Decides nothing.

mod holds;
mod repairs;
mod samples;
mod whole;

use std::time::{Duration, Instant};

use larder_blobs::BlobId;
use larder_clock::Timestamp;
use larder_sql::{Connection, Database, Dialect, Error as SqlError, Migration, Row, Value};

use crate::error::{Error, Result};
use crate::model::{
    Cursor, Image, ImageKey, Listing, Page, Precondition, Settings, Sort, Uploaded,
};
pub use repairs::Entry;
pub use samples::{INTERVAL_SECONDS, Sample};
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
];

/// Totals are kept in so many rows, and each change adds to one of them, so
/// that uploads at one time rarely wait for each other there.
const PARTS: i64 = 64;

/// Columns of an image, in the order in which [`image`] reads them.
const COLUMNS: &str =
    "\"key\", version, location, type, size, width, height, frames, created_at, updated_at";

/// How long changes of an earlier run may go on: longer than a server keeps a
/// transaction whose client is gone.
const PREDECESSORS: Duration = Duration::from_secs(90);

/// How long the statements that touch all images may take.
const ALL: Duration = Duration::from_secs(600);

/// The rows of the image store.
#[derive(Clone)]
pub struct Store {
    database: Database,
}

/// An image that is to be stored.
pub struct NewImage {
    /// The key.
    pub key: ImageKey,
    /// The blob that was put for it.
    pub location: BlobId,
    /// What it is.
    pub picture: larder_picture::Picture,
    /// Its size in bytes.
    pub size: u64,
    /// What must hold for it to be stored.
    pub precondition: Precondition,
    /// The time.
    pub now: Timestamp,
}

impl Store {
    /// The store in `database`, its tables brought up to date.
    pub async fn open(database: Database) -> Result<Self> {
        database.migrate("images", MIGRATIONS).await?;
        let store = Self { database };
        store.outwait_predecessors().await?;
        Ok(store)
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

    /// Stores an image under its key. Where a live blob has the same bytes,
    /// that one is used, and the caller removes the one it put.
    pub async fn put(&self, new: NewImage) -> Result<Uploaded> {
        self.database.write(move |rows| put(rows, &new)).await
    }

    /// Deletes the image under `key`; says whether there was one.
    pub async fn delete(
        &self,
        key: &ImageKey,
        precondition: Precondition,
        now: Timestamp,
    ) -> Result<bool> {
        let key = key.clone();
        let work = move |rows: &mut dyn Connection| {
            let stored = find_for_update(rows, &key)?;
            if !precondition.holds(stored.as_ref()) {
                return Err(Error::PreconditionFailed);
            }
            let Some(image) = stored else { return Ok(false) };
            let sql = format!(
                "INSERT INTO tombstones (\"key\", version, deleted_at) VALUES (?, ?, ?) {}",
                rows.dialect().or_raise("tombstones", "\"key\"", &["version", "deleted_at"])
            );
            rows.execute(&sql, &[text(&key), image.version.into(), now.0.into()])?;
            rows.execute("DELETE FROM images WHERE \"key\" = ?", &[text(&key)])?;
            release(rows, &image.location, now)?;
            add_to_totals(rows, part(&image.location), -1, -signed(image.size))?;
            Ok(true)
        };
        self.database.write(work).await
    }

    /// Deletes all images; says how many there were. Images that are uploaded
    /// at the same time come before or after.
    pub async fn delete_all(&self, now: Timestamp) -> Result<u64> {
        let work = move |rows: &mut dyn Connection| {
            rows.allow(ALL);
            let dialect = rows.dialect();
            // First the images, as in every change. SQLite needs no locks.
            if dialect != Dialect::Sqlite {
                rows.execute("UPDATE images SET updated_at = updated_at", &[])?;
            }
            // 1. Remember the versions, as far as others don't remember higher
            // ones. 2. Uploads under new keys may come now; they stay. 3.
            // Delete what is as remembered.
            let remember = format!(
                "INSERT INTO tombstones (\"key\", version, deleted_at)
                 SELECT \"key\", version, ? FROM images WHERE true {}",
                dialect.or_raise("tombstones", "\"key\"", &["version", "deleted_at"])
            );
            rows.execute(&remember, &[now.0.into()])?;
            let remembered = "FROM images WHERE EXISTS (SELECT 1 FROM tombstones t
                 WHERE t.\"key\" = images.\"key\" AND t.version = images.version)";
            let bytes = dialect.integer("COALESCE(SUM(size), 0)");
            let counted = rows.query_one(&format!("SELECT COUNT(*), {bytes} {remembered}"), &[])?;
            let (images, bytes) = match counted {
                Some(row) => (row.get::<i64>(0)?, row.get::<i64>(1)?),
                None => (0, 0),
            };
            let deleted = rows.execute(&format!("DELETE {remembered}"), &[])?;
            if deleted != images.unsigned_abs() {
                return Err(rows.conflict().into());
            }
            rows.execute(
                "UPDATE blobs SET unreferenced_at = ? WHERE unreferenced_at IS NULL",
                &[now.0.into()],
            )?;
            add_to_totals(rows, 1, -images, -bytes)?;
            Ok(deleted)
        };
        self.database.write(work).await
    }

    /// One page of a list.
    pub async fn list(&self, listing: Listing) -> Result<Page> {
        let (sql, parameters) = list_statement(self.database.dialect(), &listing);
        let found = self.database.query(sql, parameters).await?;
        let mut images = found.iter().map(image).collect::<Result<Vec<_>>>()?;
        let more = images.len() > listing.limit as usize;
        images.truncate(listing.limit as usize);
        let last = images.last().filter(|_| more);
        let next = last.map(|image| Cursor::after(image, listing.sort));
        Ok(Page { images, next })
    }

    /// All keys, in order of their bytes.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let sql = "SELECT \"key\" FROM images ORDER BY \"key\"";
        let keys = self.database.query(sql, vec![]).await?;
        Ok(keys.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
    }

    /// How many images there are, and how many bytes they have together.
    pub async fn totals(&self) -> Result<(u64, u64)> {
        // Kept by every change, because counting a million rows takes 100 ms.
        let sum = |column| self.database.dialect().integer(column);
        let sql = format!("SELECT {}, {} FROM totals", sum("SUM(images)"), sum("SUM(bytes)"));
        match self.database.query_one(sql, vec![]).await? {
            Some(row) => Ok((row.get(0)?, row.get(1)?)),
            None => Ok((0, 0)),
        }
    }

    /// Takes up to `limit` blobs that no image names since `before` out of
    /// use: from now on no upload will rely on them, and they may be removed.
    /// While somebody holds the blobs there are none.
    pub async fn retire_blobs(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<BlobId>> {
        let work = move |rows: &mut dyn Connection| -> Result<_> {
            // 1. Candidates, which no upload can claim from here on. 2. Those
            // that an image names after all, by an upload that was faster.
            // 3. The others.
            let candidates = format!(
                "SELECT location FROM blobs
                 WHERE unreferenced_at <= ?
                   AND NOT EXISTS (SELECT 1 FROM holds WHERE expires_at > ?)
                 ORDER BY unreferenced_at LIMIT ?{}",
                rows.dialect().for_update_of_free()
            );
            let candidates =
                rows.query(&candidates, &[before.0.into(), now.0.into(), limit.into()])?;
            let mut retired = Vec::new();
            for candidate in &candidates {
                let blob = location(candidate, 0)?;
                let name: Value = blob.to_string().into();
                let named = "SELECT 1 FROM images WHERE location = ? LIMIT 1";
                if rows.query_one(named, std::slice::from_ref(&name))?.is_some() {
                    let claim = "UPDATE blobs SET unreferenced_at = NULL WHERE location = ?";
                    rows.execute(claim, &[name])?;
                } else {
                    rows.execute("UPDATE blobs SET state = 'dying' WHERE location = ?", &[name])?;
                    retired.push(blob);
                }
            }
            Ok((retired, candidates.len()))
        };
        loop {
            let (retired, candidates) = self.database.write(work).await?;
            // Candidates that weren't any are not the end.
            if !retired.is_empty() || candidates == 0 {
                return Ok(retired);
            }
        }
    }

    /// Forgets blobs that were removed.
    pub async fn forget_blobs(&self, removed: Vec<BlobId>) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            for blob in &removed {
                rows.execute("DELETE FROM blobs WHERE location = ?", &[blob.to_string().into()])?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// The blobs of one of 256 shards that rows know of, in order, each with
    /// whether an image relies on it: names it, and nobody has noted yet that
    /// it is lost.
    pub async fn blobs_of_shard(&self, shard: u8) -> Result<Vec<(BlobId, bool)>> {
        let sql = "SELECT location, CASE WHEN state = 'damaged' THEN 0
                 WHEN EXISTS (SELECT 1 FROM images i WHERE i.location = b.location) THEN 1
                 ELSE 0 END
             FROM blobs b WHERE location >= ? AND location < ? ORDER BY location";
        // `0` is the character after `/`.
        let range = vec![format!("{shard:02x}/").into(), format!("{shard:02x}0").into()];
        let found = self.database.query(sql, range).await?;
        let pair = |row: &Row| Ok((location(row, 0)?, row.get::<i64>(1)? != 0));
        found.iter().map(pair).collect()
    }

    /// Whether an image names the blob.
    pub async fn is_named(&self, blob: &BlobId) -> Result<bool> {
        let sql = "SELECT 1 FROM images WHERE location = ? LIMIT 1";
        let named = self.database.query_one(sql, vec![blob.to_string().into()]).await?;
        Ok(named.is_some())
    }

    /// Whether there is a row of the blob.
    pub async fn knows_blob(&self, blob: &BlobId) -> Result<bool> {
        let sql = "SELECT 1 FROM blobs WHERE location = ?";
        let known = self.database.query_one(sql, vec![blob.to_string().into()]).await?;
        Ok(known.is_some())
    }

    /// The settings of the cache that were saved last; `None` for the
    /// defaults.
    pub async fn settings(&self) -> Result<Option<Settings>> {
        let sql = "SELECT max_capacity, replacement_method FROM cache_properties
             ORDER BY id DESC LIMIT 1";
        let Some(row) = self.database.query_one(sql, vec![]).await? else { return Ok(None) };
        let (capacity, policy): (Option<u64>, Option<String>) = (row.get(0)?, row.get(1)?);
        // A policy that this program doesn't know was saved by another one:
        // the defaults are safer than a refusal to start.
        let policy = policy.and_then(|name| name.parse().ok());
        Ok(capacity.zip(policy).map(|(capacity_bytes, policy)| Settings { capacity_bytes, policy }))
    }

    /// Saves settings of the cache; `None` for the defaults.
    pub async fn save_settings(&self, settings: Option<Settings>, now: Timestamp) -> Result<()> {
        let parameters: [Value; 3] = [
            settings.map(|settings| settings.capacity_bytes).into(),
            settings.map(|settings| settings.policy.to_string()).into(),
            now.0.into(),
        ];
        let work = move |rows: &mut dyn Connection| {
            refuse_if_frozen(rows)?;
            rows.execute(
                "INSERT INTO cache_properties (max_capacity, replacement_method, created_at)
                 VALUES (?, ?, ?)",
                &parameters,
            )?;
            // The last hundred changes are history enough.
            let newest = rows.query_one("SELECT MAX(id) FROM cache_properties", &[])?;
            if let Some(newest) = newest.map(|row| row.get::<i64>(0)).transpose()? {
                let old = [(newest - 100).into()];
                rows.execute("DELETE FROM cache_properties WHERE id <= ?", &old)?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// A few keys whose blob no row knows of, which must never be.
    pub async fn images_without_blob(&self) -> Result<Vec<String>> {
        let sql = "SELECT \"key\" FROM images i
             WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.location = i.location) LIMIT 5";
        let keys = self.database.query(sql, vec![]).await?;
        Ok(keys.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
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

/// The image under `key`, which nobody else changes until the transaction
/// ends.
fn find_for_update(rows: &mut dyn Connection, key: &ImageKey) -> Result<Option<Image>> {
    let lock = rows.dialect().for_update();
    let sql = format!("SELECT {COLUMNS} FROM images WHERE \"key\" = ?{lock}");
    rows.query_one(&sql, &[text(key)])?.map(|row| image(&row)).transpose()
}

fn put(rows: &mut dyn Connection, new: &NewImage) -> Result<Uploaded> {
    let stored = find_for_update(rows, &new.key)?;
    if !new.precondition.holds(stored.as_ref()) {
        return Err(Error::PreconditionFailed);
    }
    let mut image = Image {
        key: new.key.clone(),
        version: stored.as_ref().map_or(1, |image| image.version + 1),
        location: new.location,
        format: new.picture.format,
        size: new.size,
        width: new.picture.width,
        height: new.picture.height,
        frames: new.picture.frames,
        created_at: stored.as_ref().map_or(new.now, |image| image.created_at),
        updated_at: new.now,
    };
    // All changes take their locks in this order, so that none waits for one
    // that waits for it: image, kept version, blobs, totals.
    if stored.is_none() {
        insert(rows, &image)?;
        // Only now, when the key is ours, can nobody else take or leave a
        // version of it.
        if let Some(kept) = take_kept_version(rows, &new.key)? {
            image.version = kept + 1;
        }
    }
    image.location = claim_blob(rows, new)?;
    if stored.is_some() || image.version > 1 || image.location != new.location {
        replace(rows, &image)?;
    }
    if let Some(before) = stored.as_ref().filter(|before| before.location != image.location) {
        release(rows, &before.location, new.now)?;
    }
    let before = stored.as_ref().map_or(0, |before| signed(before.size));
    let added = signed(image.size) - before;
    add_to_totals(rows, part(&new.location), i64::from(stored.is_none()), added)?;
    Ok(Uploaded { image, replaced: stored.map(|before| before.version) })
}

/// A row for a key that has none. Somebody who was faster makes the
/// transaction run again.
fn insert(rows: &mut dyn Connection, image: &Image) -> Result<()> {
    let inserted = rows.execute(
        "INSERT INTO images (\"key\", version, location, hash, type, size, width, height, frames,
                             created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &[
            text(&image.key),
            image.version.into(),
            image.location.to_string().into(),
            image.hash().to_string().into(),
            image.format.name().into(),
            image.size.into(),
            image.width.into(),
            image.height.into(),
            image.frames.into(),
            image.created_at.0.into(),
            image.updated_at.0.into(),
        ],
    );
    match inserted {
        Err(SqlError::Constraint(_)) => Err(rows.conflict().into()),
        other => Ok(other.map(drop)?),
    }
}

fn replace(rows: &mut dyn Connection, image: &Image) -> Result<()> {
    rows.execute(
        "UPDATE images SET version = ?, location = ?, hash = ?, type = ?, size = ?, width = ?,
             height = ?, frames = ?, updated_at = ?
         WHERE \"key\" = ?",
        &[
            image.version.into(),
            image.location.to_string().into(),
            image.hash().to_string().into(),
            image.format.name().into(),
            image.size.into(),
            image.width.into(),
            image.height.into(),
            image.frames.into(),
            image.updated_at.0.into(),
            text(&image.key),
        ],
    )?;
    Ok(())
}

/// Adds to the totals, unless the store is frozen.
fn add_to_totals(rows: &mut dyn Connection, part: i64, images: i64, bytes: i64) -> Result<()> {
    let sql = "UPDATE totals SET images = images + ?, bytes = bytes + ?
         WHERE id = ? AND frozen = 0";
    match rows.execute(sql, &[images.into(), bytes.into(), part.into()])? {
        // MariaDB counts rows that stay as they were, too, as it is asked to.
        0 => Err(Error::Frozen),
        _ => Ok(()),
    }
}

/// The part of the totals that a change adds to: any will do.
fn part(blob: &BlobId) -> i64 {
    1 + i64::from(blob.shard()) % PARTS
}

fn refuse_if_frozen(rows: &mut dyn Connection) -> Result<()> {
    let sql = format!("SELECT frozen FROM totals WHERE id = 1{}", rows.dialect().for_update());
    match rows.query_one(&sql, &[])?.map(|row| row.get::<i64>(0)).transpose()? {
        Some(0) => Ok(()),
        _ => Err(Error::Frozen),
    }
}

/// Sizes are far below 2^63.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The blob that the new image will name: a live one with the same bytes, or
/// its own. A dying one is never taken, it may be gone the next moment.
fn claim_blob(rows: &mut dyn Connection, new: &NewImage) -> Result<BlobId> {
    let hash: Value = new.location.hash.to_string().into();
    let sql = format!(
        "SELECT location, unreferenced_at FROM blobs WHERE hash = ? AND state = 'live'
         ORDER BY location LIMIT 1{}",
        rows.dialect().for_update()
    );
    if let Some(row) = rows.query_one(&sql, std::slice::from_ref(&hash))? {
        let live = location(&row, 0)?;
        if row.get::<Option<i64>>(1)?.is_some() {
            let claim = "UPDATE blobs SET unreferenced_at = NULL WHERE location = ?";
            rows.execute(claim, &[live.to_string().into()])?;
        }
        return Ok(live);
    }
    rows.execute(
        "INSERT INTO blobs (location, hash, size, state, created_at)
         VALUES (?, ?, ?, 'live', ?)",
        &[new.location.to_string().into(), hash, new.size.into(), new.now.0.into()],
    )?;
    Ok(new.location)
}

/// Notes that a blob may have lost its last image; the collector looks
/// whether it has.
fn release(rows: &mut dyn Connection, blob: &BlobId, now: Timestamp) -> Result<()> {
    rows.execute(
        "UPDATE blobs SET unreferenced_at = ? WHERE location = ?",
        &[now.0.into(), blob.to_string().into()],
    )?;
    Ok(())
}

/// The last version of a key that is gone, if it ever was.
fn take_kept_version(rows: &mut dyn Connection, key: &ImageKey) -> Result<Option<u64>> {
    let kept = rows.query_one("SELECT version FROM tombstones WHERE \"key\" = ?", &[text(key)])?;
    let Some(row) = kept else { return Ok(None) };
    rows.execute("DELETE FROM tombstones WHERE \"key\" = ?", &[text(key)])?;
    Ok(Some(row.get(0)?))
}

/// The statement for a page, and one image more, which tells whether there is
/// a next page. An index gives the order, so no page has to sort or to count
/// through those before it.
fn list_statement(dialect: Dialect, listing: &Listing) -> (String, Vec<Value>) {
    let column = match listing.sort {
        Sort::Key => "\"key\"",
        Sort::Date => "updated_at",
        Sort::Size => "size",
        Sort::Type => "type",
    };
    let (beyond, order) = if listing.descending { ("<", "DESC") } else { (">", "ASC") };
    let mut conditions = vec!["true".to_owned()];
    let mut parameters: Vec<Value> = Vec::new();
    if !listing.prefix.is_empty() {
        conditions.push("\"key\" >= ?".into());
        parameters.push(listing.prefix.as_str().into());
        // No key continues with a character beyond the last one there is.
        conditions.push("\"key\" < ?".into());
        parameters.push(format!("{}{}", listing.prefix, char::MAX).into());
    }
    if !listing.contains.is_empty() {
        let (condition, found) = dialect.contains("\"key\"", &listing.contains);
        conditions.push(condition);
        parameters.extend(found);
    }
    if let Some(Cursor { value, key }) = &listing.after {
        if listing.sort == Sort::Key {
            conditions.push(format!("\"key\" {beyond} ?"));
            parameters.push(key.as_str().into());
        } else {
            let value = match listing.sort {
                Sort::Type => value.as_str().into(),
                // The web checks cursors; here a wrong one lists from the start.
                _ => value.parse::<i64>().unwrap_or(0).into(),
            };
            let cursor = [value, key.as_str().into()];
            let (condition, values) =
                dialect.beyond([column, "\"key\""], listing.descending, cursor);
            conditions.push(condition);
            parameters.extend(values);
        }
    }
    let then_by_key =
        if listing.sort == Sort::Key { String::new() } else { format!(", \"key\" {order}") };
    let sql = format!(
        "SELECT {COLUMNS} FROM images WHERE {} ORDER BY {column} {order}{then_by_key} LIMIT ?",
        conditions.join(" AND "),
    );
    parameters.push((listing.limit + 1).into());
    (sql, parameters)
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

//! Rows of the image store: the only SQL there is in this app. Every verb is
//! one transaction. Decides nothing.

mod samples;

use larder_blobs::BlobId;
use larder_clock::Timestamp;
use larder_sql::{Connection, Database, Dialect, Migration, Row, Value};

use crate::error::{Error, Result};
use crate::model::{
    Cursor, Image, ImageKey, Listing, Page, Precondition, Settings, Sort, Uploaded,
};
pub use samples::{INTERVAL_SECONDS, Sample};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "images, blobs, cache settings and statistics",
    sqlite: include_str!("store/1.sqlite.sql"),
}];

/// Columns of an image, in the order in which [`image`] reads them.
const COLUMNS: &str =
    "key, version, location, type, size, width, height, frames, created_at, updated_at";

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
        Ok(Self { database })
    }

    /// The image under `key`.
    pub async fn image(&self, key: &ImageKey) -> Result<Option<Image>> {
        let key = key.clone();
        self.database.read(move |rows| find(rows, &key)).await
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
            let stored = find(rows, &key)?;
            if !precondition.holds(stored.as_ref()) {
                return Err(Error::PreconditionFailed);
            }
            let Some(image) = stored else { return Ok(false) };
            keep_version(rows, &key, image.version, now)?;
            rows.execute("DELETE FROM images WHERE key = ?", &[text(&key)])?;
            release(rows, &image.location, now)?;
            add_to_totals(rows, -1, -signed(image.size))?;
            Ok(true)
        };
        self.database.write(work).await
    }

    /// Deletes all images; says how many there were.
    pub async fn delete_all(&self, now: Timestamp) -> Result<u64> {
        let work = move |rows: &mut dyn Connection| {
            rows.execute(
                "INSERT INTO tombstones (key, version, deleted_at)
                 SELECT key, version, ? FROM images WHERE true
                 ON CONFLICT (key) DO UPDATE
                 SET version = excluded.version, deleted_at = excluded.deleted_at",
                &[now.0.into()],
            )?;
            let deleted = rows.execute("DELETE FROM images", &[])?;
            rows.execute("UPDATE totals SET images = 0, bytes = 0", &[])?;
            rows.execute(
                "UPDATE blobs SET unreferenced_at = ? WHERE unreferenced_at IS NULL",
                &[now.0.into()],
            )?;
            Ok(deleted)
        };
        self.database.write(work).await
    }

    /// One page of a list.
    pub async fn list(&self, listing: Listing) -> Result<Page> {
        self.database.read(move |rows| list(rows, &listing)).await
    }

    /// All keys, in order of their bytes.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let work = |rows: &mut dyn Connection| {
            let keys = rows.query("SELECT key FROM images ORDER BY key", &[])?;
            Ok(keys.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
        };
        self.database.read(work).await
    }

    /// How many images there are, and how many bytes they have together.
    pub async fn totals(&self) -> Result<(u64, u64)> {
        // Kept by every change, because counting a million rows takes 100 ms.
        let sql = "SELECT images, bytes FROM totals";
        let work = |rows: &mut dyn Connection| match rows.query_one(sql, &[])? {
            Some(row) => Ok((row.get(0)?, row.get(1)?)),
            None => Ok((0, 0)),
        };
        self.database.read(work).await
    }

    /// Takes up to `limit` blobs that no image names since `before` out of
    /// use: from now on no upload will rely on them, and they may be removed.
    pub async fn retire_blobs(&self, before: Timestamp, limit: u32) -> Result<Vec<BlobId>> {
        let work = move |rows: &mut dyn Connection| {
            let sql = "SELECT location FROM blobs b
                 WHERE unreferenced_at <= ?
                   AND NOT EXISTS (SELECT 1 FROM images i WHERE i.location = b.location)
                 LIMIT ?";
            let found = rows.query(sql, &[before.0.into(), limit.into()])?;
            let found = found.iter().map(|row| location(row, 0)).collect::<Result<Vec<_>>>()?;
            for blob in &found {
                let blob = blob.to_string().into();
                rows.execute("UPDATE blobs SET state = 'dying' WHERE location = ?", &[blob])?;
            }
            Ok(found)
        };
        self.database.write(work).await
    }

    /// Forgets blobs that were removed.
    pub async fn forget_blobs(&self, removed: Vec<BlobId>) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            for blob in removed {
                rows.execute("DELETE FROM blobs WHERE location = ?", &[blob.to_string().into()])?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// The blobs of one of 256 shards that rows know of, in order, each with
    /// whether an image names it.
    pub async fn blobs_of_shard(&self, shard: u8) -> Result<Vec<(BlobId, bool)>> {
        let work = move |rows: &mut dyn Connection| {
            let sql = "SELECT location,
                     EXISTS (SELECT 1 FROM images i WHERE i.location = b.location)
                 FROM blobs b WHERE location >= ? AND location < ? ORDER BY location";
            // `0` is the character after `/`.
            let range = [format!("{shard:02x}/").into(), format!("{shard:02x}0").into()];
            let found = rows.query(sql, &range)?;
            let pair = |row: &Row| Ok((location(row, 0)?, row.get::<i64>(1)? != 0));
            found.iter().map(pair).collect()
        };
        self.database.read(work).await
    }

    /// The settings of the cache that were saved last; `None` for the
    /// defaults.
    pub async fn settings(&self) -> Result<Option<Settings>> {
        let sql = "SELECT max_capacity, replacement_method FROM cache_properties
             ORDER BY id DESC LIMIT 1";
        let work = |rows: &mut dyn Connection| {
            let Some(row) = rows.query_one(sql, &[])? else { return Ok(None) };
            let (capacity, policy): (Option<u64>, Option<String>) = (row.get(0)?, row.get(1)?);
            // A policy that this program doesn't know was saved by another
            // one: the defaults are safer than a refusal to start.
            let policy = policy.and_then(|name| name.parse().ok());
            Ok(capacity
                .zip(policy)
                .map(|(capacity_bytes, policy)| Settings { capacity_bytes, policy }))
        };
        self.database.read(work).await
    }

    /// Saves settings of the cache; `None` for the defaults.
    pub async fn save_settings(&self, settings: Option<Settings>, now: Timestamp) -> Result<()> {
        let parameters: [Value; 3] = [
            settings.map(|settings| settings.capacity_bytes).into(),
            settings.map(|settings| settings.policy.to_string()).into(),
            now.0.into(),
        ];
        let work = move |rows: &mut dyn Connection| {
            rows.execute(
                "INSERT INTO cache_properties (max_capacity, replacement_method, created_at)
                 VALUES (?, ?, ?)",
                &parameters,
            )?;
            // The last hundred changes are history enough.
            rows.execute(
                "DELETE FROM cache_properties
                 WHERE id <= (SELECT MAX(id) FROM cache_properties) - 100",
                &[],
            )?;
            Ok(())
        };
        self.database.write(work).await
    }

    /// A few keys whose blob no row knows of, which must never be.
    pub async fn images_without_blob(&self) -> Result<Vec<String>> {
        let sql = "SELECT key FROM images i
             WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.location = i.location) LIMIT 5";
        let work = move |rows: &mut dyn Connection| {
            let keys = rows.query(sql, &[])?;
            Ok(keys.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
        };
        self.database.read(work).await
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
        self.database.read(|rows| rows.query_one("SELECT 1", &[])).await.is_ok()
    }

    /// Finishes what is under way and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

fn find(rows: &mut dyn Connection, key: &ImageKey) -> Result<Option<Image>> {
    let sql = format!("SELECT {COLUMNS} FROM images WHERE key = ?");
    rows.query_one(&sql, &[text(key)])?.map(|row| image(&row)).transpose()
}

fn put(rows: &mut dyn Connection, new: &NewImage) -> Result<Uploaded> {
    let stored = find(rows, &new.key)?;
    if !new.precondition.holds(stored.as_ref()) {
        return Err(Error::PreconditionFailed);
    }
    let version = match &stored {
        Some(image) => image.version + 1,
        None => take_kept_version(rows, &new.key)? + 1,
    };
    let image = Image {
        key: new.key.clone(),
        version,
        location: claim_blob(rows, new)?,
        format: new.picture.format,
        size: new.size,
        width: new.picture.width,
        height: new.picture.height,
        frames: new.picture.frames,
        created_at: stored.as_ref().map_or(new.now, |image| image.created_at),
        updated_at: new.now,
    };
    rows.execute(
        "INSERT INTO images (key, version, location, hash, type, size, width, height, frames,
                             created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET
             version = excluded.version, location = excluded.location, hash = excluded.hash,
             type = excluded.type, size = excluded.size, width = excluded.width,
             height = excluded.height, frames = excluded.frames,
             updated_at = excluded.updated_at",
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
    )?;
    if let Some(before) = stored.as_ref().filter(|before| before.location != image.location) {
        release(rows, &before.location, new.now)?;
    }
    let before = stored.as_ref().map_or(0, |before| signed(before.size));
    add_to_totals(rows, i64::from(stored.is_none()), signed(image.size) - before)?;
    Ok(Uploaded { image, replaced: stored.map(|before| before.version) })
}

fn add_to_totals(rows: &mut dyn Connection, images: i64, bytes: i64) -> Result<()> {
    let sql = "UPDATE totals SET images = images + ?, bytes = bytes + ?";
    rows.execute(sql, &[images.into(), bytes.into()])?;
    Ok(())
}

/// Sizes are far below 2^63.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The blob that the new image will name: a live one with the same bytes, or
/// its own. A dying one is never taken, it may be gone the next moment.
fn claim_blob(rows: &mut dyn Connection, new: &NewImage) -> Result<BlobId> {
    let hash: Value = new.location.hash.to_string().into();
    let live = rows.query_one(
        "SELECT location FROM blobs WHERE hash = ? AND state = 'live' LIMIT 1",
        std::slice::from_ref(&hash),
    )?;
    if let Some(row) = live {
        let live = location(&row, 0)?;
        let claim = "UPDATE blobs SET unreferenced_at = NULL WHERE location = ?";
        rows.execute(claim, &[live.to_string().into()])?;
        return Ok(live);
    }
    rows.execute(
        "INSERT INTO blobs (location, hash, size, state, created_at)
         VALUES (?, ?, ?, 'live', ?)",
        &[new.location.to_string().into(), hash, new.size.into(), new.now.0.into()],
    )?;
    Ok(new.location)
}

/// Notes that a blob may have lost its last image.
fn release(rows: &mut dyn Connection, blob: &BlobId, now: Timestamp) -> Result<()> {
    let blob: Value = blob.to_string().into();
    rows.execute(
        "UPDATE blobs SET unreferenced_at = ?
         WHERE location = ? AND NOT EXISTS (SELECT 1 FROM images WHERE location = ?)",
        &[now.0.into(), blob.clone(), blob],
    )?;
    Ok(())
}

/// Remembers the version of a key that goes, so that it never comes again.
fn keep_version(
    rows: &mut dyn Connection,
    key: &ImageKey,
    version: u64,
    now: Timestamp,
) -> Result<()> {
    rows.execute(
        "INSERT INTO tombstones (key, version, deleted_at) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE
         SET version = excluded.version, deleted_at = excluded.deleted_at",
        &[text(key), version.into(), now.0.into()],
    )?;
    Ok(())
}

/// The last version of a key that is gone; 0 if it never was.
fn take_kept_version(rows: &mut dyn Connection, key: &ImageKey) -> Result<u64> {
    let kept = rows.query_one("SELECT version FROM tombstones WHERE key = ?", &[text(key)])?;
    let Some(row) = kept else { return Ok(0) };
    rows.execute("DELETE FROM tombstones WHERE key = ?", &[text(key)])?;
    Ok(row.get(0)?)
}

fn list(rows: &mut dyn Connection, listing: &Listing) -> Result<Page> {
    let (sql, parameters) = list_statement(rows.dialect(), listing);
    let found = rows.query(&sql, &parameters)?;
    let mut images = found.iter().map(image).collect::<Result<Vec<_>>>()?;
    let more = images.len() > listing.limit as usize;
    images.truncate(listing.limit as usize);
    let last = images.last().filter(|_| more);
    let next = last.map(|image| Cursor::after(image, listing.sort));
    Ok(Page { images, next })
}

/// The statement for a page, and one image more, which tells whether there is
/// a next page. An index gives the order, so no page has to sort or to count
/// through those before it.
fn list_statement(dialect: Dialect, listing: &Listing) -> (String, Vec<Value>) {
    let column = match listing.sort {
        Sort::Key => "key",
        Sort::Date => "updated_at",
        Sort::Size => "size",
        Sort::Type => "type",
    };
    let (beyond, order) = if listing.descending { ("<", "DESC") } else { (">", "ASC") };
    let mut conditions = vec!["true".to_owned()];
    let mut parameters: Vec<Value> = Vec::new();
    if !listing.prefix.is_empty() {
        conditions.push("key >= ?".into());
        parameters.push(listing.prefix.as_str().into());
        // No key continues with a character beyond the last one there is.
        conditions.push("key < ?".into());
        parameters.push(format!("{}{}", listing.prefix, char::MAX).into());
    }
    if !listing.contains.is_empty() {
        conditions.push(dialect.contains("key"));
        parameters.push(dialect.contains_pattern(&listing.contains).into());
    }
    if let Some(Cursor { value, key }) = &listing.after {
        if listing.sort == Sort::Key {
            conditions.push(format!("key {beyond} ?"));
        } else {
            conditions.push(format!("({column}, key) {beyond} (?, ?)"));
            parameters.push(match listing.sort {
                Sort::Type => value.as_str().into(),
                // The web checks cursors; here a wrong one lists from the start.
                _ => value.parse::<i64>().unwrap_or(0).into(),
            });
        }
        parameters.push(key.as_str().into());
    }
    let then_by_key =
        if listing.sort == Sort::Key { String::new() } else { format!(", key {order}") };
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

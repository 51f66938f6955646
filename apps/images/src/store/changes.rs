//! Changes of images: each is one transaction that takes its locks in the
//! order image, kept version, blobs, totals, so that none waits for one that
//! waits for it.

use std::time::Duration;

use larder_blobs::BlobId;
use larder_clock::Timestamp;
use larder_sql::{Connection, Dialect, Error as SqlError, Value};

use super::{COLUMNS, Store, image, location, text};
use crate::error::{Error, Result};
use crate::model::{Image, ImageKey, Precondition, Uploaded};

/// Totals are kept in so many rows, and each change adds to one of them, so
/// that uploads at one time rarely wait for each other there.
const PARTS: i64 = 64;

/// How long the statements that touch all images may take.
pub(super) const ALL: Duration = Duration::from_secs(600);

/// An image that is to be stored.
#[derive(Clone)]
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
}

/// The image under `key`, which nobody else changes until the transaction
/// ends.
fn find_for_update(rows: &mut dyn Connection, key: &ImageKey) -> Result<Option<Image>> {
    let lock = rows.dialect().for_update();
    let sql = format!("SELECT {COLUMNS} FROM images WHERE \"key\" = ?{lock}");
    rows.query_one(&sql, &[text(key)])?.map(|row| image(&row)).transpose()
}

pub(super) fn put(rows: &mut dyn Connection, new: &NewImage) -> Result<Uploaded> {
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

/// What both an insert and a replacement set, in the order version, location,
/// hash, type, size, width, height, frames, updated_at.
fn values(image: &Image) -> [Value; 9] {
    [
        image.version.into(),
        image.location.to_string().into(),
        image.hash().to_string().into(),
        image.format.name().into(),
        image.size.into(),
        image.width.into(),
        image.height.into(),
        image.frames.into(),
        image.updated_at.0.into(),
    ]
}

/// A row for a key that has none. Somebody who was faster makes the
/// transaction run again.
fn insert(rows: &mut dyn Connection, image: &Image) -> Result<()> {
    let inserted = rows.execute(
        "INSERT INTO images (version, location, hash, type, size, width, height, frames,
                             updated_at, created_at, \"key\")
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &[&values(image)[..], &[image.created_at.0.into(), text(&image.key)]].concat(),
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
        &[&values(image)[..], &[text(&image.key)]].concat(),
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

/// Sizes are far below 2^63.
pub(super) fn signed(size: u64) -> i64 {
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

//! Images beside their blobs' rows, as they are looked at and put right one
//! by one while the store is in use.

use larder_blobs::BlobId;
use larder_clock::Timestamp;
use larder_sql::{Connection, Row, Value};

use super::Store;
use super::changes::signed;
use crate::error::{Error, Result};

/// An image and its blob as the rows tell of them, unread: what is wrong with
/// them is the question.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The name of its blob.
    pub location: String,
    /// The hash of its bytes.
    pub hash: String,
    /// Their number.
    pub size: u64,
    /// What the row of its blob says, if there is one.
    pub blob: Option<KnownBlob>,
}

/// The row of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBlob {
    /// The hash of its bytes.
    pub hash: String,
    /// Their number.
    pub size: u64,
    /// `live`, `dying` on its way out, or `damaged`, so that no upload of
    /// the same bytes relies on it.
    pub state: String,
}

impl Store {
    /// Some images in the order of their blobs, and where the next ones
    /// begin, if there may be any.
    pub async fn entries(
        &self,
        after: Option<[Value; 2]>,
        limit: u32,
    ) -> Result<(Vec<Entry>, Option<[Value; 2]>)> {
        let (beyond, mut parameters) = match after {
            None => ("true".to_owned(), Vec::new()),
            Some(after) => {
                self.database.dialect().beyond(["i.location", "i.\"key\""], false, after)
            }
        };
        parameters.push(limit.into());
        let sql = format!(
            "SELECT i.\"key\", i.location, i.hash, i.size, b.hash, b.size, b.state
             FROM images i LEFT JOIN blobs b ON b.location = i.location
             WHERE {beyond} ORDER BY i.location, i.\"key\" LIMIT ?"
        );
        let page = self.database.query(sql, parameters).await?;
        let next = page.last().filter(|_| page.len() == limit as usize);
        let next = next.map(|row| Ok::<_, Error>([row.get(1)?, row.get(0)?])).transpose()?;
        let page = page.iter().map(entry).collect::<Result<_>>()?;
        Ok((page, next))
    }

    /// The image under `key`, with its blob's row.
    pub async fn entry(&self, key: &str) -> Result<Option<Entry>> {
        let sql = "SELECT i.\"key\", i.location, i.hash, i.size, b.hash, b.size, b.state
             FROM images i LEFT JOIN blobs b ON b.location = i.location WHERE i.\"key\" = ?";
        self.database.query_one(sql, vec![key.into()]).await?.map(|row| entry(&row)).transpose()
    }

    /// Sets the row of a blob that images name to what was found: that it is
    /// `good`, so uploads may rely on it, or that it is damaged.
    pub async fn note_blob(
        &self,
        blob: BlobId,
        size: u64,
        good: bool,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| note_blob(rows, &blob, size, good, now);
        self.database.write(work).await
    }

    /// Sets what the row of an image says of its blob, and the totals' part
    /// in it.
    pub async fn correct_entry(&self, entry: &Entry, blob: BlobId, size: u64) -> Result<()> {
        let entry = entry.clone();
        let work = move |rows: &mut dyn Connection| {
            let sql = "UPDATE images SET hash = ?, size = ?
                 WHERE \"key\" = ? AND location = ? AND size = ?";
            let parameters: [Value; 5] = [
                blob.hash.to_string().into(),
                size.into(),
                entry.key.as_str().into(),
                entry.location.as_str().into(),
                entry.size.into(),
            ];
            if rows.execute(sql, &parameters)? > 0 {
                let sql = "UPDATE totals SET bytes = bytes + ? WHERE id = 1";
                rows.execute(sql, &[(signed(size) - signed(entry.size)).into()])?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// Lets all images that name the blob `bad` name `good` instead, which
    /// has the same bytes; the bad one may go. Returns how many did.
    pub async fn repoint(
        &self,
        bad: BlobId,
        good: BlobId,
        size: u64,
        now: Timestamp,
    ) -> Result<u64> {
        let work = move |rows: &mut dyn Connection| {
            // 1. From here on no upload relies on the bad one. 2. Nor may the
            // good one be on its way out. 3. All images are those there are.
            let dying = "UPDATE blobs SET state = 'dying', unreferenced_at = ? WHERE location = ?";
            rows.execute(dying, &[now.0.into(), bad.to_string().into()])?;
            let lock = rows.dialect().for_update();
            let sql = format!("SELECT state FROM blobs WHERE location = ?{lock}");
            let state = rows.query_one(&sql, &[good.to_string().into()])?;
            let state: Option<String> = state.map(|row| row.get(0)).transpose()?;
            if state.as_deref() == Some("dying") {
                return Err(Error::Damaged(format!("blob {good} is on its way out")));
            }
            note_blob(rows, &good, size, true, now)?;
            let sql = "UPDATE images SET location = ? WHERE location = ?";
            Ok(rows.execute(sql, &[good.to_string().into(), bad.to_string().into()])?)
        };
        self.database.write(work).await
    }
}

fn note_blob(
    rows: &mut dyn Connection,
    blob: &BlobId,
    size: u64,
    good: bool,
    now: Timestamp,
) -> Result<()> {
    let state = if good { "live" } else { "damaged" };
    let sql = format!(
        "INSERT INTO blobs (location, hash, size, state, created_at) VALUES (?, ?, ?, ?, ?) {}",
        rows.dialect().or_update("location", &["hash", "size", "state"])
    );
    let parameters: [Value; 5] = [
        blob.to_string().into(),
        blob.hash.to_string().into(),
        size.into(),
        state.into(),
        now.0.into(),
    ];
    rows.execute(&sql, &parameters)?;
    rows.execute(
        "UPDATE blobs SET unreferenced_at = NULL WHERE location = ?",
        &[blob.to_string().into()],
    )?;
    Ok(())
}

fn entry(row: &Row) -> Result<Entry> {
    let blob = match row.get::<Option<String>>(4)? {
        None => None,
        Some(hash) => Some(KnownBlob { hash, size: row.get(5)?, state: row.get(6)? }),
    };
    Ok(Entry {
        key: row.get(0)?,
        location: row.get(1)?,
        hash: row.get(2)?,
        size: row.get(3)?,
        blob,
    })
}

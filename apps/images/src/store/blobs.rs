//! What the rows know of blobs, and how one goes out of use.

use larder_blobs::BlobId;
use larder_clock::Timestamp;
use larder_sql::{Connection, Row, Value};

use super::{Store, location};
use crate::error::Result;

impl Store {
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

    /// A few keys whose blob no row knows of, which must never be.
    pub async fn images_without_blob(&self) -> Result<Vec<String>> {
        let sql = "SELECT \"key\" FROM images i
             WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.location = i.location) LIMIT 5";
        let keys = self.database.query(sql, vec![]).await?;
        Ok(keys.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?)
    }
}

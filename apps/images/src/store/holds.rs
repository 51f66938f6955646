//! Holds and freezing: what lets others read the whole store while it runs.
//! A hold keeps blobs from being removed; freezing keeps everything from
//! being changed.

use larder_clock::Timestamp;
use larder_sql::Connection;

use super::Store;
use crate::error::Result;

impl Store {
    /// Keeps blobs from being removed until `expires_at`; to be renewed by
    /// whoever needs them longer. When this returns, no blob that an image
    /// names from now on is removed.
    pub async fn hold_blobs(&self, name: &str, expires_at: Timestamp) -> Result<()> {
        let name = name.to_owned();
        let work = move |rows: &mut dyn Connection| {
            let sql = format!(
                "INSERT INTO holds (name, expires_at) VALUES (?, ?) {}",
                rows.dialect().or_update("name", &["expires_at"])
            );
            rows.execute(&sql, &[name.as_str().into(), expires_at.0.into()])?;
            Ok(())
        };
        self.database.write(work).await
    }

    /// Ends a hold, and those that nobody renewed.
    pub async fn release_blobs(&self, name: &str, now: Timestamp) -> Result<()> {
        let name = name.to_owned();
        let work = move |rows: &mut dyn Connection| {
            let sql = "DELETE FROM holds WHERE name = ? OR expires_at < ?";
            rows.execute(sql, &[name.as_str().into(), now.0.into()])?;
            Ok(())
        };
        self.database.write(work).await
    }

    /// Lets nobody change images and settings any more, or lets them again.
    /// When this returns, changes that were under way have ended.
    pub async fn freeze(&self, frozen: bool) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            // Each change holds one of these rows until it ends.
            rows.execute("UPDATE totals SET frozen = ?", &[i64::from(frozen).into()])?;
            Ok(())
        };
        self.database.write(work).await
    }

    /// Whether changes are refused.
    pub async fn is_frozen(&self) -> Result<bool> {
        let row = self.database.query_one("SELECT MAX(frozen) FROM totals", vec![]).await?;
        Ok(row.map(|row| row.get::<i64>(0)).transpose()?.unwrap_or(0) != 0)
    }
}

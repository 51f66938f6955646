//! The settings of the pool, and what was decided about its size. Decides
//! nothing.

use larder_clock::Timestamp;
use larder_sql::{Connection, Row, Value};

use super::Store;
use crate::error::Result;
use crate::model::PoolSettings;

/// Decisions that are kept.
const KEPT: i64 = 200;

/// A decision about the size of the pool.
#[derive(Clone, Debug, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct PoolDecision {
    /// When, in seconds since 1970.
    pub at: i64,
    /// Nodes before.
    pub size_before: u16,
    /// Nodes after.
    pub size_after: u16,
    /// The miss rate it was made by, 0 to 1; absent where people decided or
    /// there were no reads.
    pub miss_rate: Option<f64>,
    /// Why.
    pub reason: String,
}

impl Store {
    /// The settings of the pool, and when it was last decided about, in
    /// seconds; the defaults if none are saved.
    pub async fn pool(&self) -> Result<(PoolSettings, i64)> {
        let sql = "SELECT mode, fewest, most, expand_ratio, shrink_ratio, max_miss_rate,
                 min_miss_rate, interval_seconds, decided_at
             FROM pool WHERE id = 1";
        let Some(row) = self.database.query_one(sql, vec![]).await? else {
            return Ok((PoolSettings::default(), 0));
        };
        let defaults = PoolSettings::default();
        let settings = PoolSettings {
            mode: row.get::<String>(0)?.parse().unwrap_or_default(),
            fewest: row.get(1)?,
            most: row.get(2)?,
            expand_ratio: ratio(&row, 3)?.unwrap_or(defaults.expand_ratio),
            shrink_ratio: ratio(&row, 4)?.unwrap_or(defaults.shrink_ratio),
            max_miss_rate: ratio(&row, 5)?.unwrap_or(defaults.max_miss_rate),
            min_miss_rate: ratio(&row, 6)?.unwrap_or(defaults.min_miss_rate),
            interval_seconds: row.get(7)?,
        };
        Ok((settings, row.get(8)?))
    }

    /// Saves settings of the pool.
    pub async fn save_pool(&self, settings: PoolSettings, now: Timestamp) -> Result<()> {
        let values: Vec<Value> = vec![
            1_i64.into(),
            settings.mode.name().into(),
            settings.fewest.into(),
            settings.most.into(),
            settings.expand_ratio.to_string().into(),
            settings.shrink_ratio.to_string().into(),
            settings.max_miss_rate.to_string().into(),
            settings.min_miss_rate.to_string().into(),
            settings.interval_seconds.into(),
            now.seconds().into(),
        ];
        let work = move |rows: &mut dyn Connection| {
            let columns = [
                "mode",
                "fewest",
                "most",
                "expand_ratio",
                "shrink_ratio",
                "max_miss_rate",
                "min_miss_rate",
                "interval_seconds",
                "decided_at",
            ];
            let sql = format!(
                "INSERT INTO pool (id, {}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {}",
                columns.join(", "),
                rows.dialect().or_update("id", &columns)
            );
            rows.execute(&sql, &values)?;
            Ok(())
        };
        self.database.write(work).await
    }

    /// Takes the turn to decide, for one of all nodes: whether it is ours.
    pub async fn take_turn(&self, last: i64, now: Timestamp) -> Result<bool> {
        let work = move |rows: &mut dyn Connection| {
            let sql = "UPDATE pool SET decided_at = ? WHERE id = 1 AND decided_at = ?";
            Ok(rows.execute(sql, &[now.seconds().into(), last.into()])? == 1)
        };
        self.database.write(work).await
    }

    /// Keeps a decision, and the last two hundred.
    pub async fn add_decision(&self, decision: PoolDecision) -> Result<()> {
        let values: Vec<Value> = vec![
            decision.at.into(),
            decision.size_before.into(),
            decision.size_after.into(),
            decision.miss_rate.map(|rate| rate.to_string()).into(),
            decision.reason.into(),
        ];
        let work = move |rows: &mut dyn Connection| {
            rows.execute(
                "INSERT INTO pool_decisions
                     (decided_at, size_before, size_after, miss_rate, reason)
                 VALUES (?, ?, ?, ?, ?)",
                &values,
            )?;
            let newest = rows.query_one("SELECT MAX(id) FROM pool_decisions", &[])?;
            if let Some(newest) = newest.map(|row| row.get::<i64>(0)).transpose()? {
                let old = [(newest - KEPT).into()];
                rows.execute("DELETE FROM pool_decisions WHERE id <= ?", &old)?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// The latest decisions, newest first.
    pub async fn decisions(&self, limit: u32) -> Result<Vec<PoolDecision>> {
        let sql = "SELECT decided_at, size_before, size_after, miss_rate, reason
             FROM pool_decisions ORDER BY id DESC LIMIT ?";
        let found = self.database.query(sql, vec![limit.into()]).await?;
        let decision = |row: &Row| {
            Ok(PoolDecision {
                at: row.get(0)?,
                size_before: row.get(1)?,
                size_after: row.get(2)?,
                miss_rate: ratio(row, 3)?,
                reason: row.get(4)?,
            })
        };
        found.iter().map(decision).collect()
    }
}

/// A ratio, which is kept as text: all engines give that back as it was.
fn ratio(row: &Row, column: usize) -> Result<Option<f64>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

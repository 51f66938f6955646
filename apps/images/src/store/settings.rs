//! The settings of the cache, and the last hundred that were in force. Checks
//! nothing: what is saved was checked.

use larder_clock::Timestamp;
use larder_sql::{Connection, Value};

use super::Store;
use crate::error::{Error, Result};
use crate::model::{Settings, objective_from_name};

impl Store {
    /// The settings of the cache that were saved last; `None` for the
    /// defaults.
    pub async fn settings(&self) -> Result<Option<Settings>> {
        let sql = "SELECT max_capacity, replacement_method, objective, autopilot
             FROM cache_properties ORDER BY id DESC LIMIT 1";
        let Some(row) = self.database.query_one(sql, vec![]).await? else { return Ok(None) };
        let (capacity, policy): (Option<u64>, Option<String>) = (row.get(0)?, row.get(1)?);
        // A policy that this program doesn't know was saved by another one:
        // the defaults are safer than a refusal to start.
        let policy = policy.and_then(|name| name.parse().ok());
        let Some((capacity_bytes, policy)) = capacity.zip(policy) else { return Ok(None) };
        // Not there in rows of earlier versions.
        let (objective, autopilot): (Option<String>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let objective = objective.and_then(|name| objective_from_name(&name).ok());
        Ok(Some(Settings {
            capacity_bytes,
            policy,
            objective: objective.unwrap_or_default(),
            autopilot: autopilot.is_some_and(|autopilot| autopilot != 0),
        }))
    }

    /// Saves settings of the cache; `None` for the defaults.
    pub async fn save_settings(&self, settings: Option<Settings>, now: Timestamp) -> Result<()> {
        let parameters: [Value; 5] = [
            settings.map(|settings| settings.capacity_bytes).into(),
            settings.map(|settings| settings.policy.to_string()).into(),
            settings.map(|settings| settings.objective.to_string()).into(),
            settings.map(|settings| i64::from(settings.autopilot)).into(),
            now.0.into(),
        ];
        let work = move |rows: &mut dyn Connection| {
            refuse_if_frozen(rows)?;
            rows.execute(
                "INSERT INTO cache_properties
                     (max_capacity, replacement_method, objective, autopilot, created_at)
                 VALUES (?, ?, ?, ?, ?)",
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
}

fn refuse_if_frozen(rows: &mut dyn Connection) -> Result<()> {
    let sql = format!("SELECT frozen FROM totals WHERE id = 1{}", rows.dialect().for_update());
    match rows.query_one(&sql, &[])?.map(|row| row.get::<i64>(0)).transpose()? {
        Some(0) => Ok(()),
        _ => Err(Error::Frozen),
    }
}

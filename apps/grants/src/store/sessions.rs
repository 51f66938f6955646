//! Sessions: rows have the hash of a session's token, so who reads them can
//! sign in nowhere.

use larder_clock::Timestamp;
use larder_sql::Connection;
use serde::{Deserialize, Serialize};

use super::{Store, time};
use crate::error::Result;
use crate::model::PersonId;

/// Somebody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who.
    pub person: PersonId,
    /// The version of theirs with which it began.
    pub version: u64,
    /// Until when.
    #[serde(with = "larder_clock::microseconds")]
    pub expires_at: Timestamp,
}

impl Store {
    /// Begins a session, or makes one last longer.
    pub async fn keep_session(&self, token: String, session: Session) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let sql = format!(
                "INSERT INTO sessions (token, person, version, expires_at) VALUES (?, ?, ?, ?) {}",
                rows.dialect().or_update("token", &["version", "expires_at"])
            );
            let Session { person, version, expires_at } = session;
            let values =
                [token.as_str().into(), person.into(), version.into(), expires_at.0.into()];
            rows.execute(&sql, &values)
        };
        self.database.write(work).await?;
        Ok(())
    }

    /// The session of a token's hash.
    pub async fn session(&self, token: &str) -> Result<Option<Session>> {
        let sql = "SELECT person, version, expires_at FROM sessions WHERE token = ?";
        let row = self.database.query_one(sql, vec![token.into()]).await?;
        let session = |row: larder_sql::Row| {
            Ok(Session { person: row.get(0)?, version: row.get(1)?, expires_at: time(&row, 2)? })
        };
        row.map(session).transpose()
    }

    /// Ends a session.
    pub async fn end_session(&self, token: String) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            rows.execute("DELETE FROM sessions WHERE token = ?", &[token.as_str().into()])
        };
        self.database.write(work).await?;
        Ok(())
    }
}

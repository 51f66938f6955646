//! Who is where: each replica of a service notes its address, and front ends
//! look there. Whether one answers is for them to find out.

use larder_clock::Timestamp;
use larder_sql::{Connection, Row};

use super::Store;
use crate::error::{Error, Result};

/// A replica that was not seen for so long is forgotten.
const FORGOTTEN_SECONDS: i64 = 60;

/// What a replica does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Books.
    Catalog,
    /// Purchases.
    Order,
}

impl Role {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Order => "order",
        }
    }
}

/// A replica of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// What it does.
    pub role: Role,
    /// Its name, for people.
    pub name: String,
    /// Where it listens.
    pub address: String,
}

impl Store {
    /// Notes that a replica is there.
    pub async fn register(&self, replica: Registered, now: Timestamp) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let columns = ["role", "name", "seen_at"];
            let sql = format!(
                "INSERT INTO replicas (address, role, name, seen_at) VALUES (?, ?, ?, ?) {}",
                rows.dialect().or_update("address", &columns)
            );
            rows.execute(
                &sql,
                &[
                    replica.address.as_str().into(),
                    replica.role.name().into(),
                    replica.name.as_str().into(),
                    now.0.into(),
                ],
            )?;
            Ok::<_, Error>(())
        };
        self.database.write(work).await
    }

    /// Forgets a replica that has ended.
    pub async fn unregister(&self, address: String) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            rows.execute("DELETE FROM replicas WHERE address = ?", &[address.as_str().into()])
        };
        self.database.write(work).await?;
        Ok(())
    }

    /// The replicas that were there of late, by role and address.
    pub async fn replicas(&self, now: Timestamp) -> Result<Vec<Registered>> {
        let sql =
            "SELECT role, name, address FROM replicas WHERE seen_at > ? ORDER BY role, address";
        let since = now.minus_seconds(FORGOTTEN_SECONDS);
        let rows = self.database.query(sql, vec![since.0.into()]).await?;
        let registered = |row: &Row| {
            let role = match row.get::<String>(0)?.as_str() {
                "catalog" => Role::Catalog,
                _ => Role::Order,
            };
            Ok(Registered { role, name: row.get(1)?, address: row.get(2)? })
        };
        rows.iter().map(registered).collect()
    }
}

//! Who is where: each replica of a service notes its address, where the other
//! services and open pages look for it. Whether it answers is for them to find
//! out.

use larder_clock::Timestamp;
use larder_sql::{Connection, Row};

use super::{Store, word};
use crate::error::{Error, Result};
use crate::model::Service;

/// A replica that was not seen for so long is forgotten.
const FORGOTTEN_SECONDS: i64 = 60;

/// A replica of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// What it does.
    pub service: Service,
    /// Where it is reached: `http://HOST:PORT`, and a path if it has one.
    pub address: String,
}

impl Store {
    /// Notes that a replica is there.
    pub async fn register(&self, replica: Registered, now: Timestamp) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let sql = format!(
                "INSERT INTO services (address, service, seen_at) VALUES (?, ?, ?) {}",
                rows.dialect().or_update("address", &["service", "seen_at"])
            );
            let Registered { service, address } = &replica;
            rows.execute(&sql, &[address.as_str().into(), service.name().into(), now.0.into()])?;
            Ok::<_, Error>(())
        };
        self.database.write(work).await
    }

    /// Forgets a replica that has ended.
    pub async fn unregister(&self, address: String) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            rows.execute("DELETE FROM services WHERE address = ?", &[address.as_str().into()])
        };
        self.database.write(work).await?;
        Ok(())
    }

    /// The replicas that were there of late, by service and address.
    pub async fn replicas(&self, now: Timestamp) -> Result<Vec<Registered>> {
        let sql = "SELECT service, address FROM services WHERE seen_at > ?
             ORDER BY service, address";
        let since = now.minus_seconds(FORGOTTEN_SECONDS);
        let replica = |row: &Row| {
            Ok(Registered { service: word(row, 0, Service::of)?, address: row.get(1)? })
        };
        self.database.query(sql, vec![since.0.into()]).await?.iter().map(replica).collect()
    }
}

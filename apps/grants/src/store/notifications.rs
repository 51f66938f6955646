//! What officers of the university are to know, until one has seen to it.

use larder_clock::Timestamp;
use larder_sql::{Connection, Row};

use super::events::tell;
use super::{Store, time};
use crate::error::{Error, Result};
use crate::model::{Notification, PersonId, Room};

impl Store {
    /// Notifications, the latest first: those that nobody has seen to, or all.
    pub async fn notifications(&self, all: bool, most: u32) -> Result<Vec<Notification>> {
        let condition = if all { "1 = 1" } else { "n.acknowledged_by IS NULL" };
        let sql = format!(
            "SELECT n.number, n.account, n.note, n.created_at, p.name FROM notifications n
             LEFT JOIN people p ON p.id = n.acknowledged_by
             WHERE {condition} ORDER BY n.number DESC LIMIT {most}"
        );
        let notification = |row: &Row| {
            Ok(Notification {
                number: row.get(0)?,
                account: row.get(1)?,
                text: row.get(2)?,
                at: time(row, 3)?,
                acknowledged_by: row.get(4)?,
            })
        };
        self.database.query(sql, vec![]).await?.iter().map(notification).collect()
    }

    /// Notes who has seen to a notification; the first one stands.
    pub async fn acknowledge(&self, number: u64, officer: PersonId, now: Timestamp) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let sql = "UPDATE notifications SET acknowledged_by = ?
                 WHERE number = ? AND acknowledged_by IS NULL";
            if rows.execute(sql, &[officer.into(), number.into()])? > 0 {
                return tell(rows, [Room::University], now);
            }
            let sql = "SELECT number FROM notifications WHERE number = ?";
            match rows.query_one(sql, &[number.into()])? {
                Some(_) => Ok(()),
                None => Err(Error::NotFound("notification")),
            }
        };
        self.database.write(work).await
    }
}

//! Where something has changed, for pages that are open: a row with each
//! change, which says which room heard of it and nothing of what it was.

use larder_clock::Timestamp;
use larder_sql::{Connection, Row, Value};

use super::{Store, word};
use crate::error::Result;
use crate::model::Room;

/// Something has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number. Numbers are given out before they are committed: a lower one
    /// may come later.
    pub number: u64,
    /// Where it is heard of.
    pub room: Room,
}

/// Says in the same transaction that something has changed, in one room or
/// more.
pub(super) fn tell(
    rows: &mut dyn Connection,
    rooms: impl IntoIterator<Item = Room>,
    now: Timestamp,
) -> Result<()> {
    let rooms: Vec<String> = rooms.into_iter().map(|room| room.to_string()).collect();
    let marks = vec!["(?, ?)"; rooms.len()].join(", ");
    let values = rooms.into_iter().flat_map(|room| [room.into(), now.0.into()]);
    let sql = format!("INSERT INTO events (room, created_at) VALUES {marks}");
    rows.execute(&sql, &values.collect::<Vec<Value>>())?;
    Ok(())
}

impl Store {
    /// Events after one of them, the oldest first.
    pub async fn events(&self, after: u64, most: u32) -> Result<Vec<Event>> {
        let sql = format!(
            "SELECT number, room FROM events WHERE number > ? ORDER BY number LIMIT {most}"
        );
        let event = |row: &Row| {
            Ok(Event { number: row.get(0)?, room: word(row, 1, |room| room.parse().ok())? })
        };
        self.database.query(sql, vec![after.into()]).await?.iter().map(event).collect()
    }

    /// The number of the latest event; 0 if there is none.
    pub async fn latest_event(&self) -> Result<u64> {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM events";
        let row = self.database.query_one(sql, vec![]).await?;
        Ok(row.map_or(Ok(0), |row| row.get(0))?)
    }
}

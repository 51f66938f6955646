//! What the services tell each other: a message is written with the change
//! that it is about, told until it is heard, and taken once.

use std::time::Duration;

use larder_clock::Timestamp;
use larder_sql::{Connection, Row};

use super::Store;
use crate::error::{Error, Result};
use crate::model::{Message, Service};

/// The longest time between two attempts.
const LONGEST: Duration = Duration::from_secs(30);

/// How long it is remembered what was heard.
const REMEMBERED_SECONDS: i64 = 30 * 24 * 3600;

/// A message that is to be told.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What makes it one message: who hears it twice takes it once.
    pub id: String,
    /// Its number in the outbox.
    number: u64,
    /// To whom.
    pub to: Service,
    /// What it says, as JSON.
    pub body: String,
}

/// Whether a message was heard before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Once {
    /// It wasn't.
    First,
    /// It was, and what it asks for is done.
    Again,
}

/// Writes a message that is told once the transaction is committed.
pub(super) fn send(rows: &mut dyn Connection, message: &Message, now: Timestamp) -> Result<()> {
    let body = serde_json::to_string(message).map_err(|error| Error::Damaged(error.to_string()))?;
    rows.execute(
        "INSERT INTO outbox (sent_to, body, due_at, attempts) VALUES (?, ?, ?, 0)",
        &[message.to().name().into(), body.into(), now.0.into()],
    )?;
    Ok(())
}

/// Takes note of a message in the transaction that does what it asks for.
pub(super) fn hear(rows: &mut dyn Connection, id: &str, now: Timestamp) -> Result<Once> {
    if rows.query_one("SELECT message FROM inbox WHERE message = ?", &[id.into()])?.is_some() {
        return Ok(Once::Again);
    }
    let sql = "INSERT INTO inbox (message, received_at) VALUES (?, ?)";
    match rows.execute(sql, &[id.into(), now.0.into()]) {
        Ok(_) => Ok(Once::First),
        // It is being heard by another replica at this moment.
        Err(larder_sql::Error::Constraint(_)) => Err(rows.conflict().into()),
        Err(error) => Err(error.into()),
    }
}

impl Store {
    /// Takes messages that are due, so that nobody else tells them for a
    /// while; longer each time.
    pub async fn due_messages(&self, most: u32, now: Timestamp) -> Result<Vec<Sent>> {
        let sql =
            format!("SELECT number FROM outbox WHERE due_at <= ? ORDER BY number LIMIT {most}");
        // Most often there is none, which costs no transaction.
        if self.database.query_one(sql.clone(), vec![now.0.into()]).await?.is_none() {
            return Ok(Vec::new());
        }
        let work = move |rows: &mut dyn Connection| {
            let free = rows.dialect().for_update_of_free();
            let sql = format!(
                "SELECT number, sent_to, body, attempts FROM outbox WHERE due_at <= ?
                 ORDER BY number LIMIT {most}{free}"
            );
            let due = rows.query(&sql, &[now.0.into()])?;
            due.iter().map(|row| take(rows, row, now)).collect::<Result<Vec<_>>>()
        };
        self.database.write(work).await
    }

    /// Forgets a message that was heard.
    pub async fn heard_message(&self, sent: &Sent) -> Result<()> {
        let number = sent.number;
        let work = move |rows: &mut dyn Connection| {
            rows.execute("DELETE FROM outbox WHERE number = ?", &[number.into()])
        };
        self.database.write(work).await?;
        Ok(())
    }

    /// How many messages wait to be heard.
    pub async fn waiting_messages(&self) -> Result<u64> {
        let row = self.database.query_one("SELECT COUNT(*) FROM outbox", vec![]).await?;
        Ok(row.map_or(Ok(0), |row| row.get(0))?)
    }

    /// Forgets what was heard, sessions that have ended, and events that
    /// nobody waits for.
    pub async fn tidy(&self, now: Timestamp) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            for (sql, before) in [
                ("DELETE FROM inbox WHERE received_at < ?", now.minus_seconds(REMEMBERED_SECONDS)),
                ("DELETE FROM sessions WHERE expires_at < ?", now),
                ("DELETE FROM events WHERE created_at < ?", now.minus_seconds(3600)),
            ] {
                rows.execute(sql, &[before.0.into()])?;
            }
            Ok(())
        };
        self.database.write(work).await
    }
}

fn take(rows: &mut dyn Connection, row: &Row, now: Timestamp) -> Result<Sent> {
    let (number, attempts): (u64, u32) = (row.get(0)?, row.get(3)?);
    let wait = Duration::from_millis(500 << attempts.min(10)).min(LONGEST);
    let due_at = Timestamp(now.0 + i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
    rows.execute(
        "UPDATE outbox SET due_at = ?, attempts = attempts + 1 WHERE number = ?",
        &[due_at.0.into(), number.into()],
    )?;
    let to = super::word(row, 1, Service::of)?;
    Ok(Sent { id: format!("outbox-{number}"), number, to, body: row.get(2)? })
}

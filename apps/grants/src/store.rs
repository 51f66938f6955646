//! Rows of grants: the only SQL there is in this app. Every verb is one
//! transaction, in which stand the change, what others are told of it, and who
//! hears of it. Decides nothing but what a row's condition decides.

mod accounts;
mod events;
mod ledger;
mod messages;
mod notifications;
mod people;
mod programmes;
mod proposals;
mod replicas;
mod sessions;

use larder_clock::Timestamp;
use larder_sql::{Connection, Database, FromValue, Guard, Migration, Row, Value};

use crate::error::{Error, Result};
pub use accounts::{AccountFilter, Totals};
pub use events::Event;
pub use ledger::EntryFilter;
pub use messages::Sent;
pub use people::PeopleFilter;
pub use proposals::ProposalFilter;
pub use replicas::Registered;
pub use sessions::Session;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "people, programmes, proposals, accounts, messages, events",
    sql: include_str!("store/1.sql"),
}];

/// The rows of grants.
#[derive(Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// The store in `database`, its tables brought up to date.
    pub async fn open(database: Database) -> Result<Self> {
        database.migrate("grants", MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// The same store, whose changes begin with `guard`.
    #[must_use]
    pub fn guarded(&self, guard: Option<Guard>) -> Self {
        Self { database: self.database.guarded(guard) }
    }

    /// Nothing, unless the database was last heard of as away: then whether it
    /// is there now.
    pub async fn check(&self) -> Result<()> {
        Ok(self.database.check().await?)
    }

    /// Whether the database answers.
    pub async fn is_reachable(&self) -> bool {
        self.database.query("SELECT 1", vec![]).await.is_ok()
    }

    /// Ends what is under way.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// Conditions that must all hold, and their parameters.
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn new() -> Self {
        Self { sql: "1 = 1".into(), values: Vec::new() }
    }

    fn and(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    /// Each word of a text stands in one of the columns, ASCII letters
    /// compared without case.
    fn and_words(&mut self, rows: &dyn Connection, columns: &[&str], text: &str) {
        self.and_words_also(rows, columns, None, text);
    }

    /// As [`Conditions::and_words`], or in a column of other rows, which a
    /// condition with `{}` in the place of the comparison looks for.
    fn and_words_also(
        &mut self,
        rows: &dyn Connection,
        columns: &[&str],
        elsewhere: Option<(&str, &str)>,
        text: &str,
    ) {
        let here = columns.iter().map(|column| (*column, "{}"));
        let places: Vec<(&str, &str)> = here.chain(elsewhere).collect();
        for word in text.split_whitespace().take(8) {
            let mut any = Vec::new();
            for (column, condition) in &places {
                let (sql, values) = rows.dialect().contains(column, word);
                any.push(condition.replace("{}", &sql));
                self.values.extend(values);
            }
            self.sql.push_str(&format!(" AND ({})", any.join(" OR ")));
        }
    }
}

/// One of a kind of words that columns hold.
fn word<T>(row: &Row, column: usize, of: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text: String = row.get(column)?;
    of(&text).ok_or_else(|| Error::Damaged(format!("a row holds the unknown word {text}")))
}

/// A column that may be empty, read by `of`.
fn optional<T: FromValue, R>(row: &Row, column: usize, of: impl Fn(T) -> R) -> Result<Option<R>> {
    Ok(row.get::<Option<T>>(column)?.map(of))
}

/// The number that the row just inserted has got.
fn inserted(rows: &mut dyn Connection) -> Result<u64> {
    let sql = format!("SELECT {}", rows.dialect().last_serial());
    let row = rows.query_one(&sql, &[])?;
    let row = row.ok_or_else(|| Error::Damaged("a row that was added has no number".into()))?;
    Ok(row.get(0)?)
}

fn time(row: &Row, column: usize) -> Result<Timestamp> {
    Ok(Timestamp(row.get(column)?))
}

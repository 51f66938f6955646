//! Rows: one face over the SQL databases Larder runs on. A statement is text
//! with `?` for each parameter; a transaction is a closure that runs to its
//! end on a thread of its own, so one `store.rs` per app serves every engine.
//! Knows no app's tables and retries nothing.

mod migrate;
mod sqlite;
mod value;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

pub use migrate::Migration;
pub use value::{FromValue, Row, Value};

/// What can go wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be opened.
    #[error("can't open the database {target}: {reason}")]
    Open {
        /// The database, without its password.
        target: String,
        /// The engine's words.
        reason: String,
    },
    /// A migration failed and was rolled back.
    #[error("migration {version} \"{name}\" of {app} failed and was rolled back: {reason}")]
    Migration {
        /// Whose tables.
        app: &'static str,
        /// The migration's number.
        version: u32,
        /// The migration's name.
        name: &'static str,
        /// The engine's words.
        reason: String,
    },
    /// The tables were made by a newer program.
    #[error(
        "the tables of {app} are at version {found}, this program knows versions up to {known}: start a newer larder"
    )]
    FromTheFuture {
        /// Whose tables.
        app: &'static str,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// A constraint of the schema refused the change.
    #[error("the database refused the change: {0}")]
    Constraint(String),
    /// A statement failed.
    #[error("the database statement failed: {0}")]
    Statement(String),
    /// The engine could not make a commit durable: whether it happened is
    /// unknown, and the process must stop and recover at its next start.
    #[error("the database could not write to its disk: {0}")]
    Durability(String),
    /// The disk is full; nothing was changed.
    #[error("the disk of the database is full")]
    DiskFull,
    /// The database is closed or its thread died.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A column held another type than the program expects.
    #[error("column {column} holds {found}, expected {expected}")]
    Type {
        /// Position in the row, from 0.
        column: usize,
        /// What the column holds.
        found: &'static str,
        /// What was asked for.
        expected: &'static str,
    },
}

/// The result of a database operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where the rows are, as given by `--database`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: an embedded database in one file.
    Sqlite(PathBuf),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", "")) => {
                Err("sqlite: needs a file name, as in sqlite:data/larder.db".into())
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(path.trim_start_matches("//").into())),
            _ => Err("expected sqlite:PATH".into()),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

/// How a [`Database`] is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the rows are.
    pub url: DatabaseUrl,
    /// Connections for reading, 1 or more. Reads beyond it wait.
    pub readers: usize,
}

/// The statements that are written differently from engine to engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
}

impl Dialect {
    /// A condition that is true where `column` contains the text of one
    /// parameter, ASCII letters compared without case. The parameter must be
    /// made by [`Dialect::contains_pattern`].
    pub fn contains(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("{column} LIKE ? ESCAPE '\\'"),
        }
    }

    /// The parameter for [`Dialect::contains`]: `text` with the pattern
    /// characters escaped.
    pub fn contains_pattern(self, text: &str) -> String {
        let mut pattern = String::with_capacity(text.len() + 2);
        pattern.push('%');
        for character in text.chars() {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        pattern
    }
}

/// Statements inside one transaction, or one consistent view for reading.
pub trait Connection {
    /// The engine's dialect.
    fn dialect(&self) -> Dialect;

    /// Runs a statement that returns rows.
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>>;

    /// Runs a statement that changes rows; returns how many it changed.
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64>;

    /// Runs a statement that returns at most one row.
    fn query_one(&mut self, sql: &str, parameters: &[Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, parameters)?.into_iter().next())
    }
}

/// A database: cheap to clone, shared by everything that uses it.
#[derive(Clone)]
pub struct Database {
    engine: Arc<sqlite::Sqlite>,
}

impl Database {
    /// Opens the database, making it if it doesn't exist.
    ///
    /// # Errors
    /// [`Error::Open`] says what was wrong.
    pub fn open(config: &Config) -> Result<Self> {
        let DatabaseUrl::Sqlite(path) = &config.url;
        Ok(Self { engine: Arc::new(sqlite::Sqlite::open(path, config.readers)?) })
    }

    /// Brings the tables of `app` to the newest of `migrations`, each in one
    /// transaction.
    ///
    /// # Errors
    /// [`Error::Migration`], after which nothing of that migration remains;
    /// [`Error::FromTheFuture`].
    pub async fn migrate(&self, app: &'static str, migrations: &'static [Migration]) -> Result<()> {
        self.write(move |connection| migrate::run(connection, app, migrations)).await
    }

    /// Reads in one consistent view.
    ///
    /// # Errors
    /// What `work` returned, or [`Error::Unavailable`].
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.engine.read(work).await
    }

    /// Runs `work` in a transaction that is on disk when this returns `Ok`,
    /// and has changed nothing when it returns `Err` (but see
    /// [`Error::Durability`]). The future may be dropped: the transaction
    /// runs to its end all the same.
    ///
    /// # Errors
    /// What `work` returned, or the commit's error.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.engine.write(work).await
    }

    /// Stops taking work, finishes what was taken and closes the files.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}

#[cfg(test)]
mod tests;

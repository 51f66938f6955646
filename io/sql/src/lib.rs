//! Rows: one face over the SQL databases Larder runs on. A statement is text
//! with `?` for each parameter; a transaction is a closure that runs to its
//! end on a thread of its own, so one `store.rs` per app serves every engine.
//! Transactions that meet each other, or lose their server before the commit,
//! are run again; the closures change nothing but rows. Knows no app's tables.

mod dialect;
mod migrate;
mod server;
mod sqlite;
mod url;
mod value;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use dialect::Dialect;
pub use migrate::Migration;
pub use url::{DatabaseUrl, ServerKind, ServerUrl, Tls};
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
    /// The database can't be reached, doesn't answer or is closed; nothing
    /// was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The server went away while it committed: whether the change happened
    /// is not known until `settled`.
    #[error("the database went away during a commit, which may have happened: {reason}")]
    Unknown {
        /// The engine's words.
        reason: String,
        /// When it is decided.
        settled: Settled,
    },
    /// A [`Guard`] refused the transaction; nothing was changed.
    #[error("the transaction was refused: {0}")]
    Refused(String),
    /// Another transaction changed the same rows. Told to a transaction's
    /// closure only, which passes it on and is run again.
    #[error("another transaction changed the same rows")]
    Conflict,
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

impl Error {
    /// Where it isn't known whether a change happened: when it will be.
    pub fn settled(&self) -> Option<Settled> {
        match self {
            Self::Unknown { settled, .. } => Some(settled.clone()),
            _ => None,
        }
    }
}

/// The result of a database operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Resolves once the end of an unanswered commit is decided: what reads show
/// from then on is what happened.
#[derive(Clone)]
pub struct Settled(tokio::sync::watch::Receiver<bool>);

impl Settled {
    /// Waits for it.
    pub async fn wait(mut self) {
        // When the sender is gone the database was closed, and nobody reads.
        let _ = self.0.wait_for(|settled| *settled).await;
    }
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self.0.borrow() { "settled" } else { "not settled" })
    }
}

/// How a [`Database`] is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the rows are.
    pub url: DatabaseUrl,
    /// Connections for reading an embedded database, 1 or more; a server's
    /// are in its URL. Reads beyond it wait.
    pub readers: usize,
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

    /// Runs statements without parameters one after the other, on a server in
    /// one round trip, which is the transaction's first too if nothing ran
    /// before; returns the rows of each.
    fn query_all(&mut self, statements: &[&str]) -> Result<Vec<Vec<Row>>> {
        statements.iter().map(|sql| self.query(sql, &[])).collect()
    }

    /// Lets each of the statements that follow take this long before the
    /// server is taken for dead. For those that touch very many rows.
    fn allow(&mut self, timeout: Duration);

    /// Which server runs the statements: a name that no other has, nor itself
    /// after it took over from another. Empty for an embedded database.
    fn server(&self) -> &str;

    /// For a closure that finds that another transaction was faster: returning
    /// this error makes the transaction run again from its beginning.
    fn conflict(&mut self) -> Error;
}

/// The first statements of every transaction that changes rows, which may
/// refuse it with [`Error::Refused`]. Run again whenever the transaction is.
#[derive(Clone)]
pub struct Guard(Arc<Check>);

type Check = dyn Fn(&mut dyn Connection) -> Result<()> + Send + Sync;

impl Guard {
    /// A guard that runs `check`.
    pub fn new(check: impl Fn(&mut dyn Connection) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }
}

/// A database: cheap to clone, shared by everything that uses it.
#[derive(Clone)]
pub struct Database {
    engine: Engine,
    guard: Option<Guard>,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<sqlite::Sqlite>),
    Server(server::Server),
}

impl Database {
    /// Opens the database. An embedded one is made if it doesn't exist; a
    /// server that isn't up yet is waited for, half a minute at most.
    ///
    /// # Errors
    /// [`Error::Open`] says what was wrong.
    pub async fn open(config: &Config) -> Result<Self> {
        Self::open_or_make(config, true).await
    }

    /// As [`Database::open`], but never makes a database.
    ///
    /// # Errors
    /// [`Error::Open`], also when there is none.
    pub async fn open_existing(config: &Config) -> Result<Self> {
        Self::open_or_make(config, false).await
    }

    async fn open_or_make(config: &Config, makes_it: bool) -> Result<Self> {
        let engine = match &config.url {
            DatabaseUrl::Sqlite(path) => {
                Engine::Sqlite(Arc::new(sqlite::Sqlite::open(path, config.readers, makes_it)?))
            }
            DatabaseUrl::Server(url) => Engine::Server(server::Server::open(url).await?),
        };
        Ok(Self { engine, guard: None })
    }

    /// The same database, whose transactions begin with `guard`.
    #[must_use]
    pub fn guarded(&self, guard: Option<Guard>) -> Self {
        Self { engine: self.engine.clone(), guard }
    }

    /// The engine's dialect.
    pub fn dialect(&self) -> Dialect {
        match &self.engine {
            Engine::Sqlite(_) => Dialect::Sqlite,
            Engine::Server(server) => server.dialect(),
        }
    }

    /// Brings the tables of `app` to the newest of `migrations`, one after
    /// the other. Programs that start at once take turns.
    ///
    /// # Errors
    /// [`Error::Migration`], after which nothing of that migration remains;
    /// [`Error::FromTheFuture`].
    pub async fn migrate(&self, app: &'static str, migrations: &'static [Migration]) -> Result<()> {
        match &self.engine {
            // There a change of tables is a transaction of its own.
            Engine::Server(server) if server.dialect() == Dialect::MySql => {
                server.session(move |session| migrate::run_stepwise(session, app, migrations)).await
            }
            _ => self.write(move |connection| migrate::run(connection, app, migrations)).await,
        }
    }

    /// The version of the tables of `app`, 0 if it has none here. Changes
    /// nothing.
    ///
    /// # Errors
    /// As the statements' execution.
    pub async fn version(&self, app: &'static str) -> Result<u32> {
        self.read(move |connection| migrate::version(connection, app)).await
    }

    /// The rows of one statement, which sees one moment.
    ///
    /// # Errors
    /// As its execution.
    pub async fn query(&self, sql: impl Into<String>, parameters: Vec<Value>) -> Result<Vec<Row>> {
        let sql = sql.into();
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.query(sql, parameters).await,
            Engine::Server(server) => server.query(sql, parameters).await,
        }
    }

    /// At most one row of one statement.
    ///
    /// # Errors
    /// As its execution.
    pub async fn query_one(
        &self,
        sql: impl Into<String>,
        parameters: Vec<Value>,
    ) -> Result<Option<Row>> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// At most one row of one statement, handed to `then` on a thread that may
    /// block: on an embedded database the one that has read it, so that what
    /// is read next from this machine costs no other trip.
    ///
    /// # Errors
    /// As the statement's execution.
    pub async fn query_one_then<T: Send + 'static>(
        &self,
        sql: impl Into<String>,
        parameters: Vec<Value>,
        then: impl FnOnce(Option<Row>) -> T + Send + 'static,
    ) -> Result<T> {
        let sql = sql.into();
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.query_one_then(sql, parameters, then).await,
            Engine::Server(server) => {
                let row = server.query(sql, parameters).await?.into_iter().next();
                let then = tokio::task::spawn_blocking(move || then(row));
                then.await.map_err(|_| Error::Unavailable("a read panicked".into()))
            }
        }
    }

    /// Reads with several statements in one consistent view. `work` may be
    /// run more than once; only what its last run returned counts.
    ///
    /// # Errors
    /// What `work` returned, or [`Error::Unavailable`].
    pub async fn read<T, E>(
        &self,
        work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work).await,
            Engine::Server(server) => server.read(work).await,
        }
    }

    /// Runs `work` in a transaction that is on disk when this returns `Ok`,
    /// and has changed nothing when it returns `Err` (but see
    /// [`Error::Durability`] and [`Error::Unknown`]). `work` may be run more
    /// than once; only the last run's changes count. Other transactions may
    /// commit between its statements: what it read and relies on it must
    /// have read `FOR UPDATE`, or change under a condition. The future may be
    /// dropped: the transaction runs to its end all the same.
    ///
    /// # Errors
    /// What `work` returned, or the commit's error.
    pub async fn write<T, E>(
        &self,
        mut work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let guard = self.guard.clone();
        let work = move |connection: &mut dyn Connection| {
            if let Some(Guard(check)) = &guard {
                check(connection)?;
            }
            work(connection)
        };
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Server(server) => server.write(work).await,
        }
    }

    /// From now on statements run on this server or on none, whichever answers
    /// at the addresses; `None` lets them run on any again. For whoever must
    /// not be told things by a server that was deposed, or by its successor
    /// before everybody knows of that.
    pub fn hold_to(&self, server: Option<String>) {
        if let Engine::Server(engine) = &self.engine {
            engine.hold_to(server);
        }
    }

    /// Costs nothing while the database answers. Once it didn't, asks whether
    /// it does now: for whoever prepares a write with something that is lost
    /// when the write can't even begin.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn check(&self) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Server(server) => server.check().await,
        }
    }

    /// Stops taking work, finishes what was taken and closes the connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Server(server) => server.close().await,
        }
    }
}

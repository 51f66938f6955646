//! SQLite: one thread writes, with group commit; a few connections read.
//! WAL with `synchronous=FULL`, because with `NORMAL` a power cut takes back
//! commits that were acknowledged (measured: 100 of 100).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::types::ValueRef;
use rusqlite::{ErrorCode, OpenFlags, params_from_iter};
use tokio::sync::{Semaphore, oneshot};

use crate::{Connection, Dialect, Error, Result, Row, Value};

/// The most transactions that share one commit: enough to amortise the
/// fsync, few enough that the first doesn't wait long for the last.
const GROUP: usize = 64;

/// A transaction's work, or the reason why it can't begin. What it returns is
/// told the outcome.
type Job = Box<dyn FnOnce(Result<&mut Statements<'_>>) -> Done + Send>;

enum Done {
    /// Keep the changes; tell the outcome of the commit.
    Keep(Box<dyn FnOnce(Result<()>) + Send>),
    /// Take the changes back; tell that this was done.
    Undo(Box<dyn FnOnce() + Send>),
}

/// An open SQLite database.
pub(crate) struct Sqlite {
    writer: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    readers: std::sync::Arc<Readers>,
}

/// Connections for reading that are not in use, and the right to take one.
struct Readers {
    idle: Mutex<Vec<rusqlite::Connection>>,
    permits: Semaphore,
}

impl Sqlite {
    /// `makes_it` says whether the file is made when there is none.
    pub(crate) fn open(path: &Path, readers: usize, makes_it: bool) -> Result<Self> {
        let open_error = |error: rusqlite::Error| Error::Open {
            target: format!("sqlite:{}", path.display()),
            reason: error.to_string(),
        };
        let mut flags = OpenFlags::default();
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, makes_it);
        let writer = connect(path, flags).map_err(open_error)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let idle = (0..readers.max(1))
            .map(|_| connect(path, flags))
            .collect::<rusqlite::Result<Vec<_>>>()
            .map_err(open_error)?;
        let permits = Semaphore::new(idle.len());
        let (sender, jobs) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || write_loop(&writer, &jobs))
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self {
            writer: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            readers: std::sync::Arc::new(Readers { idle: Mutex::new(idle), permits }),
        })
    }

    pub(crate) async fn read<T, E>(
        &self,
        mut work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.with_reader(move |connection| in_one_view(connection, &mut work)).await
    }

    /// One statement is a view of its own.
    pub(crate) async fn query(&self, sql: String, parameters: Vec<Value>) -> Result<Vec<Row>> {
        self.with_reader(move |connection| Statements { connection }.query(&sql, &parameters)).await
    }

    pub(crate) async fn query_one_then<T: Send + 'static>(
        &self,
        sql: String,
        parameters: Vec<Value>,
        then: impl FnOnce(Option<Row>) -> T + Send + 'static,
    ) -> Result<T> {
        let work = move |connection: &rusqlite::Connection| {
            Statements { connection }.query_one(&sql, &parameters).map(then)
        };
        self.with_reader(work).await
    }

    async fn with_reader<T, E>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let readers = self.readers.clone();
        let closed = || Error::Unavailable("it is closed".into());
        let permit = readers.permits.acquire().await.map_err(|_| closed())?;
        let connection = readers.idle.lock().pop().ok_or_else(closed)?;
        // The connection goes back even when the caller is gone by then.
        let returned = self.readers.clone();
        permit.forget();
        let task = tokio::task::spawn_blocking(move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(&connection)));
            if !returned.permits.is_closed() {
                returned.idle.lock().push(connection);
                returned.permits.add_permits(1);
            }
            result
        });
        match task.await {
            Ok(Ok(result)) => result,
            _ => Err(Error::Unavailable("a read panicked".into()).into()),
        }
    }

    pub(crate) async fn write<T, E>(
        &self,
        mut work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel::<Result<T, E>>();
        let job: Job = Box::new(move |begun| match begun.map_err(E::from).and_then(|s| work(s)) {
            Ok(value) => Done::Keep(Box::new(move |committed| {
                let _ = reply.send(committed.map(|()| value).map_err(E::from));
            })),
            Err(error) => Done::Undo(Box::new(move || {
                let _ = reply.send(Err(error));
            })),
        });
        let sent = self.writer.lock().as_ref().is_some_and(|writer| writer.send(job).is_ok());
        if !sent {
            return Err(Error::Unavailable("it is closed".into()).into());
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable("the transaction panicked".into()).into()),
        }
    }

    pub(crate) async fn close(&self) {
        // The readers go first: the last connection to close folds the log
        // into the database, and only the writer's can.
        self.readers.permits.close();
        let writer = self.writer.lock().take();
        let thread = self.thread.lock().take();
        let readers = self.readers.clone();
        let _ = tokio::task::spawn_blocking(move || {
            readers.idle.lock().clear();
            drop(writer);
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        })
        .await;
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    if !flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
    }
    Ok(connection)
}

/// One snapshot for all statements of `work`: without the transaction each
/// would see the database at its own moment.
fn in_one_view<T, E: From<Error>>(
    connection: &rusqlite::Connection,
    work: &mut impl FnMut(&mut dyn Connection) -> Result<T, E>,
) -> Result<T, E> {
    let view = connection.unchecked_transaction().map_err(|error| E::from(classify(&error)))?;
    work(&mut Statements { connection: &view })
}

/// Takes jobs until the last sender is gone. While one group is being
/// written to disk the next one gathers.
fn write_loop(connection: &rusqlite::Connection, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut keep = Vec::new();
        for job in std::iter::once(first).chain(jobs.try_iter().take(GROUP - 1)) {
            keep.extend(run_job(connection, job));
            // On a full disk or a failed write SQLite may take back the whole
            // transaction, not only the statement. Those who shared it are
            // told, and the next job begins another.
            if connection.is_autocommit() {
                for done in keep.drain(..) {
                    done(Err(Error::Unavailable("a shared transaction was taken back".into())));
                }
            }
        }
        if connection.is_autocommit() {
            continue;
        }
        match connection.execute_batch("COMMIT") {
            Ok(()) => keep.into_iter().for_each(|done| done(Ok(()))),
            Err(error) => {
                let _ = connection.execute_batch("ROLLBACK");
                tracing::error!(%error, "commit failed");
                keep.into_iter().for_each(|done| done(Err(commit_error(&error))));
            }
        }
    }
}

/// Runs one job in the group's transaction, which it begins if it is the
/// first, and under a savepoint of its own, so that its failure takes nothing
/// from the others.
fn run_job(
    connection: &rusqlite::Connection,
    job: Job,
) -> Option<Box<dyn FnOnce(Result<()>) + Send>> {
    let begin =
        if connection.is_autocommit() { "BEGIN IMMEDIATE; SAVEPOINT job" } else { "SAVEPOINT job" };
    if let Err(error) = connection.execute_batch(begin) {
        refuse(job, &error);
        return None;
    }
    let done = catch_unwind(AssertUnwindSafe(|| job(Ok(&mut Statements { connection }))));
    let end = if matches!(done, Ok(Done::Keep(_))) {
        "RELEASE job"
    } else {
        "ROLLBACK TO job; RELEASE job"
    };
    let ended = connection.execute_batch(end);
    match (done, ended) {
        (Ok(Done::Keep(done)), Ok(())) => Some(done),
        (Ok(Done::Keep(done)), Err(error)) => {
            done(Err(classify(&error)));
            None
        }
        (Ok(Done::Undo(done)), _) => {
            done();
            None
        }
        // The job panicked: its reply was dropped with it.
        (Err(_), _) => None,
    }
}

/// Tells a job that its transaction could not begin.
fn refuse(job: Job, error: &rusqlite::Error) {
    tracing::error!(%error, "can't begin a transaction");
    if let Done::Undo(done) = job(Err(classify(error))) {
        done();
    }
}

/// Statements on one SQLite connection.
struct Statements<'c> {
    connection: &'c rusqlite::Connection,
}

impl Connection for Statements<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let run = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let columns = statement.column_count();
            statement
                .query_map(params_from_iter(parameters), |row| {
                    (0..columns)
                        .map(|column| row.get_ref(column).map(from_sqlite))
                        .collect::<rusqlite::Result<Vec<_>>>()
                        .map(Row)
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        run().map_err(|error| classify(&error))
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        let run = || self.connection.prepare_cached(sql)?.execute(params_from_iter(parameters));
        run().map(|changed| changed as u64).map_err(|error| classify(&error))
    }

    fn server(&self) -> &str {
        ""
    }

    fn allow(&mut self, _: Duration) {
        // Nothing is taken for dead here.
    }

    fn conflict(&mut self) -> Error {
        // There is one writer at a time: nobody can have been faster.
        Error::Statement("a row that was just read is not as it was read".into())
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        };
        Ok(rusqlite::types::ToSqlOutput::Borrowed(value))
    }
}

fn from_sqlite(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn classify(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Error::Constraint(error.to_string()),
        Some(ErrorCode::DiskFull) => Error::DiskFull,
        Some(ErrorCode::SystemIoFailure) if is_failed_write(error) => {
            Error::Durability(error.to_string())
        }
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen,
        ) => Error::Unavailable(error.to_string()),
        _ => Error::Statement(error.to_string()),
    }
}

/// A commit that failed at the disk may have happened all the same.
fn commit_error(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt) => {
            Error::Durability(error.to_string())
        }
        _ => classify(error),
    }
}

/// Whether what was written may be lost, not only what was to be read.
fn is_failed_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    let writes = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_DIR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
    ];
    error.sqlite_error().is_some_and(|error| writes.contains(&error.extended_code))
}

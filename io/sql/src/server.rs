//! MariaDB, MySQL and PostgreSQL: a pool of connections, transactions that
//! are run again when they meet others or lose their connection, and commits
//! whose end is found out when nobody told it. A transaction's closure runs
//! on a thread of its own and waits there for the server.

mod link;
mod pool;

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use deadpool::managed::{Object, Pool, PoolError, Timeouts};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::url::{ServerKind, ServerUrl};
use crate::{Connection, Dialect, Error, Result, Row, Settled, Value};
use link::{Failure, FailureKind, SessionLock};
use pool::{Linked, Links};

/// How long opening waits for a server that isn't up yet.
const OPENING: Duration = Duration::from_secs(30);

/// The first and the longest wait between attempts.
const BACKOFF: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(250)];

/// A database on a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Server {
    pool: Pool<Links>,
    dialect: Dialect,
    timeout: Duration,
}

/// A connection that somebody uses. One that is left in an unknown state is
/// closed at once: in the pool its transaction would go on holding rows.
struct Held(Option<Object<Links>>);

impl Deref for Held {
    type Target = Linked;

    fn deref(&self) -> &Linked {
        self.0.as_ref().expect("only its drop takes it")
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Linked {
        self.0.as_mut().expect("only its drop takes it")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(linked) = self.0.take_if(|linked| linked.in_use) {
            drop(Object::take(linked));
        }
    }
}

/// How a transaction begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Changes rows.
    Write,
    /// Sees one moment.
    View,
    /// No transaction: each statement by itself, one session for all.
    Session,
}

/// How a run of a transaction ended.
enum Ended<T, E> {
    /// With this.
    Done(Result<T, E>),
    /// It changed nothing and may be run again.
    Again(Failure),
    /// Nobody told whether the commit happened.
    Unknown(SessionLock, String),
}

impl Server {
    pub(crate) async fn open(url: &ServerUrl) -> Result<Self> {
        let dialect = match url.kind {
            ServerKind::MySql => Dialect::MySql,
            ServerKind::Postgres => Dialect::Postgres,
        };
        let pool = Pool::builder(Links::new(url.clone())?)
            .max_size(url.pool)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let server = Self { pool, dialect, timeout: url.timeout };
        let started = Instant::now();
        let mut said = false;
        loop {
            match server.acquire(Duration::from_secs(2)).await {
                Ok(linked) => {
                    drop(linked);
                    server.check_settings(url).await?;
                    return Ok(server);
                }
                Err(Error::Unavailable(reason)) if started.elapsed() < OPENING => {
                    if !said {
                        tracing::warn!(database = %url, reason, "waiting for the database");
                        said = true;
                    }
                    tokio::time::sleep(BACKOFF[1]).await;
                }
                Err(Error::Unavailable(reason)) => {
                    return Err(Error::Open { target: url.to_string(), reason });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks for settings of the server that break promises of ours.
    async fn check_settings(&self, url: &ServerUrl) -> Result<()> {
        let setting = match self.dialect {
            Dialect::Postgres => "SELECT current_setting('server_encoding')",
            _ => "SELECT CAST(@@global.innodb_flush_log_at_trx_commit AS CHAR)",
        };
        let rows = self.query(setting.into(), vec![]).await?;
        let found = rows.first().map(|row| row.get::<String>(0)).transpose()?.unwrap_or_default();
        match self.dialect {
            // Keys couldn't be stored.
            Dialect::Postgres if found != "UTF8" => Err(Error::Open {
                target: url.to_string(),
                reason: format!(
                    "its encoding is {found}, it must be UTF8: make the database with ENCODING \
                     'UTF8' TEMPLATE template0"
                ),
            }),
            Dialect::MySql if found != "1" => {
                tracing::warn!(
                    database = %url,
                    "innodb_flush_log_at_trx_commit is {found}: a power cut at the server takes back \
                     changes that were acknowledged; set it to 1"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One statement that reads, at one moment.
    pub(crate) async fn query(&self, sql: String, parameters: Vec<Value>) -> Result<Vec<Row>> {
        let mut attempts = self.attempts();
        loop {
            let mut linked = self.acquire(self.timeout).await?;
            linked.in_use = true;
            let asked = linked.link.query(&sql, &parameters);
            let failure = match within(self.timeout, asked).await {
                Ok(rows) => {
                    linked.in_use = false;
                    self.pool.manager().answered();
                    return Ok(rows);
                }
                Err(failure) => failure,
            };
            match failure.kind {
                FailureKind::Lost => self.pool.manager().lost(&linked),
                FailureKind::Met | FailureKind::Final => linked.in_use = false,
            }
            drop(linked);
            attempts.again(failure).await?;
        }
    }

    /// Nothing, unless the last that was heard of the server is that it didn't
    /// answer: then whether it does now.
    pub(crate) async fn check(&self) -> Result<()> {
        match self.pool.manager().is_suspect() {
            true => self.query("SELECT 1".into(), vec![]).await.map(drop),
            false => Ok(()),
        }
    }

    pub(crate) async fn read<T, E>(
        &self,
        work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(Kind::View, work).await
    }

    pub(crate) async fn write<T, E>(
        &self,
        work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        // A task of its own: it runs to its end when the caller goes away.
        let server = self.clone();
        match tokio::spawn(async move { server.run(Kind::Write, work).await }).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable("the transaction panicked".into()).into()),
        }
    }

    /// Statements without a transaction around them, on one session.
    pub(crate) async fn session<T, E>(
        &self,
        work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(Kind::Session, work).await
    }

    async fn run<T, E>(
        &self,
        kind: Kind,
        work: impl FnMut(&mut dyn Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let mut work = Box::new(work);
        let mut attempts = self.attempts();
        loop {
            let linked = self.acquire(self.timeout).await?;
            let (server, handle) = (self.clone(), Handle::current());
            let blocking = tokio::task::spawn_blocking(move || {
                let ended = server.perform(&handle, linked, kind, &mut *work);
                (work, ended)
            });
            let Ok((returned, ended)) = blocking.await else {
                return Err(Error::Unavailable("the transaction panicked".into()).into());
            };
            work = returned;
            match ended {
                Ended::Done(result) => return result,
                Ended::Again(failure) => attempts.again(failure).await?,
                Ended::Unknown(lock, reason) => {
                    return Err(Error::Unknown { reason, settled: self.settle(lock) }.into());
                }
            }
        }
    }

    /// Runs a transaction once, on a thread that may block.
    fn perform<T, E>(
        &self,
        handle: &Handle,
        mut linked: Held,
        kind: Kind,
        work: &mut dyn FnMut(&mut dyn Connection) -> Result<T, E>,
    ) -> Ended<T, E>
    where
        E: From<Error>,
    {
        linked.in_use = true;
        let begin = match (kind, self.dialect) {
            (Kind::Session, _) => None,
            (Kind::Write, Dialect::MySql) => Some("START TRANSACTION"),
            (Kind::Write, _) => Some("BEGIN"),
            (Kind::View, Dialect::MySql) => Some(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
                 START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ),
            (Kind::View, _) => Some("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
        };
        let mut session = Session {
            dialect: self.dialect,
            handle,
            linked: &mut linked,
            timeout: self.timeout,
            begin,
            failed: None,
        };
        let result = work(&mut session);
        let ended = match (result, session.failed.take()) {
            (_, Some(failure)) if failure.kind == FailureKind::Lost => {
                return self.failed(&linked, failure);
            }
            (_, Some(failure)) if failure.kind == FailureKind::Met => Ended::Again(failure),
            (Err(error), _) => Ended::Done(Err(error)),
            // PostgreSQL would take back all of it and call that a success.
            (Ok(_), Some(failure)) if kind != Kind::Session => {
                Ended::Done(Err(failure.error.into()))
            }
            (Ok(value), _) => {
                let committed =
                    if session.is_open(kind) { session.batch("COMMIT") } else { Ok(()) };
                return self.committed(&mut linked, committed, value);
            }
        };
        linked.in_use = session.is_open(kind) && session.batch("ROLLBACK").is_err();
        ended
    }

    /// What a commit came to. A connection on which it failed goes, because
    /// nothing says in which state it is.
    fn committed<T, E: From<Error>>(
        &self,
        linked: &mut Linked,
        committed: Result<(), Failure>,
        value: T,
    ) -> Ended<T, E> {
        match committed {
            Ok(()) => {
                linked.in_use = false;
                Ended::Done(Ok(value))
            }
            Err(failure) => match failure.kind {
                FailureKind::Lost => {
                    self.pool.manager().lost(linked);
                    Ended::Unknown(linked.lock, failure.error.to_string())
                }
                FailureKind::Met => Ended::Again(failure),
                FailureKind::Final => Ended::Done(Err(failure.error.into())),
            },
        }
    }

    fn failed<T, E: From<Error>>(&self, linked: &Linked, failure: Failure) -> Ended<T, E> {
        if failure.kind == FailureKind::Lost {
            self.pool.manager().lost(linked);
        }
        match failure.kind {
            FailureKind::Lost | FailureKind::Met => Ended::Again(failure),
            FailureKind::Final => Ended::Done(Err(failure.error.into())),
        }
    }

    /// A connection, from the pool or new.
    async fn acquire(&self, timeout: Duration) -> Result<Held> {
        let started = Instant::now();
        let mut wait = BACKOFF[0];
        loop {
            let left = timeout.saturating_sub(started.elapsed()).max(BACKOFF[0]);
            let timeouts = Timeouts { wait: Some(left), create: Some(left), recycle: None };
            let error = match self.pool.timeout_get(&timeouts).await {
                Ok(linked) => return Ok(Held(Some(linked))),
                Err(PoolError::Backend(error @ Error::Unavailable(_))) => error,
                Err(PoolError::Backend(error)) => return Err(error),
                Err(PoolError::Timeout(deadpool::managed::TimeoutType::Wait)) => {
                    let all = format!("all {} connections are in use", self.pool.status().max_size);
                    return Err(Error::Unavailable(all));
                }
                Err(PoolError::Closed) => return Err(Error::Unavailable("it is closed".into())),
                Err(error) => Error::Unavailable(error.to_string()),
            };
            // While the server has long been away, one attempt each is enough:
            // callers hear of it at once instead of piling up.
            let given_up = self.pool.manager().down_for() > self.timeout;
            if given_up || started.elapsed() + wait >= timeout {
                return Err(error);
            }
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(BACKOFF[1]);
        }
    }

    fn attempts(&self) -> Attempts {
        Attempts { started: Instant::now(), timeout: self.timeout, wait: BACKOFF[0] }
    }

    /// Watches for the end of a session whose commit was not answered: from
    /// then on what reads show is what happened.
    fn settle(&self, lock: SessionLock) -> Settled {
        let (sender, receiver) = watch::channel(false);
        let server = self.clone();
        tokio::spawn(async move {
            while !server.pool.is_closed() {
                if let Ok(mut linked) = server.acquire(server.timeout).await {
                    linked.in_use = true;
                    let asked = within(server.timeout, linked.link.is_gone(lock)).await;
                    linked.in_use = asked.is_err();
                    if matches!(asked, Ok(true)) {
                        break;
                    }
                }
                tokio::time::sleep(BACKOFF[1]).await;
            }
            let _ = sender.send(true);
        });
        Settled(receiver)
    }

    /// Ends what is under way, within the time one statement may take, and
    /// tells the server goodbye.
    pub(crate) async fn close(&self) {
        let idle = self.pool.retain(|_, _| false).removed;
        self.pool.close();
        for linked in idle {
            linked.link.close().await;
        }
        let started = Instant::now();
        while self.pool.status().size > 0 && started.elapsed() < self.timeout {
            tokio::time::sleep(BACKOFF[0]).await;
        }
    }

    pub(crate) fn hold_to(&self, server: Option<String>) {
        self.pool.manager().hold_to(server);
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// When to try again, and when no more.
struct Attempts {
    started: Instant,
    timeout: Duration,
    wait: Duration,
}

impl Attempts {
    /// Waits for the next attempt, or returns the error if that is no use.
    async fn again(&mut self, failure: Failure) -> Result<()> {
        // Those who meet go on one after the other: that takes longer, and
        // PostgreSQL looks for deadlocks only once a second.
        let patience = match failure.kind {
            FailureKind::Met => 2 * self.timeout,
            _ => self.timeout,
        };
        let is_late = self.started.elapsed() + self.wait >= patience;
        if failure.kind == FailureKind::Final || is_late {
            return Err(match failure.error {
                Error::Conflict => {
                    Error::Unavailable("too many changes of the same rows at once".into())
                }
                error => error,
            });
        }
        tracing::debug!(error = %failure.error, "trying again");
        tokio::time::sleep(jittered(self.wait)).await;
        self.wait = (self.wait * 2).min(BACKOFF[1]);
        Ok(())
    }
}

/// Between half and all of `wait`, so that those who met don't meet again.
fn jittered(wait: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    wait / 2 + wait.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

/// The answer, if it comes in time.
async fn within<T>(
    timeout: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
        let error = Error::Unavailable(format!("no answer within {} s", timeout.as_secs_f64()));
        Err(Failure { kind: FailureKind::Lost, error })
    })
}

/// Statements on one connection, each waited for on this thread.
struct Session<'c> {
    dialect: Dialect,
    handle: &'c Handle,
    linked: &'c mut Linked,
    timeout: Duration,
    /// What begins the transaction, until it has been sent: the first statement
    /// takes it along where it can.
    begin: Option<&'static str>,
    /// The failure that decides how the transaction ends.
    failed: Option<Failure>,
}

impl Session<'_> {
    fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        self.handle.block_on(within(self.timeout, self.linked.link.batch(sql)))
    }

    /// Whether there is a transaction to end.
    fn is_open(&self, kind: Kind) -> bool {
        kind != Kind::Session && self.begin.is_none()
    }

    fn begin(&mut self) -> Result<()> {
        let begun = self.begin.take().map_or(Ok(()), |begin| self.batch(begin));
        self.noted(begun)
    }

    /// Notes a failure; the caller gets a copy that says as much.
    fn noted<T>(&mut self, result: Result<T, Failure>) -> Result<T> {
        result.map_err(|failure| {
            let told = match &failure.error {
                Error::Constraint(text) => Error::Constraint(text.clone()),
                Error::Statement(text) => Error::Statement(text.clone()),
                Error::Unavailable(text) => Error::Unavailable(text.clone()),
                Error::DiskFull => Error::DiskFull,
                Error::Refused(text) => Error::Refused(text.clone()),
                Error::Conflict => Error::Conflict,
                error => Error::Statement(error.to_string()),
            };
            // What decides is a lost connection, then a meeting, then the rest.
            let rank = |failure: &Failure| match failure.kind {
                FailureKind::Lost => 2,
                FailureKind::Met => 1,
                FailureKind::Final => 0,
            };
            if self.failed.as_ref().is_none_or(|before| rank(before) < rank(&failure)) {
                self.failed = Some(failure);
            }
            told
        })
    }
}

impl Connection for Session<'_> {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        self.begin()?;
        let answer = within(self.timeout, self.linked.link.query(sql, parameters));
        let answer = self.handle.block_on(answer);
        self.noted(answer)
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        self.begin()?;
        let answer = within(self.timeout, self.linked.link.execute(sql, parameters));
        let answer = self.handle.block_on(answer);
        self.noted(answer)
    }

    fn query_all(&mut self, statements: &[&str]) -> Result<Vec<Vec<Row>>> {
        let begin = self.begin.take();
        let sql: Vec<&str> = begin.into_iter().chain(statements.iter().copied()).collect();
        let sql = sql.join(";");
        let answer = within(self.timeout, self.linked.link.query_all(&sql));
        let answer = self.handle.block_on(answer);
        let mut all = self.noted(answer)?;
        // What begins is one or two statements, without rows.
        Ok(all.split_off(all.len().saturating_sub(statements.len())))
    }

    fn server(&self) -> &str {
        &self.linked.server
    }

    fn allow(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    fn conflict(&mut self) -> Error {
        let failure = Failure { kind: FailureKind::Met, error: Error::Conflict };
        self.noted::<()>(Err(failure)).err().unwrap_or(Error::Conflict)
    }
}

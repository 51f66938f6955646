//! One connection to a MariaDB or PostgreSQL server: statements in, rows out,
//! failures told apart by what can be done about them.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgConnectOptions, PgSslMode, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Decode, Either, Encode, MySql,
    MySqlConnection, PgConnection, Postgres, Type, TypeInfo, ValueRef,
};

use crate::url::{ServerKind, ServerUrl, Tls};
use crate::{Error, Row, Value};

/// A connection.
pub(super) enum Link {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

/// A failed statement.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) error: Error,
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The connection is of no more use; another may be.
    Lost,
    /// The transaction met another one; it may be run again.
    Met,
    /// It would fail again.
    Final,
}

/// What a session holds for as long as it lives, so that another one can find
/// out when it is gone: a lock with a number that nobody else has.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionLock(i64);

impl SessionLock {
    pub(super) fn new() -> Self {
        let random = getrandom::u64().expect("the system gives random numbers");
        Self(random.cast_signed())
    }

    fn name(self) -> String {
        format!("larder-{:016x}", self.0)
    }
}

/// How long a statement may wait for a lock, in whole seconds: well below the
/// time after which the server is taken for dead.
fn lock_wait(url: &ServerUrl) -> u64 {
    (url.timeout.as_secs() / 2).max(1)
}

impl Link {
    /// Connects to one address and sets the session up.
    pub(super) async fn open(
        url: &ServerUrl,
        password: Option<&str>,
        address: Option<&(String, u16)>,
        lock: SessionLock,
    ) -> Result<Self, Failure> {
        match url.kind {
            ServerKind::MySql => {
                let options = mysql_options(url, password, address);
                let mut link = Self::MySql(options.connect().await.map_err(failure)?);
                // Standard quoting, so that one statement serves all engines;
                // what doesn't fit is an error, not cut. MySQL skips what is
                // in the comment, MariaDB doesn't.
                link.batch(&format!(
                    "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,\
                         STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ENGINE_SUBSTITUTION,\
                         ERROR_FOR_DIVISION_BY_ZERO';
                     SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
                     SET SESSION innodb_lock_wait_timeout = {}
                         /*M! , SESSION idle_transaction_timeout = {} */;
                     SELECT GET_LOCK('{}', 0)",
                    lock_wait(url),
                    url.idle_in_transaction.as_secs().max(1),
                    lock.name()
                ))
                .await?;
                link.refuse_replica("SELECT CAST(@@global.read_only AS SIGNED)").await
            }
            ServerKind::Postgres => {
                let options = postgres_options(url, password, address);
                let mut link = Self::Postgres(options.connect().await.map_err(failure)?);
                // Acknowledged means on disk, and on the standbys that commits
                // wait for, whatever the server's default is.
                link.batch(&format!(
                    "SET client_min_messages = 'warning';
                     SET lock_timeout = '{}s';
                     SET idle_in_transaction_session_timeout = '{}s';
                     SELECT set_config('synchronous_commit', 'on', false)
                         WHERE current_setting('synchronous_commit') IN ('off', 'local');
                     SELECT pg_advisory_lock({})",
                    lock_wait(url),
                    url.idle_in_transaction.as_secs().max(1),
                    lock.0
                ))
                .await?;
                link.refuse_replica(
                    "SELECT CASE WHEN pg_is_in_recovery()
                         OR current_setting('default_transaction_read_only') = 'on'
                     THEN 1 ELSE 0 END",
                )
                .await
            }
        }
    }

    async fn refuse_replica(mut self, sql: &str) -> Result<Self, Failure> {
        let rows = self.query(sql, &[]).await?;
        match rows.first().and_then(|row| row.get::<i64>(0).ok()) {
            Some(0) => Ok(self),
            _ => Err(Failure {
                kind: FailureKind::Lost,
                error: Error::Unavailable("the server is read-only, a replica".into()),
            }),
        }
    }

    /// A name of the server that no other has. PostgreSQL's says when it began
    /// and what it took over.
    pub(super) async fn server(&mut self) -> Result<String, Failure> {
        let sql = match self {
            Self::MySql(_) => "SELECT CONCAT(@@hostname, ':', @@port, ':', @@server_id)",
            Self::Postgres(_) => {
                "SELECT CAST(CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000
                     AS BIGINT) AS TEXT) || ' ' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
            }
        };
        let rows = self.query(sql, &[]).await?;
        let name = rows.first().map(|row| row.get::<String>(0)).transpose();
        let name = name.map_err(|error| Failure { kind: FailureKind::Final, error })?;
        Ok(name.unwrap_or_default())
    }

    /// Runs a statement that returns rows.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, Failure> {
        match self {
            Self::MySql(connection) => {
                let rows = bound::<MySql>(sql.to_owned(), parameters).fetch_all(connection).await;
                rows.map_err(failure)?.iter().map(from_mysql).collect()
            }
            Self::Postgres(connection) => {
                let sql = numbered(sql);
                let rows = bound::<Postgres>(sql, parameters).fetch_all(connection).await;
                rows.map_err(failure)?.iter().map(from_postgres).collect()
            }
        }
    }

    /// Runs a statement that changes rows.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> Result<u64, Failure> {
        // Some statements, such as those about transactions, can't be prepared.
        let is_plain = parameters.is_empty();
        match self {
            Self::MySql(connection) if is_plain => {
                let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
                Ok(done.map_err(failure)?.rows_affected())
            }
            Self::MySql(connection) => {
                let done = bound::<MySql>(sql.to_owned(), parameters).execute(connection).await;
                Ok(done.map_err(failure)?.rows_affected())
            }
            Self::Postgres(connection) => {
                let done = bound::<Postgres>(numbered(sql), parameters).execute(connection).await;
                Ok(done.map_err(failure)?.rows_affected())
            }
        }
    }

    /// Runs statements without parameters, in one go.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::MySql(connection) => sql.execute(connection).await.map(drop),
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
        }
        .map_err(failure)
    }

    /// Runs statements without parameters, in one go; returns the rows of each.
    pub(super) async fn query_all(&mut self, sql: &str) -> Result<Vec<Vec<Row>>, Failure> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::MySql(connection) => by_statement(sql.fetch_many(connection), from_mysql).await,
            Self::Postgres(connection) => {
                by_statement(sql.fetch_many(connection), from_postgres).await
            }
        }
    }

    /// Whether the session that held `lock` is gone.
    pub(super) async fn is_gone(&mut self, lock: SessionLock) -> Result<bool, Failure> {
        let (take, give) = match self {
            Self::MySql(_) => (
                format!("SELECT CAST(GET_LOCK('{}', 0) AS SIGNED)", lock.name()),
                format!("SELECT CAST(RELEASE_LOCK('{}') AS SIGNED)", lock.name()),
            ),
            Self::Postgres(_) => (
                format!("SELECT CASE WHEN pg_try_advisory_lock({}) THEN 1 ELSE 0 END", lock.0),
                format!("SELECT pg_advisory_unlock({})", lock.0),
            ),
        };
        let taken = self.query(&take, &[]).await?;
        let is_gone = taken.first().is_some_and(|row| row.get::<i64>(0).ok() == Some(1));
        if is_gone {
            self.batch(&give).await?;
        }
        Ok(is_gone)
    }

    /// Tells the server goodbye.
    pub(super) async fn close(self) {
        // A server that doesn't answer finds out by itself.
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            match self {
                Self::MySql(connection) => connection.close().await,
                Self::Postgres(connection) => connection.close().await,
            }
        })
        .await;
    }
}

/// Sets what the options of both kinds call by the same names.
macro_rules! with_login {
    ($options:expr, $url:expr, $password:expr, $address:expr) => {{
        let mut options = $options.database(&$url.database).disable_statement_logging();
        if let Some((host, port)) = $address {
            options = options.host(host).port(*port);
        }
        if let Some(socket) = &$url.socket {
            options = options.socket(socket);
        }
        if let Some(user) = &$url.user {
            options = options.username(user);
        }
        if let Some(password) = $password {
            options = options.password(password);
        }
        options
    }};
}

fn mysql_options(
    url: &ServerUrl,
    password: Option<&str>,
    address: Option<&(String, u16)>,
) -> MySqlConnectOptions {
    let options = with_login!(MySqlConnectOptions::new(), url, password, address);
    let options = options.charset("utf8mb4").ssl_mode(match url.tls {
        Tls::Off => MySqlSslMode::Disabled,
        Tls::Preferred => MySqlSslMode::Preferred,
        Tls::Required => MySqlSslMode::Required,
        Tls::VerifyCa => MySqlSslMode::VerifyCa,
        Tls::VerifyFull => MySqlSslMode::VerifyIdentity,
    });
    match &url.ca {
        Some(ca) => options.ssl_ca(ca),
        None => options,
    }
}

fn postgres_options(
    url: &ServerUrl,
    password: Option<&str>,
    address: Option<&(String, u16)>,
) -> PgConnectOptions {
    let options = with_login!(PgConnectOptions::new(), url, password, address);
    let options = options.application_name("larder").ssl_mode(match url.tls {
        Tls::Off => PgSslMode::Disable,
        Tls::Preferred => PgSslMode::Prefer,
        Tls::Required => PgSslMode::Require,
        Tls::VerifyCa => PgSslMode::VerifyCa,
        Tls::VerifyFull => PgSslMode::VerifyFull,
    });
    match &url.ca {
        Some(ca) => options.ssl_root_cert(ca),
        None => options,
    }
}

/// `NULL` of no type: the server finds out which it should be.
struct Untyped;

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(
        &self,
        _: &mut <Postgres as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        Ok(sqlx::encode::IsNull::Yes)
    }
}

impl Type<MySql> for Untyped {
    fn type_info() -> sqlx::mysql::MySqlTypeInfo {
        <i64 as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for Untyped {
    fn encode_by_ref(
        &self,
        _: &mut <MySql as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        Ok(sqlx::encode::IsNull::Yes)
    }
}

/// The statement with its parameters.
fn bound<D: sqlx::Database>(
    sql: String,
    parameters: &[Value],
) -> sqlx::query::Query<'_, D, D::Arguments>
where
    for<'q> Untyped: Encode<'q, D> + Type<D>,
    for<'q> i64: Encode<'q, D> + Type<D>,
    for<'q> f64: Encode<'q, D> + Type<D>,
    for<'q> &'q str: Encode<'q, D> + Type<D>,
    for<'q> &'q [u8]: Encode<'q, D> + Type<D>,
    D::Arguments: sqlx::IntoArguments<D>,
{
    let query = sqlx::query(AssertSqlSafe(sql));
    parameters.iter().fold(query, |query, parameter| match parameter {
        Value::Null => query.bind(Untyped),
        Value::Integer(number) => query.bind(*number),
        Value::Real(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Blob(bytes) => query.bind(bytes.as_slice()),
    })
}

/// The rows of statements that are answered one after the other.
async fn by_statement<Done, R>(
    mut answers: impl futures_util::Stream<Item = sqlx::Result<Either<Done, R>>> + Unpin,
    from: fn(&R) -> Result<Row, Failure>,
) -> Result<Vec<Vec<Row>>, Failure> {
    let (mut all, mut rows) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.try_next().await.map_err(failure)? {
        match answer {
            Either::Left(_) => all.push(std::mem::take(&mut rows)),
            Either::Right(row) => rows.push(from(&row)?),
        }
    }
    Ok(all)
}

/// The statement with `$1`, `$2`… for the question marks outside of quotes.
fn numbered(sql: &str) -> String {
    let mut numbered = String::with_capacity(sql.len() + 16);
    let (mut count, mut quote) = (0, None);
    for character in sql.chars() {
        match (character, quote) {
            ('?', None) => {
                count += 1;
                numbered.push('$');
                numbered.push_str(&count.to_string());
                continue;
            }
            ('\'' | '"', None) => quote = Some(character),
            (c, Some(q)) if c == q => quote = None,
            _ => {}
        }
        numbered.push(character);
    }
    numbered
}

fn from_postgres(row: &sqlx::postgres::PgRow) -> Result<Row, Failure> {
    use sqlx::Row as _;
    let value = |column: usize| {
        let raw = row.try_get_raw(column)?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let kind = raw.type_info().name().to_owned();
        let decoded = match kind.as_str() {
            "INT8" => <i64 as Decode<Postgres>>::decode(raw).map(Value::Integer),
            "INT4" => <i32 as Decode<Postgres>>::decode(raw).map(|n| Value::Integer(n.into())),
            "BOOL" => <bool as Decode<Postgres>>::decode(raw).map(|b| Value::Integer(b.into())),
            "FLOAT8" => <f64 as Decode<Postgres>>::decode(raw).map(Value::Real),
            "BYTEA" => <Vec<u8> as Decode<Postgres>>::decode(raw).map(Value::Blob),
            "TEXT" | "VARCHAR" | "NAME" | "CHAR" | "UNKNOWN" => {
                <String as Decode<Postgres>>::decode(raw).map(Value::Text)
            }
            _ => Err(format!("the type {kind} is not used here").into()),
        };
        decoded.map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(value).collect::<sqlx::Result<Vec<_>>>().map(Row).map_err(failure)
}

fn from_mysql(row: &sqlx::mysql::MySqlRow) -> Result<Row, Failure> {
    use sqlx::Row as _;
    let value = |column: usize| {
        let raw = row.try_get_raw(column)?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let kind = row.column(column).type_info().name().to_owned();
        let decoded = match kind.as_str() {
            "BIGINT UNSIGNED" | "INT UNSIGNED" => {
                <u64 as Decode<MySql>>::decode(raw).map(Value::from)
            }
            "BIGINT" | "INT" | "SMALLINT" | "TINYINT" | "BOOLEAN" => {
                <i64 as Decode<MySql>>::decode(raw).map(Value::Integer)
            }
            "DOUBLE" => <f64 as Decode<MySql>>::decode(raw).map(Value::Real),
            // Text that is compared byte for byte calls itself binary too.
            "VARBINARY" | "BINARY" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
                <Vec<u8> as Decode<MySql>>::decode(raw).map(|bytes| {
                    String::from_utf8(bytes)
                        .map_or_else(|error| Value::Blob(error.into_bytes()), Value::Text)
                })
            }
            "VARCHAR" | "CHAR" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" => {
                <String as Decode<MySql>>::decode(raw).map(Value::Text)
            }
            _ => Err(format!("the type {kind} is not used here").into()),
        };
        decoded.map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(value).collect::<sqlx::Result<Vec<_>>>().map(Row).map_err(failure)
}

/// Tells failures apart.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn failure(error: sqlx::Error) -> Failure {
    use FailureKind::{Final, Lost};
    let text = error.to_string();
    let (kind, error) = match &error {
        sqlx::Error::Database(database) => {
            match database.try_downcast_ref::<MySqlDatabaseError>() {
                Some(mysql) => mysql_failure(mysql.number(), text),
                None => postgres_failure(database.code().as_deref().unwrap_or(""), text),
            }
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_) => {
            (Final, Error::Statement(text))
        }
        sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => (Final, refused(text)),
        // A server that isn't the right one won't be a moment later.
        sqlx::Error::Io(_) if text.contains("invalid peer certificate") => (Final, refused(text)),
        _ => (Lost, Error::Unavailable(text)),
    };
    Failure { kind, error }
}

/// What the server refuses at the door; its address is added where known.
fn refused(reason: String) -> Error {
    Error::Open { target: String::new(), reason }
}

/// By the error numbers of MariaDB and MySQL.
fn mysql_failure(number: u16, text: String) -> (FailureKind, Error) {
    use FailureKind::{Final, Lost, Met};
    match number {
        // Changed since last read, lock wait timeout, deadlock.
        1020 | 1205 | 1213 => (Met, Error::Conflict),
        // Duplicate or missing keys, NULL, CHECK.
        1022 | 1048 | 1062 | 1169 | 1216 | 1217 | 1451 | 1452 | 1557 | 4025 => {
            (Final, Error::Constraint(text))
        }
        // No space for rows, for a temporary file, for the log.
        3 | 1021 | 1026 | 1114 => (Final, Error::DiskFull),
        // Access denied, unknown database.
        1044 | 1045 | 1049 | 1698 => (Final, refused(text)),
        // Too many connections, shutting down, killed, read-only.
        1040 | 1053 | 1129 | 1203 | 1226 | 1290 | 1317 | 1792 | 1836 | 1927 => {
            (Lost, Error::Unavailable(text))
        }
        _ => (Final, Error::Statement(text)),
    }
}

/// By PostgreSQL's SQLSTATE.
fn postgres_failure(code: &str, text: String) -> (FailureKind, Error) {
    use FailureKind::{Final, Lost, Met};
    match code {
        // Serialisation failure, deadlock, lock timeout.
        "40001" | "40P01" | "55P03" => (Met, Error::Conflict),
        "53100" => (Final, Error::DiskFull),
        // Invalid login, unknown database.
        "28000" | "28P01" | "3D000" => (Final, refused(text)),
        // A read-only transaction: it became a replica.
        // Or one whose client was silent for too long.
        "25006" | "25P03" | "25P04" | "58030" => (Lost, Error::Unavailable(text)),
        _ if code.starts_with("23") => (Final, Error::Constraint(text)),
        // Connection, resources such as too many connections, shutting down.
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => {
            (Lost, Error::Unavailable(text))
        }
        _ => (Final, Error::Statement(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_are_numbered_outside_of_quotes() {
        assert_eq!(
            numbered("SELECT '?', \"a?\" FROM t WHERE a = ? AND b IN (?, ?)"),
            "SELECT '?', \"a?\" FROM t WHERE a = $1 AND b IN ($2, $3)"
        );
    }
}

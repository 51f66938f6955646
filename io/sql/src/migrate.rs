//! Migrations: numbered changes to an app's tables, applied once each, in
//! order, at start. Never goes backwards.

use std::time::Duration;

use crate::{Connection, Dialect, Error, Result, Value};

/// One numbered change to the tables of an app.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1 upwards without gaps.
    pub version: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Its statements, separated by semicolons at line ends, with the types
    /// in braces: `{key}` for text of up to 512 bytes, `{name}` for short
    /// ASCII text, `{text}` for long text, `{number}` for 64 bits, `{serial}`
    /// for a primary key that counts up. First those that change tables
    /// (`CREATE TABLE`, `CREATE INDEX`, `ALTER TABLE … ADD COLUMN`), then
    /// those that change rows.
    pub sql: &'static str,
}

/// How long a statement of a migration may take: it may build an index over
/// all there is.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The name of the lock under which migrations run, as text and as number.
const LOCK: &str = "larder-migrations";
const LOCK_NUMBER: i64 = 0x6c61_7264_6572;

/// Applies what is missing. Runs inside the caller's transaction, so two
/// programs that start at once take turns and the second finds nothing to do.
pub(crate) fn run(
    connection: &mut dyn Connection,
    app: &'static str,
    migrations: &[Migration],
) -> Result<()> {
    connection.allow(PATIENCE);
    let dialect = connection.dialect();
    if dialect == Dialect::Postgres {
        // Waits for its turn beyond the usual limit.
        connection.execute("SET LOCAL lock_timeout = '600s'", &[])?;
        connection.query("SELECT pg_advisory_xact_lock(?)::text", &[LOCK_NUMBER.into()])?;
    }
    for migration in missing(connection, app, migrations)? {
        let mut apply = || {
            for statement in statements(dialect, migration) {
                connection.execute(&statement, &[])?;
            }
            note(connection, app, migration)
        };
        apply().map_err(|error| failed(app, migration, &error))?;
    }
    Ok(())
}

/// Applies what is missing where every change of a table commits by itself
/// (MariaDB, MySQL): each step is noted before it is taken, and what was
/// taken is undone when a later step fails, or at the next start when the
/// program or the server died in between.
pub(crate) fn run_stepwise(
    session: &mut dyn Connection,
    app: &'static str,
    migrations: &[Migration],
) -> Result<()> {
    session.allow(PATIENCE);
    let lock = "SELECT GET_LOCK(CONCAT(?, '-', DATABASE()), 600)";
    match session.query_one(lock, &[LOCK.into()])?.map(|row| row.get::<i64>(0)) {
        Some(Ok(1)) => {}
        _ => return Err(Error::Unavailable("another program's migrations don't end".into())),
    }
    let result = stepwise(session, app, migrations);
    session.query("SELECT RELEASE_LOCK(CONCAT(?, '-', DATABASE()))", &[LOCK.into()])?;
    result
}

fn stepwise(
    session: &mut dyn Connection,
    app: &'static str,
    migrations: &[Migration],
) -> Result<()> {
    create(
        session,
        "CREATE TABLE IF NOT EXISTS schema_migrations_pending (
             app {name} NOT NULL PRIMARY KEY, version {number} NOT NULL, steps {number} NOT NULL)",
    )?;
    let missing = missing(session, app, migrations)?;
    let pending = session.query_one(
        "SELECT version, steps FROM schema_migrations_pending WHERE app = ?",
        &[app.into()],
    )?;
    if let Some(row) = pending {
        let (version, steps): (u32, u64) = (row.get(0)?, row.get(1)?);
        if let Some(migration) = missing.iter().find(|migration| migration.version == version) {
            tracing::warn!(app, version, "undoing a migration that broke off");
            undo(session, migration, usize::try_from(steps).unwrap_or(usize::MAX))?;
        }
        forget(session, app)?;
    }
    for migration in missing {
        let mut taken = 0;
        if let Err(error) = apply(session, app, migration, &mut taken) {
            undo(session, migration, taken)?;
            forget(session, app)?;
            return Err(failed(app, migration, &error));
        }
    }
    Ok(())
}

fn apply(
    session: &mut dyn Connection,
    app: &'static str,
    migration: &Migration,
    taken: &mut usize,
) -> Result<()> {
    let statements = statements(Dialect::MySql, migration);
    let (tables, rows): (Vec<_>, Vec<_>) =
        statements.iter().partition(|statement| Object::made_by(statement).is_some());
    let row: [Value; 2] = [app.into(), migration.version.into()];
    session.execute(
        "INSERT INTO schema_migrations_pending (app, version, steps) VALUES (?, ?, 0)",
        &row,
    )?;
    for statement in tables {
        // Else undoing would take what somebody else had made.
        if let Some(object) = Object::made_by(statement)
            && object.exists(session)?
        {
            return Err(Error::Statement(format!("{object} is there already")));
        }
        let step: [Value; 2] = [(*taken as u64 + 1).into(), app.into()];
        session.execute("UPDATE schema_migrations_pending SET steps = ? WHERE app = ?", &step)?;
        *taken += 1;
        session.execute(statement, &[])?;
    }
    session.execute("BEGIN", &[])?;
    let finish = || {
        for statement in rows {
            session.execute(statement, &[])?;
        }
        note(session, app, migration)?;
        forget(session, app)?;
        session.execute("COMMIT", &[])
    };
    if let Err(error) = finish() {
        session.execute("ROLLBACK", &[])?;
        return Err(error);
    }
    Ok(())
}

/// Takes back the first `steps` steps of a migration, the last first.
fn undo(session: &mut dyn Connection, migration: &Migration, steps: usize) -> Result<()> {
    let statements = statements(Dialect::MySql, migration);
    let made: Vec<_> = statements.iter().filter_map(|sql| Object::made_by(sql)).collect();
    for object in made.into_iter().take(steps).rev() {
        // The last step may have been noted and not taken.
        if object.exists(session)? {
            session.execute(&object.drop_statement(), &[])?;
        }
    }
    Ok(())
}

fn forget(session: &mut dyn Connection, app: &'static str) -> Result<()> {
    session.execute("DELETE FROM schema_migrations_pending WHERE app = ?", &[app.into()])?;
    Ok(())
}

/// What a statement of a migration makes.
enum Object<'s> {
    Table(&'s str),
    Index(&'s str, &'s str),
    Column(&'s str, &'s str),
}

impl<'s> Object<'s> {
    fn made_by(statement: &'s str) -> Option<Self> {
        let mut words = statement.split(|c: char| c.is_whitespace() || c == '(');
        let mut word = || words.find(|word| !word.is_empty());
        match (word()?, word()?, word()?) {
            ("CREATE", "TABLE", table) => Some(Self::Table(table)),
            ("CREATE", "INDEX", index) => {
                word();
                Some(Self::Index(index, word()?))
            }
            ("ALTER", "TABLE", table) => {
                word();
                word();
                Some(Self::Column(table, word()?))
            }
            _ => None,
        }
    }

    fn exists(&self, session: &mut dyn Connection) -> Result<bool> {
        let (sql, names): (_, Vec<Value>) = match *self {
            Self::Table(table) => (
                "SELECT 1 FROM information_schema.tables
                 WHERE table_schema = DATABASE() AND table_name = ?",
                vec![table.into()],
            ),
            Self::Index(index, table) => (
                "SELECT 1 FROM information_schema.statistics
                 WHERE table_schema = DATABASE() AND index_name = ? AND table_name = ?",
                vec![index.into(), table.into()],
            ),
            Self::Column(table, column) => (
                "SELECT 1 FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?",
                vec![table.into(), column.into()],
            ),
        };
        Ok(session.query_one(sql, &names)?.is_some())
    }

    fn drop_statement(&self) -> String {
        match self {
            Self::Table(table) => format!("DROP TABLE {table}"),
            Self::Index(index, table) => format!("DROP INDEX {index} ON {table}"),
            Self::Column(table, column) => format!("ALTER TABLE {table} DROP COLUMN {column}"),
        }
    }
}

impl std::fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table(table) => write!(f, "the table {table}"),
            Self::Index(index, table) => write!(f, "the index {index} of {table}"),
            Self::Column(table, column) => write!(f, "the column {column} of {table}"),
        }
    }
}

/// The version that the tables of `app` have, 0 for none.
pub(crate) fn version(connection: &mut dyn Connection, app: &'static str) -> Result<u32> {
    let noted = match connection.dialect() {
        Dialect::Sqlite => {
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'"
        }
        Dialect::MySql => {
            "SELECT 1 FROM information_schema.tables
             WHERE table_schema = DATABASE() AND table_name = 'schema_migrations'"
        }
        // As an unqualified name would be found.
        Dialect::Postgres => "SELECT 1 WHERE to_regclass('schema_migrations') IS NOT NULL",
    };
    if connection.query_one(noted, &[])?.is_none() {
        return Ok(0);
    }
    let newest = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations WHERE app = ?";
    connection.query_one(newest, &[app.into()])?.map_or(Ok(0), |row| row.get(0))
}

/// The migrations that were not applied yet.
fn missing<'m>(
    connection: &mut dyn Connection,
    app: &'static str,
    migrations: &'m [Migration],
) -> Result<Vec<&'m Migration>> {
    create(
        connection,
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             app {name} NOT NULL, version {number} NOT NULL, name {name} NOT NULL,
             PRIMARY KEY (app, version))",
    )?;
    let found = version(connection, app)?;
    let known = migrations.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(Error::FromTheFuture { app, found, known });
    }
    Ok(migrations.iter().filter(|migration| migration.version > found).collect())
}

fn create(connection: &mut dyn Connection, sql: &str) -> Result<()> {
    let sql = connection.dialect().with_types(sql);
    connection.execute(&sql, &[])?;
    Ok(())
}

fn statements(dialect: Dialect, migration: &Migration) -> Vec<String> {
    let sql = dialect.with_types(migration.sql);
    let statements = sql.split(";\n").map(|statement| statement.trim().trim_end_matches(';'));
    statements.filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

fn note(connection: &mut dyn Connection, app: &'static str, migration: &Migration) -> Result<()> {
    let row: [Value; 3] = [app.into(), migration.version.into(), migration.name.into()];
    connection
        .execute("INSERT INTO schema_migrations (app, version, name) VALUES (?, ?, ?)", &row)?;
    Ok(())
}

fn failed(app: &'static str, migration: &Migration, error: &Error) -> Error {
    Error::Migration {
        app,
        version: migration.version,
        name: migration.name,
        reason: error.to_string(),
    }
}

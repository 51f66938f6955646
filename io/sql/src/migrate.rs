//! Migrations: numbered changes to an app's tables, applied once each, in
//! order, at start. Never goes backwards.

use crate::{Connection, Error, Result, Value};

/// One numbered change to the tables of an app.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1 upwards without gaps.
    pub version: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// The statements for SQLite, separated by semicolons at line ends.
    pub sqlite: &'static str,
}

/// Applies what is missing. Runs inside the caller's transaction, so two
/// programs that start at once take turns and the second finds nothing to do.
pub(crate) fn run(
    connection: &mut dyn Connection,
    app: &'static str,
    migrations: &[Migration],
) -> Result<()> {
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             app TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL,
             PRIMARY KEY (app, version))",
        &[],
    )?;
    let found: u32 = connection
        .query_one(
            "SELECT COALESCE(MAX(version), 0) FROM schema_migrations WHERE app = ?",
            &[app.into()],
        )?
        .map_or(Ok(0), |row| row.get(0))?;
    let known = migrations.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(Error::FromTheFuture { app, found, known });
    }
    for migration in migrations.iter().filter(|migration| migration.version > found) {
        apply(connection, app, migration).map_err(|error| Error::Migration {
            app,
            version: migration.version,
            name: migration.name,
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

fn apply(connection: &mut dyn Connection, app: &'static str, migration: &Migration) -> Result<()> {
    for statement in migration.sqlite.split(";\n").map(str::trim) {
        if !statement.is_empty() {
            connection.execute(statement, &[])?;
        }
    }
    let row: [Value; 3] = [app.into(), migration.version.into(), migration.name.into()];
    connection
        .execute("INSERT INTO schema_migrations (app, version, name) VALUES (?, ?, ?)", &row)?;
    Ok(())
}

//! What every engine must do; run over each.

use super::*;

fn open(folder: &std::path::Path) -> Database {
    let url = DatabaseUrl::Sqlite(folder.join("test.db"));
    Database::open(&Config { url, readers: 2 }).expect("opens")
}

const TABLES: &[Migration] = &[
    Migration {
        version: 1,
        name: "keys",
        sqlite: "CREATE TABLE k (key TEXT PRIMARY KEY, n INTEGER)",
    },
    Migration {
        version: 2,
        name: "more",
        sqlite: "ALTER TABLE k ADD COLUMN note TEXT;\nCREATE INDEX k_n ON k (n)",
    },
];

async fn put(database: &Database, key: &str, n: i64) -> Result<u64> {
    let parameters = [key.into(), n.into()];
    database.write(move |c| c.execute("INSERT INTO k (key, n) VALUES (?, ?)", &parameters)).await
}

async fn count(database: &Database) -> i64 {
    database
        .read(|c| c.query_one("SELECT COUNT(*) FROM k", &[])?.expect("a row").get::<i64>(0))
        .await
        .expect("counts")
}

#[tokio::test]
async fn what_was_written_is_read_back_also_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    database.migrate("test", TABLES).await.expect("migrates");
    for key in ["Case", "case", "case ", "\u{e9}", "e\u{301}", "🦀", "'; DROP TABLE k; --"] {
        assert_eq!(put(&database, key, 1).await.expect("is stored"), 1);
    }
    assert_eq!(count(&database).await, 7, "keys are compared byte for byte");
    database.close().await;
    assert!(put(&database, "late", 1).await.is_err(), "a closed database says so");

    let database = open(folder.path());
    database.migrate("test", TABLES).await.expect("finds nothing to do");
    assert_eq!(count(&database).await, 7);
}

#[tokio::test]
async fn a_failed_transaction_changes_nothing_and_takes_nothing_from_its_neighbours() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    database.migrate("test", TABLES).await.expect("migrates");
    let work = (0..100).map(|n| {
        let database = database.clone();
        tokio::spawn(async move {
            let result: Result<(), Error> = database
                .write(move |c| {
                    c.execute(
                        "INSERT INTO k (key, n) VALUES (?, ?)",
                        &[format!("{n}").into(), Value::Integer(n)],
                    )?;
                    assert!(n % 10 != 5, "a bug in one transaction");
                    if n % 10 == 3 {
                        Err(Error::Statement("changed its mind".into()))
                    } else {
                        Ok(())
                    }
                })
                .await;
            (n, result.is_ok())
        })
    });
    for task in work.collect::<Vec<_>>() {
        let (n, stored) = task.await.expect("runs");
        assert_eq!(stored, n % 10 != 3 && n % 10 != 5, "transaction {n}");
    }
    assert_eq!(count(&database).await, 80);
}

/// What SQLite may do on a full disk, here by a statement.
#[tokio::test]
async fn a_transaction_taken_back_whole_is_told_to_all_who_shared_it_and_to_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    database.migrate("test", TABLES).await.expect("migrates");
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (began, has_begun) = tokio::sync::oneshot::channel();
    // Holds the writer until the others wait behind it, in the same group.
    let first = database.write(move |_| {
        let _ = began.send(());
        let _ = wait.recv();
        Ok::<_, Error>(())
    });
    let others = async {
        has_begun.await.expect("begins");
        let shared = put(&database, "shared", 1);
        let breaks = database.write(|c| {
            c.execute("ROLLBACK", &[])?;
            Err::<(), _>(Error::DiskFull)
        });
        let later = put(&database, "later", 2);
        let go_on = async move { go_on.send(()).expect("the writer waits") };
        tokio::join!(biased; shared, breaks, later, go_on)
    };
    let (first, (shared, breaks, later, ())) = tokio::join!(first, others);
    assert!(matches!(first, Err(Error::Unavailable(_))), "{first:?}");
    assert!(matches!(shared, Err(Error::Unavailable(_))), "{shared:?}");
    assert!(matches!(breaks, Err(Error::DiskFull)), "{breaks:?}");
    assert_eq!(later.expect("is stored"), 1);
    assert_eq!(count(&database).await, 1, "what was told is what happened");
}

#[tokio::test]
async fn a_broken_constraint_is_told_from_other_failures() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    database.migrate("test", TABLES).await.expect("migrates");
    put(&database, "a", 1).await.expect("is stored");
    assert!(matches!(put(&database, "a", 2).await, Err(Error::Constraint(_))));
    let nonsense = database.read(|c| c.query("SELECT nonsense", &[])).await;
    assert!(matches!(nonsense, Err(Error::Statement(_))));
    let wrong_type = database
        .read(|c| c.query_one("SELECT key FROM k", &[])?.expect("a row").get::<i64>(0))
        .await;
    assert!(matches!(wrong_type, Err(Error::Type { column: 0, .. })));
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_nothing() {
    const BROKEN: &[Migration] = &[Migration {
        version: 1,
        name: "half",
        sqlite: "CREATE TABLE whole (a TEXT);\nCREATE TABEL typo (b TEXT)",
    }];
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    let error = database.migrate("test", BROKEN).await.expect_err("fails");
    assert!(
        error.to_string().contains("migration 1 \"half\" of test failed and was rolled back"),
        "{error}"
    );
    let tables = database
        .read(|c| {
            c.query(
                "SELECT name FROM sqlite_master WHERE name IN ('whole', 'schema_migrations')",
                &[],
            )
        })
        .await
        .expect("reads");
    assert!(tables.is_empty());
}

#[tokio::test]
async fn tables_of_a_newer_program_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    database.migrate("test", TABLES).await.expect("migrates");
    let error = database.migrate("test", &TABLES[..1]).await.expect_err("refuses");
    assert!(matches!(error, Error::FromTheFuture { found: 2, known: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_read_sees_one_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    database.migrate("test", TABLES).await.expect("migrates");
    let (half, reader_is_half_way) = tokio::sync::oneshot::channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let reading = tokio::spawn({
        let database = database.clone();
        async move {
            database
                .read(move |c| {
                    let before: i64 =
                        c.query_one("SELECT COUNT(*) FROM k", &[])?.expect("a row").get(0)?;
                    let _ = half.send(());
                    let _ = wait.recv();
                    let after: i64 =
                        c.query_one("SELECT COUNT(*) FROM k", &[])?.expect("a row").get(0)?;
                    Ok::<_, Error>((before, after))
                })
                .await
        }
    });
    reader_is_half_way.await.expect("half way");
    put(&database, "between", 1).await.expect("a writer isn't held up by a reader");
    go_on.send(()).expect("the reader waits");
    assert_eq!(reading.await.expect("runs").expect("reads"), (0, 0));
}

#[test]
fn patterns_are_escaped() {
    assert_eq!(Dialect::Sqlite.contains_pattern("50%_\\"), "%50\\%\\_\\\\%");
}

#[test]
fn a_url_says_what_is_wrong_with_it() {
    assert_eq!("sqlite:a/b.db".parse(), Ok(DatabaseUrl::Sqlite("a/b.db".into())));
    assert!("oracle://x".parse::<DatabaseUrl>().is_err());
    assert!("sqlite:".parse::<DatabaseUrl>().is_err());
}

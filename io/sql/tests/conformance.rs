//! What every engine must do, run over each: SQLite, a real MariaDB, a real
//! PostgreSQL.

use std::sync::atomic::{AtomicU32, Ordering};

use larder_servers::{mariadb, postgres};
use larder_sql::{Config, Connection, Database, Dialect, Error, Migration, Result, Row, Value};

/// An engine to test, with what makes fresh databases on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    MariaDb,
    Postgres,
}

/// An empty database of its own.
struct Place {
    url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Engine {
    /// `None` where the server isn't installed.
    fn place(self) -> Option<Place> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let url = format!("sqlite:{}", folder.path().join("test.db").display());
                Some(Place { url, _folder: Some(folder) })
            }
            Self::MariaDb => Some(Place { url: mariadb()?.make_database(&name), _folder: None }),
            Self::Postgres => Some(Place { url: postgres()?.make_database(&name), _folder: None }),
        }
    }
}

impl Place {
    async fn open(&self) -> Database {
        self.open_with("").await
    }

    /// With parameters at the end of the URL.
    async fn open_with(&self, parameters: &str) -> Database {
        let url = format!("{}{parameters}", self.url).parse().expect("a URL");
        Database::open(&Config { url, readers: 2 }).await.expect("opens")
    }

    async fn open_with_tables(&self) -> Database {
        let database = self.open().await;
        database.migrate("test", TABLES).await.expect("migrates");
        database
    }
}

/// Makes of each story a test for each engine.
macro_rules! conformance {
    ($($story:ident),* $(,)?) => {
        mod sqlite { conformance!(@engine Sqlite $($story)*); }
        mod mariadb { conformance!(@engine MariaDb $($story)*); }
        mod postgres { conformance!(@engine Postgres $($story)*); }
    };
    (@engine $engine:ident $($story:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $story() {
            if let Some(place) = super::Engine::$engine.place() {
                super::$story(place).await;
            }
        }
    )*};
}

conformance!(
    what_was_written_is_read_back_also_after_reopening,
    keys_are_compared_byte_for_byte,
    every_value_comes_back_as_it_went,
    a_failed_transaction_changes_nothing_and_takes_nothing_from_its_neighbours,
    statements_sent_together_are_part_of_the_transaction,
    a_broken_constraint_is_told_from_other_failures,
    a_swallowed_failure_is_never_a_half_commit,
    a_migration_that_fails_half_way_leaves_nothing,
    tables_of_a_newer_program_are_left_alone,
    programs_that_start_at_once_take_turns,
    a_read_sees_one_moment,
    counters_lose_nothing_when_many_count,
    transactions_that_meet_are_run_again,
    a_transaction_may_ask_to_be_run_again,
    parts_of_text_are_found,
    a_list_goes_on_beyond_its_cursor,
);

const TABLES: &[Migration] = &[
    Migration {
        version: 1,
        name: "keys",
        sql: "CREATE TABLE k (\"key\" {key} NOT NULL PRIMARY KEY, n {number})",
    },
    Migration {
        version: 2,
        name: "more",
        sql: "ALTER TABLE k ADD COLUMN note {text};\nCREATE INDEX k_n ON k (n, \"key\");\n\
              INSERT INTO k (\"key\", n) VALUES ('first; not the end', 0);\nDELETE FROM k;",
    },
];

async fn put(database: &Database, key: &str, n: i64) -> Result<u64> {
    let parameters = [key.into(), n.into()];
    let sql = "INSERT INTO k (\"key\", n) VALUES (?, ?)";
    database.write(move |c| c.execute(sql, &parameters)).await
}

async fn count(database: &Database) -> i64 {
    let row = database.query_one("SELECT COUNT(*) FROM k", vec![]).await.expect("counts");
    row.expect("a row").get(0).expect("a number")
}

async fn what_was_written_is_read_back_also_after_reopening(place: Place) {
    let database = place.open_with_tables().await;
    put(&database, "a", 1).await.expect("is stored");
    database.close().await;
    assert!(put(&database, "late", 1).await.is_err(), "a closed database says so");

    let database = place.open_with_tables().await;
    assert_eq!(count(&database).await, 1);
}

async fn keys_are_compared_byte_for_byte(place: Place) {
    let database = place.open_with_tables().await;
    let long = "é".repeat(256);
    let almost = format!("{}e", &long[..510]);
    let keys = [
        "Case",
        "case",
        "case ",
        "case  ",
        " case",
        "\u{e9}",
        "e\u{301}",
        "e",
        "É",
        "ß",
        "ss",
        "🦀",
        "🦞",
        "İ",
        "i",
        "'; DROP TABLE k; --",
        "a\\",
        "\u{200b}",
        "a/b",
        "../c",
        &long,
        &almost,
    ];
    for key in keys {
        assert_eq!(put(&database, key, 1).await.expect(key), 1);
        assert!(matches!(put(&database, key, 2).await, Err(Error::Constraint(_))), "{key:?}");
    }
    assert_eq!(count(&database).await, keys.len() as i64);
    for key in keys {
        let sql = "SELECT \"key\" FROM k WHERE \"key\" = ?";
        let found = database.query(sql, vec![key.into()]).await.expect("reads");
        let found: Vec<String> = found.iter().map(|row| row.get(0).expect("text")).collect();
        assert_eq!(found, [key]);
    }
    let ordered = database.query("SELECT \"key\" FROM k ORDER BY \"key\"", vec![]).await;
    let ordered: Vec<String> =
        ordered.expect("reads").iter().map(|row| row.get(0).expect("text")).collect();
    let mut expected = keys.map(str::to_owned);
    expected.sort();
    assert_eq!(ordered, expected, "their order is that of their bytes");
}

async fn every_value_comes_back_as_it_went(place: Place) {
    const TABLE: &[Migration] = &[Migration {
        version: 1,
        name: "values",
        sql: "CREATE TABLE v (id {serial}, number {number}, name {name}, words {text})",
    }];
    let database = place.open().await;
    database.migrate("values", TABLE).await.expect("migrates");
    let words = "long \u{1f980} \\ ' \" % _ text\n".repeat(5000);
    let rows: [[Value; 3]; 4] = [
        [i64::MIN.into(), "ascii".into(), words.clone().into()],
        [i64::MAX.into(), "".into(), "".into()],
        // Before and after other types in the same place of one statement.
        [Value::Null, Value::Null, Value::Null],
        [0.into(), "x".into(), "é".into()],
    ];
    let stored = rows.clone();
    let work = move |c: &mut dyn Connection| {
        for row in &stored {
            c.execute("INSERT INTO v (number, name, words) VALUES (?, ?, ?)", row)?;
        }
        Ok::<_, Error>(())
    };
    database.write(work).await.expect("stores");
    let sql = "SELECT number, name, words FROM v ORDER BY id";
    let found = database.query(sql, vec![]).await.expect("reads");
    for (found, expected) in found.iter().zip(&rows) {
        let found: (Option<i64>, Option<String>, Option<String>) = (
            found.get(0).expect("a number"),
            found.get(1).expect("text"),
            found.get(2).expect("text"),
        );
        let found: [Value; 3] = [found.0.into(), found.1.into(), found.2.into()];
        assert_eq!(found, *expected);
    }
    assert_eq!(found.len(), 4);
    let dialect = database.dialect();
    let sum =
        format!("SELECT {}, COUNT(*) > 1 FROM v WHERE number = 0", dialect.integer("SUM(number)"));
    let row = database.query_one(sum, vec![]).await.expect("sums").expect("a row");
    assert_eq!((row.get::<i64>(0).expect("a number"), row.get::<i64>(1).expect("one")), (0, 0));
}

async fn a_failed_transaction_changes_nothing_and_takes_nothing_from_its_neighbours(place: Place) {
    let database = place.open_with_tables().await;
    let work = (0..100).map(|n| {
        let database = database.clone();
        tokio::spawn(async move {
            let result: Result<(), Error> = database
                .write(move |c| {
                    c.execute(
                        "INSERT INTO k (\"key\", n) VALUES (?, ?)",
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

async fn statements_sent_together_are_part_of_the_transaction(place: Place) {
    let database = place.open_with_tables().await;
    put(&database, "before", 7).await.expect("put");
    let together =
        ["INSERT INTO k (\"key\", n) VALUES ('between', 5)", "SELECT n FROM k ORDER BY n"];
    let work = move |then: Result<()>| {
        move |c: &mut dyn Connection| {
            let answers = c.query_all(&together)?;
            let numbers: Result<Vec<i64>> = answers[1].iter().map(|row| row.get(0)).collect();
            assert_eq!((answers.len(), answers[0].len(), numbers?), (2, 0, vec![5, 7]));
            match &then {
                Ok(()) => c.execute("UPDATE k SET n = n * 2", &[]),
                Err(_) => Err(Error::Refused("no".into())),
            }
        }
    };
    let refused = database.write(work(Err(Error::Conflict))).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(count(&database).await, 1);
    assert_eq!(database.write(work(Ok(()))).await.expect("done"), 2);
    // The first of them stays out when a later one fails.
    let failing = ["DELETE FROM k", "INSERT INTO k (\"key\", n) VALUES (NULL, 1)"];
    let failed = database.write(move |c| c.query_all(&failing)).await;
    assert!(matches!(failed, Err(Error::Constraint(_))), "{failed:?}");
    let most = "SELECT MAX(n) FROM k";
    let view = database.read(move |c| c.query_all(&[most, "SELECT n FROM k WHERE n < 0", most]));
    let view = view.await.expect("a view");
    assert_eq!(view.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1]);
    assert_eq!(view[2][0].get::<i64>(0).expect("the most"), 14);
}

async fn a_broken_constraint_is_told_from_other_failures(place: Place) {
    let database = place.open_with_tables().await;
    put(&database, "a", 1).await.expect("is stored");
    assert!(matches!(put(&database, "a", 2).await, Err(Error::Constraint(_))));
    let nonsense = database.query("SELECT nonsense", vec![]).await;
    assert!(matches!(nonsense, Err(Error::Statement(_))), "{nonsense:?}");
    let row = database.query_one("SELECT \"key\" FROM k", vec![]).await.expect("reads");
    let wrong_type = row.expect("a row").get::<i64>(0);
    assert!(matches!(wrong_type, Err(Error::Type { column: 0, .. })));
}

async fn a_swallowed_failure_is_never_a_half_commit(place: Place) {
    let database = place.open_with_tables().await;
    let work = |c: &mut dyn Connection| {
        c.execute("INSERT INTO k (\"key\", n) VALUES ('before', 1)", &[])?;
        let _ = c.execute("INSERT INTO nowhere VALUES (1)", &[]);
        let _ = c.execute("INSERT INTO k (\"key\", n) VALUES ('after', 1)", &[]);
        Ok::<_, Error>(())
    };
    let said = database.write(work).await;
    let expected = if said.is_ok() { 2 } else { 0 };
    assert_eq!(count(&database).await, expected, "what was said is what happened: {said:?}");
}

async fn a_migration_that_fails_half_way_leaves_nothing(place: Place) {
    const BROKEN: &[Migration] = &[
        TABLES[0],
        Migration {
            version: 2,
            name: "half",
            sql: "CREATE TABLE whole (a {number});\nALTER TABLE k ADD COLUMN more {number};\n\
                  CREATE INDEX k_more ON k (more);\nCREATE TABEL typo (b {number})",
        },
    ];
    const BROKEN_ROWS: &[Migration] = &[
        TABLES[0],
        Migration {
            version: 2,
            name: "rows",
            sql: "CREATE TABLE whole (a {number});\nINSERT INTO whole (a) VALUES (1);\n\
                  INSERT INTO k (\"key\", n) VALUES ('half', 1);\nINSERT INTO nowhere VALUES (1)",
        },
    ];
    let database = place.open().await;
    for (broken, name) in [(BROKEN, "half"), (BROKEN_ROWS, "rows")] {
        let error = database.migrate("test", broken).await.expect_err("fails");
        let said = format!("migration 2 \"{name}\" of test failed and was rolled back");
        assert!(error.to_string().contains(&said), "{error}");
        assert!(database.query("SELECT 1 FROM whole", vec![]).await.is_err(), "nothing is left");
        assert!(database.query("SELECT more FROM k", vec![]).await.is_err(), "nothing is left");
        // SQLite takes the migrations of one start back together.
        if database.dialect() != Dialect::Sqlite && database.dialect() != Dialect::Postgres {
            assert_eq!(count(&database).await, 0, "nor a row");
        }
    }
    database.migrate("test", TABLES).await.expect("the mended program goes on from there");
    put(&database, "a", 1).await.expect("its tables are there");
}

async fn tables_of_a_newer_program_are_left_alone(place: Place) {
    let database = place.open_with_tables().await;
    let error = database.migrate("test", &TABLES[..1]).await.expect_err("refuses");
    assert!(matches!(error, Error::FromTheFuture { found: 2, known: 1, .. }), "{error}");
}

async fn programs_that_start_at_once_take_turns(place: Place) {
    let databases = [place.open().await, place.open().await, place.open().await];
    let starts = databases
        .clone()
        .map(|database| tokio::spawn(async move { database.migrate("test", TABLES).await }));
    for start in starts {
        start.await.expect("runs").expect("migrates, or finds it done");
    }
    for (n, database) in databases.iter().enumerate() {
        put(database, &format!("{n}"), 1).await.expect("its tables are there");
    }
    assert_eq!(count(&databases[0]).await, 3);
}

async fn a_read_sees_one_moment(place: Place) {
    let database = place.open_with_tables().await;
    let (half, mut reader_is_half_way) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let reading = tokio::spawn({
        let database = database.clone();
        async move {
            database
                .read(move |c| {
                    let count = "SELECT COUNT(*) FROM k";
                    let before: i64 = c.query_one(count, &[])?.expect("a row").get(0)?;
                    let _ = half.send(());
                    let _ = wait.recv();
                    let after: i64 = c.query_one(count, &[])?.expect("a row").get(0)?;
                    Ok::<_, Error>((before, after))
                })
                .await
        }
    });
    reader_is_half_way.recv().await.expect("half way");
    put(&database, "between", 1).await.expect("a writer isn't held up by a reader");
    go_on.send(()).expect("the reader waits");
    assert_eq!(reading.await.expect("runs").expect("reads"), (0, 0));
}

async fn counters_lose_nothing_when_many_count(place: Place) {
    let database = place.open_with_tables().await;
    put(&database, "counter", 0).await.expect("is stored");
    let work = (0..8).map(|_| {
        let database = database.clone();
        tokio::spawn(async move {
            for _ in 0..25 {
                let count = |c: &mut dyn Connection| {
                    let lock = c.dialect().for_update();
                    let read = format!("SELECT n FROM k WHERE \"key\" = 'counter'{lock}");
                    let n: i64 = c.query_one(&read, &[])?.expect("a row").get(0)?;
                    c.execute("UPDATE k SET n = ? WHERE \"key\" = 'counter'", &[(n + 1).into()])
                };
                database.write(count).await.expect("counts");
            }
        })
    });
    for task in work.collect::<Vec<_>>() {
        task.await.expect("runs");
    }
    let row = database.query_one("SELECT n FROM k", vec![]).await.expect("reads").expect("a row");
    assert_eq!(row.get::<i64>(0).expect("a number"), 200);
}

/// Two rows, changed in both orders at once: a deadlock, again and again.
async fn transactions_that_meet_are_run_again(place: Place) {
    place.open_with_tables().await;
    // PostgreSQL looks for a deadlock once a second; there are many.
    let patient = if place.url.starts_with("sqlite") { "" } else { "?timeout=20" };
    let database = place.open_with(patient).await;
    for key in ["a", "b"] {
        put(&database, key, 0).await.expect("is stored");
    }
    let work = (0..4).map(|n| {
        let database = database.clone();
        tokio::spawn(async move {
            let order = if n % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
            for _ in 0..2 {
                let both = move |c: &mut dyn Connection| {
                    for key in order {
                        c.execute("UPDATE k SET n = n + 1 WHERE \"key\" = ?", &[key.into()])?;
                    }
                    Ok::<_, Error>(())
                };
                database.write(both).await.expect("is run again until it goes through");
            }
        })
    });
    for task in work.collect::<Vec<_>>() {
        task.await.expect("runs");
    }
    let rows = database.query("SELECT n FROM k", vec![]).await.expect("reads");
    let counts: Vec<i64> = rows.iter().map(|row| row.get(0).expect("a number")).collect();
    assert_eq!(counts, [8, 8], "each transaction counts once");
}

async fn a_transaction_may_ask_to_be_run_again(place: Place) {
    let database = place.open_with_tables().await;
    if database.dialect() == Dialect::Sqlite {
        // With one writer at a time there is nobody to meet.
        return;
    }
    let mut runs = 0;
    let work = move |c: &mut dyn Connection| {
        runs += 1;
        c.execute("INSERT INTO k (\"key\", n) VALUES ('a', ?)", &[Value::Integer(runs)])?;
        if runs < 3 { Err(c.conflict()) } else { Ok(runs) }
    };
    assert_eq!(database.write(work).await.expect("the third run"), 3);
    assert_eq!(count(&database).await, 1);
    let never = |c: &mut dyn Connection| Err::<(), _>(c.conflict());
    let database = place.open_with("?timeout=0.2").await;
    let error = database.write(never).await.expect_err("not for ever");
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

async fn parts_of_text_are_found(place: Place) {
    let database = place.open_with_tables().await;
    // The last two share bytes with É and é when read as Latin-1.
    for key in ["Holiday/BEACH.jpg", "50%_\\off", "É", "é", "\u{8a9}", "\u{38a9}"] {
        put(&database, key, 1).await.expect("is stored");
    }
    for (part, expected) in [
        ("beach", vec!["Holiday/BEACH.jpg"]),
        ("Y/b", vec!["Holiday/BEACH.jpg"]),
        ("%_\\", vec!["50%_\\off"]),
        ("0%", vec!["50%_\\off"]),
        ("%%", vec![]),
        ("_", vec!["50%_\\off"]),
        ("é", vec!["é"]),
        ("É", vec!["É"]),
        ("'", vec![]),
    ] {
        let (condition, parameters) = database.dialect().contains("\"key\"", part);
        let sql = format!("SELECT \"key\" FROM k WHERE {condition}");
        let found = database.query(sql, parameters).await.expect("searches");
        let found: Vec<String> = found.iter().map(|row: &Row| row.get(0).expect("text")).collect();
        assert_eq!(found, expected, "{part:?}");
    }
}

async fn a_list_goes_on_beyond_its_cursor(place: Place) {
    let database = place.open_with_tables().await;
    for (key, n) in [("a", 2), ("b", 1), ("c", 1), ("d", 3), ("e", 1)] {
        put(&database, key, n).await.expect("is stored");
    }
    for (descending, expected) in [(false, ["e", "a", "d"]), (true, ["b", "", ""])] {
        let cursor = [Value::Integer(1), "c".into()];
        let (condition, parameters) =
            database.dialect().beyond(["n", "\"key\""], descending, cursor);
        let order = if descending { "DESC" } else { "ASC" };
        let sql =
            format!("SELECT \"key\" FROM k WHERE {condition} ORDER BY n {order}, \"key\" {order}");
        let found = database.query(sql, parameters).await.expect("lists");
        let mut keys: Vec<String> = found.iter().map(|row| row.get(0).expect("text")).collect();
        keys.resize(3, String::new());
        assert_eq!(keys, expected);
    }
}

/// What SQLite may do on a full disk, here by a statement.
#[tokio::test]
async fn a_transaction_taken_back_whole_is_told_to_all_who_shared_it_and_to_nobody_else() {
    let place = Engine::Sqlite.place().expect("is always there");
    let database = place.open_with_tables().await;
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (began, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    // Holds the writer until the others wait behind it, in the same group.
    let first = database.write(move |_| {
        let _ = began.send(());
        let _ = wait.recv();
        Ok::<_, Error>(())
    });
    let others = async {
        has_begun.recv().await.expect("begins");
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

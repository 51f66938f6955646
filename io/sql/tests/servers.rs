//! What only servers can do: go away, be several, be refused, speak TLS.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use larder_servers::{MariaDb, Postgres, Signal, free_port, mariadb, postgres};
use larder_sql::{Config, Connection, Database, Error, Migration, Result};

async fn open(url: &str) -> Result<Database> {
    let url = url.parse().expect("a URL");
    Database::open(&Config { url, readers: 1 }).await
}

async fn refusal(url: &str) -> String {
    match open(url).await {
        Ok(_) => panic!("{url} opens"),
        Err(error) => error.to_string(),
    }
}

async fn answer(database: &Database) -> Result<i64> {
    let row = database.query_one("SELECT n FROM t", vec![]).await?;
    row.expect("a row").get(0)
}

/// A table with the number `n`, made by the server's administrator.
async fn number(url: &str, n: i64) {
    let database = open(url).await.expect("opens");
    let work = move |c: &mut dyn Connection| {
        c.execute("CREATE TABLE t (n BIGINT)", &[])?;
        c.execute("INSERT INTO t (n) VALUES (?)", &[n.into()])?;
        Ok::<_, Error>(())
    };
    database.write(work).await.expect("makes a table");
}

/// Two servers of a kind, in order: `(the first, the second)`.
fn pairs() -> Vec<(Box<dyn Server>, Box<dyn Server>)> {
    let boxed = |server| Box::new(server) as Box<dyn Server>;
    let maria = MariaDb::start().zip(MariaDb::start());
    let boxed_postgres = |server| Box::new(server) as Box<dyn Server>;
    let postgres = Postgres::start().zip(Postgres::start());
    let maria = maria.map(|(a, b)| (boxed(a), boxed(b)));
    let postgres = postgres.map(|(a, b)| (boxed_postgres(a), boxed_postgres(b)));
    maria.into_iter().chain(postgres).collect()
}

trait Server {
    fn make(&self) -> String;
    fn kill(&mut self);
    fn restart(&mut self);
    fn stand_still(&self);
}

impl Server for MariaDb {
    fn make(&self) -> String {
        self.make_database("larder")
    }
    fn kill(&mut self) {
        self.kill();
    }
    fn restart(&mut self) {
        self.restart();
    }
    fn stand_still(&self) {
        self.signal(Signal::STOP);
    }
}

impl Server for Postgres {
    fn make(&self) -> String {
        self.make_database("larder")
    }
    fn kill(&mut self) {
        self.kill();
    }
    fn restart(&mut self) {
        self.restart();
    }
    fn stand_still(&self) {
        self.signal(Signal::STOP);
    }
}

/// The addresses of several URLs in one.
fn joined(urls: [&str; 2]) -> String {
    let host = |url: &str| {
        let (_, rest) = url.rsplit_once('@').expect("has a login");
        rest.split('/').next().expect("has a host").to_owned()
    };
    let (first, second) = (host(urls[0]), host(urls[1]));
    // One that nobody listens on comes before both.
    let nobody = format!("127.0.0.1:{}", free_port());
    urls[0].replace(&first, &format!("{nobody},{first},{second}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_servers_one_that_answers_is_used() {
    for (mut first, second) in pairs() {
        let urls = [first.make(), second.make()];
        number(&urls[0], 1).await;
        number(&urls[1], 2).await;
        let database = open(&joined([&urls[0], &urls[1]])).await.expect("opens");
        assert_eq!(answer(&database).await.expect("reads"), 1, "the first that answers");
        first.kill();
        assert_eq!(answer(&database).await.expect("reads"), 2, "then the next");
        first.restart();
        assert_eq!(answer(&database).await.expect("reads"), 2, "and it stays with that");
        drop(second);
        assert_eq!(answer(&database).await.expect("reads"), 1, "as long as that lives");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_keeps_nobody_from_the_next() {
    for (first, second) in pairs() {
        let urls = [first.make(), second.make()];
        number(&urls[0], 1).await;
        number(&urls[1], 2).await;
        // Less than one address may take: nobody waits for the next one's turn.
        let url = joined([&urls[0], &urls[1]]) + "?timeout=1";
        let database = open(&url).await.expect("opens");
        assert_eq!(answer(&database).await.expect("reads"), 1);
        first.stand_still();
        // It may answer until the signal has reached all of it.
        let since = Instant::now();
        while answer(&database).await.ok() != Some(2) {
            assert!(since.elapsed() < Duration::from_secs(20), "the next is never asked");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_not_written_to() {
    let Some(server) = MariaDb::start_with(&["read-only=1"], None) else { return };
    // What may write all the same, a replica's administrator, is not us.
    server.execute("CREATE DATABASE larder; CREATE USER app@'127.0.0.1'; GRANT ALL ON larder.* TO app@'127.0.0.1'");
    let url = format!("mariadb://app@{}/larder?timeout=0.3", server.address());
    let database = tokio::spawn(async move { open(&url).await });
    // It is waited for, as for one that isn't up yet.
    server.execute("SET GLOBAL read_only = 0");
    assert!(database.await.expect("runs").is_ok(), "once it is the primary it is used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_login_or_name_is_told_at_once() {
    let urls = mariadb().map(|server| server.url("nowhere")).into_iter();
    for url in urls.chain(postgres().map(|server| server.url("nowhere"))) {
        let refused = refusal(&url).await;
        assert!(refused.contains("can't open the database"), "{refused}");
        assert!(refused.contains("nowhere"), "{refused}");
        let refused = refusal(&url.replace("pass%2F", "guess")).await;
        assert!(refused.to_lowercase().contains("larder"), "{refused}");
        assert!(!refused.contains("guess"), "no password is shown: {refused}");
        let missing = refusal(&format!("{url}?password-file=/nowhere/at/all")).await;
        assert!(missing.contains("password-file=/nowhere/at/all"), "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_may_be_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{}\n", MariaDb::PASSWORD)).expect("writes");
    let urls = mariadb().map(|server| server.make_database("by_file")).into_iter();
    for url in urls.chain(postgres().map(|server| server.make_database("by_file"))) {
        let without = url.replace(":pass%2Fword%401@", "@");
        let with = format!("{without}?password-file={}", file.display());
        assert!(open(&with).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_user_of_one_database_is_enough() {
    const TABLE: &[Migration] =
        &[Migration { version: 1, name: "one", sql: "CREATE TABLE one (n {number})" }];
    let mut urls = Vec::new();
    if let Some(server) = mariadb() {
        server.execute(
            "CREATE DATABASE ordinary; CREATE USER app@'127.0.0.1' IDENTIFIED BY 'word';
             GRANT ALL ON ordinary.* TO app@'127.0.0.1'",
        );
        urls.push(format!("mariadb://app:word@{}/ordinary", server.address()));
    }
    if let Some(server) = postgres() {
        server.execute("CREATE ROLE app LOGIN PASSWORD 'word'");
        server.execute("CREATE DATABASE ordinary OWNER app");
        server.execute("CREATE DATABASE foreign_one");
        urls.push(format!("postgres://app:word@{}/ordinary", server.address()));
        let foreign = format!("postgres://app:word@{}/foreign_one", server.address());
        let database = open(&foreign).await.expect("everybody may connect");
        let refused = database.migrate("app", TABLE).await.expect_err("is not allowed");
        assert!(refused.to_string().contains("permission denied"), "{refused}");
    }
    for url in urls {
        let database = open(&url).await.expect("opens");
        database.migrate("app", TABLE).await.expect("makes its tables");
        let insert = |c: &mut dyn Connection| c.execute("INSERT INTO one (n) VALUES (1)", &[]);
        assert_eq!(database.write(insert).await.expect("writes"), 1);
    }
}

/// A certificate for 127.0.0.1 that signs itself, and its key.
fn certificate(folder: &Path, name: &str) -> Option<[String; 2]> {
    let [cert, key] = ["cert", "key"].map(|what| folder.join(format!("{name}.{what}")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=larder",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext"])
        .args(["subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args([Path::new("-keyout"), &key, Path::new("-out"), &cert])
        .output();
    match made {
        Ok(made) => assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr)),
        Err(_) => {
            eprintln!("skipped: TLS to databases: openssl is not installed");
            return None;
        }
    }
    // PostgreSQL wants its key to be its own and nobody else's.
    let _ = Command::new("chown").arg("nobody").arg(&key).output();
    Some([cert, key].map(|path| path.display().to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_spoken_to_by_tls_and_only_the_right_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let open_folder = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open_folder).expect("it is ours");
    let Some([cert, key]) = certificate(folder.path(), "server") else { return };
    let Some([other, _]) = certificate(folder.path(), "other") else { return };
    let mut urls = Vec::new();
    let settings = [format!("ssl-cert={cert}"), format!("ssl-key={key}")];
    let maria = MariaDb::start_with(&settings.each_ref().map(String::as_str), None);
    let settings =
        ["ssl=on".to_owned(), format!("ssl_cert_file={cert}"), format!("ssl_key_file={key}")];
    let postgres = Postgres::start_with(&settings.each_ref().map(String::as_str), None);
    urls.extend(
        maria.as_ref().map(|server| {
            (server.make_database("tls"), "SHOW SESSION STATUS LIKE 'Ssl_version'", 1)
        }),
    );
    urls.extend(postgres.as_ref().map(|server| {
        let version = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        (server.make_database("tls"), version, 0)
    }));
    for (url, version, column) in urls {
        for tls in ["preferred".to_owned(), "required".to_owned(), format!("verify-full&ca={cert}")]
        {
            let database = open(&format!("{url}?tls={tls}")).await.expect("speaks TLS");
            let row = database.query_one(version, vec![]).await.expect("asks").expect("a row");
            let version: String = row.get(column).expect("a version");
            assert!(version.starts_with("TLS"), "{tls}: {version:?}");
        }
        for wrong in [format!("verify-full&ca={other}"), "verify-full".to_owned()] {
            let wrong_url = format!("{url}?timeout=0.2&tls={wrong}");
            let opening = refusal(&wrong_url);
            let refused = tokio::time::timeout(Duration::from_secs(20), opening).await;
            let refused = refused.expect("a wrong certificate is told at once");
            assert!(refused.contains("ertificate"), "{wrong}: {refused}");
        }
    }
}

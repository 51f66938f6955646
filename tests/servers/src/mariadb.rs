//! A real MariaDB. For root it runs as `nobody`: rsync, by which the servers of
//! a Galera cluster copy each other, can't write what is root's.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::postgres::{as_nobody, open_to_all};
use crate::process::{Supervised, empty_log, find_program, free_port};

/// How long it may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A MariaDB server. Its user `larder` may do everything and has the password
/// [`MariaDb::PASSWORD`].
pub struct MariaDb {
    server: Option<Supervised>,
    data: PathBuf,
    port: u16,
    settings: Vec<String>,
    /// Removed last.
    folder: TempDir,
}

impl MariaDb {
    /// The password of its user.
    pub const PASSWORD: &str = "pass/word@1";

    /// Starts one, or says that it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(&[], None)
    }

    /// Starts one with settings such as `max_connections=5`, its data in a
    /// folder that is given or of its own.
    ///
    /// # Panics
    /// It is installed and doesn't start.
    pub fn start_with(settings: &[&str], data: Option<&Path>) -> Option<Self> {
        if server_program().is_none() {
            eprintln!("skipped: MariaDB: mariadbd is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        open_to_all(folder.path());
        let data = data.map_or_else(|| folder.path().join("data"), |data| data.join("mariadb"));
        let install = find_program("mariadb-install-db", &["/usr/bin"]).expect("comes with it");
        let made = as_nobody(&install)
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            // Several that are made at once would meet in a shared one.
            .arg(format!("--tmpdir={}", folder.path().display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(SMALL)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .output()
            .expect("runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { server: None, data, port: free_port(), settings, folder };
        server.restart();
        server.execute(&format!(
            "CREATE USER IF NOT EXISTS larder@'127.0.0.1' IDENTIFIED BY '{}'; GRANT ALL ON *.* TO larder@'127.0.0.1'",
            Self::PASSWORD
        ));
        Some(server)
    }

    /// Starts it, on the same port and data.
    ///
    /// # Panics
    /// It doesn't start.
    pub fn restart(&mut self) {
        let mut command = as_nobody(&server_program().expect("it is installed"));
        command
            .arg("--no-defaults")
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--datadir={}", self.data.display()))
            .arg(format!("--tmpdir={}", self.folder.path().display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.folder.path().join("pid").display()))
            .arg(format!("--port={}", self.port))
            .args(SMALL)
            .args(self.settings.iter().map(|setting| format!("--{setting}")));
        let server = Supervised::start(&command, &empty_log(self.folder.path(), "log"));
        server.wait_until_up(PATIENCE, || self.try_execute("SELECT 1").is_ok());
        self.server = Some(server);
    }

    /// Starts it with other settings, on the same port and data.
    ///
    /// # Panics
    /// It doesn't start.
    pub(crate) fn restart_with(&mut self, settings: Vec<String>) {
        self.settings = settings;
        self.restart();
    }

    /// Whether it answers.
    pub fn is_running(&self) -> bool {
        self.try_execute("SELECT 1").is_ok()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL of a database on it.
    pub fn url(&self, database: &str) -> String {
        format!("mariadb://larder:pass%2Fword%401@{}/{database}", self.address())
    }

    /// Makes an empty database, and the URL of it.
    pub fn make_database(&self, name: &str) -> String {
        self.execute(&format!("CREATE DATABASE {name} CHARACTER SET latin1"));
        self.url(name)
    }

    /// Runs statements as its administrator.
    ///
    /// # Panics
    /// They fail.
    pub fn execute(&self, sql: &str) -> String {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_execute(&self, sql: &str) -> Result<String, String> {
        let client = find_program("mariadb", &["/usr/bin"]).expect("comes with it");
        let answer = Command::new(client)
            .args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"])
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--connect-timeout={}", PATIENCE.as_secs()))
            .args(["--execute", sql])
            .output()
            .expect("runs");
        match answer.status.success() {
            true => Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&answer.stderr).into_owned()),
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It doesn't run.
    pub fn signal(&self, signal: Signal) {
        self.server.as_ref().expect("it runs").signal(signal);
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

/// Quick to make and to start.
const SMALL: [&str; 4] = [
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=32M",
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--performance-schema=off",
];

fn server_program() -> Option<PathBuf> {
    find_program("mariadbd", &["/usr/sbin"])
}

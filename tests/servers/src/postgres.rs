//! A real PostgreSQL. It refuses to run as root, so for root it runs as
//! `nobody`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::process::{Supervised, empty_log, find_program, free_port, state, wait_until};

/// How long it may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL server. Its user `larder` may do everything and has the
/// password [`Postgres::PASSWORD`].
pub struct Postgres {
    server: Option<Supervised>,
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    settings: Vec<String>,
    /// Removed last.
    folder: TempDir,
}

impl Postgres {
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
        let Some(programs) = programs() else {
            eprintln!("skipped: PostgreSQL: it is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        open_to_all(folder.path());
        let data = data.map_or_else(|| folder.path().join("data"), |data| data.join("postgres"));
        let password = folder.path().join("password");
        std::fs::write(&password, Self::PASSWORD).expect("writes");
        let made = as_nobody(&programs.join("initdb"))
            .arg(format!("--pgdata={}", data.display()))
            .arg(format!("--pwfile={}", password.display()))
            .args(["--username=larder", "--auth=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"])
            .current_dir(folder.path())
            .output()
            .expect("runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { server: None, programs, data, port: free_port(), settings, folder };
        server.restart();
        Some(server)
    }

    /// Starts it, on the same port and data.
    ///
    /// # Panics
    /// It doesn't start.
    pub fn restart(&mut self) {
        // What a killed one left would make the new one look for it.
        let _ = std::fs::remove_file(self.data.join("postmaster.pid"));
        let mut command = as_nobody(&self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.folder.path().display()))
            .arg("-c")
            .arg(format!("port={}", self.port))
            .current_dir(self.folder.path());
        for setting in &self.settings {
            command.arg("-c").arg(setting);
        }
        let server = Supervised::start(&command, &empty_log(self.folder.path(), "log"));
        server.wait_until_up(PATIENCE, || self.try_execute("SELECT 1").is_ok());
        self.server = Some(server);
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
        format!("postgres://larder:pass%2Fword%401@{}/{database}", self.address())
    }

    /// Makes an empty database, and the URL of it.
    pub fn make_database(&self, name: &str) -> String {
        self.execute(&format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    /// Runs a statement as its administrator.
    ///
    /// # Panics
    /// It fails.
    pub fn execute(&self, sql: &str) -> String {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_execute(&self, sql: &str) -> Result<String, String> {
        ask(&self.programs, self.port, sql)
    }

    /// Sends a signal to it and to all of its processes.
    ///
    /// # Panics
    /// It doesn't run.
    pub fn signal(&self, signal: Signal) {
        let server = self.server.as_ref().expect("it runs");
        signal_family(server.pid(), signal).expect("it runs");
    }

    /// Kills it as `kill -9` does, with all of its processes, and waits until
    /// they are gone: one that is left would keep a new server from starting.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        kill_family(server.pid());
        server.kill();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            // One that stands still can't end.
            let _ = signal_family(server.pid(), Signal::CONT);
            // Or it would wait for its clients to leave.
            let _ = kill_process(server.pid(), Signal::INT);
        }
    }
}

/// Makes a folder that a server's user may write to, who is another one than
/// the tests'.
pub(crate) fn open_to_all(folder: &Path) {
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder, open).expect("it is ours");
}

/// What the server on this port answers to its administrator.
pub(crate) fn ask(programs: &Path, port: u16, sql: &str) -> Result<String, String> {
    let client = find_program("psql", &[]).unwrap_or_else(|| programs.join("psql"));
    let answer = Command::new(client)
        .env("PGPASSWORD", Postgres::PASSWORD)
        .env("PGCONNECT_TIMEOUT", "10")
        .args(["--no-psqlrc", "--tuples-only", "--no-align", "--host=127.0.0.1"])
        .args(["--username=larder", "--dbname=postgres"])
        .arg(format!("--port={port}"))
        .args(["--command", sql])
        .output()
        .expect("runs");
    match answer.status.success() {
        true => Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&answer.stderr).into_owned()),
    }
}

/// Sends a signal to a server and to all of its processes.
pub(crate) fn signal_family(server: Pid, signal: Signal) -> rustix::io::Result<()> {
    for process in children(server.as_raw_pid()).into_iter().filter_map(Pid::from_raw) {
        // One that has just ended needs no signal.
        let _ = kill_process(process, signal);
    }
    kill_process(server, signal)
}

/// Kills a server with all of its processes and waits until they are gone: one
/// that is left would keep a new server from starting.
pub(crate) fn kill_family(server: Pid) {
    // Each may end by itself meanwhile. Once the first stands still it starts
    // no more of them.
    let _ = kill_process(server, Signal::STOP);
    let is_gone = |&process: &Pid| matches!(state(process), None | Some('Z'));
    let stands_still = || state(server) == Some('T') || is_gone(&server);
    wait_until("the server stands still", PATIENCE, stands_still);
    let mut family: Vec<Pid> =
        children(server.as_raw_pid()).into_iter().filter_map(Pid::from_raw).collect();
    family.push(server);
    for &process in &family {
        let _ = kill_process(process, Signal::KILL);
    }
    wait_until("its processes end", PATIENCE, || family.iter().all(is_gone));
}

/// The processes whose parent is `pid`.
fn children(pid: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The folder of its programs: the newest that is installed.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}

pub(crate) fn as_nobody(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(program);
    command
}

//! Three PostgreSQL servers of which one leads and two stand by, kept by
//! Patroni with the shipped configuration (`deploy/patroni.yml`), and the etcd
//! in which it holds who leads.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::Postgres;
use crate::postgres::{as_nobody, ask, kill_family, open_to_all, programs, signal_family};
use crate::process::{Supervised, empty_log, find_program, free_port, state};

/// How many servers.
const SERVERS: usize = 3;

/// The shipped configuration, with the addresses that are replaced.
const SHIPPED: &str = include_str!("../../../deploy/patroni.yml");

/// How long it may take to come up or to change over on a busy machine: a dead
/// leader alone is waited for 20 seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two questions to the servers, each of which is a process.
const GLANCE: Duration = Duration::from_millis(100);

/// PostgreSQL servers under Patroni. The user `larder` may do everything and
/// has the password [`Postgres::PASSWORD`].
pub struct Patroni {
    members: Vec<Member>,
    programs: PathBuf,
    etcd: Supervised,
    /// Removed last.
    folder: TempDir,
}

struct Member {
    /// `None` while it is dead because of us.
    patroni: Option<Supervised>,
    /// Whether it stands still because of us.
    is_paused: bool,
    port: u16,
    folder: PathBuf,
}

impl Member {
    /// The process of its PostgreSQL, as far as that has said so.
    fn postmaster(&self) -> Option<Pid> {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        let pid = Pid::from_raw(file.lines().next()?.trim().parse().ok()?)?;
        (!matches!(state(pid), None | Some('Z'))).then_some(pid)
    }

    /// Kills it with its PostgreSQL, as a machine that loses its power.
    fn kill(&mut self) {
        // First, or it would start PostgreSQL again.
        if let Some(mut patroni) = self.patroni.take() {
            patroni.kill();
        }
        if let Some(postmaster) = self.postmaster() {
            kill_family(postmaster);
        }
        self.is_paused = false;
    }

    /// Stops all of its processes where they stand, or lets them go on.
    fn pause(&mut self, is_paused: bool) {
        let signal = if is_paused { Signal::STOP } else { Signal::CONT };
        if let Some(patroni) = &self.patroni {
            patroni.signal(signal);
        }
        if let Some(postmaster) = self.postmaster() {
            signal_family(postmaster, signal).expect("it runs");
        }
        self.is_paused = is_paused;
    }
}

impl Patroni {
    /// Starts them and waits until one leads and another one takes part in
    /// its commits; or says what is not installed.
    ///
    /// # Panics
    /// All is installed and doesn't start.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: Patroni: PostgreSQL is not installed");
            return None;
        };
        let found = ["patroni", "etcd"].map(|name| find_program(name, &["/usr/bin"]));
        let [Some(patroni), Some(etcd)] = found else {
            eprintln!("skipped: Patroni: it or etcd is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        open_to_all(folder.path());
        let (etcd, keeper) = start_etcd(&etcd, folder.path());
        let member = |number: usize| {
            let home = folder.path().join(format!("db{number}"));
            std::fs::create_dir(&home).expect("it is new");
            open_to_all(&home);
            let port = free_port();
            let text = configuration(number, &home, &programs, port, keeper);
            std::fs::write(home.join("patroni.yml"), text).expect("writes");
            Member { patroni: None, is_paused: false, port, folder: home }
        };
        let members = (1..=SERVERS).map(member).collect();
        let mut cluster = Self { members, programs, etcd, folder };
        cluster.restart_with(&patroni);
        Some(cluster)
    }

    /// Starts again those that were killed, and waits until one leads and all
    /// others follow it.
    ///
    /// # Panics
    /// They don't in time.
    pub fn restart(&mut self) {
        let patroni = find_program("patroni", &["/usr/bin"]).expect("it was there before");
        self.restart_with(&patroni);
    }

    fn restart_with(&mut self, patroni: &Path) {
        for member in &mut self.members {
            if member.patroni.is_some() {
                continue;
            }
            let mut command = as_nobody(patroni);
            command.arg(member.folder.join("patroni.yml")).current_dir(&member.folder);
            command.env("HOME", &member.folder);
            let log = empty_log(self.folder.path(), &format!("log-{}", member.port));
            member.patroni = Some(Supervised::start(&command, &log));
        }
        self.wait_for("count(*)", &(SERVERS - 1).to_string());
    }

    /// Waits until there is a leader of whose commits another one has a copy
    /// before they are acknowledged.
    ///
    /// # Panics
    /// There isn't in time.
    pub fn wait_until_synchronous(&self) {
        self.wait_for("LEAST(count(*) FILTER (WHERE sync_state = 'sync'), 1)", "1");
    }

    fn wait_for(&self, expression: &str, value: &str) {
        let sql = format!(
            "SELECT {expression} FROM pg_stat_replication
             WHERE state = 'streaming' AND application_name LIKE 'db%'"
        );
        let is_so = || self.try_execute(&sql).as_deref() == Ok(value);
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < end, "Patroni isn't ready:\n{}", self.logs());
            std::thread::sleep(GLANCE);
        }
    }

    fn logs(&self) -> String {
        let members = self.members.iter().filter_map(|member| member.patroni.as_ref());
        members.chain([&self.etcd]).map(Supervised::log_tail).collect()
    }

    /// The number of the server that leads. None does while one that stood still
    /// hasn't noticed that it was replaced.
    pub fn leader(&self) -> Option<usize> {
        let leads = |member: &Member| {
            if member.is_paused {
                return false;
            }
            let answer = ask(&self.programs, member.port, "SELECT pg_is_in_recovery()");
            answer.as_deref() == Ok("f")
        };
        let mut leaders = (0..SERVERS).filter(|&number| leads(&self.members[number]));
        leaders.next().filter(|_| leaders.next().is_none())
    }

    /// Kills the leader with all of its processes, Patroni's among them.
    /// Returns its number.
    ///
    /// # Panics
    /// Nobody leads.
    pub fn kill_leader(&mut self) -> usize {
        let leader = self.leader().expect("somebody leads");
        self.members[leader].kill();
        leader
    }

    /// Stops all processes of the leader where they stand.
    ///
    /// # Panics
    /// Nobody leads.
    pub fn pause_leader(&mut self) {
        let leader = self.leader().expect("somebody leads");
        self.members[leader].pause(true);
    }

    /// Lets those go on that stand still, and waits until they follow the leader.
    ///
    /// # Panics
    /// They don't in time.
    pub fn resume(&mut self) {
        for member in self.members.iter_mut().filter(|member| member.is_paused) {
            member.pause(false);
        }
        self.wait_for("count(*)", &(SERVERS - 1).to_string());
        self.wait_until_synchronous();
    }

    /// Where the servers listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |member: &Member| (Ipv4Addr::LOCALHOST, member.port).into();
        self.members.iter().map(address).collect()
    }

    /// The URL of a database on all of them.
    pub fn url(&self, database: &str) -> String {
        let addresses: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        format!("postgres://larder:pass%2Fword%401@{}/{database}", addresses.join(","))
    }

    /// Runs a statement on the leader as its administrator.
    ///
    /// # Panics
    /// It fails, or nobody leads.
    pub fn execute(&self, sql: &str) -> String {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_execute(&self, sql: &str) -> Result<String, String> {
        let leader = self.leader().ok_or("nobody leads")?;
        ask(&self.programs, self.members[leader].port, sql)
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.kill();
        }
        self.etcd.kill();
    }
}

/// One etcd, and where it listens.
fn start_etcd(program: &Path, folder: &Path) -> (Supervised, SocketAddr) {
    let [clients, peers] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
    let mut command = as_nobody(program);
    command
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .args(["--name", "etcd1", "--logger", "zap", "--log-level", "warn"])
        .arg(format!("--listen-client-urls=http://{clients}"))
        .arg(format!("--advertise-client-urls=http://{clients}"))
        .arg(format!("--listen-peer-urls=http://{peers}"))
        .arg(format!("--initial-advertise-peer-urls=http://{peers}"))
        .arg(format!("--initial-cluster=etcd1=http://{peers}"))
        .current_dir(folder);
    let etcd = Supervised::start(&command, &empty_log(folder, "log-etcd"));
    let is_up = || std::net::TcpStream::connect(clients).is_ok();
    etcd.wait_until_up(PATIENCE, is_up);
    (etcd, clients)
}

/// The shipped configuration for one of the servers here.
///
/// # Panics
/// What is replaced is not in it.
fn configuration(
    number: usize,
    home: &Path,
    programs: &Path,
    port: u16,
    etcd: SocketAddr,
) -> String {
    let home = home.display();
    let replaced = [
        ("name: db1", format!("name: db{number}")),
        ("10.0.0.11:8008", format!("127.0.0.1:{}", free_port())),
        ("10.0.0.11:5432", format!("127.0.0.1:{port}")),
        ("10.0.0.0/24", "127.0.0.1/32".into()),
        ("10.0.0.21:2379,10.0.0.22:2379,10.0.0.23:2379", etcd.to_string()),
        ("/usr/lib/postgresql/15/bin", programs.display().to_string()),
        ("/var/lib/postgresql/15/larder", format!("{home}/data")),
        ("/var/lib/postgresql/pgpass", format!("{home}/pgpass")),
        // One that is killed would leave its shared memory behind elsewhere.
        ("/var/run/postgresql", format!("{home}\n    dynamic_shared_memory_type: mmap")),
        ("username: postgres", "username: larder".into()),
        ("password: change-me", format!("password: {}", Postgres::PASSWORD)),
        // Who administers it here is nobody's namesake.
        ("local all all peer", "local all all scram-sha-256".into()),
    ];
    replaced.iter().fold(SHIPPED.to_owned(), |text, (shipped, here)| {
        assert!(text.contains(shipped), "deploy/patroni.yml has no {shipped:?}");
        text.replace(shipped, here)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The failover takes as long as Patroni waits for a leader: `./test --long`.
    #[test]
    fn when_the_leader_dies_a_standby_has_what_was_acknowledged() {
        if std::env::var_os("LARDER_TEST_LONG").is_none() {
            return;
        }
        let Some(mut cluster) = Patroni::start() else { return };
        cluster.wait_until_synchronous();
        cluster.execute("CREATE TABLE acknowledged AS SELECT 7 AS number");
        let dead = cluster.kill_leader();
        cluster.wait_until_synchronous();
        assert_ne!(cluster.leader(), Some(dead));
        assert_eq!(cluster.execute("SELECT number FROM acknowledged"), "7");
        cluster.restart();
        cluster.wait_until_synchronous();
    }
}

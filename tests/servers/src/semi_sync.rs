//! Two MariaDB servers with the shipped configuration
//! (`deploy/mariadb-semi-sync.cnf`): one takes changes, and the other one has a
//! copy of each before it is acknowledged. Whoever promotes servers is us.

use std::time::Duration;

use rustix::process::Signal;

use crate::MariaDb;
use crate::process::wait_until;

/// The shipped configuration.
const SHIPPED: &str = include_str!("../../../deploy/mariadb-semi-sync.cnf");

/// What a server is started with that may hold changes which the other one
/// never saw: it forgets them.
const AS_A_COPY: &str = "init-rpl-role=SLAVE";

/// Lets a server take changes, none of which ends until there is a copy.
const PROMOTE: &str = "SET GLOBAL rpl_semi_sync_master_enabled = ON; SET GLOBAL read_only = OFF";

/// How long a replica may take to do what has come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A primary and its replica. The user `larder` may do everything and has the
/// password [`MariaDb::PASSWORD`].
pub struct SemiSync {
    servers: [MariaDb; 2],
    primary: usize,
}

impl SemiSync {
    /// Starts them, or says that MariaDB is not installed.
    ///
    /// # Panics
    /// It is installed and doesn't start.
    pub fn start() -> Option<Self> {
        let start = |id| {
            let mut settings = settings(id);
            // Until it has its user.
            settings.push("read-only=OFF".into());
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            MariaDb::start_with(&settings, None)
        };
        let servers = [start(1)?, start(2)?];
        for server in &servers {
            server.execute("RESET MASTER; SET GLOBAL gtid_slave_pos = ''");
        }
        let started = Self { servers, primary: 0 };
        started.copy(1);
        started.execute(PROMOTE);
        Some(started)
    }

    /// Lets a server copy what the primary does.
    fn copy(&self, server: usize) {
        let from = self.servers[self.primary].address();
        self.servers[server].execute(&format!(
            "SET GLOBAL read_only = ON; STOP SLAVE;
             CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'larder',
                 MASTER_PASSWORD = '{}', MASTER_USE_GTID = slave_pos,
                 MASTER_DEMOTE_TO_SLAVE = 1, MASTER_CONNECT_RETRY = 1;
             START SLAVE",
            from.port(),
            MariaDb::PASSWORD
        ));
    }

    /// Stops the primary where it stands, or lets it go on.
    pub fn signal(&self, signal: Signal) {
        self.servers[self.primary].signal(signal);
    }

    /// The URL of a database on both.
    pub fn url(&self, database: &str) -> String {
        let [one, other] = self.servers.each_ref().map(MariaDb::address);
        format!("mariadb://larder:pass%2Fword%401@{one},{other}/{database}")
    }

    /// Makes an empty database, and the URL of it.
    pub fn make_database(&self, name: &str) -> String {
        self.servers[self.primary].make_database(name);
        self.url(name)
    }

    /// Runs statements on the primary as its administrator.
    ///
    /// # Panics
    /// They fail.
    pub fn execute(&self, sql: &str) -> String {
        self.servers[self.primary].execute(sql)
    }

    /// Kills the primary and promotes the other one, on which no change ends
    /// until there is a copy again.
    pub fn fail_over(&mut self) {
        self.servers[self.primary].kill();
        self.primary = 1 - self.primary;
        self.execute("STOP SLAVE IO_THREAD");
        wait_until("what has come is done", PATIENCE, || {
            self.execute("SHOW SLAVE STATUS").contains("Slave has read all relay log")
        });
        self.execute("STOP SLAVE; RESET SLAVE ALL");
        self.execute(PROMOTE);
    }

    /// Starts the one that was killed, as a copy of the other one.
    ///
    /// # Panics
    /// It doesn't start.
    pub fn restart(&mut self) {
        let dead = 1 - self.primary;
        let mut settings = settings(dead + 1);
        settings.push(AS_A_COPY.into());
        self.servers[dead].restart_with(settings);
        self.copy(dead);
    }
}

/// The shipped settings with this server's number.
fn settings(id: usize) -> Vec<String> {
    let lines = SHIPPED.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
    let settings = lines.map(|line| match line.split_once(" = ") {
        Some(("server-id", _)) => format!("server-id={id}"),
        Some((name, value)) => format!("{name}={value}"),
        None => panic!("deploy/mariadb-semi-sync.cnf: {line:?} is no setting"),
    });
    settings.collect()
}

//! The database under a cluster, on an address that its nodes reach: a real
//! PostgreSQL or MariaDB. Decides nothing.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use larder_servers::{Galera, MariaDb, Patroni, Postgres, SemiSync};
use rustix::process::Signal;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// PostgreSQL that acknowledges commits before it has written them, and
    /// forgets them when it is killed: for the control group.
    ForgetfulPostgres,
    /// MariaDB.
    MariaDb,
    /// Three PostgreSQL servers under Patroni, one of which leads.
    Patroni,
    /// Two MariaDB servers, one of which has a copy of all that is
    /// acknowledged and takes over when the other one is killed.
    SemiSyncMariaDb,
    /// Three MariaDB servers in a Galera cluster, one for each node, with what
    /// is preset: for the control group.
    Galera,
    /// The same, but each waits before it reads until it has done what the
    /// others had acknowledged.
    CausalGalera,
}

impl Engine {
    /// Whether it can listen on another address than that of loopback.
    pub(crate) fn may_be_elsewhere(self) -> bool {
        matches!(self, Self::Postgres | Self::ForgetfulPostgres | Self::MariaDb)
    }

    /// Whether it can be killed or stopped.
    pub(crate) fn may_be_tormented(self) -> bool {
        !matches!(self, Self::Galera | Self::CausalGalera)
    }
}

/// How late the writer comes that commits don't wait for.
const LAZY: &str = "wal_writer_delay=10s";

/// Where its processes share memory: one that is killed would leave it behind
/// anywhere else.
const IN_ITS_FOLDER: &str = "dynamic_shared_memory_type=mmap";

/// A running one.
pub(crate) enum Database {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Patroni(Patroni),
    SemiSync(SemiSync),
    Galera(Galera),
}

impl Database {
    /// Starts one that listens on `address` and lets everybody in who knows
    /// the password; `folder` is for its rules. `None` if it isn't installed.
    pub(crate) fn start(engine: Engine, address: IpAddr, folder: &Path) -> Option<Self> {
        Some(match engine {
            Engine::Postgres | Engine::ForgetfulPostgres => {
                let synchronous = if engine == Engine::Postgres { "on" } else { "off" };
                let synchronous = format!("synchronous_commit={synchronous}");
                let access = folder.join("pg_hba.conf");
                fs::write(&access, "host all all 0.0.0.0/0 scram-sha-256\n")
                    .expect("the folder is ours");
                let listen = format!("listen_addresses=127.0.0.1,{address}");
                let access = format!("hba_file={}", access.display());
                Self::Postgres(Postgres::start_with(
                    &[&listen, &access, &synchronous, LAZY, IN_ITS_FOLDER],
                    None,
                )?)
            }
            Engine::MariaDb => {
                let server = MariaDb::start_with(&[&format!("bind-address={address}")], None)?;
                if !address.is_loopback() {
                    server.execute(&format!(
                        "CREATE USER larder@'%' IDENTIFIED BY '{}'; GRANT ALL ON *.* TO larder@'%'",
                        MariaDb::PASSWORD
                    ));
                }
                server.make_database("torment");
                Self::MariaDb(server)
            }
            Engine::Patroni => Self::Patroni(Patroni::start()?),
            Engine::SemiSyncMariaDb => {
                let servers = SemiSync::start()?;
                servers.make_database("torment");
                Self::SemiSync(servers)
            }
            Engine::Galera | Engine::CausalGalera => {
                let waits: &[&str] = match engine {
                    Engine::Galera => &[],
                    _ => &["wsrep-sync-wait=1"],
                };
                let servers = Galera::start_with(waits)?;
                servers.make_database("torment");
                Self::Galera(servers)
            }
        })
    }

    /// Its URL for a node, on the address on which it listens.
    pub(crate) fn url(&self, address: IpAddr, node: usize) -> String {
        let url = match self {
            Self::Postgres(server) => server.url("postgres"),
            Self::MariaDb(server) => server.url("torment"),
            Self::Patroni(servers) => servers.url("postgres"),
            Self::SemiSync(servers) => servers.url("torment"),
            Self::Galera(servers) => servers.urls("torment").swap_remove(node),
        };
        url.replace("127.0.0.1", &address.to_string())
    }

    /// Whether a standby takes over when it dies.
    pub(crate) fn has_standbys(&self) -> bool {
        matches!(self, Self::Patroni(_) | Self::SemiSync(_))
    }

    /// The rows that a query returns, with `|` between their columns.
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        let of_mariadb = |ask: &dyn Fn(&str) -> String| {
            let standard = "USE torment; SET SESSION sql_mode = 'ANSI_QUOTES'";
            ask(&format!("{standard}; {query}")).replace('\t', "|")
        };
        let rows = match self {
            Self::Postgres(server) => server.execute(query),
            Self::Patroni(servers) => servers.execute(query),
            Self::MariaDb(server) => of_mariadb(&|sql| server.execute(sql)),
            Self::SemiSync(servers) => of_mariadb(&|sql| servers.execute(sql)),
            Self::Galera(servers) => of_mariadb(&|sql| servers.execute(0, sql)),
        };
        rows.lines().map(Into::into).collect()
    }

    /// `kill -9`, with all its processes; of several servers, the one that
    /// leads.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::MariaDb(server) => server.kill(),
            Self::Patroni(servers) => {
                servers.wait_until_synchronous();
                servers.kill_leader();
            }
            Self::SemiSync(servers) => servers.fail_over(),
            Self::Galera(_) => unreachable!("it may not be tormented"),
        }
    }

    /// Starts it again, on the same port and data.
    pub(crate) fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::MariaDb(server) => server.restart(),
            Self::Patroni(servers) => servers.restart(),
            Self::SemiSync(servers) => servers.restart(),
            Self::Galera(_) => unreachable!("it may not be tormented"),
        }
    }

    /// Sends a signal to all its processes; of several servers, to the one that
    /// leads.
    pub(crate) fn signal(&mut self, signal: Signal) {
        match self {
            Self::Postgres(server) => server.signal(signal),
            Self::MariaDb(server) => server.signal(signal),
            Self::SemiSync(servers) => servers.signal(signal),
            Self::Patroni(servers) if signal == Signal::STOP => servers.pause_leader(),
            Self::Patroni(servers) => servers.resume(),
            Self::Galera(_) => unreachable!("it may not be tormented"),
        }
    }
}

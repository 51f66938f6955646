//! Three MariaDB servers that are one Galera cluster on loopback: each takes
//! changes, and tells the others before it acknowledges one. What else is
//! preset stays as it is, except that a silent one is given up sooner.

use std::path::Path;

use crate::MariaDb;
use crate::process::{find_program, free_port};

/// How many servers.
const SERVERS: usize = 3;

/// What the package galera-4 brings.
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// A Galera cluster. The user `larder` may do everything and has the password
/// [`MariaDb::PASSWORD`].
pub struct Galera {
    servers: Vec<MariaDb>,
}

/// Where a server hears from the others, besides its port for clients.
struct Ports {
    group: u16,
    /// For all data, and for the changes of late.
    state: u16,
    changes: u16,
}

impl Galera {
    /// Starts one, all of whose servers have these settings too, and waits
    /// until they are in step; or says what is not installed.
    ///
    /// # Panics
    /// All is installed and doesn't start.
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        if !Path::new(PROVIDER).is_file() || find_program("rsync", &["/usr/bin"]).is_none() {
            eprintln!("skipped: Galera: galera-4 or rsync is not installed");
            return None;
        }
        let ports = || Ports { group: free_port(), state: free_port(), changes: free_port() };
        let ports: Vec<Ports> = (0..SERVERS).map(|_| ports()).collect();
        let start = |server: usize| {
            let mut all = member(&ports, server);
            if server == 0 {
                all.push("wsrep-new-cluster".into());
            }
            let all = all.iter().map(String::as_str).chain(settings.iter().copied());
            MariaDb::start_with(&all.collect::<Vec<_>>(), None)
        };
        Some(Self { servers: (0..SERVERS).map(start).collect::<Option<_>>()? })
    }

    /// The URL of a database on each of the servers.
    pub fn urls(&self, database: &str) -> Vec<String> {
        self.servers.iter().map(|server| server.url(database)).collect()
    }

    /// Makes an empty database on all of them.
    pub fn make_database(&self, name: &str) {
        self.servers[0].make_database(name);
    }

    /// Runs statements on a server as its administrator, once it has done
    /// what any of them has acknowledged.
    ///
    /// # Panics
    /// They fail.
    pub fn execute(&self, server: usize, sql: &str) -> String {
        self.servers[server].execute(&format!("SET SESSION wsrep_sync_wait = 15; {sql}"))
    }
}

/// The settings of one of the servers.
fn member(ports: &[Ports], server: usize) -> Vec<String> {
    let groups: Vec<String> =
        ports.iter().map(|ports| format!("127.0.0.1:{}", ports.group)).collect();
    let Ports { group, state, changes } = ports[server];
    vec![
        "wsrep-on=ON".into(),
        format!("wsrep-provider={PROVIDER}"),
        "binlog-format=ROW".into(),
        "innodb-autoinc-lock-mode=2".into(),
        format!("wsrep-cluster-address=gcomm://{}", groups.join(",")),
        format!("wsrep-node-address=127.0.0.1:{group}"),
        "wsrep-sst-method=rsync".into(),
        format!("wsrep-sst-receive-address=127.0.0.1:{state}"),
        format!(
            "wsrep-provider-options=base_port={group};gmcast.listen_addr=tcp://127.0.0.1:{group};\
             ist.recv_addr=127.0.0.1:{changes};evs.keepalive_period=PT0.5S;\
             evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.inactive_check_period=PT0.5S"
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three servers, two of which copy all data of another first.
    #[test]
    fn what_one_server_acknowledges_all_have() {
        if std::env::var_os("LARDER_TEST_LONG").is_none() {
            return;
        }
        let Some(cluster) = Galera::start_with(&[]) else { return };
        cluster.make_database("shared");
        cluster.execute(0, "CREATE TABLE shared.acknowledged SELECT 7 AS number");
        for server in 0..SERVERS {
            let found = cluster.execute(server, "SELECT number FROM shared.acknowledged");
            assert_eq!(found, "7", "on server {server}");
        }
        assert_eq!(cluster.execute(1, "SELECT @@GLOBAL.wsrep_sync_wait"), "0", "as it is preset");
    }
}

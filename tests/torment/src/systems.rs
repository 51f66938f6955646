//! What can be tormented: Larder, and the caches that people usually build,
//! which must be caught. Each is a command for a node and a look into its
//! tables.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// Where a cluster is.
pub struct Site {
    /// A folder that all nodes see.
    pub folder: PathBuf,
    /// The database's URL, as each node reaches it.
    pub databases: Vec<String>,
    /// Whether a standby takes over by itself when the database dies.
    pub has_standbys: bool,
    /// Where each node listens for clients.
    pub nodes: Vec<SocketAddr>,
    /// Where each node listens for the others.
    pub peers: Vec<SocketAddr>,
}

/// A program that stores pictures by key behind the HTTP interface of Larder.
pub trait System {
    /// Its name.
    fn name(&self) -> String;

    /// The program and the arguments of a node.
    fn node(&self, site: &Site, node: usize) -> Command;

    /// A query for the key and the version of each picture that is there.
    fn contents(&self) -> &'static str;
}

/// The only variable that Larder's nodes inherit.
const LOG_LEVEL: &str = "LARDER_LOG_LEVEL";

/// Larder's own cluster.
pub struct Larder {
    program: PathBuf,
}

impl Larder {
    /// The program that `LARDER_BINARY` names, or else the one that was built
    /// together with this.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn built() -> Self {
        let beside_us = || {
            let us = std::env::current_exe().expect("we are a program");
            us.ancestors().nth(2).expect("it is in target/PROFILE/deps").join("larder")
        };
        let program = std::env::var_os("LARDER_BINARY").map_or_else(beside_us, PathBuf::from);
        let name = program.display();
        assert!(program.is_file(), "{name} is missing: build larder or set LARDER_BINARY");
        Self { program }
    }
}

impl System for Larder {
    fn name(&self) -> String {
        "larder".into()
    }

    fn node(&self, site: &Site, node: usize) -> Command {
        let secret = site.folder.join("secret");
        if !secret.exists() {
            fs::write(&secret, "a secret of the torment's nodes: 0123456789abcdef\n")
                .expect("the folder is ours");
            let ours_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&secret, ours_alone).expect("the file is ours");
        }
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LARDER_") && name != LOG_LEVEL {
                command.env_remove(name);
            }
        }
        command.args(["images", "--allow-anonymous", "--capacity", "64MB"]);
        command.arg("--data").arg(site.folder.join(format!("data-{node}")));
        command.arg("--listen").arg(site.nodes[node].to_string());
        command.arg("--node-address").arg(site.peers[node].to_string());
        command.arg("--cluster-secret-file").arg(secret);
        command.arg("--database").arg(&site.databases[node]);
        if site.has_standbys {
            command.arg("--database-has-standbys");
        }
        command.arg("--blobs").arg(format!("file:{}", site.folder.join("blobs").display()));
        command
    }

    fn contents(&self) -> &'static str {
        "SELECT \"key\", version FROM images"
    }
}

/// A cache of the control group: the program `stale-cache`.
pub struct StaleCache {
    /// The program.
    pub program: PathBuf,
    /// `aside`, `ttl` or `none`: see there.
    pub manner: &'static str,
}

impl System for StaleCache {
    fn name(&self) -> String {
        format!("the control group's cache ({})", self.manner)
    }

    fn node(&self, site: &Site, node: usize) -> Command {
        let mut command = Command::new(&self.program);
        command.args([self.manner, &site.nodes[node].to_string(), &site.databases[node]]);
        let others = site.nodes.iter().enumerate().filter(|&(other, _)| other != node);
        command.args(others.map(|(_, address)| address.to_string()));
        command
    }

    fn contents(&self) -> &'static str {
        "SELECT \"key\", version FROM pictures WHERE NOT is_gone"
    }
}

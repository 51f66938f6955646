//! The nodes of a system over one database, each a process of its own, in a
//! network of their own where that can be made and on loopback otherwise. Does
//! what it is told to them; decides nothing.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use larder_servers::{Supervised, free_port};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::{Client, Question};
use crate::database::{Database, Engine};
use crate::network::{Network, Way};
use crate::systems::{Site, System};

/// The ports of each node in its own network.
const PORT: u16 = 5000;
const PEER_PORT: u16 = 5002;

/// Between two questions whether a node is ready.
const GLANCE: Duration = Duration::from_millis(20);

/// How long a question whether a node is ready may take.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// A running cluster. Whatever was started ends with it, the nodes first.
pub(crate) struct Cluster<'s> {
    nodes: Vec<Node>,
    database: Database,
    network: Option<Network>,
    system: &'s dyn System,
    pub(crate) site: Site,
    folder: TempDir,
}

#[derive(Default)]
struct Node {
    /// `None` while it is dead because of us.
    process: Option<Supervised>,
    starts: usize,
    /// The last words of those that ended by themselves.
    ended: Vec<String>,
}

/// The other side of a node's cables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Peers,
    Database,
    All,
}

impl<'s> Cluster<'s> {
    /// Starts one, or says what is missing.
    ///
    /// # Panics
    /// Something is there and doesn't start.
    pub(crate) fn start(system: &'s dyn System, engine: Engine, nodes: usize) -> Option<Self> {
        let network = engine.may_be_elsewhere().then(|| Network::make(nodes));
        if let Some(Err(why)) = &network {
            eprintln!("skipped: cutting nodes off from each other: {why}");
        }
        Self::start_in(network.and_then(Result::ok), system, engine, nodes)
    }

    /// Starts one on loopback.
    ///
    /// # Panics
    /// Something is there and doesn't start.
    pub(crate) fn start_here(system: &'s dyn System, engine: Engine, nodes: usize) -> Option<Self> {
        Self::start_in(None, system, engine, nodes)
    }

    fn start_in(
        network: Option<Network>,
        system: &'s dyn System,
        engine: Engine,
        nodes: usize,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        // The database reads here as another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let address = network.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), Network::database);
        let database = Database::start(engine, address, folder.path())?;
        let place = |node: usize, port: u16| match &network {
            Some(network) => SocketAddr::new(network.node(node), port),
            None => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port()),
        };
        let site = Site {
            folder: folder.path().into(),
            databases: (0..nodes).map(|node| database.url(address, node)).collect(),
            has_standbys: database.has_standbys(),
            nodes: (0..nodes).map(|node| place(node, PORT)).collect(),
            peers: (0..nodes).map(|node| place(node, PEER_PORT)).collect(),
        };
        let nodes_of_it = (0..nodes).map(|_| Node::default()).collect();
        let mut cluster = Self { nodes: nodes_of_it, database, network, system, site, folder };
        for node in 0..nodes {
            cluster.start_node(node);
        }
        Some(cluster)
    }

    /// Whether nodes can be cut off from each other.
    pub(crate) fn has_network(&self) -> bool {
        self.network.is_some()
    }

    /// Where clients have to come from.
    pub(crate) fn clients(&self) -> IpAddr {
        self.network.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), Network::clients)
    }

    /// Starts a node's process; doesn't wait for it.
    pub(crate) fn start_node(&mut self, node: usize) {
        let mut command = self.system.node(&self.site, node);
        if let Some(network) = &self.network {
            let mut within = network.within(node, &command.get_program().to_string_lossy());
            within.args(command.get_args());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => within.env(name, value),
                    None => within.env_remove(name),
                };
            }
            command = within;
        }
        command.current_dir("/");
        let log = self.log(node, self.nodes[node].starts);
        self.nodes[node].starts += 1;
        self.nodes[node].process = Some(Supervised::start(&command, &log));
    }

    /// What a supervisor does: starts nodes again that ended by themselves.
    pub(crate) fn revive(&mut self) {
        for node in 0..self.nodes.len() {
            let ended = self.nodes[node].process.take_if(|process| !process.is_running());
            if let Some(ended) = ended {
                let words = ended.log_tail().lines().last().unwrap_or_default().to_owned();
                self.nodes[node].ended.push(words);
                self.start_node(node);
            }
        }
    }

    /// The last words of the nodes that ended by themselves.
    pub(crate) fn ended(&self) -> Vec<String> {
        self.nodes.iter().flat_map(|node| node.ended.clone()).collect()
    }

    fn log(&self, node: usize, start: usize) -> PathBuf {
        self.folder.path().join(format!("node-{node}.{start:03}.log"))
    }

    /// Waits until all nodes take part.
    pub(crate) async fn wait_until_ready(&mut self, within: Duration) -> Result<(), String> {
        for node in 0..self.nodes.len() {
            let mut client = Client::new(self.clients(), self.site.nodes[node]);
            let ready = async {
                loop {
                    let answer =
                        client.ask(Question::new(Method::GET, "/readyz"), READY_WITHIN).await;
                    if answer.is_ok_and(|answer| answer.status == 200) {
                        return;
                    }
                    self.revive();
                    tokio::time::sleep(GLANCE).await;
                }
            };
            if tokio::time::timeout(within, ready).await.is_err() {
                let log = self.nodes[node].process.as_ref().map(Supervised::log_tail);
                let log = log.unwrap_or_default();
                return Err(format!("node {node} isn't ready after {within:?}; its log:\n{log}"));
            }
        }
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill_node(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].process.take() {
            process.kill();
        }
    }

    /// Asks a node's process to end, and waits until it has.
    pub(crate) fn stop_node(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].process.take() {
            process.stop();
        }
    }

    /// Stops a node's process where it stands, or lets it go on.
    pub(crate) fn signal_node(&self, node: usize, signal: Signal) {
        if let Some(process) = &self.nodes[node].process {
            process.signal(signal);
        }
    }

    fn side(&self, network: &Network, node: usize, side: Side) -> Vec<IpAddr> {
        let peers = (0..self.nodes.len()).filter(|&other| other != node).map(|n| network.node(n));
        match side {
            Side::Peers => peers.collect(),
            Side::Database => vec![network.database()],
            Side::All => peers.chain([network.database()]).collect(),
        }
    }

    /// Drops a node's packets to or from others; clients still reach it.
    pub(crate) fn cut(&self, node: usize, side: Side, way: Way) {
        if let Some(network) = &self.network {
            network.cut(node, &self.side(network, node, side), way);
        }
    }

    /// Drops so many of a hundred packets between a node and all others.
    pub(crate) fn lose(&self, node: usize, percent: u8) {
        if let Some(network) = &self.network {
            network.lose(node, &self.side(network, node, Side::All), percent);
        }
    }

    /// Lets a node's packets pass again.
    pub(crate) fn heal(&self, node: usize) {
        if let Some(network) = &self.network {
            network.heal(node);
        }
    }

    /// `kill -9` of the database and all its processes.
    pub(crate) fn kill_database(&mut self) {
        self.database.kill();
    }

    /// Starts the database again, on the same port and data.
    pub(crate) fn restart_database(&mut self) {
        self.database.restart();
    }

    /// Stops the database where it stands, or lets it go on.
    pub(crate) fn signal_database(&mut self, signal: Signal) {
        self.database.signal(signal);
    }

    /// The key and the version of each picture, by the database itself.
    pub(crate) fn contents(&self) -> HashMap<String, u64> {
        let rows = self.database.rows(self.system.contents());
        let row = |line: &str| {
            let (key, version) = line.rsplit_once('|')?;
            Some((key.to_owned(), version.parse().ok()?))
        };
        rows.iter().map(|line| row(line).expect("a row is a key and a version")).collect()
    }

    /// Keeps the logs and all else in the folder.
    pub(crate) fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }
}

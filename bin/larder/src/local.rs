//! Nodes of the cluster as processes on this machine: as many as the pool
//! wants and others don't provide. Each lives as long as its standard input is
//! open, so that none outlives this process, however that ends.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use larder_tier::Cluster;
use larder_web::Shutdown;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How often the number of nodes is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long none is started after one has ended by itself.
const REST: Duration = Duration::from_secs(10);

/// How long one that was told to end may take.
const GRACE: Duration = Duration::from_secs(30);

/// The most nodes this looks for a place for.
const MOST: u16 = 64;

/// What is needed to start nodes like this one.
pub(crate) struct Local {
    /// The flags that this node was started with.
    pub(crate) flags: Vec<OsString>,
    /// Where this node listens for clients,
    pub(crate) listens: SocketAddr,
    /// and for other nodes.
    pub(crate) address: SocketAddr,
    /// This node's folder.
    pub(crate) data: PathBuf,
}

/// A running one.
struct Node {
    number: u16,
    address: SocketAddr,
    process: Child,
}

impl Local {
    /// Starts and ends nodes until the end is asked for; then ends all.
    pub(crate) async fn tend(self, cluster: Arc<Cluster>, shutdown: Shutdown) {
        let mut nodes: Vec<Node> = Vec::new();
        let mut rests_until = Instant::now();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.asked() => break,
                _ = ticks.tick() => {}
            }
            nodes.retain_mut(|node| match node.process.try_wait() {
                Ok(None) => true,
                ended => {
                    tracing::error!(number = node.number, ?ended, "a node ended by itself");
                    rests_until = Instant::now() + REST;
                    false
                }
            });
            let wanted = usize::from(self.wanted(&cluster, &nodes));
            while nodes.len() > wanted
                && let Some(node) = nodes.pop()
            {
                tracing::info!(number = node.number, "a node is ended: the pool needs fewer");
                tokio::spawn(end(node));
            }
            while nodes.len() < wanted && Instant::now() >= rests_until {
                match self.start(&nodes) {
                    Ok(node) => nodes.push(node),
                    Err(error) => {
                        tracing::error!(%error, "a node can't be started");
                        rests_until = Instant::now() + REST;
                    }
                }
            }
        }
        for node in &mut nodes {
            drop(node.process.stdin.take());
        }
        for node in nodes {
            end(node).await;
        }
    }

    /// How many nodes are to be here beside this one.
    fn wanted(&self, cluster: &Cluster, nodes: &[Node]) -> u16 {
        let ours = |address: &String| {
            *address == self.address.to_string()
                || nodes.iter().any(|node| *address == node.address.to_string())
        };
        let others = cluster.members().iter().filter(|address| !ours(address)).count();
        let others = u16::try_from(others).unwrap_or(u16::MAX);
        cluster.wanted().saturating_sub(1).saturating_sub(others)
    }

    fn start(&self, nodes: &[Node]) -> std::io::Result<Node> {
        let after = |first: SocketAddr, number: u16| {
            let port = first.port().checked_add(number)?;
            // Whoever takes it after this look makes the node end, and the
            // next one take other ports.
            let address = SocketAddr::new(first.ip(), port);
            TcpListener::bind(address).is_ok().then_some(address)
        };
        let place = |number| {
            let is_free = nodes.iter().all(|node| node.number != number);
            let addresses = (after(self.listens, number)?, after(self.address, number)?);
            is_free.then_some((number, addresses))
        };
        let no_place = || std::io::Error::other("all ports after this node's are taken");
        let (number, (listens, address)) = (1..=MOST).find_map(place).ok_or_else(no_place)?;
        let process = Command::new(std::env::current_exe()?)
            .arg("images")
            .args(&self.flags)
            .args(["--listen", &listens.to_string(), "--node-address", &address.to_string()])
            .arg("--data")
            .arg(self.data.join("nodes").join(number.to_string()))
            .arg("--ends-with-input")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        tracing::info!(number, %listens, "a node is started: the pool needs more");
        Ok(Node { number, address, process })
    }
}

/// Lets a node finish what it has begun and leave the cluster.
async fn end(mut node: Node) {
    drop(node.process.stdin.take());
    if timeout(GRACE, node.process.wait()).await.is_err() {
        tracing::warn!(number = node.number, "a node takes too long to end, and is killed");
        let _ = node.process.kill().await;
    }
}

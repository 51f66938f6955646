//! Where it happens: one PostgreSQL, and `larder images` processes over its
//! databases, in a cluster or alone. Whatever was started ends with it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use larder_servers::Postgres;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;

/// For a node to start, or for all to know of all.
const SOON: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(5);

/// Names the program that is measured.
const BINARY: &str = "LARDER_BINARY";

/// How `/proc` counts processor time.
const TICKS_PER_SECOND: f64 = 100.0;

/// A PostgreSQL with room for many nodes, and its defaults for durability.
pub(crate) fn database_server() -> Result<Postgres> {
    Postgres::start_with(&["max_connections=500"], None).context("PostgreSQL is not installed")
}

/// A database and a folder for the blobs.
pub(crate) struct Site {
    folder: TempDir,
    database: String,
}

impl Site {
    /// An empty one.
    pub(crate) fn new(server: &Postgres, name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("secret"), "0123456789abcdef".repeat(4))?;
        Ok(Self { folder, database: server.make_database(name) })
    }

    /// A process that is the only one here.
    pub(crate) fn alone(&self, more: &[&str]) -> Result<Node> {
        Node::start(&self.folder.path().join("alone"), &self.command("alone", more)?, "images")
    }

    /// A member of the cluster; `name` is its own for ever.
    pub(crate) fn node(&self, name: &str, more: &[&str]) -> Result<Node> {
        let mut arguments = self.command(name, more)?;
        let secret = self.place("secret");
        for argument in ["--node-address", "127.0.0.1:0", "--cluster-secret-file", &secret] {
            arguments.push(argument.to_owned());
        }
        Node::start(&self.folder.path().join(name), &arguments, "images")
    }

    /// So many members, which know of each other.
    pub(crate) fn nodes(&self, count: usize) -> Result<Vec<Node>> {
        let nodes = (0..count).map(|number| self.node(&format!("node-{number}"), &[]));
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        wait_until_all_know(&nodes)?;
        Ok(nodes)
    }

    fn place(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn command(&self, name: &str, more: &[&str]) -> Result<Vec<String>> {
        let data = self.place(name);
        fs::create_dir_all(&data)?;
        let shared = format!("file:{}", self.place("shared"));
        let arguments = ["images", "--listen", "127.0.0.1:0", "--min-free", "0", "--data", &data];
        let stores = ["--database", &self.database, "--blobs", &shared];
        Ok(arguments.iter().chain(&stores).chain(more).map(ToString::to_string).collect())
    }
}

/// A database and a folder for the processes of a bookstore.
pub(crate) struct Shop {
    folder: TempDir,
    database: String,
}

impl Shop {
    /// An empty one.
    pub(crate) fn new(server: &Postgres, name: &str) -> Result<Self> {
        let Site { folder, database } = Site::new(server, name)?;
        Ok(Self { folder, database })
    }

    /// Its database's URL.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// All of it in one process.
    pub(crate) fn alone(&self) -> Result<Node> {
        self.start("alone", "bazar", &[])
    }

    /// Research funding in one process over a database of its own, embedded
    /// or a server's: the researchers' service of it.
    pub(crate) fn grants(&self, name: &str, database: Option<&str>, more: &[&str]) -> Result<Node> {
        let data = self.folder.path().join(name);
        fs::create_dir_all(&data)?;
        let folder = data.display().to_string();
        let place = ["grants", "--listen", "127.0.0.1:0", "--data", &folder];
        let rows: &[&str] = &database.map_or(vec![], |url| vec!["--database", url]);
        let arguments = [&place[..], rows, more].concat().into_iter().map(str::to_owned);
        Node::start(&data, &arguments.collect::<Vec<_>>(), "researchers")
    }

    /// A process of its own.
    pub(crate) fn part(&self, part: &str, name: &str, more: &[&str]) -> Result<Node> {
        let secret = self.folder.path().join("secret").display().to_string();
        let label = if part == "frontend" { "bazar" } else { name };
        let cluster = ["--node-address", "127.0.0.1:0", "--cluster-secret-file", &secret];
        let arguments = [&[part, "--name", name], &cluster[..], more].concat();
        self.start(name, label, &arguments)
    }

    /// One process for each of these parts.
    pub(crate) fn parts(&self, parts: &[&str]) -> Result<Vec<Node>> {
        let numbered = parts.iter().enumerate();
        numbered.map(|(n, part)| self.part(part, &format!("{part}-{n}"), &[])).collect()
    }

    fn start(&self, name: &str, label: &str, more: &[&str]) -> Result<Node> {
        let data = self.folder.path().join(name);
        fs::create_dir_all(&data)?;
        let folder = data.display().to_string();
        let place = ["--listen", "127.0.0.1:0", "--data", &folder, "--database", &self.database];
        let arguments = [&["bazar"], more, &place].concat();
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        Node::start(&data, &arguments, label)
    }
}

/// Waits until each of these sees as many members.
pub(crate) fn wait_until_all_know(nodes: &[Node]) -> Result<()> {
    for node in nodes {
        wait_until("all know of all", || Ok(node.status()?["pool"]["members"] == nodes.len()))?;
    }
    Ok(())
}

/// Waits for a condition, and fails with its name when it doesn't come.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !holds()? {
        if since.elapsed() > SOON {
            bail!("still not after {SOON:?}: {what}");
        }
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

/// A running process, killed when this is dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Closed, it would end the process at its next line.
    _out: BufReader<ChildStdout>,
}

impl Node {
    /// `label` stands before its address in what it prints.
    fn start(data: &std::path::Path, arguments: &[String], label: &str) -> Result<Self> {
        let program = std::env::var_os(BINARY).with_context(|| format!("{BINARY} isn't set"))?;
        let log: PathBuf = data.with_extension("log");
        let mut child = Command::new(fs::canonicalize(program)?)
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("its output is piped")?);
        let mut announcement = String::new();
        while !announcement.contains("\n  stop ") {
            if out.read_line(&mut announcement)? == 0 {
                bail!("it ended: {}", fs::read_to_string(&log)?);
            }
        }
        let address = announcement
            .lines()
            .find_map(|line| line.trim().strip_prefix(label)?.split_whitespace().next())
            .and_then(|url| url.strip_prefix("http://")?.parse().ok())
            .with_context(|| format!("no address in {announcement}"))?;
        let node = Self { child, address, _out: out };
        wait_until("it is ready", || Ok(node.client()?.get("/readyz")?.status == 200))?;
        Ok(node)
    }

    pub(crate) fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// What `GET /cluster/status` says.
    pub(crate) fn status(&self) -> Result<Value> {
        let mut client = self.client()?;
        let answer = client.get("/cluster/status")?;
        Ok(serde_json::from_slice(client.body(answer))?)
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The processor time it has taken, of all its threads.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Its name, in brackets, may hold anything.
        let fields = text.rsplit_once(") ").context("a process has a name")?.1;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

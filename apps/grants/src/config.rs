//! What an operator may set for grants.

use std::net::SocketAddr;
use std::path::PathBuf;

use larder_clock::SharedClock;
use larder_sql::DatabaseUrl;
use larder_tier::{PolicyKind, Secret};
use larder_web::ServiceToken;
use tokio::net::TcpListener;

use crate::model::Service;

/// The settings of a process of grants.
#[derive(Clone)]
pub struct Config {
    /// The folder for what the process keeps: its name in the cluster, and the
    /// embedded database.
    pub data: PathBuf,
    /// Where the rows are. Default: `grants.db` in the data folder.
    pub database: Option<DatabaseUrl>,
    /// The most that it holds in memory, in bytes.
    pub capacity_bytes: u64,
    /// Who has to go when room is needed.
    pub policy: PolicyKind,
    /// The processes that are one system; `None` if it is this one alone.
    pub cluster: Option<Cluster>,
    /// What the services know and nobody else.
    pub token: ServiceToken,
    /// What money is counted in, `EUR`.
    pub currency: String,
    /// What hashing a password costs.
    pub hashing: Hashing,
    /// Tells the time, and so which day it is.
    pub clock: SharedClock,
}

/// What hashing a password costs who signs in, and who guesses.
#[derive(Clone, Copy, Debug)]
pub struct Hashing {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Hashing {
    /// What OWASP advises for argon2id: 19 MiB, two passes.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

/// How several processes are one system. All of them have the same database and
/// secret.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Where the other processes reach this one.
    pub address: SocketAddr,
    /// What all processes know and nobody else.
    pub secret: Secret,
    /// Whether the database is one that standbys take over.
    pub is_replicated: bool,
}

/// A service that a process runs.
#[derive(Debug)]
pub struct Part {
    /// Which.
    pub service: Service,
    /// Where people reach it.
    pub listener: TcpListener,
    /// How others write that, `http://HOST:PORT`.
    pub address: String,
}

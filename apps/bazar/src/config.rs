//! What an operator may set for the bookstore.

use std::net::SocketAddr;
use std::path::PathBuf;

use larder_sql::DatabaseUrl;
use larder_tier::{PolicyKind, Secret};
use larder_web::ServiceToken;
use tokio::net::TcpListener;

use crate::store::Role;

/// The settings of a process of the bookstore.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder for what the process keeps: its name in the cluster, and the
    /// embedded database.
    pub data: PathBuf,
    /// Where the rows are. Default: `bazar.db` in the data folder.
    pub database: Option<DatabaseUrl>,
    /// The memory of a front end.
    pub memory: Memory,
    /// The processes that are one shop; `None` if it is this one alone.
    pub cluster: Option<Cluster>,
    /// What the services of the shop know and nobody else.
    pub token: ServiceToken,
    /// The image store that has the covers, `http://HOST:PORT`; without one,
    /// pages draw them.
    pub images: Option<String>,
}

/// The memory of a front end.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The most that it holds, in bytes.
    pub capacity_bytes: u64,
    /// The most books and topics that it holds, if that is bounded.
    pub max_items: Option<u64>,
    /// Who has to go when room is needed.
    pub policy: PolicyKind,
}

/// How several processes are one shop. All of them have the same database and
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

/// What a process does: names are of ASCII letters, digits and hyphens.
#[derive(Debug)]
pub struct Parts {
    /// A front end, if it is one: its name and where clients reach it.
    pub front: Option<(String, TcpListener)>,
    /// The replicas that run here.
    pub replicas: Vec<(Role, String, TcpListener)>,
}

//! What an operator may set for the image store.

use std::net::SocketAddr;
use std::path::PathBuf;

use larder_blobs::BlobsUrl;
use larder_picture::Limits;
use larder_sql::DatabaseUrl;
use larder_tier::Secret;

use crate::model::Settings;

/// The settings of the image store.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder for temporary files and, unless `database` and `blobs` say
    /// otherwise, rows and blobs.
    pub data: PathBuf,
    /// Where the rows are. Default: `larder.db` in the data folder.
    pub database: Option<DatabaseUrl>,
    /// Where the blobs are. Default: files in the data folder.
    pub blobs: Option<BlobsUrl>,
    /// Capacity and policy of the cache until somebody changes them.
    pub defaults: Settings,
    /// The largest upload, in bytes. Default 32 MiB.
    pub max_upload_bytes: u64,
    /// What pictures are accepted.
    pub limits: Limits,
    /// Uploads are refused while the disk has fewer free bytes than this.
    /// Default 1 GiB.
    pub min_free_bytes: u64,
    /// The mem-cache service that keeps the images' bytes; `None` if this
    /// process does. Not for a node of a cluster.
    pub mem_cache: Option<MemCacheService>,
    /// The cluster this node is part of; `None` if it is alone.
    pub cluster: Option<Cluster>,
    /// Whether the classic API's upload answers with a list of one key.
    pub classic_key_as_list: bool,
}

/// A mem-cache service that is the image store's alone: the store sets its
/// capacity and policy, and empties it.
#[derive(Clone)]
pub struct MemCacheService {
    /// Where it is: `http://HOST:PORT`.
    pub url: String,
    /// Its admin token, if it asks for one.
    pub token: Option<String>,
}

impl std::fmt::Debug for MemCacheService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

/// How several nodes are one image store. All of them have the same database,
/// blobs and secret.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Where the other nodes reach this one.
    pub address: SocketAddr,
    /// Where clients reach this one, for the list of members.
    pub listens: SocketAddr,
    /// What all nodes know and nobody else.
    pub secret: Secret,
    /// Whether the database is one that standbys take over.
    pub is_replicated: bool,
    /// Whether this node keeps images in memory, rather than ask the database
    /// or a node that does for each.
    pub keeps_entries: bool,
    /// A command for the shell that starts nodes when the pool is to have more
    /// than there are; `LARDER_POOL_SIZE` says how many it is to have.
    pub scale_command: Option<String>,
}

//! The flags: each is an environment variable and a key of `larder.toml` too,
//! spelled the same.

mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use larder_blobs::BlobsUrl;
use larder_cache::PolicyKind;
use larder_images::Objective;
use larder_sql::DatabaseUrl;
use larder_tier::SECRET_MIN_BYTES;
use larder_web::listen;
use tokio::net::TcpListener;

use crate::Usage;
use crate::admin::AdminCommand;
use crate::bazar::BazarCommand;
use crate::cached::CacheOptions;
use crate::cached::letters::Letters;
use crate::grants::GrantsCommand;
use crate::load::LoadCommand;
use crate::serve::read_secret;
pub(crate) use values::{address, capacity};
use values::{objective, service, size};

/// A cache tier for web services, and services on it.
#[derive(Parser)]
#[command(version, args_override_self = true, subcommand_required = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to start.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start everything on this machine: the image store, the mem-cache service,
    /// the bookstore and research funding (the default)
    #[command(after_long_help = MORE)]
    Serve(Box<Options>),
    /// Start the image store alone
    #[command(after_long_help = MORE)]
    Images(Box<Options>),
    /// Start the mem-cache server: memcached's protocol and HTTP
    #[command(after_long_help = MORE)]
    Cache(Box<CacheOptions>),
    /// Start memcached's protocol alone, with the reference's flags
    #[command(version, disable_version_flag = true)]
    Memcached(Box<Letters>),
    /// Start the bookstore: all of it in one process, or one part of it
    Bazar(Box<BazarCommand>),
    /// Start research funding: all three services in one process, or one; or
    /// add people to it
    Grants(Box<GrantsCommand>),
    /// Measure a service, check its answers, and draw graphs
    #[command(subcommand)]
    Load(Box<LoadCommand>),
    /// Look after the image store: verify, back up, restore, move
    #[command(subcommand)]
    Admin(Box<AdminCommand>),
}

impl Command {
    /// The names of the commands.
    pub(crate) const NAMES: [&str; 8] =
        ["serve", "images", "cache", "memcached", "bazar", "grants", "load", "admin"];
}

const MORE: &str = "\
Each flag may also be set as an environment variable (--max-upload is
LARDER_MAX_UPLOAD) or as a key of larder.toml in the folder you start in
(max-upload = \"64MB\"); LARDER_CONFIG names another file. A flag wins over a
variable, a variable over the file, the file over the default.

Sizes are bytes, or a number with KB, MB or GB (powers of 1024).

Examples:
  larder                                     everything, on this machine only
  larder serve --listen 127.0.0.1:0          on a free port
  larder images --capacity 2GB --policy s3-fifo --data /srv/images
  larder serve --listen 0.0.0.0:5000 --host pictures.example.org \\
      --admin-token-file /etc/larder/token   for others, changes with the token";

/// The flags of every service.
#[derive(Args)]
pub(crate) struct Options {
    /// Where the pages and the API of the image store listen; port 0 takes a
    /// free one
    #[arg(long, env = "LARDER_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000", value_parser = address, help_heading = "Addresses")]
    pub(crate) listen: SocketAddr,

    /// Where the mem-cache service listens
    #[arg(long, env = "LARDER_CACHE_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5001", value_parser = address, help_heading = "Addresses")]
    pub(crate) cache_listen: SocketAddr,

    /// Where the mem-cache service speaks memcached's protocol [default:
    /// 127.0.0.1:11211 if that is free, and nowhere with an admin token, which
    /// the protocol doesn't know]
    #[arg(long, env = "LARDER_MEMCACHED_LISTEN", value_name = "ADDRESS:PORT", value_parser = address, help_heading = "Addresses")]
    pub(crate) memcached_listen: Option<SocketAddr>,

    /// Start these alone: images, cache, bazar, grants (both shown with the
    /// images)
    #[arg(
        long,
        env = "LARDER_ONLY",
        value_name = "SERVICE",
        value_delimiter = ',',
        help_heading = "Addresses"
    )]
    pub(crate) only: Vec<Service>,

    /// A host name to answer to, besides localhost and IP addresses; may be
    /// given several times. Requests for other names are refused, because a
    /// page of another site could make a browser send them
    #[arg(
        long,
        env = "LARDER_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Addresses"
    )]
    pub(crate) host: Vec<String>,

    #[command(flatten)]
    pub(crate) store: StoreOptions,

    /// Refuse uploads while the disk has less room than this
    #[arg(long, env = "LARDER_MIN_FREE", value_name = "SIZE", default_value = "1GB", value_parser = size, help_heading = "Storage")]
    pub(crate) min_free: u64,

    /// Memory for images, until the settings page changes it
    #[arg(long, env = "LARDER_CAPACITY", value_name = "SIZE", default_value = "256MB", value_parser = capacity, help_heading = "Cache")]
    pub(crate) capacity: u64,

    /// Which image leaves memory when room is needed, until the settings page
    /// changes it: w-tinylfu, s3-fifo, s3-fifo-size, gdsf, lru, random, fifo,
    /// clock or sieve
    #[arg(
        long,
        env = "LARDER_POLICY",
        value_name = "NAME",
        default_value = "w-tinylfu",
        help_heading = "Cache"
    )]
    pub(crate) policy: PolicyKind,

    /// What the memory for images is to spare, until the settings page changes
    /// it: objects (reads of the store) or bytes (bytes read from it)
    #[arg(long, env = "LARDER_OBJECTIVE", value_name = "NAME", default_value = "objects", value_parser = objective, help_heading = "Cache")]
    pub(crate) objective: Objective,

    /// Let the policy be changed by what simulations of all policies say of
    /// the requests, until the settings page changes it
    #[arg(long, env = "LARDER_AUTOPILOT", help_heading = "Cache")]
    pub(crate) autopilot: bool,

    /// Keep the images on a mem-cache service rather than in this process:
    /// http://HOST:PORT of a «larder cache» that is this store's alone. Capacity
    /// and policy are then that service's
    #[arg(long, env = "LARDER_CACHE", value_name = "URL", value_parser = service, conflicts_with = "node_address", help_heading = "Cache")]
    pub(crate) cache: Option<String>,

    /// A file with the admin token of that service, if it has one
    #[arg(
        long,
        env = "LARDER_CACHE_TOKEN_FILE",
        value_name = "FILE",
        requires = "cache",
        help_heading = "Cache"
    )]
    pub(crate) cache_token_file: Option<PathBuf>,

    /// Memory of the mem-cache service
    #[arg(long, env = "LARDER_CACHE_CAPACITY", value_name = "SIZE", default_value = "64MB", value_parser = capacity, help_heading = "Cache")]
    pub(crate) cache_capacity: u64,

    /// The largest upload
    #[arg(long, env = "LARDER_MAX_UPLOAD", value_name = "SIZE", default_value = "32MB", value_parser = capacity, help_heading = "Uploads")]
    pub(crate) max_upload: u64,

    /// The most pixels of a picture, or of one frame of an animation
    #[arg(long, env = "LARDER_MAX_PIXELS", value_name = "PIXELS", default_value_t = 40_000_000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Uploads")]
    pub(crate) max_pixels: u64,

    /// Accept SVG drawings. They can hold scripts; they are served so that
    /// those don't run
    #[arg(long, env = "LARDER_ALLOW_SVG", help_heading = "Uploads")]
    pub(crate) allow_svg: bool,

    /// What the classic API's upload answers as the key: the text itself, or
    /// a list of one
    #[arg(
        long,
        env = "LARDER_CLASSIC_KEY",
        value_name = "FORM",
        default_value = "text",
        help_heading = "Uploads"
    )]
    pub(crate) classic_key: ClassicKey,

    /// A file with the administrator's token. With it, changes need the token
    /// (sign in on the page, or Authorization: Bearer), and other addresses
    /// than this machine's own may be listened on
    #[arg(long, env = "LARDER_ADMIN_TOKEN_FILE", value_name = "FILE", help_heading = "Access")]
    pub(crate) admin_token_file: Option<PathBuf>,

    /// Let everybody who reaches the address change and delete everything
    #[arg(long, env = "LARDER_ALLOW_ANONYMOUS", help_heading = "Access")]
    pub(crate) allow_anonymous: bool,

    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// Several nodes that are one image store.
#[derive(Args)]
pub(crate) struct ClusterOptions {
    /// Make this machine one of several that are one image store: where the
    /// others reach it. They find each other through the database, which must
    /// be a server's, and share the blobs; port 0 takes a free one
    #[arg(long, env = "LARDER_NODE_ADDRESS", value_name = "ADDRESS:PORT", value_parser = address, requires = "cluster_secret_file", help_heading = "Cluster")]
    pub(crate) node_address: Option<SocketAddr>,

    /// A file with the secret that all nodes of the cluster share, 32 bytes or
    /// more: nothing is said to who doesn't know it
    #[arg(long, env = "LARDER_CLUSTER_SECRET_FILE", value_name = "FILE", help_heading = "Cluster")]
    pub(crate) cluster_secret_file: Option<PathBuf>,

    /// A command for the shell that starts nodes when the pool is to have more
    /// than there are; LARDER_POOL_SIZE tells it how many
    #[arg(
        long,
        env = "LARDER_SCALE_COMMAND",
        value_name = "COMMAND",
        requires = "node_address",
        help_heading = "Cluster"
    )]
    pub(crate) scale_command: Option<String>,

    /// What this node answers from: its memory, for as long as its lease runs;
    /// or for each read the database or a node that keeps the image. The latter
    /// for machines that are frozen with their clock stopped, as for snapshots
    #[arg(
        long,
        env = "LARDER_COHERENCE",
        value_name = "MODE",
        default_value = "leases",
        help_heading = "Cluster"
    )]
    pub(crate) coherence: Coherence,

    /// Start nodes as processes on this machine when the pool is to have more
    /// than there are, and end them when it needs fewer. They take the ports
    /// after this node's, and folders in --data
    #[arg(
        long,
        env = "LARDER_SCALE_LOCALLY",
        requires = "node_address",
        conflicts_with = "scale_command",
        help_heading = "Cluster"
    )]
    pub(crate) scale_locally: bool,

    /// For nodes that --scale-locally started: end when the standard input
    /// does, and start no others
    #[arg(long, hide = true)]
    pub(crate) ends_with_input: bool,

    /// The database has standbys that take over by themselves, synchronously
    /// replicated and never less: nodes then prove their reads by changes,
    /// which a deposed primary can't make
    #[arg(long, env = "LARDER_DATABASE_HAS_STANDBYS", help_heading = "Cluster")]
    pub(crate) database_has_standbys: bool,
}

/// One of several processes that are one service.
#[derive(Args)]
pub(crate) struct MemberOptions {
    /// Make this process one of several that are one service: where the others
    /// reach it. They find each other through the database; port 0 takes a free
    /// one
    #[arg(long, env = "LARDER_NODE_ADDRESS", value_name = "ADDRESS:PORT", value_parser = address, requires = "cluster_secret_file", help_heading = "Cluster")]
    pub(crate) node_address: Option<SocketAddr>,

    /// A file with the secret that all processes of the service share, 32 bytes
    /// or more
    #[arg(long, env = "LARDER_CLUSTER_SECRET_FILE", value_name = "FILE", help_heading = "Cluster")]
    pub(crate) cluster_secret_file: Option<PathBuf>,

    /// The database has standbys that take over by themselves, synchronously
    /// replicated and never less
    #[arg(long, env = "LARDER_DATABASE_HAS_STANDBYS", help_heading = "Cluster")]
    pub(crate) database_has_standbys: bool,
}

impl MemberOptions {
    /// Where the others reach this process, and what all of them know; nothing
    /// for a process that is alone, which `is_part` of several can't be.
    pub(crate) async fn join(
        &self,
        database: Option<&DatabaseUrl>,
        is_part: bool,
    ) -> anyhow::Result<Option<(TcpListener, String)>> {
        let is_server = matches!(database, Some(DatabaseUrl::Server(_)));
        let Some(address) = self.node_address else {
            if is_part {
                return Err(Usage(
                    "one service in a process of its own needs --node-address, \
                     --cluster-secret-file and --database postgres://… or mariadb://…, the same \
                     for all"
                        .into(),
                )
                .into());
            }
            return Ok(None);
        };
        if !is_server {
            return Err(Usage(
                "--node-address: several processes need a database server that all of them use: \
                 add --database postgres://… or mariadb://…"
                    .into(),
            )
            .into());
        }
        let file = self.cluster_secret_file.as_deref().unwrap_or(Path::new(""));
        let secret = read_secret("--cluster-secret-file", file, "secret", SECRET_MIN_BYTES)?;
        let peers = listen("--node-address", address).await.map_err(Usage)?;
        Ok(Some((peers, secret)))
    }
}

/// What `serve` can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// The image store.
    Images,
    /// The mem-cache service.
    Cache,
    /// The bookstore.
    Bazar,
    /// Research funding.
    Grants,
}

/// How a node in a cluster makes sure that no answer is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Coherence {
    /// It holds a lease, and is told of writes before they are committed.
    Leases,
    /// It keeps nothing.
    StrictDb,
}

/// Where a store is.
#[derive(Args)]
pub(crate) struct StoreOptions {
    /// The folder for images, temporary files and the embedded database
    #[arg(
        long,
        env = "LARDER_DATA",
        value_name = "DIR",
        default_value = "data",
        help_heading = "Storage"
    )]
    pub(crate) data: PathBuf,

    /// Where the rows are: sqlite:PATH, or a server's database such as
    /// mariadb://USER:PASSWORD@HOST:PORT/NAME or postgres://HOST1,HOST2/NAME,
    /// with the parameters pool, timeout (seconds), tls (off, preferred,
    /// required, verify-ca, verify-full), ca (FILE), password-file (FILE) and
    /// socket (PATH) [default: sqlite:DIR/larder.db]
    #[arg(
        long,
        env = "LARDER_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Storage"
    )]
    pub(crate) database: Option<DatabaseUrl>,

    /// Where the images' bytes are: file:DIR, or a bucket of any store that
    /// speaks S3 such as s3://BUCKET/PREFIX?endpoint=URL, with the parameters
    /// endpoint, region, profile, addressing (path, virtual) and timeout
    /// (seconds); credentials come from AWS_ACCESS_KEY_ID and the other usual
    /// variables and files [default: file:DIR]
    #[arg(long, env = "LARDER_BLOBS", value_name = "URL", help_heading = "Storage")]
    pub(crate) blobs: Option<BlobsUrl>,
}

/// The log.
#[derive(Args)]
pub(crate) struct LogOptions {
    /// How to write the log, to standard error
    #[arg(
        long,
        env = "LARDER_LOG",
        value_name = "FORM",
        default_value = "text",
        help_heading = "Operation"
    )]
    pub(crate) log: LogForm,

    /// What to log: error, warn, info, debug or trace, or a filter such as
    /// info,larder_web=debug
    #[arg(
        long,
        env = "LARDER_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info",
        help_heading = "Operation"
    )]
    pub(crate) log_level: String,
}

/// The form of the key in the classic API's answer to an upload.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClassicKey {
    /// `"key": "a"`.
    Text,
    /// `"key": ["a"]`.
    List,
}

/// The form of the log.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// A line of text for people.
    Text,
    /// A line of JSON for programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_sound() {
        Flags::command().debug_assert();
        for name in Command::NAMES {
            assert!(Flags::command().find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_command_of_admin_takes_the_flags_of_a_store_and_no_others_of_the_file() {
        let admin = Flags::command();
        let admin = admin.find_subcommand("admin").expect("is there");
        for command in admin.get_subcommands() {
            for flag in AdminCommand::FLAGS_OF_FILE {
                let found = command.get_arguments().any(|a| a.get_long() == Some(flag));
                assert!(found, "{} has no --{flag}", command.get_name());
            }
        }
    }
}

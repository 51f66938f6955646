//! Starting the mem-cache server: `larder cache`, as a part of `larder serve`,
//! and `larder memcached` with the reference's letters (`cached/letters.rs`).

pub(crate) mod letters;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, CommandFactory};
use larder_cache::PolicyKind;
use larder_cached::memcached::{Listeners, Serving, Settings, TlsFiles};
use larder_cached::{Config, MAX_ITEM_BYTES, MemCache, SAMPLED_EVERY, Samples};
use larder_clock::SystemClock;
use larder_sql::DatabaseUrl;
use larder_web::{Access, Limits, Shutdown, WebConfig, listen};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Usage;
use crate::flags::{Flags, LogOptions, Options, address, capacity};
use crate::logging;
use crate::serve::{announce, connections, end_on_signals, is_open, read_secret};

/// Where memcached's protocol is spoken if nobody says otherwise.
const MEMCACHED: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 11211);

/// The largest item that the reference takes, too.
const MOST_ITEM_BYTES: u64 = 1 << 30;

/// Files that the process needs beside its connections.
const OTHER_FILES: usize = 64;

/// The flags of the mem-cache server.
#[derive(Args)]
pub(crate) struct CacheOptions {
    /// Where memcached's protocol is spoken; port 0 takes a free one
    #[arg(long, env = "LARDER_MEMCACHED_LISTEN", value_name = "ADDRESS:PORT", default_value_t = MEMCACHED, value_parser = address, help_heading = "Addresses")]
    memcached_listen: SocketAddr,

    /// Where HTTP is spoken; port 0 takes a free one
    #[arg(long, env = "LARDER_CACHE_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5001", value_parser = address, help_heading = "Addresses")]
    cache_listen: SocketAddr,

    /// A Unix socket for memcached's protocol, for this user alone
    #[arg(long, env = "LARDER_SOCKET", value_name = "PATH", help_heading = "Addresses")]
    socket: Option<PathBuf>,

    /// A host name to answer to over HTTP, besides localhost and IP addresses;
    /// may be given several times
    #[arg(
        long,
        env = "LARDER_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Addresses"
    )]
    host: Vec<String>,

    /// Memory for entries
    #[arg(long, visible_alias = "capacity", env = "LARDER_CACHE_CAPACITY", value_name = "SIZE", default_value = "64MB", value_parser = capacity, help_heading = "Cache")]
    cache_capacity: u64,

    /// Which entry leaves memory when room is needed: w-tinylfu, s3-fifo,
    /// s3-fifo-size, gdsf, lru, random, fifo, clock or sieve
    #[arg(
        long,
        env = "LARDER_POLICY",
        value_name = "NAME",
        default_value = "w-tinylfu",
        help_heading = "Cache"
    )]
    policy: PolicyKind,

    /// The largest entry that memcached's protocol takes, at most 1GB
    #[arg(long, env = "LARDER_MAX_ITEM_SIZE", value_name = "SIZE", default_value = "1MB", value_parser = item_size, help_heading = "Cache")]
    max_item_size: u64,

    /// Threads that serve memcached's protocol [default: one per core]
    #[arg(long, env = "LARDER_THREADS", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Cache")]
    threads: Option<u16>,

    /// Connections of memcached's protocol; more are refused [default: what
    /// the limit on open files leaves]
    #[arg(long, env = "LARDER_MAX_CONNECTIONS", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Cache")]
    max_connections: Option<u32>,

    /// A file of lines USER:PASSWORD: memcached's protocol is for those alone.
    /// SIGHUP reads it again
    #[arg(long, env = "LARDER_AUTH_FILE", value_name = "FILE", help_heading = "Access")]
    auth_file: Option<PathBuf>,

    /// A certificate in PEM, with those that vouch for it: memcached's protocol
    /// is under TLS, but for the socket. SIGHUP reads it again
    #[arg(
        long,
        env = "LARDER_TLS_CERTIFICATE",
        value_name = "FILE",
        requires = "tls_key",
        help_heading = "Access"
    )]
    tls_certificate: Option<PathBuf>,

    /// The certificate's private key in PEM
    #[arg(
        long,
        env = "LARDER_TLS_KEY",
        value_name = "FILE",
        requires = "tls_certificate",
        help_heading = "Access"
    )]
    tls_key: Option<PathBuf>,

    /// A file with the administrator's token, which changes over HTTP then need
    #[arg(long, env = "LARDER_ADMIN_TOKEN_FILE", value_name = "FILE", help_heading = "Access")]
    admin_token_file: Option<PathBuf>,

    /// Let everybody who reaches the addresses read and change everything
    #[arg(long, env = "LARDER_ALLOW_ANONYMOUS", help_heading = "Access")]
    allow_anonymous: bool,

    /// Let clients of memcached's protocol end the server by «shutdown»
    #[arg(long, env = "LARDER_ENABLE_SHUTDOWN", help_heading = "Access")]
    enable_shutdown: bool,

    /// Let clients of memcached's protocol move the clock by «debugtime»: for
    /// tests
    #[arg(long, env = "LARDER_DEBUG_COMMANDS", help_heading = "Access")]
    debug_commands: bool,

    /// A database for statistics, every five seconds: sqlite:PATH or a
    /// server's, such as mariadb://USER:PASSWORD@HOST/NAME or postgres://…
    #[arg(
        long,
        env = "LARDER_DATABASE",
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Statistics"
    )]
    database: Option<DatabaseUrl>,

    #[command(flatten)]
    log: LogOptions,
}

/// Whether `larder cache` has a flag, written with its value.
pub(crate) fn has(flag: &std::ffi::OsString) -> bool {
    let flag = flag.to_string_lossy();
    let name = flag.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
    let flags = Flags::command();
    let command = flags.find_subcommand("cache");
    command.is_some_and(|cache| cache.get_arguments().any(|one| one.get_long() == Some(&name)))
}

/// Runs the mem-cache server until it is asked to end.
pub(crate) async fn run(options: CacheOptions) -> anyhow::Result<()> {
    logging::start(&options.log)?;
    let token = check(&options)?;
    let http = listen("--cache-listen", options.cache_listen).await.map_err(Usage)?;
    let threads = options.threads.map_or_else(cores, usize::from);
    let mut listeners = Listeners::default();
    let memcached = listeners.tcp(options.memcached_listen, threads);
    let memcached =
        memcached.map_err(|why| taken("--memcached-listen", options.memcached_listen, &why))?;
    if let Some(path) = &options.socket {
        let bound = listeners.unix(path, 0o700);
        bound.map_err(|why| taken("--socket", path.display(), &why))?;
    }
    let cache = MemCache::new(&config(&options), Arc::new(SystemClock));
    let shutdown = Shutdown::default();
    end_on_signals(shutdown.clone())?;
    let settings = settings(&options, memcached, threads);
    let serving = larder_cached::memcached::serve(&cache, settings, listeners, shutdown.clone());
    let serving = Arc::new(serving.map_err(Usage)?);
    // Before anybody knows that it is ready: until then the signal ends it.
    let hangup = signal(SignalKind::hangup())?;
    let reloading = tokio::spawn(reload_on_hangup(Arc::clone(&serving), hangup));
    announce(&announcement(&options, http.local_addr()?, memcached, token.is_some()));
    let sampling = sample(options.database.as_ref(), http.local_addr()?, &cache, &shutdown);
    let access = token.as_deref().map_or_else(Access::open, Access::with_token);
    let limits = Limits { connections: connections(), ..Limits::default() };
    let web = WebConfig { hosts: options.host, access, limits };
    larder_cached::run(cache, body_bytes(options.max_item_size), web, http, shutdown).await;
    reloading.abort();
    let _ = reloading.await;
    finish(serving).await;
    if let Some(sampling) = sampling {
        sampling.await?;
    }
    Ok(())
}

/// Begins to store statistics, where a database for them is named.
pub(crate) fn sample(
    database: Option<&DatabaseUrl>,
    address: SocketAddr,
    cache: &MemCache,
    shutdown: &Shutdown,
) -> Option<tokio::task::JoinHandle<()>> {
    let database = database?.clone();
    let samples = Samples { database, service: address.to_string(), every: SAMPLED_EVERY };
    let clock = Arc::new(SystemClock);
    Some(tokio::spawn(samples.store(cache.clone(), clock, shutdown.clone())))
}

/// Waits for the threads of memcached's protocol.
async fn finish(serving: Arc<Serving>) {
    if let Ok(serving) = Arc::try_unwrap(serving) {
        let _ = tokio::task::spawn_blocking(|| serving.wait()).await;
    }
}

/// A size that an entry may have.
fn item_size(text: &str) -> Result<u64, String> {
    match capacity(text)? {
        bytes if bytes > MOST_ITEM_BYTES => Err("must be at most 1GB".into()),
        bytes => Ok(bytes),
    }
}

/// A value in base64, and what is around it. Over HTTP an image store keeps its
/// images, however large an entry memcached's protocol may make.
fn body_bytes(max_item: u64) -> usize {
    usize::try_from(max_item.saturating_mul(3) / 2).unwrap_or(usize::MAX).max(48 << 20)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn taken(flag: &str, place: impl std::fmt::Display, why: &std::io::Error) -> Usage {
    match why.kind() {
        std::io::ErrorKind::AddrInUse => Usage(format!("{flag} {place}: taken by another program")),
        _ => Usage(format!("{flag} {place}: {why}")),
    }
}

/// Checks what no single flag can be checked for; returns the admin token.
fn check(options: &CacheOptions) -> Result<Option<String>, Usage> {
    let memory = larder_images::machine_memory_bytes();
    if options.cache_capacity > memory {
        return Err(Usage(format!(
            "--cache-capacity: {} MB is more than the {} MB of memory of this machine",
            options.cache_capacity >> 20,
            memory >> 20
        )));
    }
    let token = options.admin_token_file.as_deref();
    let token =
        token.map(|file| read_secret("--admin-token-file", file, "token", 16)).transpose()?;
    if let Some(why) = is_open(options.cache_listen, token.as_deref(), options.allow_anonymous) {
        return Err(Usage(format!("--cache-listen {}{why}", options.cache_listen)));
    }
    let is_guarded = options.auth_file.is_some() || options.allow_anonymous;
    if !options.memcached_listen.ip().is_loopback() && !is_guarded {
        return Err(Usage(format!(
            "--memcached-listen {} can be reached from other machines, where everybody could read \
             and change everything: add --auth-file FILE, or --allow-anonymous if that is what you \
             want",
            options.memcached_listen
        )));
    }
    Ok(token)
}

fn config(options: &CacheOptions) -> Config {
    Config {
        capacity_bytes: options.cache_capacity,
        policy: options.policy,
        max_item_bytes: usize::try_from(options.max_item_size).unwrap_or(usize::MAX),
    }
}

fn settings(options: &CacheOptions, address: SocketAddr, threads: usize) -> Settings {
    let most = connections();
    Settings {
        max_connections: options.max_connections.map_or(most, |count| count as usize),
        threads,
        may_shut_down: options.enable_shutdown,
        debug_commands: options.debug_commands,
        auth_file: options.auth_file.as_ref().map(|file| file.display().to_string()),
        tls: tls(options.tls_certificate.as_ref(), options.tls_key.as_ref()),
        port: address.port(),
        inter: Some(address.ip().to_string()),
        socket: options.socket.as_ref().map(|path| path.display().to_string()),
        ..Settings::default()
    }
}

/// The certificate and its key, where both are named.
fn tls(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<TlsFiles> {
    Some(TlsFiles { certificate: certificate?.clone(), key: key?.clone() })
}

/// The files of users and of the certificate are read again at each SIGHUP.
async fn reload_on_hangup(serving: Arc<Serving>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        match serving.reload() {
            Ok(()) => tracing::info!("users and certificate were read again"),
            Err(why) => tracing::error!(why, "users or certificate stay as they were"),
        }
    }
}

fn announcement(
    options: &CacheOptions,
    http: SocketAddr,
    memcached: SocketAddr,
    has_token: bool,
) -> String {
    let mut lines = vec![format!("larder {} cache", env!("CARGO_PKG_VERSION"))];
    lines.push(format!("  mem-cache   http://{http}   page and API"));
    let tls = if options.tls_certificate.is_some() { " under TLS" } else { "" };
    lines.push(format!("  memcached   {memcached}{tls}"));
    if let Some(path) = &options.socket {
        lines.push(format!("  socket      {}", path.display()));
    }
    let memory = options.cache_capacity >> 20;
    lines.push(format!("  cache       {memory} MB, {}", options.policy.title()));
    let changes = match (has_token, options.auth_file.is_some()) {
        (true, true) => "over HTTP with the admin token; memcached for users of the file",
        (true, false) => "over HTTP with the admin token; memcached by anybody who reaches it",
        (false, true) => "over HTTP by anybody who reaches it; memcached for users of the file",
        (false, false) => "by anybody who reaches the addresses",
    };
    lines.push(format!("  changes     {changes}"));
    lines.push("  stop        Ctrl-C".to_owned());
    lines.join("\n")
}

/// memcached's protocol as a part of everything on this machine: what serves
/// it, if anything does, and what to tell of it. A port that is taken is no
/// reason not to serve the rest.
pub(crate) fn beside(
    options: &Options,
    cache: &MemCache,
    shutdown: Shutdown,
) -> Result<(Option<Serving>, String), Usage> {
    let address = match (options.memcached_listen, &options.admin_token_file) {
        (Some(address), _) => address,
        (None, None) => MEMCACHED,
        // The protocol knows no token.
        (None, Some(_)) => {
            return Ok((None, "not started with an admin token: --memcached-listen".into()));
        }
    };
    if !address.ip().is_loopback() && !options.allow_anonymous {
        return Err(Usage(format!(
            "--memcached-listen {address} can be reached from other machines, where everybody \
             could read and change everything: add --allow-anonymous if that is what you want, or \
             start «larder cache» with --auth-file"
        )));
    }
    let threads = cores();
    let mut listeners = Listeners::default();
    let taken = match listeners.tcp(address, threads) {
        Ok(taken) => taken,
        Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => {
            return Ok((None, format!("not started: {address} is taken by another program")));
        }
        Err(why) => return Err(Usage(format!("--memcached-listen {address}: {why}"))),
    };
    let settings = Settings {
        max_connections: connections(),
        threads,
        port: taken.port(),
        inter: Some(taken.ip().to_string()),
        ..Settings::default()
    };
    let serving = larder_cached::memcached::serve(cache, settings, listeners, shutdown);
    Ok((Some(serving.map_err(Usage)?), taken.to_string()))
}

/// The cache as a part of everything on this machine.
pub(crate) fn memory(options: &Options) -> MemCache {
    let config = Config {
        capacity_bytes: options.cache_capacity,
        policy: options.policy,
        max_item_bytes: MAX_ITEM_BYTES,
    };
    MemCache::new(&config, Arc::new(SystemClock))
}

/// Makes room for so many connections; an error says how many there is room for.
fn make_room(wanted: usize) -> Result<(), Usage> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let needed = (wanted + OTHER_FILES) as u64;
    if limit.current.is_none_or(|now| now >= needed) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|most| most.max(needed));
    let raised = Rlimit { current: Some(needed), maximum };
    setrlimit(Resource::Nofile, raised).map_err(|_| {
        Usage(format!("-c {wanted}: the system's limit on open files is {:?}", limit.maximum))
    })
}

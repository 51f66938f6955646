//! `larder memcached`: memcached's protocol alone, with the flags of the
//! reference under its letters, for scripts and tests that start one. What has
//! no meaning here but does no harm is accepted; what somebody would rely on
//! and isn't there is refused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgAction, Args};
use larder_cache::PolicyKind;
use larder_cached::memcached::{Listeners, Serving, Settings, TlsFiles};
use larder_cached::{Config, MemCache};
use larder_clock::SystemClock;
use larder_web::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{make_room, taken};
use crate::Usage;
use crate::flags::{LogForm, LogOptions};
use crate::logging;

/// What the reference exits with: a wrong flag, and a system that refuses.
const WRONG_USAGE: u8 = 64;
const SYSTEM_REFUSED: u8 = 71;

/// The flags of the reference.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Letters {
    /// TCP port to listen on; 0 is off, -1 takes a free one
    #[arg(
        short = 'p',
        long,
        value_name = "NUM",
        default_value_t = 11211,
        allow_negative_numbers = true
    )]
    port: i32,

    /// UDP port: there is none, so 0 alone is meant and others are passed over
    #[arg(
        short = 'U',
        long,
        value_name = "NUM",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    udp_port: i32,

    /// UNIX socket to listen on (disables network support)
    #[arg(short = 's', long = "unix-socket", value_name = "FILE")]
    unix_socket: Option<PathBuf>,

    /// Access mask for the UNIX socket, in octal
    #[arg(short = 'a', long, value_name = "MASK", default_value = "700", value_parser = octal)]
    unix_mask: u32,

    /// Enable the command «shutdown»
    #[arg(short = 'A', long)]
    enable_shutdown: bool,

    /// Address to listen on, with or without a port; several with commas
    /// [default: 127.0.0.1]
    #[arg(short = 'l', long, value_name = "ADDR", value_delimiter = ',')]
    listen: Vec<String>,

    /// Memory for entries, in megabytes
    #[arg(short = 'm', long, value_name = "NUM", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    memory_limit: u64,

    /// Max simultaneous connections
    #[arg(short = 'c', long, value_name = "NUM", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    conn_limit: u32,

    /// Number of threads to use
    #[arg(short = 't', long, value_name = "NUM", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,

    /// Adjusts max item size, in bytes or with k or m
    #[arg(short = 'I', long, value_name = "NUM", default_value = "1m", value_parser = item_size)]
    max_item_size: u64,

    /// Verbose; more of them more so
    #[arg(short = 'v', long, action = ArgAction::Count)]
    verbose: u8,

    /// Disable the command «flush_all»
    #[arg(short = 'F', long)]
    disable_flush_all: bool,

    /// Disable «stats cachedump» and «lru_crawler metadump»
    #[arg(short = 'X', long)]
    disable_dumping: bool,

    /// A file of lines USER:PASSWORD; nobody else may do anything
    #[arg(short = 'Y', long, value_name = "FILE")]
    auth_file: Option<PathBuf>,

    /// Speak TLS on TCP, with -o ssl_chain_cert=FILE,ssl_key=FILE
    #[arg(short = 'Z', long)]
    enable_ssl: bool,

    /// Protocol: ascii or auto; there is no binary one
    #[arg(short = 'B', long, value_name = "NAME", default_value = "auto", value_parser = protocol)]
    protocol: String,

    /// The user to run as: the one who starts it, for it changes to no other
    #[arg(short = 'u', long, value_name = "USER")]
    user: Option<String>,

    /// Extended options, with commas. idle_timeout and those that keep
    /// something safe are refused, those that tune the reference passed over
    #[arg(short = 'o', long, value_name = "OPTIONS", value_delimiter = ',', value_parser = extended)]
    extended: Vec<String>,

    /// Accepted and passed over: slabs, prefixes, queues, core files, watchers
    #[arg(short = 'f', long, value_name = "NUM", hide = true)]
    slab_growth_factor: Option<f64>,
    #[arg(short = 'n', long, value_name = "BYTES", hide = true)]
    slab_min_size: Option<u64>,
    #[arg(short = 'R', long, value_name = "NUM", hide = true)]
    max_reqs_per_event: Option<u64>,
    #[arg(short = 'b', long, value_name = "NUM", hide = true)]
    listen_backlog: Option<u32>,
    #[arg(short = 'D', value_name = "CHAR", hide = true)]
    prefix_delimiter: Option<String>,
    #[arg(short = 'r', long, hide = true)]
    enable_coredumps: bool,
    #[arg(short = 'L', long, hide = true)]
    enable_largepages: bool,
    #[arg(short = 'W', long, hide = true)]
    disable_watch: bool,

    /// Which entry leaves memory when room is needed; not the reference's
    #[arg(long, value_name = "NAME", default_value = "w-tinylfu")]
    policy: PolicyKind,

    /// Enable «debugtime», which moves the clock; as in the reference's own
    /// build for tests
    #[arg(long)]
    debug_commands: bool,

    /// Print this help and exit
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,

    /// Print version and exit
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// The exit code for flags that can't be read.
pub(crate) fn wrong_usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(WRONG_USAGE) } else { ExitCode::SUCCESS }
}

/// Runs memcached's protocol until it is asked to end.
pub(crate) async fn run(letters: Letters) -> anyhow::Result<ExitCode> {
    // Before anybody can connect, and then send one.
    let signals = Signals::new()?;
    match start(&letters) {
        Ok((serving, shutdown)) => {
            ends(serving, shutdown, signals).await;
            Ok(ExitCode::SUCCESS)
        }
        Err((code, why)) => {
            eprintln!("larder: {why}");
            Ok(ExitCode::from(code))
        }
    }
}

fn start(letters: &Letters) -> Result<(Serving, Shutdown), (u8, String)> {
    let usage = |why: Usage| (WRONG_USAGE, why.0);
    let level = ["error", "info", "debug"][usize::from(letters.verbose.min(2))].to_owned();
    logging::start(&LogOptions { log: LogForm::Text, log_level: level }).map_err(usage)?;
    check_user(letters).map_err(usage)?;
    if letters.max_item_size > letters.memory_limit << 19 {
        let why = "-I: Cannot set item size limit higher than 1/2 of memory max.";
        return Err((WRONG_USAGE, why.to_owned()));
    }
    make_room(letters.conn_limit as usize).map_err(|why| (SYSTEM_REFUSED, why.0))?;
    let (listeners, port) = listeners(letters)?;
    let config = Config {
        capacity_bytes: letters.memory_limit << 20,
        policy: letters.policy,
        max_item_bytes: usize::try_from(letters.max_item_size).unwrap_or(usize::MAX),
    };
    let cache = MemCache::new(&config, Arc::new(SystemClock));
    let shutdown = Shutdown::default();
    let tls = tls(letters).map_err(usage)?;
    let settings = settings(letters, port, tls);
    let serving = larder_cached::memcached::serve(&cache, settings, listeners, shutdown.clone());
    Ok((serving.map_err(|why| (WRONG_USAGE, why))?, shutdown))
}

fn settings(letters: &Letters, port: u16, tls: Option<TlsFiles>) -> Settings {
    Settings {
        tls,
        max_connections: letters.conn_limit as usize,
        threads: usize::from(letters.threads),
        may_shut_down: letters.enable_shutdown,
        may_flush: !letters.disable_flush_all,
        may_dump: !letters.disable_dumping,
        debug_commands: letters.debug_commands,
        auth_file: letters.auth_file.as_ref().map(|file| file.display().to_string()),
        port,
        inter: (!letters.listen.is_empty()).then(|| letters.listen.join(",")),
        socket: letters.unix_socket.as_ref().map(|path| path.display().to_string()),
        socket_mode: letters.unix_mask,
    }
}

/// The certificate and its key, which `-Z` needs.
fn tls(letters: &Letters) -> Result<Option<TlsFiles>, Usage> {
    let option = |name: &str| {
        let options = letters.extended.iter().filter_map(|option| option.split_once('='));
        options.filter(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)).next_back()
    };
    if !letters.enable_ssl {
        return Ok(None);
    }
    match (option("ssl_chain_cert"), option("ssl_key")) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        _ => Err(Usage("-Z: -o ssl_chain_cert=FILE,ssl_key=FILE is needed".into())),
    }
}

/// Another user would not be what this runs as.
fn check_user(letters: &Letters) -> Result<(), Usage> {
    let Some(user) = &letters.user else { return Ok(()) };
    let is_root = rustix::process::geteuid().is_root();
    match is_root && user != "root" && user != "0" {
        true => Err(Usage(format!(
            "-u {user}: start it as that user: setpriv --reuid {user} --clear-groups larder …"
        ))),
        // As in the reference, it means nothing for who isn't root.
        false => Ok(()),
    }
}

fn listeners(letters: &Letters) -> Result<(Listeners, u16), (u8, String)> {
    let mut listeners = Listeners::default();
    if let Some(path) = &letters.unix_socket {
        let bound = listeners.unix(path, letters.unix_mask);
        bound.map_err(|why| (SYSTEM_REFUSED, taken("-s", path.display(), &why).0))?;
        return Ok((listeners, 0));
    }
    let default = match letters.port {
        ..0 => Some(0),
        0 => None,
        port => {
            Some(u16::try_from(port).map_err(|_| (WRONG_USAGE, format!("-p {port}: no port")))?)
        }
    };
    let mut first = default.unwrap_or(0);
    for address in addresses(letters, default).map_err(|why| (WRONG_USAGE, why.0))? {
        let bound = listeners.tcp(address, usize::from(letters.threads));
        let bound = bound.map_err(|why| (SYSTEM_REFUSED, taken("-l", address, &why).0))?;
        first = bound.port();
    }
    Ok((listeners, first))
}

fn addresses(letters: &Letters, port: Option<u16>) -> Result<Vec<SocketAddr>, Usage> {
    if letters.listen.is_empty() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        return Ok(port.map(|port| SocketAddr::new(loopback, port)).into_iter().collect());
    }
    let read = |text: &String| {
        let text = if text == "localhost" { "127.0.0.1" } else { text };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Some(address));
        }
        let ip = text.trim_start_matches('[').trim_end_matches(']').parse();
        let ip: IpAddr = ip.map_err(|_| Usage(format!("-l {text}: expected an IP address")))?;
        Ok(port.map(|port| SocketAddr::new(ip, port)))
    };
    letters.listen.iter().filter_map(|text| read(text).transpose()).collect()
}

/// The signals that mean something.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    graceful: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            graceful: signal(SignalKind::user_defined1())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for a signal that ends it, or for `shutdown`.
async fn ends(serving: Serving, shutdown: Shutdown, mut signals: Signals) {
    loop {
        tokio::select! {
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            _ = signals.graceful.recv() => break,
            () = shutdown.asked() => break,
            _ = signals.hangup.recv() => {
                if let Err(why) = serving.reload() {
                    tracing::error!(why, "users or certificate stay as they were");
                }
            }
        }
    }
    shutdown.ask();
    let _ = tokio::task::spawn_blocking(|| serving.wait()).await;
}

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).map_err(|_| "expected octal digits".into())
}

/// A size in bytes or with a letter, between the limits of the reference.
fn item_size(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1_u64),
    };
    let number: u64 = number.parse().map_err(|_| "expected a size such as 2m".to_owned())?;
    match number.checked_mul(factor) {
        Some(..1024) => Err("Item max size cannot be less than 1024 bytes.".into()),
        Some(size @ ..=0x4000_0000) => Ok(size),
        _ => Err("Cannot set item size limit higher than a gigabyte.".into()),
    }
}

fn protocol(text: &str) -> Result<String, String> {
    match text {
        "ascii" | "auto" => Ok(text.to_owned()),
        "binary" => Err("there is no binary protocol; the reference advises against it too".into()),
        _ => Err("expected ascii or auto".into()),
    }
}

/// An extended option. Those that would be missed are refused: of TLS, that
/// clients show certificates, other ciphers and other versions.
fn extended(text: &str) -> Result<String, String> {
    const PASSED_OVER: [&str; 26] = [
        "relaxed_privileges",
        "maxconns_fast",
        "hashpower",
        "tail_repair_time",
        "hash_algorithm",
        "lru_crawler",
        "lru_crawler_sleep",
        "lru_crawler_tocrawl",
        "lru_maintainer",
        "hot_lru_pct",
        "warm_lru_pct",
        "hot_max_factor",
        "warm_max_factor",
        "temporary_ttl",
        "slab_reassign",
        "slab_automove",
        "slab_automove_window",
        "slab_chunk_max",
        "watcher_logbuf_size",
        "worker_logbuf_size",
        "read_buf_mem_limit",
        "modern",
        "ssl_chain_cert",
        "ssl_key",
        "ssl_wbuf_size",
        "ssl_session_cache",
    ];
    let name = text.split('=').next().unwrap_or_default();
    let name = name.strip_prefix("no_").unwrap_or(name);
    let is_known = PASSED_OVER.contains(&name) || matches!(name, "hashexpand" | "track_sizes");
    match is_known {
        true => Ok(text.to_owned()),
        false => Err("Illegal suboption".into()),
    }
}

//! Starting the bookstore: all of it in one process, or one part of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use larder_bazar::{Config, Memory, Parts, Role};
use larder_cache::PolicyKind;
use larder_sql::DatabaseUrl;
use larder_tier::Secret;
use larder_web::{Access, Limits, ServiceToken, Shutdown, WebConfig, listen};
use tokio::net::TcpListener;

use crate::Usage;
use crate::flags::{LogOptions, MemberOptions, Options, address, capacity};
use crate::logging;
use crate::serve::{announce, connections, end_on_signals, is_open, read_secret};

/// The memory of the bookstore where it is a part of everything.
const MEMORY: u64 = 16 << 20;

/// Which part of the bookstore to start.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BazarCommand {
    #[command(subcommand)]
    part: Option<Part>,

    #[command(flatten)]
    all: BazarOptions,
}

#[derive(Subcommand)]
enum Part {
    /// Start a front end: pages, the API, and a memory cache
    Frontend(Box<BazarOptions>),
    /// Start a replica of the catalog
    Catalog(Box<BazarOptions>),
    /// Start a replica of the order service
    Order(Box<BazarOptions>),
}

#[derive(Args)]
struct BazarOptions {
    /// Where it listens; port 0 takes a free one. All in one process: where the
    /// front end does; the replicas take the ports after it
    #[arg(long, env = "LARDER_BAZAR_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5010", value_parser = address, help_heading = "Addresses")]
    listen: SocketAddr,

    /// A host name to answer to, besides localhost and IP addresses; may be
    /// given several times
    #[arg(
        long,
        env = "LARDER_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Addresses"
    )]
    host: Vec<String>,

    /// What it is called where people see it [default: what it is, and its
    /// port]
    #[arg(long, value_name = "NAME", value_parser = name, help_heading = "Addresses")]
    name: Option<String>,

    /// Replicas of the catalog, all in one process
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16), help_heading = "Replicas")]
    catalogs: u16,

    /// Replicas of the order service, all in one process
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16), help_heading = "Replicas")]
    orders: u16,

    /// The folder for the embedded database and this process's name
    #[arg(
        long,
        env = "LARDER_DATA",
        value_name = "DIR",
        default_value = "data-bazar",
        help_heading = "Storage"
    )]
    data: PathBuf,

    /// Where the rows are: sqlite:PATH, or a server's database such as
    /// postgres://HOST1,HOST2/NAME or mariadb://USER@HOST/NAME, which several
    /// processes need [default: sqlite:DIR/bazar.db]
    #[arg(
        long,
        env = "LARDER_BAZAR_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Storage"
    )]
    database: Option<DatabaseUrl>,

    /// The most that a front end keeps in memory
    #[arg(long, env = "LARDER_BAZAR_CAPACITY", value_name = "SIZE", default_value = "16MB", value_parser = capacity, help_heading = "Cache")]
    capacity: u64,

    /// The most books and topics that a front end keeps in memory
    #[arg(long, env = "LARDER_BAZAR_ITEMS", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Cache")]
    items: Option<u64>,

    /// What leaves memory when room is needed: w-tinylfu, s3-fifo,
    /// s3-fifo-size, gdsf, lru, random, fifo, clock or sieve
    #[arg(
        long,
        env = "LARDER_POLICY",
        value_name = "NAME",
        default_value = "w-tinylfu",
        help_heading = "Cache"
    )]
    policy: PolicyKind,

    /// The image store that has the books' covers, http://HOST:PORT [default:
    /// none; the pages draw covers]
    #[arg(long, env = "LARDER_BAZAR_IMAGES", value_name = "URL", value_parser = images, help_heading = "Storage")]
    images: Option<String>,

    /// A file with the administrator's token, which changes of books and stock
    /// then need; buying doesn't
    #[arg(long, env = "LARDER_ADMIN_TOKEN_FILE", value_name = "FILE", help_heading = "Access")]
    admin_token_file: Option<PathBuf>,

    /// Let everybody who reaches the address change everything
    #[arg(long, env = "LARDER_ALLOW_ANONYMOUS", help_heading = "Access")]
    allow_anonymous: bool,

    #[command(flatten)]
    member: MemberOptions,

    #[command(flatten)]
    log: LogOptions,
}

/// Runs the bookstore, or a part of it, until it is asked to end.
pub(crate) async fn run(command: BazarCommand) -> anyhow::Result<()> {
    let (options, part) = match command.part {
        None => (command.all, None),
        Some(Part::Frontend(options)) => (*options, Some(None)),
        Some(Part::Catalog(options)) => (*options, Some(Some(Role::Catalog))),
        Some(Part::Order(options)) => (*options, Some(Some(Role::Order))),
    };
    logging::start(&options.log)?;
    let token = check(&options)?;
    let parts = listen_for(&options, part).await?;
    let joined = options.member.join(options.database.as_ref(), part.is_some()).await?;
    let (peers, cluster) = match joined {
        None => (None, None),
        Some((peers, secret)) => {
            let cluster = cluster(&options, peers.local_addr()?, secret.as_bytes());
            (Some(peers), Some(cluster))
        }
    };
    let announcement = announcement(&options, &parts, token.is_some())?;
    let (token_of_services, cluster) = match cluster {
        Some((cluster, token)) => (token, Some(cluster)),
        None => (ServiceToken::random(), None),
    };
    let config = Config {
        data: options.data,
        database: options.database,
        memory: Memory {
            capacity_bytes: options.capacity,
            max_items: options.items,
            policy: options.policy,
        },
        cluster,
        token: token_of_services,
        images: options.images,
    };
    let limits = Limits { connections: connections(), ..Limits::default() };
    let access = token.as_deref().map_or_else(Access::open, Access::with_token);
    let web = WebConfig { hosts: options.host, access, limits };
    let shutdown = Shutdown::default();
    end_on_signals(shutdown.clone())?;
    let data = config.data.clone();
    let served =
        larder_bazar::run(config, web, parts, peers, shutdown, || announce(&announcement)).await;
    served.map_err(|error| explain(error, &data))
}

/// A shop that can't be opened is most often a wrong flag.
fn explain(error: larder_bazar::Error, data: &Path) -> anyhow::Error {
    use larder_bazar::Error;
    match error {
        Error::Folder(source) => Usage(format!("--data {}: {source}", data.display())).into(),
        Error::Rows(source) if matches!(*source, larder_sql::Error::Open { .. }) => {
            Usage(format!("--database: {source}")).into()
        }
        error => anyhow::Error::new(error),
    }
}

/// The bookstore as a part of everything on this machine, with its own folder
/// in `--data`, its pages under the path `base`, and its covers in the image
/// store at `images`.
pub(crate) async fn mount(
    options: &Options,
    base: &str,
    images: SocketAddr,
    limits: &Limits,
    shutdown: Shutdown,
) -> anyhow::Result<larder_bazar::Mounted> {
    let anywhere = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), 0);
    let mut replicas = Vec::new();
    for (role, number) in
        [(Role::Catalog, 1), (Role::Catalog, 2), (Role::Order, 1), (Role::Order, 2)]
    {
        let name = format!("{}-{number}", role.name());
        replicas.push((role, name, after(anywhere, 0).await?));
    }
    let config = Config {
        data: options.store.data.join("bazar"),
        database: match &options.store.database {
            Some(server @ DatabaseUrl::Server(_)) => Some(server.clone()),
            _ => None,
        },
        memory: Memory { capacity_bytes: MEMORY, max_items: None, policy: options.policy },
        cluster: None,
        token: ServiceToken::random(),
        images: Some(format!("http://{images}")),
    };
    let data = config.data.clone();
    let mounted = larder_bazar::mount(config, replicas, base, limits, shutdown).await;
    mounted.map_err(|error| explain(error, &data))
}

/// Checks what no single flag can be checked for; returns the admin token.
fn check(options: &BazarOptions) -> Result<Option<String>, Usage> {
    let token = options.admin_token_file.as_deref();
    let token =
        token.map(|file| read_secret("--admin-token-file", file, "token", 16)).transpose()?;
    match is_open(options.listen, token.as_deref(), options.allow_anonymous) {
        Some(why) => Err(Usage(format!("--listen {}{why}", options.listen))),
        None => Ok(token),
    }
}

/// Takes the addresses: `part` is one part, a front end if it has no role; or
/// all of them.
async fn listen_for(options: &BazarOptions, part: Option<Option<Role>>) -> anyhow::Result<Parts> {
    let first = listen("--listen", options.listen).await.map_err(Usage)?;
    let port = first.local_addr()?.port();
    let named = |default: String| options.name.clone().unwrap_or(default);
    Ok(match part {
        Some(None) => {
            Parts { front: Some((named(format!("frontend-{port}")), first)), replicas: Vec::new() }
        }
        Some(Some(role)) => {
            let name = named(format!("{}-{port}", role.name()));
            Parts { front: None, replicas: vec![(role, name, first)] }
        }
        None => {
            let mut replicas = Vec::new();
            let counts = [(Role::Catalog, options.catalogs), (Role::Order, options.orders)];
            for (role, count) in counts {
                for number in 1..=count {
                    let next = u16::try_from(replicas.len() + 1).unwrap_or(u16::MAX);
                    let listener = after(options.listen, next).await?;
                    replicas.push((role, format!("{}-{number}", role.name()), listener));
                }
            }
            Parts { front: Some((named("frontend".into()), first)), replicas }
        }
    })
}

/// A listener on this machine, on the port so many after `first`; on a free one
/// if that was to be free.
async fn after(first: SocketAddr, number: u16) -> Result<TcpListener, Usage> {
    let port = match first.port() {
        0 => 0,
        port => port.checked_add(number).ok_or_else(|| {
            Usage("--listen: there are too few ports after it for the replicas".into())
        })?,
    };
    let address = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
    listen("a replica", address).await.map_err(Usage)
}

/// What this process is to the others, and what the services know.
fn cluster(
    options: &BazarOptions,
    address: SocketAddr,
    secret: &[u8],
) -> (larder_bazar::Cluster, ServiceToken) {
    let token = ServiceToken::of("larder 2026 bazar between services", secret);
    let secret = Secret::new(secret).expect("it is long enough");
    let is_replicated = options.member.database_has_standbys;
    (larder_bazar::Cluster { address, secret, is_replicated }, token)
}

/// What a person who started it wants to know.
fn announcement(
    options: &BazarOptions,
    parts: &Parts,
    needs_token: bool,
) -> anyhow::Result<String> {
    let mut lines = vec![format!("larder {} bazar", env!("CARGO_PKG_VERSION"))];
    if let Some((_, listener)) = &parts.front {
        lines.push(format!("  bazar       http://{}", listener.local_addr()?));
    }
    for (_, name, listener) in &parts.replicas {
        lines.push(format!("  {name:<11} http://{}", listener.local_addr()?));
    }
    lines.push(format!("  data        {}", options.data.display()));
    if let Some(database) = &options.database {
        lines.push(format!("  rows        {database}"));
    }
    let who = match needs_token {
        true => "with the admin token",
        false => "by anybody who reaches the address",
    };
    lines.push(format!("  changes     {who}"));
    lines.push("  stop        Ctrl-C".to_owned());
    Ok(lines.join("\n"))
}

/// The address of an image store, without a slash at its end.
fn images(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let authority = text.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    match authority.is_some_and(|authority| !authority.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'))
    {
        true => Ok(text.to_owned()),
        false => Err("an image store's address is http://HOST:PORT".into()),
    }
}

/// A name that can stand in a header and an address.
fn name(text: &str) -> Result<String, String> {
    let is_one = (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_one {
        true => Ok(text.to_owned()),
        false => Err("a name has 1 to 40 ASCII letters, digits and hyphens".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::images;

    #[test]
    fn an_image_store_is_named_by_its_address() {
        assert_eq!(images("http://localhost:5000/").as_deref(), Ok("http://localhost:5000"));
        assert_eq!(
            images("http://[::1]:5000/pictures").as_deref(),
            Ok("http://[::1]:5000/pictures")
        );
        for wrong in
            ["", "http://", "https://x", "localhost:5000", "http://a b", "http://a?b", "http://a#b"]
        {
            assert!(images(wrong).is_err(), "{wrong}");
        }
    }
}

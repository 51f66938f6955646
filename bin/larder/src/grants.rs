//! Starting research funding: all three services in one process, or one; and
//! adding people to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use larder_cache::PolicyKind;
use larder_clock::SystemClock;
use larder_grants::{Config, Hashing, Part, Role, Service};
use larder_sql::DatabaseUrl;
use larder_tier::Secret;
use larder_web::{Access, Limits, ServiceToken, Shutdown, WebConfig, listen};

use crate::Usage;
use crate::flags::{LogOptions, MemberOptions, Options, address, capacity};
use crate::logging;
use crate::serve::{announce, connections, end_on_signals};

/// The memory of research funding where it is a part of everything.
const MEMORY: u64 = 16 << 20;

/// The ports after the first one, on which the services are.
const PORTS: [(Service, u16); 3] =
    [(Service::University, 0), (Service::Agency, 1), (Service::Researchers, 2)];

/// What to start, or whom to add.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct GrantsCommand {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    all: GrantsOptions,
}

#[derive(Subcommand)]
enum What {
    /// Start a replica of the researchers' service
    Researchers(Box<GrantsOptions>),
    /// Start a replica of the funding agency's service
    Agency(Box<GrantsOptions>),
    /// Start a replica of the university's service
    University(Box<GrantsOptions>),
    /// Look after people, also while the services run
    #[command(subcommand)]
    User(UserCommand),
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add an officer, an administrator or a researcher
    Add(Box<AddOptions>),
}

#[derive(Args)]
struct Rows {
    /// The folder for the embedded database and this process's name
    #[arg(
        long,
        env = "LARDER_DATA",
        value_name = "DIR",
        default_value = "data-grants",
        help_heading = "Storage"
    )]
    data: PathBuf,

    /// Where the rows are: sqlite:PATH, or a server's database such as
    /// postgres://HOST1,HOST2/NAME or mariadb://USER@HOST/NAME, which several
    /// processes need [default: sqlite:DIR/grants.db]
    #[arg(
        long,
        env = "LARDER_GRANTS_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Storage"
    )]
    database: Option<DatabaseUrl>,
}

#[derive(Args)]
struct AddOptions {
    /// What they are here for: researcher, agency, university or administrator
    #[arg(long, value_name = "ROLE")]
    role: Role,

    /// Full name
    #[arg(long, value_name = "NAME")]
    name: String,

    /// The email they sign in with
    #[arg(long, value_name = "EMAIL")]
    email: String,

    /// Whose officer, by the agency's name [default: the only agency's]
    #[arg(long, value_name = "NAME")]
    agency: Option<String>,

    /// A file with the password [default: the first line of the standard input]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    #[command(flatten)]
    rows: Rows,

    #[command(flatten)]
    log: LogOptions,
}

#[derive(Args)]
struct GrantsOptions {
    /// Where it listens; port 0 takes a free one. All in one process: where the
    /// university does; the agency and the researchers take the two ports after
    /// it [default: 127.0.0.1:5000, 5001 for the agency alone, 5002 for the
    /// researchers alone]
    #[arg(long, env = "LARDER_GRANTS_LISTEN", value_name = "ADDRESS:PORT", value_parser = address, help_heading = "Addresses")]
    listen: Option<SocketAddr>,

    /// How people's browsers and the other services reach it, http://HOST:PORT
    /// [default: where it listens]
    #[arg(long, env = "LARDER_GRANTS_URL", value_name = "URL", value_parser = url, help_heading = "Addresses")]
    url: Option<String>,

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

    #[command(flatten)]
    rows: Rows,

    /// What money is counted in
    #[arg(
        long,
        env = "LARDER_GRANTS_CURRENCY",
        value_name = "CODE",
        default_value = "USD",
        value_parser = currency,
        help_heading = "Money"
    )]
    currency: String,

    /// The memory that hashing a password takes: who guesses needs as much for
    /// each guess
    #[arg(long, env = "LARDER_GRANTS_PASSWORD_MEMORY", value_name = "SIZE", default_value = "19MB", value_parser = capacity, help_heading = "Passwords")]
    password_memory: u64,

    /// How often hashing a password passes over that memory
    #[arg(long, env = "LARDER_GRANTS_PASSWORD_PASSES", value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Passwords")]
    password_passes: u32,

    /// The most that is kept in memory
    #[arg(long, env = "LARDER_GRANTS_CAPACITY", value_name = "SIZE", default_value = "16MB", value_parser = capacity, help_heading = "Cache")]
    capacity: u64,

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

    #[command(flatten)]
    member: MemberOptions,

    #[command(flatten)]
    log: LogOptions,
}

/// Runs the services, or one, until they are asked to end; or adds somebody.
pub(crate) async fn run(command: GrantsCommand) -> anyhow::Result<()> {
    let (options, only) = match command.what {
        None => (command.all, None),
        Some(What::University(options)) => (*options, Some(Service::University)),
        Some(What::Agency(options)) => (*options, Some(Service::Agency)),
        Some(What::Researchers(options)) => (*options, Some(Service::Researchers)),
        Some(What::User(UserCommand::Add(options))) => return add(*options).await,
    };
    logging::start(&options.log)?;
    let parts = listen_for(&options, only).await?;
    let joined = options.member.join(options.rows.database.as_ref(), only.is_some()).await?;
    let mut config = config(options.rows.data, options.rows.database);
    config.capacity_bytes = options.capacity;
    config.policy = options.policy;
    config.currency = options.currency;
    config.hashing = Hashing {
        memory_kib: u32::try_from(options.password_memory / 1024).unwrap_or(u32::MAX),
        passes: options.password_passes,
    };
    if options.password_memory < 7 << 20 {
        tracing::warn!(
            "--password-memory is less than anybody advises: passwords are guessed fast"
        );
    }
    let peers = match joined {
        None => None,
        Some((peers, secret)) => {
            config.token =
                ServiceToken::of("larder 2026 grants between services", secret.as_bytes());
            config.cluster = Some(larder_grants::Cluster {
                address: peers.local_addr()?,
                secret: Secret::new(secret.as_bytes()).expect("it is long enough"),
                is_replicated: options.member.database_has_standbys,
            });
            Some(peers)
        }
    };
    let announcement = announcement(&config, &parts);
    let limits = Limits { connections: connections(), ..Limits::default() };
    // People sign in themselves: there is no token that lets anybody do all.
    let web = WebConfig { hosts: options.host, access: Access::open(), limits };
    let shutdown = Shutdown::default();
    end_on_signals(shutdown.clone())?;
    let data = config.data.clone();
    let served =
        larder_grants::run(config, web, parts, peers, shutdown, || announce(&announcement)).await;
    served.map_err(|error| explain(error, &data))
}

/// Adds somebody.
async fn add(options: AddOptions) -> anyhow::Result<()> {
    logging::start(&options.log)?;
    let password = match &options.password_file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Usage(format!("--password-file {}: {error}", file.display())))?,
        None => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            line
        }
    };
    let config = config(options.rows.data, options.rows.database);
    let AddOptions { name, email, role, agency, .. } = options;
    let password = password.trim_end_matches(['\r', '\n']);
    let added =
        larder_grants::add_person(&config, &name, &email, password, role, agency.as_deref()).await;
    let added = added.map_err(|error| match error {
        larder_grants::Error::Invalid(_) | larder_grants::Error::Taken(_) => {
            Usage(error.to_string()).into()
        }
        error => explain(error, &config.data),
    })?;
    announce(&format!("{} {} <{}>", added.role.title(), added.name, added.email));
    Ok(())
}

/// Services that can't be opened are most often a wrong flag.
fn explain(error: larder_grants::Error, data: &Path) -> anyhow::Error {
    use larder_grants::Error;
    match error {
        Error::Folder(source) => Usage(format!("--data {}: {source}", data.display())).into(),
        Error::Rows(source) if matches!(*source, larder_sql::Error::Open { .. }) => {
            Usage(format!("--database: {source}")).into()
        }
        error => anyhow::Error::new(error),
    }
}

/// Research funding as a part of everything on this machine, with its own
/// folder in `--data`, its pages under the path `base` of the site at `site`.
pub(crate) async fn mount(
    options: &Options,
    base: &str,
    site: SocketAddr,
    shutdown: Shutdown,
) -> anyhow::Result<larder_grants::Mounted> {
    let database = match &options.store.database {
        Some(server @ DatabaseUrl::Server(_)) => Some(server.clone()),
        _ => None,
    };
    let mut config = config(options.store.data.join("grants"), database);
    config.policy = options.policy;
    let data = config.data.clone();
    let is_local = site.ip().is_loopback();
    let mounted = larder_grants::mount(config, base, &reached(site), is_local, shutdown).await;
    mounted.map_err(|error| explain(error, &data))
}

fn config(data: PathBuf, database: Option<DatabaseUrl>) -> Config {
    Config {
        data,
        database,
        capacity_bytes: MEMORY,
        policy: larder_tier::Config::default().policy,
        cluster: None,
        token: ServiceToken::random(),
        currency: "USD".into(),
        hashing: Hashing::default(),
        clock: Arc::new(SystemClock),
    }
}

/// Takes the addresses of one service, or of all.
async fn listen_for(options: &GrantsOptions, only: Option<Service>) -> anyhow::Result<Vec<Part>> {
    let default = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5000);
    let mut parts = Vec::new();
    for (service, offset) in PORTS {
        if only.is_some_and(|only| only != service) {
            continue;
        }
        let mut wanted = options.listen.unwrap_or(default);
        // A port that was named is that of the one service.
        let is_exact = only.is_some() && options.listen.is_some();
        if wanted.port() != 0 && !is_exact {
            let port = wanted.port().checked_add(offset);
            wanted.set_port(port.ok_or_else(|| {
                Usage("--listen: there are too few ports after it for the services".into())
            })?);
        }
        let listener = listen("--listen", wanted).await.map_err(Usage)?;
        let address = match &options.url {
            Some(url) if only.is_some() => url.clone(),
            _ => reached(listener.local_addr()?),
        };
        parts.push(Part { service, listener, address });
    }
    Ok(parts)
}

/// How an address is reached from this machine.
fn reached(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

/// What a person who started it wants to know.
fn announcement(config: &Config, parts: &[Part]) -> String {
    let mut lines = vec![format!("larder {}", env!("CARGO_PKG_VERSION"))];
    for Part { service, address, .. } in parts {
        lines.push(format!("  {:<11} {address}", service.name()));
    }
    lines.push(format!("  data        {}", config.data.display()));
    if let Some(database) = &config.database {
        lines.push(format!("  rows        {database}"));
    }
    if let Some(cluster) = &config.cluster {
        lines.push(format!("  node        at {}", cluster.address));
    }
    lines.push("  people      larder grants user add --role administrator …".to_owned());
    lines.push("  stop        Ctrl-C".to_owned());
    lines.join("\n")
}

fn url(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let is_one = text.strip_prefix("http://").is_some_and(|host| !host.is_empty());
    if is_one { Ok(text.to_owned()) } else { Err("expected http://HOST:PORT".into()) }
}

fn currency(text: &str) -> Result<String, String> {
    let is_one = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_one { Ok(text.to_owned()) } else { Err("expected a code such as EUR or USD".into()) }
}

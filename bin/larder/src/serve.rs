//! Starting and ending services: listeners first, so that a taken port is
//! told at once; then everything runs until Ctrl-C or SIGTERM.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use larder_images::{Config, Images, MEGABYTE, MemCacheService, Settings};
use larder_sql::DatabaseUrl;
use larder_tier::{Cluster, SECRET_MIN_BYTES, Secret};
use larder_web::{Access, Limits, Shutdown, Site, WebConfig, listen};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::Usage;
use crate::bazar;
use crate::cached;
use crate::flags::{ClassicKey, Coherence, Options, Service, StoreOptions};
use crate::grants;
use crate::local::Local;
use crate::logging;

/// Which services to start.
#[derive(Clone, Copy)]
pub(crate) struct Services {
    images: bool,
    cache: bool,
    bazar: bool,
    grants: bool,
}

impl Services {
    pub(crate) const ALL: Self = Self { images: true, cache: true, bazar: true, grants: true };
    pub(crate) const IMAGES: Self =
        Self { images: true, cache: false, bazar: false, grants: false };

    /// Those of them that are asked for, if that is said.
    fn only(self, only: &[Service]) -> Self {
        let wanted = |service| only.is_empty() || only.contains(&service);
        Self {
            images: self.images && wanted(Service::Images),
            cache: self.cache && wanted(Service::Cache),
            bazar: self.bazar && wanted(Service::Bazar) && wanted(Service::Images),
            grants: self.grants && wanted(Service::Grants) && wanted(Service::Images),
        }
    }
}

/// Where the bookstore is shown, under the image store's address.
const BAZAR: &str = "/bazar";

/// Where research funding is.
const GRANTS: &str = "/grants";

/// Runs services until they are asked to end.
pub(crate) async fn run(
    options: Box<Options>,
    services: Services,
    flags: &[OsString],
) -> anyhow::Result<()> {
    logging::start(&options.log)?;
    let services = services.only(&options.only);
    let token = check(&options, services)?;
    let images = match services.images {
        true => Some(listen("--listen", options.listen).await.map_err(Usage)?),
        false => None,
    };
    let cache = match services.cache {
        true => Some(listen("--cache-listen", options.cache_listen).await.map_err(Usage)?),
        false => None,
    };
    let peers = match options.cluster.node_address {
        Some(address) if services.images => {
            Some(listen("--node-address", address).await.map_err(Usage)?)
        }
        _ => None,
    };
    let shutdown = Shutdown::default();
    end_on_signals(shutdown.clone())?;
    if options.cluster.ends_with_input {
        end_with_input(shutdown.clone());
    }
    let limits = Limits { connections: connections(), ..Limits::default() };
    let access = || token.as_deref().map_or_else(Access::open, Access::with_token);

    let cache_address = cache.as_ref().map(TcpListener::local_addr).transpose()?;
    // Base64 and the JSON around it.
    let max_body = usize::try_from(options.max_upload.saturating_mul(3) / 2).unwrap_or(usize::MAX);
    let memory = cached::memory(&options);
    let (memcached, memcached_at) = match &cache {
        Some(_) => cached::beside(&options, &memory, shutdown.clone())?,
        None => (None, String::new()),
    };
    let sampling = cache_address.and_then(|address| {
        cached::sample(options.store.database.as_ref(), address, &memory, &shutdown)
    });
    let cached = cache.map(|listener| {
        let web =
            WebConfig { hosts: options.host.clone(), access: access(), limits: limits.clone() };
        tokio::spawn(larder_cached::run(memory, max_body, web, listener, shutdown.clone()))
    });
    let cache_at = cache_address.map(|address| (address, memcached_at.as_str()));
    let is_alone = options.cluster.node_address.is_none();
    let bazar = match images.as_ref().filter(|_| services.bazar && is_alone) {
        Some(images) => {
            let images = images.local_addr()?;
            Some(bazar::mount(&options, BAZAR, images, &limits, shutdown.clone()).await?)
        }
        None => None,
    };
    let grants = match images.as_ref().filter(|_| services.grants && is_alone) {
        Some(images) => {
            let site = images.local_addr()?;
            Some(grants::mount(&options, GRANTS, site, shutdown.clone()).await?)
        }
        None => None,
    };
    let result = match images {
        None => {
            announce(&announcement(None, &[], cache_at, None));
            Ok(())
        }
        Some(listener) => {
            let address = listener.local_addr()?;
            let web = WebConfig { hosts: options.host.clone(), access: access(), limits };
            let local = options.cluster.scale_locally && !options.cluster.ends_with_input;
            let local = local.then_some(()).and(peers.as_ref()).map(TcpListener::local_addr);
            let local = local.transpose()?.map(|node| Local {
                flags: flags.to_vec(),
                listens: address,
                address: node,
                data: options.store.data.clone(),
            });
            let mut tending = None;
            let ready = |images: &Images| {
                let bazar = bazar.as_ref().map(|_| ("bazar", BAZAR, "a bookstore"));
                let grants = grants.as_ref().map(|_| ("grants", GRANTS, "research funding"));
                let beside: Vec<_> = bazar.into_iter().chain(grants).collect();
                announce(&announcement(
                    Some((address, images)),
                    &beside,
                    cache_at,
                    token.as_deref(),
                ));
                let tend = |(local, cluster): (Local, &Arc<Cluster>)| {
                    tokio::spawn(local.tend(cluster.clone(), shutdown.clone()))
                };
                tending = local.zip(images.cluster()).map(tend);
            };
            let mut config = config(&options);
            config.mem_cache = mem_cache(&options)?;
            if let Some(peers) = &peers {
                config.cluster = Some(cluster(&options, address, peers.local_addr()?)?);
            }
            let beside = |site: Arc<Site>| {
                let shop = bazar.as_ref().map(|shop| shop.router(site.clone()));
                let grants = grants.as_ref().map(|grants| grants.router(&site));
                shop.unwrap_or_default().merge(grants.unwrap_or_default())
            };
            let served =
                larder_images::run(config, web, listener, peers, shutdown.clone(), beside, ready)
                    .await;
            // Whatever ended the image store ends the rest.
            shutdown.ask();
            if let Some(tending) = tending {
                tending.await?;
            }
            served.map_err(|error| explain(error, &options.store))
        }
    };
    for ending in cached.into_iter().chain(sampling) {
        ending.await?;
    }
    if let Some(memcached) = memcached {
        tokio::task::spawn_blocking(|| memcached.wait()).await?;
    }
    if let Some(bazar) = bazar {
        bazar.close().await;
    }
    if let Some(grants) = grants {
        grants.close().await;
    }
    result
}

/// Checks what no single flag can be checked for; returns the token.
fn check(options: &Options, services: Services) -> Result<Option<String>, Usage> {
    let memory = larder_images::machine_memory_bytes();
    for (flag, capacity) in
        [("--capacity", options.capacity), ("--cache-capacity", options.cache_capacity)]
    {
        if capacity > memory {
            return Err(Usage(format!(
                "{flag}: {} MB is more than the {} MB of memory of this machine",
                capacity / MEGABYTE,
                memory / MEGABYTE
            )));
        }
    }
    if options.cluster.node_address.is_some() {
        if !matches!(options.store.database, Some(DatabaseUrl::Server(_))) {
            return Err(Usage(
                "--node-address: several nodes need a database server that all of them use: add \
                 --database postgres://… or mariadb://…"
                    .into(),
            ));
        }
        if options.store.blobs.is_none() {
            return Err(Usage(
                "--node-address: several nodes need blobs that all of them use: add --blobs \
                 s3://… or a shared folder, file:DIR"
                    .into(),
            ));
        }
    }
    let token = options.admin_token_file.as_deref();
    let token =
        token.map(|file| read_secret("--admin-token-file", file, "token", 16)).transpose()?;
    let listening = [
        (services.images, "--listen", options.listen),
        (services.cache, "--cache-listen", options.cache_listen),
    ];
    for (starts, flag, address) in listening {
        if starts && let Some(why) = is_open(address, token.as_deref(), options.allow_anonymous) {
            return Err(Usage(format!("{flag} {address}{why}")));
        }
    }
    Ok(token)
}

/// Why strangers could change everything at an address, if they could.
pub(crate) fn is_open(
    address: SocketAddr,
    token: Option<&str>,
    allow_anonymous: bool,
) -> Option<&'static str> {
    let is_open = !address.ip().is_loopback() && token.is_none() && !allow_anonymous;
    is_open.then_some(
        " can be reached from other machines, where everybody could change and delete everything: \
         add --admin-token-file FILE, or --allow-anonymous if that is what you want",
    )
}

/// What a file holds that strangers must not guess.
pub(crate) fn read_secret(
    flag: &str,
    path: &Path,
    what: &str,
    fewest: usize,
) -> Result<String, Usage> {
    let refused = |why: String| Usage(format!("{flag} {}: {why}", path.display()));
    let secret = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let secret = secret.trim().to_owned();
    if secret.len() < fewest {
        return Err(refused(format!(
            "the {what} must be at least {fewest} characters; make one with: openssl rand -hex 32"
        )));
    }
    Ok(secret)
}

/// What this node is to its cluster.
fn cluster(
    options: &Options,
    listens: SocketAddr,
    address: SocketAddr,
) -> Result<larder_images::Cluster, Usage> {
    let options = &options.cluster;
    let Some(file) = &options.cluster_secret_file else {
        return Err(Usage("--node-address needs --cluster-secret-file FILE".into()));
    };
    let secret = read_secret("--cluster-secret-file", file, "secret", SECRET_MIN_BYTES)?;
    let secret = Secret::new(secret.as_bytes()).expect("it is long enough");
    let is_replicated = options.database_has_standbys;
    let keeps_entries = options.coherence == Coherence::Leases;
    let scale_command = options.scale_command.clone().filter(|_| !options.ends_with_input);
    Ok(larder_images::Cluster {
        address,
        listens,
        secret,
        is_replicated,
        keeps_entries,
        scale_command,
    })
}

/// The mem-cache service that keeps the images, if one does.
fn mem_cache(options: &Options) -> Result<Option<MemCacheService>, Usage> {
    let Some(url) = options.cache.clone() else { return Ok(None) };
    let file = options.cache_token_file.as_deref();
    let token =
        file.map(|file| read_secret("--cache-token-file", file, "token", 16)).transpose()?;
    Ok(Some(MemCacheService { url, token }))
}

fn config(options: &Options) -> Config {
    Config {
        mem_cache: None,
        cluster: None,
        data: options.store.data.clone(),
        database: options.store.database.clone(),
        blobs: options.store.blobs.clone(),
        defaults: Settings {
            capacity_bytes: options.capacity,
            policy: options.policy,
            objective: options.objective,
            autopilot: options.autopilot,
        },
        max_upload_bytes: options.max_upload,
        limits: larder_picture::Limits {
            max_pixels: options.max_pixels,
            allow_svg: options.allow_svg,
            ..larder_picture::Limits::default()
        },
        min_free_bytes: options.min_free,
        classic_key_as_list: options.classic_key == ClassicKey::List,
    }
}

/// A store that can't be opened is most often a wrong flag.
pub(crate) fn explain(error: larder_images::Error, options: &StoreOptions) -> anyhow::Error {
    use larder_images::Error;
    match error {
        Error::Blobs(source) if matches!(*source, larder_blobs::Error::Folder(_)) => {
            Usage(format!("--data {}: {source}", options.data.display())).into()
        }
        Error::Blobs(source) if matches!(*source, larder_blobs::Error::Configuration(_)) => {
            Usage(format!("--blobs: {source}")).into()
        }
        Error::Rows(source) if matches!(*source, larder_sql::Error::Open { .. }) => {
            Usage(format!("--database: {source}")).into()
        }
        error @ Error::OthersBlobs(_) => Usage(format!("--blobs: {error}")).into(),
        error @ (Error::Unfinished | Error::OtherVersion { .. }) => Usage(error.to_string()).into(),
        error => anyhow::Error::new(error),
    }
}

/// What a person who started it wants to know.
fn announcement(
    images: Option<(SocketAddr, &Images)>,
    beside: &[(&str, &str, &str)],
    cache: Option<(SocketAddr, &str)>,
    token: Option<&str>,
) -> String {
    let mut lines = vec![format!("larder {}", env!("CARGO_PKG_VERSION"))];
    if let Some((address, _)) = images {
        lines.push(format!("  images      http://{address}   pages; API at /docs"));
        for (name, path, what) in beside {
            lines.push(format!("  {name:<11} http://{address}{path}   {what}"));
        }
    }
    if let Some((address, memcached)) = cache {
        lines.push(format!("  mem-cache   http://{address}   page and API"));
        lines.push(format!("  memcached   {memcached}"));
    }
    if let Some((_, images)) = images {
        let settings = images.settings();
        lines.push(format!("  data        {}", images.data().display()));
        if let Some(database) = &images.config().database {
            lines.push(format!("  rows        {database}"));
        }
        if let Some(blobs) = &images.config().blobs {
            lines.push(format!("  blobs       {blobs}"));
        }
        if let (Some(cluster), Some(own)) = (images.cluster(), &images.config().cluster) {
            lines.push(format!("  node        {} at {}", cluster.node().0, own.address));
        }
        let place = images.config().mem_cache.as_ref();
        lines.push(format!(
            "  cache       {}{} MB, {}{} (change it at /cache)",
            place.map(|service| format!("{}, ", service.url)).unwrap_or_default(),
            larder_images::megabytes(settings.capacity_bytes),
            settings.policy.title(),
            if settings.autopilot { " under the autopilot" } else { "" }
        ));
    }
    let changes =
        if token.is_some() { "with the admin token" } else { "by anybody who reaches the address" };
    lines.push(format!("  changes     {changes}"));
    lines.push("  stop        Ctrl-C".to_owned());
    lines.join("\n")
}

pub(crate) fn announce(text: &str) {
    // A closed standard output is no reason not to serve.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

pub(crate) fn end_on_signals(shutdown: Shutdown) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("can't watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("can't watch for SIGTERM")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: what is in flight may finish");
        shutdown.ask();
    });
    Ok(())
}

/// Asks for the end when nobody holds the other end of the standard input any
/// more.
fn end_with_input(shutdown: Shutdown) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        shutdown.ask();
    });
}

/// Connections one listener takes: what the system's limit on open files
/// leaves, once blobs and databases have theirs.
pub(crate) fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    (files / 2).saturating_sub(100).clamp(16, Limits::default().connections)
}

//! The bookstore: a front end with a memory cache, and replicas of a catalog
//! and of an order service behind it, over one database. Never oversold, never
//! stale. Knows no other app.

mod config;
mod error;
mod front;
mod local;
mod model;
mod replica;
mod service;
mod store;
mod web;

use std::sync::Arc;

use axum::Router;
use larder_blobs::DataFolder;
use larder_clock::SystemClock;
use larder_sql::{Database, DatabaseUrl};
use larder_tier::Membership;
use larder_web::{Limits, Shutdown, Site, WebConfig};
use tokio::net::TcpListener;

pub use config::{Cluster, Config, Memory, Parts};
pub use error::Error;
use front::Front;
use local::Local;
use service::Shop;
pub use store::Role;
use store::Store;

/// Connections for reading an embedded database.
const READERS: usize = 4;

/// Runs parts of a bookstore until `shutdown` is asked for; `peers` is where
/// the other processes of its cluster reach this one. `ready` is told once
/// requests will be answered.
///
/// # Errors
/// The data folder or the database can't be used.
pub async fn run(
    config: Config,
    web: WebConfig,
    parts: Parts,
    peers: Option<TcpListener>,
    shutdown: Shutdown,
    ready: impl FnOnce(),
) -> Result<(), Error> {
    let (folder, shop, local) =
        begin(&config, parts.front.is_some(), parts.replicas, &web.limits).await?;
    let front = parts
        .front
        .map(|(name, listener)| (Front::new(name, shop.clone(), &config.token), listener));
    let left = Shutdown::default();
    let door = shop.tier().cluster().zip(peers).map(|(cluster, listener)| {
        let reader = front.as_ref().map_or_else(no_entries, |(front, _)| front.reader());
        let (router, limits) = (cluster.router(reader), web.limits.clone());
        tokio::spawn(larder_web::serve(listener, router, limits, left.clone()))
    });
    match front {
        None => {
            ready();
            shutdown.asked().await;
        }
        Some((front, listener)) => {
            let shown = Mounted::show(front, local.clone(), "", config.images, shutdown.clone());
            let shown = shown.await;
            let WebConfig { hosts, access, limits } = web;
            let site = Arc::new(Site { hosts, access, error_page: web::error_page });
            let router = larder_web::guard(shown.router(site.clone()), site);
            ready();
            larder_web::serve(listener, router, limits, shutdown.clone()).await;
            // Its listener has ended; should it have failed, so does the rest.
            shutdown.ask();
            let _ = shown.looking.await;
        }
    }
    local.stop_all().await;
    shop.close().await;
    left.ask();
    if let Some(door) = door {
        let _ = door.await;
    }
    drop(folder);
    Ok(())
}

/// A whole shop in this process that another site shows under a path, which
/// begins with a slash, as in `/bazar`.
///
/// # Errors
/// The data folder or the database can't be used.
pub async fn mount(
    config: Config,
    replicas: Vec<(Role, String, TcpListener)>,
    base: &str,
    limits: &Limits,
    shutdown: Shutdown,
) -> Result<Mounted, Error> {
    let (folder, shop, local) = begin(&config, true, replicas, limits).await?;
    let front = Front::new("frontend".into(), shop, &config.token);
    let shown = Mounted::show(front, local, base, config.images, shutdown).await;
    Ok(Mounted { folder: Some(folder), ..shown })
}

/// A front end that is looked at, by whichever site.
pub struct Mounted {
    routes: Shown,
    looking: tokio::task::JoinHandle<()>,
    /// Held as long as it runs, if it is this one's to hold.
    folder: Option<DataFolder>,
}

/// What its routes share, without the site.
struct Shown {
    front: Front,
    local: Arc<Local>,
    shutdown: Shutdown,
    base: Arc<str>,
    covers: Option<web::Covers>,
}

impl Mounted {
    async fn show(
        front: Front,
        local: Arc<Local>,
        base: &str,
        images: Option<String>,
        shutdown: Shutdown,
    ) -> Self {
        front.look().await;
        let looking = tokio::spawn(front.clone().look_for_ever(shutdown.clone()));
        let covers = images.map(web::Covers::new);
        let routes = Shown { front, local, shutdown, base: base.into(), covers };
        Self { routes, looking, folder: None }
    }

    /// Its pages and API, for a site that has a guard around them.
    pub fn router(&self, site: Arc<Site>) -> Router {
        let Shown { front, local, shutdown, base, covers } = &self.routes;
        let base = base.clone();
        let routes = web::router(web::Web {
            front: front.clone(),
            local: local.clone(),
            site,
            shutdown: shutdown.clone(),
            base: base.clone(),
            covers: covers.clone(),
        });
        match base.is_empty() {
            true => routes,
            false => {
                let home = axum::routing::get({
                    let base = base.to_string();
                    async move || axum::response::Redirect::permanent(&base)
                });
                Router::new().nest(&base, routes).route(&format!("{base}/"), home)
            }
        }
    }

    /// Ends it, once nobody is served any more and the end was asked for.
    pub async fn close(self) {
        let _ = self.looking.await;
        self.routes.local.stop_all().await;
        self.routes.front.shop().close().await;
        drop(self.folder);
    }
}

/// Opens the shop and starts the replicas that run here.
async fn begin(
    config: &Config,
    keeps_entries: bool,
    replicas: Vec<(Role, String, TcpListener)>,
    limits: &Limits,
) -> Result<(DataFolder, Shop, Arc<Local>), Error> {
    let path = config.data.clone();
    let folder = tokio::task::spawn_blocking(move || DataFolder::open(&path)).await;
    let folder = folder.map_err(|error| Error::Damaged(error.to_string()))?;
    let folder = folder.map_err(|error| Error::Folder(Arc::new(error)))?;
    let shop = open(config, folder.path(), keeps_entries).await?;
    shop.seed().await?;
    let local = Arc::new(Local::new(shop.clone(), config.token.clone(), limits.clone()));
    for (role, name, listener) in replicas {
        local.add(role, name, listener).await?;
    }
    Ok((folder, shop, local))
}

async fn open(
    config: &Config,
    folder: &std::path::Path,
    keeps_entries: bool,
) -> Result<Shop, Error> {
    let url = config.database.clone();
    let url = url.unwrap_or_else(|| DatabaseUrl::Sqlite(folder.join("bazar.db")));
    let mut opened = larder_sql::Config { url: url.clone(), readers: READERS };
    if let (DatabaseUrl::Server(server), true) = (&mut opened.url, config.cluster.is_some()) {
        server.idle_in_transaction = larder_tier::IDLE_IN_TRANSACTION;
    }
    let database = Database::open(&opened).await?;
    let store = Store::open(database.clone()).await?;
    let cluster = match &config.cluster {
        None => None,
        Some(cluster) => {
            let name = larder_tier::node_name(folder);
            let membership = Membership {
                url,
                database,
                is_replicated: cluster.is_replicated,
                keeps_entries,
                name: name.map_err(|error| Error::Damaged(error.to_string()))?,
                address: cluster.address.to_string(),
                secret: cluster.secret.clone(),
            };
            Some(larder_tier::Cluster::join(membership).await?)
        }
    };
    let Memory { capacity_bytes, max_items, policy } = config.memory;
    let memory = larder_tier::Config {
        capacity_bytes,
        max_items,
        policy,
        // One order over all books: a bound of a few is a bound of all.
        shards: 1,
        seed: getrandom::u64().map_err(|error| Error::Damaged(error.to_string()))?,
        ..larder_tier::Config::default()
    };
    Ok(Shop::new(store, memory, cluster, Arc::new(SystemClock)))
}

/// What processes without a front end tell others of entries.
fn no_entries() -> larder_tier::Reader {
    Arc::new(|_| Box::pin(std::future::ready(larder_tier::Told::Nothing)))
}

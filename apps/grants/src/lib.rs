//! Research funding by three services over one database: researchers apply, an
//! agency decides, the university holds the accounts. Each page shows its
//! viewer what is true now, and goes on at a backup when its server dies.
//! Knows no other app.

mod config;
mod error;
mod model;
mod service;
mod store;
mod web;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use larder_blobs::DataFolder;
use larder_sql::{Database, DatabaseUrl};
use larder_tier::Membership;
use larder_web::{Shutdown, Site, WebConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use config::{Cluster, Config, Hashing, Part};
pub use error::Error;
pub use model::{NewPerson, Person, Role, Service};
use service::{Grants, Parts};
use store::{Registered, Store};

/// Connections for reading an embedded database.
const READERS: usize = 4;

/// Runs services until `shutdown` is asked for; `peers` is where the other
/// processes of the cluster reach this one. `ready` is told once requests will
/// be answered.
///
/// # Errors
/// The data folder or the database can't be used.
pub async fn run(
    config: Config,
    web: WebConfig,
    parts: Vec<Part>,
    peers: Option<TcpListener>,
    shutdown: Shutdown,
    ready: impl FnOnce(),
) -> Result<(), Error> {
    let own = parts.iter().map(|part| (part.service, part.address.clone())).collect();
    let (grants, folder) = begin(&config, own).await?;
    let left = Shutdown::default();
    let door = grants.tier().cluster().zip(peers).map(|(cluster, listener)| {
        let router = cluster.router(grants.reader());
        tokio::spawn(larder_web::serve(listener, router, web.limits.clone(), left.clone()))
    });
    let behind = tokio::spawn(grants.clone().run(shutdown.clone()));
    let WebConfig { hosts, access, limits } = web;
    let site = Arc::new(Site { hosts, access, error_page: web::plain_error });
    let mut serving = Vec::new();
    for Part { service, listener, .. } in parts {
        let shown = web::Shown {
            grants: grants.clone(),
            service,
            base: "".into(),
            token: config.token.clone(),
            shutdown: shutdown.clone(),
            is_local: listener.local_addr().is_ok_and(|address| address.ip().is_loopback()),
        };
        let router = larder_web::guard(web::router(shown, site.clone()), site.clone());
        let (limits, shutdown) = (limits.clone(), shutdown.clone());
        serving.push(tokio::spawn(larder_web::serve(listener, router, limits, shutdown)));
    }
    ready();
    for served in serving {
        let _ = served.await;
        // Should one listener have failed, the rest ends too.
        shutdown.ask();
    }
    let _ = behind.await;
    grants.close().await;
    left.ask();
    if let Some(door) = door {
        let _ = door.await;
    }
    drop(folder);
    Ok(())
}

/// All three services in this process, which another site shows under a path
/// that begins with a slash, as in `/grants`: each under its name behind it.
/// `address` is how that site is reached, `http://HOST:PORT`.
///
/// # Errors
/// The data folder or the database can't be used.
pub async fn mount(
    config: Config,
    base: &str,
    address: &str,
    is_local: bool,
    shutdown: Shutdown,
) -> Result<Mounted, Error> {
    let of = |service: Service| (service, format!("{address}{base}/{}", service.name()));
    let (grants, folder) = begin(&config, Service::ALL.map(of).to_vec()).await?;
    let behind = tokio::spawn(grants.clone().run(shutdown.clone()));
    let (token, base) = (config.token, base.to_owned());
    Ok(Mounted { grants, base, token, is_local, shutdown, behind, _folder: folder })
}

/// Services that another site shows.
pub struct Mounted {
    grants: Grants,
    base: String,
    token: larder_web::ServiceToken,
    is_local: bool,
    shutdown: Shutdown,
    behind: JoinHandle<()>,
    /// Held as long as they run.
    _folder: DataFolder,
}

impl Mounted {
    /// Their pages and API, for a site that has a guard around them.
    pub fn router(&self, site: &Arc<Site>) -> Router {
        let mut router = Router::new();
        for service in Service::ALL {
            let base: Arc<str> = format!("{}/{}", self.base, service.name()).into();
            let shown = web::Shown {
                grants: self.grants.clone(),
                service,
                base: base.clone(),
                token: self.token.clone(),
                shutdown: self.shutdown.clone(),
                is_local: self.is_local,
            };
            router = router.nest(&base, web::router(shown, site.clone()));
            router = router.route(&format!("{base}/"), web::to(base.to_string()));
        }
        router
            .route(&self.base, web::start_page(&self.base))
            .route(&format!("{}/", self.base), web::to(self.base.clone()))
    }

    /// Ends them, once nobody is served any more and the end was asked for.
    pub async fn close(self) {
        let _ = self.behind.await;
        self.grants.close().await;
    }
}

/// Adds somebody to the rows of services that may be running: for whoever can
/// reach the database itself.
///
/// # Errors
/// Somebody has the email; there is no such agency; the database can't be used.
pub async fn add_person(
    config: &Config,
    name: &str,
    email: &str,
    password: &str,
    role: Role,
    agency: Option<&str>,
) -> Result<Person, Error> {
    tokio::fs::create_dir_all(&config.data)
        .await
        .map_err(|error| Error::Damaged(format!("{}: {error}", config.data.display())))?;
    let database = open_database(config, &config.data).await?;
    let grants = grants_of(config, Store::open(database).await?, None, Vec::new())?;
    grants.seed().await?;
    let agencies = grants.agencies().await?;
    let agency = match (role, agency) {
        (Role::Agency, Some(name)) => {
            let found = agencies.iter().find(|agency| agency.name == name);
            let names = agencies.iter().map(|agency| format!("“{}”", agency.name));
            let names = names.collect::<Vec<_>>().join(", ");
            let why = format!("There is no agency “{name}”; there are {names}.");
            Some(found.ok_or_else(|| larder_input::Invalid::new("agency", why))?.id)
        }
        // Where there is one only it needs no name.
        (Role::Agency, None) if agencies.len() == 1 => Some(agencies[0].id),
        _ => None,
    };
    let new = NewPerson::of(name, email, password, role, agency)?;
    let added = grants.add_person(new).await?;
    grants.close().await;
    Ok(added.person)
}

/// Opens what the services are made of.
async fn begin(
    config: &Config,
    own: Vec<(Service, String)>,
) -> Result<(Grants, DataFolder), Error> {
    let path = config.data.clone();
    let folder = tokio::task::spawn_blocking(move || DataFolder::open(&path)).await;
    let folder = folder.map_err(|error| Error::Damaged(error.to_string()))?;
    let folder = folder.map_err(|error| Error::Folder(Arc::new(error)))?;
    let database = open_database(config, folder.path()).await?;
    let store = Store::open(database.clone()).await?;
    let cluster = match &config.cluster {
        None => None,
        Some(cluster) => {
            let name = larder_tier::node_name(folder.path());
            let membership = Membership {
                url: url_of(config, folder.path()),
                database,
                is_replicated: cluster.is_replicated,
                keeps_entries: true,
                name: name.map_err(|error| Error::Damaged(error.to_string()))?,
                address: cluster.address.to_string(),
                secret: cluster.secret.clone(),
            };
            Some(larder_tier::Cluster::join(membership).await?)
        }
    };
    let own = own.into_iter().map(|(service, address)| Registered { service, address });
    let grants = grants_of(config, store, cluster, own.collect())?;
    grants.seed().await?;
    grants.look_around().await?;
    Ok((grants, folder))
}

fn grants_of(
    config: &Config,
    store: Store,
    cluster: Option<Arc<larder_tier::Cluster>>,
    own: Vec<Registered>,
) -> Result<Grants, Error> {
    let memory = larder_tier::Config {
        capacity_bytes: config.capacity_bytes,
        policy: config.policy,
        seed: getrandom::u64().map_err(|error| Error::Damaged(error.to_string()))?,
        ..larder_tier::Config::default()
    };
    Ok(Grants::new(Parts {
        store,
        memory,
        cluster,
        clock: config.clock.clone(),
        currency: config.currency.clone(),
        hashing: config.hashing,
        token: config.token.clone(),
        own,
    }))
}

fn url_of(config: &Config, folder: &Path) -> DatabaseUrl {
    config.database.clone().unwrap_or_else(|| DatabaseUrl::Sqlite(folder.join("grants.db")))
}

async fn open_database(config: &Config, folder: &Path) -> Result<Database, Error> {
    let mut opened = larder_sql::Config { url: url_of(config, folder), readers: READERS };
    if let (DatabaseUrl::Server(server), true) = (&mut opened.url, config.cluster.is_some()) {
        server.idle_in_transaction = larder_tier::IDLE_IN_TRANSACTION;
    }
    Ok(Database::open(&opened).await?)
}

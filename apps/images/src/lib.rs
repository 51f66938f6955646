//! The keyed image store: upload under a key, search, list, tune the cache
//! while it runs, watch what it does. Pages for people, a REST API, and the
//! classic API. Knows no other app.

pub mod admin;
mod config;
mod error;
mod model;
mod service;
mod store;
mod web;

use std::sync::Arc;

use axum::Router;
use larder_clock::SystemClock;
use larder_web::{Shutdown, Site, WebConfig};
use tokio::net::TcpListener;

pub use config::{Cluster, Config, MemCacheService};
pub use error::Error;
pub use larder_cache::Objective;
pub use model::{
    InvalidObjective, MEGABYTE, Settings, machine_memory_bytes, megabytes, objective_from_name,
};
pub use service::Images;

/// Opens the store and serves it on `listener` until `shutdown` is asked for,
/// and on `peers` to the other nodes of its cluster, if it is in one; `beside`
/// makes routes of other services that the same site shows. `ready` is told
/// once requests will be answered.
///
/// # Errors
/// The store can't be opened, or going on became unsafe.
pub async fn run(
    config: Config,
    web: WebConfig,
    listener: TcpListener,
    peers: Option<TcpListener>,
    shutdown: Shutdown,
    beside: impl FnOnce(Arc<Site>) -> Router,
    ready: impl FnOnce(&Images),
) -> Result<(), Error> {
    let images = Images::open(config, Arc::new(SystemClock), shutdown.clone()).await?;
    // Open until the clients have gone: their reads may need the other nodes,
    // and those may need this one.
    let left = Shutdown::default();
    let door = images.cluster().zip(peers).map(|(cluster, listener)| {
        let (router, limits) = (cluster.router(images.reader()), web.limits.clone());
        tokio::spawn(larder_web::serve(listener, router, limits, left.clone()))
    });
    let mut background = images.start_background();
    ready(&images);

    let WebConfig { hosts, access, limits } = web;
    let site = Arc::new(Site { hosts, access, error_page: web::pages::error_page });
    let routes = web::router(images.clone(), site.clone()).merge(beside(site.clone()));
    let router = larder_web::guard(routes, site);
    larder_web::serve(listener, router, limits, shutdown.clone()).await;

    // Nobody is served any more; what still runs beside is asked to end too.
    shutdown.ask();
    while background.join_next().await.is_some() {}
    images.close().await;
    left.ask();
    if let Some(door) = door {
        // Whatever became of it, nobody is served there any more.
        let _ = door.await;
    }
    shutdown.failure().map_or(Ok(()), |reason| Err(Error::Damaged(reason.to_owned())))
}

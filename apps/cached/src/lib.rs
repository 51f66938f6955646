//! The mem-cache server: the cache as a service of its own, over memcached's
//! protocol and over HTTP, both of which see the same entries, and a page on
//! which an operator sees and tunes it. What it holds is its clients' word, not
//! a store's: nothing here is coherent with anything, and nothing survives a
//! restart.

mod items;
pub mod memcached;
mod samples;
mod service;
mod store;
mod web;

use std::sync::Arc;

use larder_cache::PolicyKind;
use larder_web::{Shutdown, Site, WebConfig};
use tokio::net::TcpListener;

pub use samples::{SAMPLED_EVERY, Samples};
pub use service::MemCache;

/// The settings of the mem-cache server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Capacity in bytes.
    pub capacity_bytes: u64,
    /// Which entry goes when room is needed.
    pub policy: PolicyKind,
    /// The largest entry that memcached's protocol takes, in bytes, with some
    /// sixty for what the reference has beside key and value.
    pub max_item_bytes: usize,
}

/// The largest entry where nobody says otherwise.
pub const MAX_ITEM_BYTES: usize = 1 << 20;

/// Serves `cache` over HTTP on `listener` until `shutdown` is asked for, taking
/// requests of up to `max_body_bytes`; a value in base64 takes four thirds of
/// its size.
pub async fn run(
    cache: MemCache,
    max_body_bytes: usize,
    web: WebConfig,
    listener: TcpListener,
    shutdown: Shutdown,
) {
    let WebConfig { hosts, access, limits } = web;
    let site = Arc::new(Site { hosts, access, error_page: web::error_page });
    let router = web::router(cache, site, max_body_bytes);
    larder_web::serve(listener, router, limits, shutdown).await;
}

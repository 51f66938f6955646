//! The front end on the web: its route table, and who answered.

mod api;
mod events;
mod metrics;
mod pages;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue};
use larder_tier::Source;
use larder_web::{Problem, Shutdown, Site};
pub(crate) use pages::{Covers, error_page};
use tower_http::compression::CompressionLayer;

use crate::front::{Front, Served};
use crate::local::Local;
use crate::replica::SERVED_BY;

/// How a read was answered.
const CACHE: HeaderName = HeaderName::from_static("x-cache");

/// What every route can ask for.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) front: Front,
    pub(crate) local: Arc<Local>,
    pub(crate) site: Arc<Site>,
    pub(crate) shutdown: Shutdown,
    /// What stands before the path of every page's address: nothing, or the
    /// path under which another site shows the shop.
    pub(crate) base: Arc<str>,
    /// Where the covers are, if the shop has any.
    pub(crate) covers: Option<Covers>,
}

impl FromRef<Web> for Front {
    fn from_ref(web: &Web) -> Self {
        web.front.clone()
    }
}

impl FromRef<Web> for Arc<Site> {
    fn from_ref(web: &Web) -> Self {
        web.site.clone()
    }
}

/// All routes of the front end.
pub(crate) fn router(web: Web) -> Router {
    let name = HeaderValue::from_str(web.front.name()).expect("names are of letters and digits");
    let purchase = post(api::purchase).put(api::purchase);
    Router::new()
        .route("/search/{topic}", get(api::search))
        .route("/search", get(api::search_all))
        .route("/info/{id}", get(api::info))
        .route("/purchase/{id}", purchase)
        .route("/orders", get(api::orders))
        .route("/orders/{number}", get(api::order))
        .route("/books", get(api::list).post(api::add))
        .route("/books/{id}", axum::routing::patch(api::change))
        .route("/topics", get(api::topics))
        .route("/replicas/status", get(api::replicas))
        .route("/replicas/{name}/stop", post(api::stop))
        .route("/replicas/{name}/start", post(api::start))
        .route("/events", get(events::stock))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(async || http::StatusCode::OK))
        .route("/readyz", get(api::readyz))
        .merge(pages::router().layer(CompressionLayer::new()))
        .layer(axum::middleware::map_response(move |mut response: Response| {
            // Where a replica was asked, its name stands beside ours already;
            // where memory was, what it knew.
            let headers = response.headers_mut();
            headers.entry(SERVED_BY).or_insert(name.clone());
            headers.entry(CACHE).or_insert(HeaderValue::from_static("bypass"));
            std::future::ready(response)
        }))
        .with_state(web)
}

/// Says who answered.
fn say(front: &Front, served: &Served<impl Sized>, response: &mut Response) {
    let headers = response.headers_mut();
    let by = match &served.by {
        Some(by) => format!("{}, {by}", front.name()),
        None => front.name().to_owned(),
    };
    if let Ok(by) = HeaderValue::from_str(&by) {
        headers.insert(SERVED_BY, by);
    }
    if let Some(source) = served.source {
        headers.insert(CACHE, HeaderValue::from_static(source_name(source)));
    }
}

/// How a read was answered, in a word.
fn source_name(source: Source) -> &'static str {
    match source {
        Source::Memory => "hit",
        Source::Peer => "peer",
        Source::Store => "miss",
    }
}

/// Refuses a change by who may not make it.
fn check_access(web: &Web, headers: &http::HeaderMap) -> Result<(), Problem> {
    web.site.access.check(headers)
}

//! The pages for people: what they can do on one screen of routes. Works
//! without JavaScript, better with it. Holds no rules and no SQL.

mod cache;
mod chart;
mod cluster;
mod docs;
mod keys;
mod layout;
mod search;
mod sign_in;
mod statistics;
mod upload;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};
use larder_web::{Assets, Problem, Site, text};

use crate::service::Images;

pub(crate) use layout::error_page;

/// What the pages' handlers share.
#[derive(Clone)]
struct Pages {
    images: Images,
    site: Arc<Site>,
}

impl FromRef<Pages> for Arc<Site> {
    fn from_ref(pages: &Pages) -> Self {
        pages.site.clone()
    }
}

/// The routes of all pages.
pub(crate) fn router(images: Images, site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(upload::form))
        // The service bounds each file; the whole form may be many of them.
        .route("/upload", post(upload::receive).layer(DefaultBodyLimit::disable()))
        .route("/search", get(search::page))
        .route("/keys", get(keys::page))
        .route("/keys/delete", get(keys::ask).post(keys::delete))
        .route("/keys/delete-all", get(keys::ask_all).post(keys::delete_all))
        .route("/cache", get(cache::page))
        .route("/cache/apply", post(cache::apply))
        .route("/cache/what-if/apply", post(cache::follow))
        .route("/cache/clear", post(cache::clear))
        .route("/cache/defaults", post(cache::defaults))
        .route("/statistics", get(statistics::page))
        .route("/statistics/data", get(statistics::data))
        .route("/statistics/events", get(statistics::events))
        .route("/cluster", get(cluster::page))
        .route("/cluster/grow", post(cluster::grow))
        .route("/cluster/shrink", post(cluster::shrink))
        .route("/cluster/apply", post(cluster::apply))
        .route("/docs", get(docs::page))
        .route("/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .with_state(Pages { images, site })
        .merge(Assets::<layout::Files>::router())
        .merge(larder_console::assets())
}

impl Pages {
    /// Refuses a change by who may not make it.
    fn check_access(&self, headers: &http::HeaderMap) -> Result<(), Problem> {
        self.site.access.check(headers)
    }
}

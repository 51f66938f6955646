//! A service on the web: its route table, and what every route can ask for.

mod api;
mod errors;
mod live;
mod messages;
mod metrics;
mod pages;
mod seat;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use http::StatusCode;
use larder_web::{Guesses, Peer, ServiceToken, Shutdown, Site};
use tokio::sync::Semaphore;
use tower_http::compression::CompressionLayer;

pub use errors::plain_error;

use crate::error::{Error, Result};
use crate::model::{Attachment, Service};
use crate::service::{Grants, SignedIn};

/// Open pages that are told of changes, at one time.
const LISTENERS: usize = 10_000;

/// Wrong passwords of one account from one address in a minute.
const WRONG_PASSWORDS: u32 = 5;

/// The largest request: a file and the form around it.
const LARGEST_BODY: usize = Attachment::LARGEST + (256 << 10);

/// A service as it is shown.
#[derive(Clone)]
pub struct Shown {
    /// What it does.
    pub grants: Grants,
    /// Which it is.
    pub service: Service,
    /// What stands before the path of every address: nothing, or the path under
    /// which another site shows it.
    pub base: Arc<str>,
    /// What the services know and nobody else.
    pub token: ServiceToken,
    /// Ends open connections to pages.
    pub shutdown: Shutdown,
    /// Whether it is reached from this machine only.
    pub is_local: bool,
}

/// What every route can ask for.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) shown: Shown,
    pub(crate) site: Arc<Site>,
    listeners: Arc<Semaphore>,
    /// Attempts to sign in, by where from and as whom.
    guesses: Arc<Guesses<(IpAddr, String)>>,
}

impl FromRef<Web> for Grants {
    fn from_ref(web: &Web) -> Self {
        web.shown.grants.clone()
    }
}

impl FromRef<Web> for Arc<Site> {
    fn from_ref(web: &Web) -> Self {
        web.site.clone()
    }
}

impl Web {
    /// The verbs.
    pub(crate) fn grants(&self) -> &Grants {
        &self.shown.grants
    }

    /// What stands before the path of every address.
    pub(crate) fn base(&self) -> &str {
        &self.shown.base
    }

    /// Which service this is.
    pub(crate) fn service(&self) -> Service {
        self.shown.service
    }

    /// Signs in; who guesses is slowed down.
    ///
    /// # Errors
    /// As [`Grants::sign_in`]; [`Error::TooManyGuesses`].
    pub(crate) async fn sign_in(
        &self,
        peer: Option<Extension<Peer>>,
        email: &str,
        password: &str,
    ) -> Result<SignedIn> {
        let from = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Extension(Peer(peer))| peer.ip());
        let who = (from, email.trim().to_lowercase());
        if !self.guesses.admit(who.clone()) {
            return Err(Error::TooManyGuesses);
        }
        let signed_in = self.grants().sign_in(self.service(), email, password).await?;
        self.guesses.forget(&who);
        Ok(signed_in)
    }
}

/// All routes of a service.
pub fn router(shown: Shown, site: Arc<Site>) -> Router {
    let service = shown.service;
    let listeners = Arc::new(Semaphore::new(LISTENERS));
    let guesses = Arc::new(Guesses::new(WRONG_PASSWORDS));
    let web = Web { shown, site, listeners, guesses };
    Router::new()
        .nest("/api", api::router(service))
        .route("/messages/{id}", post(messages::hear))
        .route("/live/nudge", post(messages::nudge))
        .route("/s/{slot}/live", get(live::listen))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(errors::alive))
        .route("/readyz", get(ready))
        .merge(pages::router(service).layer(CompressionLayer::new()))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(web.clone(), errors::as_pages))
        .with_state(web)
}

async fn ready(State(grants): State<Grants>) -> StatusCode {
    match grants.is_ready().await {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A route that leads elsewhere.
pub fn to(address: String) -> MethodRouter {
    get(async move || axum::response::Redirect::permanent(&address))
}

/// The page that leads to the three services under `base`.
pub fn start_page(base: &str) -> MethodRouter {
    let base = base.to_owned();
    get(async move || pages::start(&base))
}

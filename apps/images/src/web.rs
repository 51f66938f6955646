//! The image store on the web: its route table, and how its errors read over
//! HTTP.

pub(crate) mod api;
mod cache;
mod classic;
mod cluster;
mod conditions;
mod description;
mod metrics;
mod operation;
pub(crate) mod pages;
mod receive;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};
use http::StatusCode;
use larder_picture::Refusal;
use larder_web::{Problem, Site};
use tower_http::compression::CompressionLayer;

use crate::error::Error;
use crate::service::{Images, with_sources};

/// What every route can ask for.
#[derive(Clone)]
struct Web {
    images: Images,
    site: Arc<Site>,
}

impl FromRef<Web> for Images {
    fn from_ref(web: &Web) -> Self {
        web.images.clone()
    }
}

impl FromRef<Web> for Arc<Site> {
    fn from_ref(web: &Web) -> Self {
        web.site.clone()
    }
}

/// All routes of the image store.
pub(crate) fn router(images: Images, site: Arc<Site>) -> Router {
    let image = get(api::get_image).put(api::put_image).delete(api::delete_image);
    let rest = Router::new()
        .route("/images", get(api::list_images))
        .route("/images/", image.clone())
        .route("/images/{*key}", image.clone())
        .route("/image", image)
        .route(
            "/cache/settings",
            get(cache::get_settings).patch(cache::change_settings).delete(cache::reset_settings),
        )
        .route("/cache/what-if", get(cache::what_if))
        .route("/cluster/status", get(cluster::status))
        .route("/cluster/pool", axum::routing::patch(cluster::change_pool))
        .route("/openapi.json", get(description::openapi_json))
        .route("/healthz", get(operation::healthz))
        .route("/readyz", get(operation::readyz))
        .route("/metrics", get(metrics::metrics));

    let mut classic = Router::new().route("/api/key/{*key}", post(classic::get_key));
    for end in ["", "/"] {
        classic = classic
            // An upload has a limit of its own, counted while it streams.
            .route(
                &format!("/api/upload{end}"),
                post(classic::upload).layer(DefaultBodyLimit::disable()),
            )
            .route(&format!("/api/list_keys{end}"), post(classic::list_keys))
            .route(&format!("/api/delete_all{end}"), post(classic::delete_all))
            .route(&format!("/api/configure_cache{end}"), post(classic::configure_cache))
            .route(&format!("/api/getNumNodes{end}"), post(classic::number_of_nodes))
            .route(&format!("/api/getRate{end}"), post(classic::rate))
            // An empty key.
            .route(&format!("/api/key{end}"), post(classic::get_key));
    }
    let classic = classic
        .route("/api/{*else}", axum::routing::any(classic::unknown))
        .method_not_allowed_fallback(classic::wrong_method)
        .layer(axum::middleware::map_response(classic::in_classic_form));

    let pages = pages::router(images.clone(), site.clone()).layer(CompressionLayer::new());
    Router::new().merge(rest).merge(classic).with_state(Web { images, site }).merge(pages)
}

/// What a JSON body says; `of` names that for whoever sent another.
fn read_json<T: serde::de::DeserializeOwned>(body: &[u8], of: &str) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("The body must be JSON with {of}: {error}.")))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NoSuchImage => StatusCode::NOT_FOUND,
            Error::InvalidKey(_) | Error::BadVariant(_) | Error::BadForm(_) | Error::BrokeOff => {
                StatusCode::BAD_REQUEST
            }
            Error::Refused(Refusal::UnknownType { .. } | Refusal::SvgNotAllowed) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Error::Refused(_)
            | Error::NotRendered(_)
            | Error::InvalidCapacity(_)
            | Error::InvalidPool(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Error::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Error::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Error::Unavailable(_) | Error::Unknown(_) | Error::Unserved(_) | Error::Frozen => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Rows(_)
            | Error::Blobs(_)
            | Error::Damaged(_)
            | Error::OthersBlobs(_)
            | Error::OtherVersion { .. }
            | Error::Unfinished => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR
            || matches!(error, Error::Unavailable(_) | Error::Unknown(_) | Error::Unserved(_))
        {
            tracing::error!(error = with_sources(&error), "a request failed");
        }
        match error {
            _ if status == StatusCode::INTERNAL_SERVER_ERROR => Self::internal(),
            Error::Unavailable(_) => {
                Self::new(status, "The store doesn't answer just now; try again in a moment.")
                    .retry_after(1)
            }
            Error::Unknown(_) | Error::Unserved(_) => {
                Self::new(status, error.to_string()).retry_after(1)
            }
            Error::Frozen => Self::new(status, error.to_string()).retry_after(30),
            Error::NoSuchImage => Self::new(status, error.to_string()).titled("Unknown key"),
            Error::InvalidKey(_) => Self::new(status, error.to_string()).in_field("key"),
            Error::InvalidCapacity(_) => Self::new(status, error.to_string()).in_field("capacity"),
            error => Self::new(status, error.to_string()),
        }
    }
}

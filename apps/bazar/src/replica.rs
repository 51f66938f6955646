//! The catalog and the order service over HTTP, as front ends ask them. Who
//! changes things shows the secret that the services share.

mod catalog;
mod orders;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::get;
use http::{HeaderName, HeaderValue, StatusCode};
use larder_web::{Access, Problem, ServiceToken, Site};
pub(crate) use orders::key_of;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::service::Shop;
use crate::store::Role;

/// Who answered: front ends and replicas add their names.
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// Which database server a replica goes by: see [`Shop::instance`].
pub(crate) const INSTANCE: HeaderName = HeaderName::from_static("x-larder-instance");

/// What makes repetitions of a purchase one purchase.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the routes of a replica share.
#[derive(Clone)]
struct Replica {
    shop: Shop,
    token: ServiceToken,
}

/// Proves that whoever asks is one of the shop's own services.
struct Ours;

impl FromRequestParts<Replica> for Ours {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, replica: &Replica) -> Result<Self, Problem> {
        match replica.token.is_in(&parts.headers) {
            true => Ok(Self),
            false => Err(Error::NotAllowed.into()),
        }
    }
}

/// The routes of a replica.
pub(crate) fn router(shop: Shop, role: Role, name: &str, token: ServiceToken) -> Router {
    let routes = match role {
        Role::Catalog => catalog::routes(),
        Role::Order => orders::routes(),
    };
    let ready = get(async |axum::extract::State(replica): axum::extract::State<Replica>| {
        match replica.shop.is_ready().await {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        }
    });
    let name = HeaderValue::from_str(name).expect("names are of letters and digits");
    let of_instance = shop.clone();
    let say_who = move |request: axum::extract::Request, next: axum::middleware::Next| {
        // Before it is read by.
        let (instance, name) = (of_instance.instance(), name.clone());
        async move {
            let mut response = next.run(request).await;
            response.headers_mut().insert(SERVED_BY, name);
            if let Some(instance) = instance {
                response.headers_mut().insert(INSTANCE, HeaderValue::from(instance));
            }
            response
        }
    };
    let router = routes
        .route("/healthz", get(async || StatusCode::OK))
        .route("/readyz", ready)
        .with_state(Replica { shop, token })
        .layer(axum::middleware::from_fn(say_who));
    let words = |problem: &Problem, id: &str| format!("{} ({id})", problem.detail);
    let site = Site { hosts: Vec::new(), access: Access::open(), error_page: words };
    larder_web::guard(router, Arc::new(site))
}

/// What a body says as JSON; `of` names that for whoever sent another.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8], of: &str) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("The body must be JSON with {of}: {error}.")))
}

/// A number of an address.
pub(crate) fn number(text: &str, what: &str) -> Result<u64, Problem> {
    let number = text.parse().ok().filter(|number| (1..=i64::MAX as u64).contains(number));
    number.ok_or_else(|| {
        Problem::bad_request(format!("The {what} in the address must be a number, 1 or more."))
            .in_field(what)
    })
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NoSuchBook | Error::NoSuchOrder => StatusCode::NOT_FOUND,
            Error::SoldOut { .. } | Error::NoSuchStock { .. } => StatusCode::CONFLICT,
            Error::KeyReused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Invalid(_) => StatusCode::BAD_REQUEST,
            Error::NotAllowed => StatusCode::FORBIDDEN,
            Error::Unavailable(_) | Error::Unknown(_) | Error::Unserved(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::NoReplica { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Told(problem) => return Self::clone(problem),
            Error::Rows(_) | Error::Folder(_) | Error::Damaged(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        if status.is_server_error() {
            tracing::warn!(error = ?error, "a request failed");
        }
        match error {
            Error::SoldOut { .. } => Self::new(status, error.to_string()).titled("Sold out"),
            Error::NoSuchBook => Self::new(status, error.to_string()).titled("Unknown book"),
            Error::NoSuchOrder => Self::new(status, error.to_string()).titled("Unknown order"),
            Error::Invalid(invalid) => Self::new(status, invalid.why).in_field(invalid.field),
            Error::Unknown(_) => Self::new(
                status,
                "The store went away during the change, which may have happened. Repeat a purchase \
                 with the same Idempotency-Key: it is made once.",
            )
            .retry_after(1),
            Error::Unavailable(_) | Error::Unserved(_) | Error::NoReplica { .. } => {
                Self::new(status, "The shop doesn't answer just now; try again in a moment.")
                    .retry_after(1)
            }
            _ if status == StatusCode::INTERNAL_SERVER_ERROR => Self::internal(),
            error => Self::new(status, error.to_string()),
        }
    }
}

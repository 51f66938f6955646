//! The entries as resources: bytes in, bytes out, no base64. The namespace and
//! the key, joined by a slash, are the key that memcached's clients see.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use larder_console::{CacheSettings, CacheSettingsChange, Change, InvalidCapacity, WhatIf};
use larder_web::Problem;

use crate::MemCache;

fn no_such_key() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "There is no such key.").into_response()
}

/// `GET /cache/{namespace}/{key}`. A browser must not take for a page what
/// somebody stored, so it is typed as bytes and has no rights.
pub(super) async fn get(
    State(cache): State<MemCache>,
    Path((namespace, key)): Path<(String, String)>,
) -> Response {
    let Some(value) = cache.get(&format!("{namespace}/{key}")) else { return no_such_key() };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, value).into_response()
}

/// `PUT /cache/{namespace}/{key}`: 201 where it was stored.
pub(super) async fn put(
    State(cache): State<MemCache>,
    Path((namespace, key)): Path<(String, String)>,
    value: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let value = match value {
        Ok(value) => value,
        Err(refused) => return Problem::new(refused.status(), refused.body_text()).into_response(),
    };
    match cache.put(&format!("{namespace}/{key}"), &value) {
        true => StatusCode::CREATED.into_response(),
        false => {
            let full = "The value is larger than the cache.";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, full).into_response()
        }
    }
}

/// `DELETE /cache/{namespace}/{key}`.
pub(super) async fn delete(
    State(cache): State<MemCache>,
    Path((namespace, key)): Path<(String, String)>,
) -> Response {
    match cache.invalidate(&format!("{namespace}/{key}")) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => no_such_key(),
    }
}

/// `GET /config`.
pub(super) async fn config(State(cache): State<MemCache>) -> Json<CacheSettings> {
    Json(cache.settings().into())
}

/// `PUT /config`: what `GET` says, or some of it; in force at once.
pub(super) async fn configure(
    State(cache): State<MemCache>,
    body: Bytes,
) -> Result<Json<CacheSettings>, Problem> {
    let change: CacheSettingsChange = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!("The body must be JSON with settings: {error}."))
    })?;
    let change = Change::try_from(change)
        .map_err(|error| Problem::bad_request(error.to_string()).in_field(error.field))?;
    let nothing = InvalidCapacity::NotPositive.to_string();
    if change.of(cache.settings()).capacity_bytes == 0 {
        return Err(Problem::bad_request(nothing).in_field("capacity_bytes"));
    }
    Ok(Json(cache.adjust(|now| change.of(now)).into()))
}

/// `GET /what-if`: what other settings would do.
pub(super) async fn what_if(State(cache): State<MemCache>) -> Json<WhatIf> {
    Json(WhatIf::from(&cache.insight()))
}

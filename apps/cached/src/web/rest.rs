//! The entries as resources: bytes in, bytes out, no base64. The namespace and
//! the key, joined by a slash, are the key that memcached's clients see.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use larder_cache::PolicyKind;
use larder_web::Problem;
use serde_json::{Value, json};

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
pub(super) async fn config(State(cache): State<MemCache>) -> Response {
    let stats = cache.stats();
    Json(json!({ "capacity_bytes": stats.capacity_bytes, "policy": stats.policy.name() }))
        .into_response()
}

/// `PUT /config`: both of what `GET` says, or one; in force at once.
pub(super) async fn configure(State(cache): State<MemCache>, body: Bytes) -> Response {
    let stats = cache.stats();
    let wrong = |what: &str| Problem::new(StatusCode::BAD_REQUEST, what.to_owned()).into_response();
    let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
        return wrong("Expected a JSON object with capacity_bytes, policy or both.");
    };
    let (mut capacity_bytes, mut policy) = (stats.capacity_bytes, stats.policy);
    for (name, value) in &fields {
        match (name.as_str(), value.as_u64(), value.as_str().map(str::parse::<PolicyKind>)) {
            ("capacity_bytes", Some(bytes @ 1..), _) => capacity_bytes = bytes,
            ("policy", _, Some(Ok(named))) => policy = named,
            _ => return wrong(&format!("{name} is no setting, or not one with that value.")),
        }
    }
    cache.reconfigure(capacity_bytes, policy);
    config(State(cache)).await
}

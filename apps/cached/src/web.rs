//! The classic HTTP calls, under the names of both classic services, REST
//! beside them, and the page. Values of the classic calls travel in base64;
//! what changes anything needs another method than `GET`.

mod layout;
mod metrics;
mod page;
mod rest;
mod sign_in;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put as put_to};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use larder_console::Settings;
use larder_web::{Problem, Site};
use serde_json::{Map, Value, json};

use crate::MemCache;

pub(crate) use layout::error_page;

/// One MB of memory: 2^20 bytes.
const MEGABYTE: f64 = 1_048_576.0;

#[derive(Clone)]
struct Web {
    cache: MemCache,
    site: Arc<Site>,
}

impl FromRef<Web> for MemCache {
    fn from_ref(web: &Web) -> Self {
        web.cache.clone()
    }
}

impl FromRef<Web> for Arc<Site> {
    fn from_ref(web: &Web) -> Self {
        web.site.clone()
    }
}

/// All routes, with the guard around them.
pub(crate) fn router(cache: MemCache, site: Arc<Site>, max_body_bytes: usize) -> Router {
    let web = Web { cache, site: site.clone() };
    let changes = Router::new()
        .route("/put_into_memcache", post(put))
        .route("/put", post(put))
        .route("/invalidate_specific_key", post(invalidate))
        .route("/invalidate", post(invalidate))
        .route("/clear_cache", post(clear))
        .route("/clear", post(clear))
        .route("/refresh_configuration", post(refresh))
        .route("/refresh", post(refresh))
        .route("/cache/{namespace}/{*key}", put_to(rest::put).delete(rest::delete))
        .route("/config", put_to(rest::configure))
        .layer(axum::middleware::from_fn_with_state(web.clone(), may_change));
    let router = Router::new()
        .merge(changes)
        .route("/get_from_memcache", get(read).post(read))
        .route("/get", get(read).post(read))
        .route("/cache/{namespace}/{*key}", get(rest::get))
        .route("/config", get(rest::config))
        .route("/what-if", get(rest::what_if))
        .route("/stats", get(stats))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .merge(page::router())
        .with_state(web)
        .merge(layout::assets());
    larder_web::guard(router, site)
}

async fn may_change(
    State(web): State<Web>,
    headers: HeaderMap,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    match web.site.access.check(&headers) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The classic answers: a JSON text with the status.
fn said(status: StatusCode, word: &str) -> Response {
    (status, Json(json!(word))).into_response()
}

fn ok() -> Response {
    said(StatusCode::OK, "OK")
}

fn bad_request() -> Response {
    said(StatusCode::BAD_REQUEST, "Bad Request")
}

/// The fields of a body: a JSON object, or one in a JSON text as the classic
/// front end sends it.
fn fields(body: &Bytes) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body).ok()? {
        Value::Object(fields) => Some(fields),
        Value::String(text) => serde_json::from_str(&text).ok(),
        _ => None,
    }
}

/// `{key: base64, …}`: all are kept, or none where one isn't base64.
async fn put(
    State(cache): State<MemCache>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(refused) => return Problem::new(refused.status(), refused.body_text()).into_response(),
    };
    let Some(fields) = fields(&body).filter(|fields| !fields.is_empty()) else {
        return bad_request();
    };
    let decode =
        |(key, value): (String, Value)| Some((key, STANDARD.decode(value.as_str()?).ok()?));
    let Some(values) = fields.into_iter().map(decode).collect::<Option<Vec<_>>>() else {
        return bad_request();
    };
    for (key, value) in values {
        cache.put(&key, &value);
    }
    ok()
}

/// `{"key": k}`, in the body or the query.
fn key_of(body: &Bytes, query: Option<&str>) -> Option<String> {
    let in_body = fields(body).and_then(|fields| Some(fields.get("key")?.as_str()?.to_owned()));
    in_body.or_else(|| {
        let pairs: Vec<(String, String)> = parse_query(query?)?;
        pairs.into_iter().find(|(name, _)| name == "key").map(|(_, key)| key)
    })
}

fn parse_query(query: &str) -> Option<Vec<(String, String)>> {
    let uri = format!("/?{query}").parse::<http::Uri>().ok()?;
    axum::extract::Query::try_from_uri(&uri).ok().map(|query| query.0)
}

async fn read(
    State(cache): State<MemCache>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
    body: Bytes,
) -> Response {
    let asked = fields(&body);
    if let Some(Value::Array(keys)) = asked.as_ref().and_then(|fields| fields.get("keys")) {
        return read_many(&cache, keys);
    }
    let Some(key) = key_of(&body, query.as_deref()) else { return bad_request() };
    match cache.get(&key) {
        Some(value) => said(StatusCode::OK, &STANDARD.encode(value)),
        None => said(StatusCode::OK, "Key Not Found"),
    }
}

/// `{"keys": [k, …]}`: an object with the values there are.
fn read_many(cache: &MemCache, keys: &[Value]) -> Response {
    let Some(keys) = keys.iter().map(Value::as_str).collect::<Option<Vec<_>>>() else {
        return bad_request();
    };
    let values = keys.iter().zip(cache.get_many(&keys));
    let found = values.filter_map(|(key, value)| Some((*key, STANDARD.encode(value?))));
    Json(found.map(|(key, value)| (key.to_owned(), json!(value))).collect::<Map<_, _>>())
        .into_response()
}

async fn invalidate(
    State(cache): State<MemCache>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
    body: Bytes,
) -> Response {
    let Some(key) = key_of(&body, query.as_deref()) else { return bad_request() };
    cache.invalidate(&key);
    ok()
}

async fn clear(State(cache): State<MemCache>) -> Response {
    cache.clear();
    ok()
}

/// `{"capacity": MB, "replacement_policy": name}`, each optional; also under
/// the names of the sibling, `cacheSize` and `policy`.
async fn refresh(State(cache): State<MemCache>, body: Bytes) -> Response {
    let stats = cache.stats();
    if body.is_empty() {
        return ok();
    }
    let Some(fields) = fields(&body) else { return bad_request() };
    let find = |names: [&str; 3]| names.iter().find_map(|name| fields.get(*name));
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let capacity_bytes = match find(["capacity", "max_capacity", "cacheSize"]) {
        None => stats.capacity_bytes,
        Some(value) => match number(value).map(|megabytes| megabytes * MEGABYTE) {
            Some(bytes) if (1.0..=u64::MAX as f64).contains(&bytes) => bytes as u64,
            _ => return bad_request(),
        },
    };
    let policy = match find(["replacement_policy", "replacement_method", "policy"]) {
        None => stats.policy,
        Some(value) => match value.as_str().and_then(|name| name.parse().ok()) {
            Some(policy) => policy,
            None => return bad_request(),
        },
    };
    cache.adjust(|now| Settings { capacity_bytes, policy, ..now });
    ok()
}

async fn stats(State(cache): State<MemCache>) -> Response {
    let stats = cache.stats();
    Json(json!({
        "items": stats.items,
        "size_bytes": stats.weight_bytes,
        "capacity_bytes": stats.capacity_bytes,
        "policy": stats.policy.name(),
        "autopilot": cache.settings().autopilot,
        "requests": stats.requests,
        "hits": stats.hits,
        "misses": stats.misses,
        "inserts": stats.inserts,
        "evictions": stats.evictions,
        "connections": cache.connections(),
        "started_at_us": cache.started_at().0,
    }))
    .into_response()
}

#[cfg(test)]
mod tests;

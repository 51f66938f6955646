//! The classic API, exactly: all `POST`, JSON answers, `success` is the text
//! "true" or "false". A query string is read by the calls about the cache only.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, Uri};
use larder_cache::{PolicyKind, UnknownPolicy};
use larder_web::{Problem, Site};
use serde_json::json;

use super::cluster::PoolChange;
use super::receive::{Form, Part};
use crate::error::Error;
use crate::model::{
    ImageKey, MEGABYTE, Precondition, Settings, capacity_from_megabytes, machine_memory_bytes,
};
use crate::service::Images;

/// Upload an image (classic)
#[utoipa::path(post, path = "/api/upload", tag = "Classic API",
    request_body(content = String, content_type = "multipart/form-data", description = "Fields `key` and `file`"),
    responses(
        (status = 200, description = "`{\"success\":\"true\",\"key\":\"…\"}`"),
        (status = 400, description = "`{\"success\":\"false\",\"error\":{\"code\":400,\"message\":\"…\"}}`"),
    ))]
pub(crate) async fn upload(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<Response, Problem> {
    site.access.check(request.headers())?;
    let mut form = Form::of(request).await?;
    let (mut key, mut file) = (None, None);
    while let Some(part) = form.next().await? {
        match part {
            Part::File(part) if file.is_none() => {
                file = Some(part.receive(images.begin_upload(None)).await??);
            }
            Part::File(_) => {
                return Err(Problem::bad_request("The form has more than one field file."));
            }
            Part::Text(name, text) if name == "key" => key = Some(text),
            Part::Text(..) => {}
        }
    }
    let key = key.ok_or_else(|| Problem::bad_request("The field key is missing."))?;
    let key: ImageKey = key.parse().map_err(Error::from)?;
    let file = file.ok_or_else(|| Problem::bad_request("The field file is missing."))?;
    let uploaded = images.finish_upload(key, file, Precondition::None).await?;
    let key = uploaded.image.key.as_str();
    let key = if images.config().classic_key_as_list { json!([key]) } else { json!(key) };
    Ok(Json(json!({ "success": "true", "key": key })).into_response())
}

/// List all keys (classic)
#[utoipa::path(post, path = "/api/list_keys", tag = "Classic API", responses(
    (status = 200, description = "`{\"success\":\"true\",\"keys\":[\"…\"]}`"),
))]
pub(crate) async fn list_keys(State(images): State<Images>) -> Result<Response, Problem> {
    let keys = images.keys().await?;
    Ok(Json(json!({ "success": "true", "keys": keys })).into_response())
}

/// Get an image in base64 (classic)
#[utoipa::path(post, path = "/api/key/{key}", tag = "Classic API",
    params(("key" = String, Path, description = "The key, percent-encoded; slashes may stand as they are")),
    responses(
        (status = 200, description = "`{\"success\":\"true\",\"key\":\"…\",\"content\":\"<base64>\"}`"),
        (status = 404, description = "`{\"success\":\"false\",\"error\":{\"code\":404,\"message\":\"…\"}}`"),
    ))]
pub(crate) async fn get_key(State(images): State<Images>, uri: Uri) -> Result<Response, Problem> {
    let encoded = uri.path().strip_prefix("/api/key/").unwrap_or_default();
    let exact = get(&images, encoded).await;
    let found = match (exact, encoded.strip_suffix('/')) {
        // A trailing slash is accepted, but a key that has one comes first.
        (Err(Error::NoSuchImage), Some(shorter)) => get(&images, shorter).await,
        (exact, _) => exact,
    };
    let (key, content) = found?;
    let answer =
        json!({ "success": "true", "key": key.as_str(), "content": STANDARD.encode(content) });
    Ok(Json(answer).into_response())
}

async fn get(images: &Images, encoded: &str) -> Result<(ImageKey, bytes::Bytes), Error> {
    let key = ImageKey::from_url(encoded)?;
    let served = images.get(&key).await?;
    let bytes = images.bytes(&served.content).await?;
    Ok((key, bytes))
}

/// Delete all images (classic)
#[utoipa::path(post, path = "/api/delete_all", tag = "Classic API", responses(
    (status = 200, description = "`{\"success\":\"true\"}`; rows, files and cache are gone"),
))]
pub(crate) async fn delete_all(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    site.access.check(&headers)?;
    images.delete_all().await?;
    Ok(Json(json!({ "success": "true" })).into_response())
}

/// Settings of cache and pool, as the query gives them; each may be absent.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClassicSettings {
    mode: Option<String>,
    num_nodes: Option<String>,
    cache_size: Option<String>,
    policy: Option<String>,
    exp_ratio: Option<String>,
    shrink_ratio: Option<String>,
    max_miss: Option<String>,
    min_miss: Option<String>,
}

/// Set cache and pool (classic)
#[utoipa::path(post, path = "/api/configure_cache", tag = "Classic API",
    params(
        ("mode" = Option<String>, Query, description = "`manual` or `auto`"),
        ("numNodes" = Option<u16>, Query, description = "Nodes that own keys"),
        ("cacheSize" = Option<f64>, Query, description = "Capacity of each node in MB"),
        ("policy" = Option<String>, Query, description = "`LRU`, `RR` or any other policy's name"),
        ("expRatio" = Option<f64>, Query, description = "More than 1"),
        ("shrinkRatio" = Option<f64>, Query, description = "Between 0 and 1"),
        ("maxMiss" = Option<f64>, Query, description = "0 to 1"),
        ("minMiss" = Option<f64>, Query, description = "0 to 1"),
    ),
    responses(
        (status = 200, description = "`{\"success\":\"true\",\"mode\":\"manual\",\"numNodes\":2,\"cacheSize\":3,\"policy\":\"RR\"}`"),
    ))]
pub(crate) async fn configure_cache(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    query: Result<Query<ClassicSettings>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    site.access.check(&headers)?;
    let Query(given) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let capacity = given
        .cache_size
        .as_deref()
        .map(|size| capacity_from_megabytes(size, machine_memory_bytes()).map_err(Error::from));
    let (capacity, policy) = (capacity.transpose()?, given.policy.as_deref().map(policy));
    let policy = policy.transpose()?;
    let change = PoolChange {
        mode: given.mode,
        size: number(given.num_nodes, "numNodes")?,
        expand_ratio: number(given.exp_ratio, "expRatio")?,
        shrink_ratio: number(given.shrink_ratio, "shrinkRatio")?,
        max_miss_rate: number(given.max_miss, "maxMiss")?,
        min_miss_rate: number(given.min_miss, "minMiss")?,
        ..PoolChange::default()
    };
    // All was understood; the pool may yet refuse, and comes first.
    let pool = change.make(&images).await?;
    let settings = match capacity.is_some() || policy.is_some() {
        false => images.settings(),
        true => {
            let adjusted = images.adjust(|now| Settings {
                capacity_bytes: capacity.unwrap_or(now.capacity_bytes),
                policy: policy.unwrap_or(now.policy),
                ..now
            });
            adjusted.await?
        }
    };
    let size = settings.capacity_bytes as f64 / MEGABYTE as f64;
    // A whole number where it is one, as the contract shows it.
    let size = if size.fract() == 0.0 { json!(size as u64) } else { json!(size) };
    let policy = match settings.policy {
        PolicyKind::Random => "RR".to_owned(),
        policy => policy.name().to_uppercase(),
    };
    Ok(Json(json!({
        "success": "true",
        "mode": pool.settings.mode.name(),
        "numNodes": pool.size,
        "cacheSize": size,
        "policy": policy,
    }))
    .into_response())
}

/// A policy by its name here, or by that of the contract: random replacement.
fn policy(name: &str) -> Result<PolicyKind, Problem> {
    match name.eq_ignore_ascii_case("RR") {
        true => Ok(PolicyKind::Random),
        false => name.to_ascii_lowercase().parse().map_err(|error: UnknownPolicy| {
            Problem::bad_request(format!("{error}.")).in_field("policy")
        }),
    }
}

fn number<T: std::str::FromStr>(
    text: Option<String>,
    name: &'static str,
) -> Result<Option<T>, Problem> {
    let refused = |_| Problem::bad_request(format!("{name} must be a number.")).in_field(name);
    text.map(|text| text.trim().parse().map_err(refused)).transpose()
}

/// The number of nodes (classic)
#[utoipa::path(post, path = "/api/getNumNodes", tag = "Classic API", responses(
    (status = 200, description = "`{\"success\":\"true\",\"numNodes\":2}`"),
))]
pub(crate) async fn number_of_nodes(State(images): State<Images>) -> Result<Response, Problem> {
    let pool = images.pool().await?;
    Ok(Json(json!({ "success": "true", "numNodes": pool.size })).into_response())
}

/// Which rate is asked for.
#[derive(serde::Deserialize)]
pub(crate) struct RateQuery {
    rate: Option<String>,
}

/// The miss or hit rate of the last minute (classic)
#[utoipa::path(post, path = "/api/getRate", tag = "Classic API",
    params(("rate" = String, Query, description = "`miss` or `hit`")),
    responses(
        (status = 200, description = "`{\"success\":\"true\",\"rate\":\"miss\",\"value\":0.25}`; the value is null when there were no reads"),
    ))]
pub(crate) async fn rate(
    State(images): State<Images>,
    Query(query): Query<RateQuery>,
) -> Result<Response, Problem> {
    let rate = query.rate.unwrap_or_default().to_ascii_lowercase();
    let misses = match rate.as_str() {
        "miss" => true,
        "hit" => false,
        _ => return Err(Problem::bad_request("rate must be miss or hit.").in_field("rate")),
    };
    let value = images.miss_rate(60).await?;
    let value = value.map(|rate| if misses { rate } else { 1.0 - rate });
    Ok(Json(json!({ "success": "true", "rate": rate, "value": value })).into_response())
}

/// For addresses below `/api` that aren't there.
pub(crate) async fn unknown() -> Problem {
    Problem::not_found("There is no such call in the classic API.")
}

/// For methods other than `POST`.
pub(crate) async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "The classic API answers to POST.")
}

/// Gives every failure the classic form.
pub(crate) async fn in_classic_form(mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let (parts, _) = response.into_parts();
    let error = json!({ "code": problem.status.as_u16(), "message": problem.detail });
    let mut answer = Json(json!({ "success": "false", "error": error })).into_response();
    *answer.status_mut() = parts.status;
    for name in [http::header::RETRY_AFTER, http::header::ALLOW, http::header::WWW_AUTHENTICATE] {
        if let Some(value) = parts.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

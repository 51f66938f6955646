//! The classic API, exactly: all `POST`, JSON answers, `success` is the text
//! "true" or "false". A query string is never read.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, Uri};
use larder_web::{Problem, Site};
use serde_json::json;

use super::receive::{Form, Part};
use crate::error::Error;
use crate::model::{ImageKey, Precondition};
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

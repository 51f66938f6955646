//! The API's own description: the OpenAPI document, gathered from the
//! handlers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// What an error looks like: problem details (RFC 9457).
#[derive(Serialize, ToSchema)]
#[allow(dead_code)] // The kit writes it; this describes it.
pub(crate) struct ProblemDetails {
    /// Always `about:blank`: the status says what kind of problem it is.
    r#type: String,
    /// The kind of problem in a few words.
    #[schema(example = "Unknown key")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What was wrong this time and what to do.
    #[schema(example = "Unknown key.")]
    detail: String,
    /// The request's id, also in the header `X-Request-Id` and in the log.
    request_id: String,
    /// The parameter at fault, if one is.
    field: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Larder images",
        description = "A keyed image store with a memory cache in front of it. A read that begins \
            after a write was acknowledged never returns the older image.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        super::api::list_images,
        super::api::get_image,
        super::api::put_image,
        super::api::delete_image,
        super::api::describe_image,
        super::cache::get_settings,
        super::cache::change_settings,
        super::cache::reset_settings,
        super::cache::what_if,
        super::classic::upload,
        super::classic::list_keys,
        super::classic::get_key,
        super::classic::delete_all,
        super::classic::configure_cache,
        super::classic::number_of_nodes,
        super::classic::rate,
        super::cluster::status,
        super::cluster::change_pool,
        super::operation::healthz,
        super::operation::readyz,
        super::metrics::metrics,
    ),
    components(schemas(ProblemDetails, super::api::ImageDescription, super::api::UploadedDescription)),
    tags(
        (name = "Images", description = "Images by key"),
        (name = "Cache", description = "The memory in front of the store, while it runs"),
        (name = "Cluster", description = "Several nodes that are one image store"),
        (name = "Classic API", description = "The contract of the classic course project: all POST"),
        (name = "Operation", description = "For whoever keeps it running"),
    )
)]
struct Document;

/// The OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// `GET /openapi.json`.
pub(crate) async fn openapi_json() -> Response {
    Json(openapi()).into_response()
}

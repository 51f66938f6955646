//! For whoever keeps the service running: is it alive, is it ready. What it
//! does is in `metrics.rs`.

use axum::extract::State;
use http::StatusCode;
use larder_web::Problem;

use crate::service::Images;

/// Is it alive?
#[utoipa::path(get, path = "/healthz", tag = "Operation", responses(
    (status = 200, description = "The process answers"),
))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Is it ready?
#[utoipa::path(get, path = "/readyz", tag = "Operation", responses(
    (status = 200, description = "Requests can be answered"),
    (status = 503, description = "The store doesn't answer, or it is stopping"),
))]
pub(crate) async fn readyz(State(images): State<Images>) -> Result<&'static str, Problem> {
    if images.shutdown().is_asked() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "It is stopping."));
    }
    if !images.is_ready().await {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The store doesn't answer.")
            .retry_after(1));
    }
    Ok("ready\n")
}

//! The REST API of the cache: its settings, and what other settings would do.
//! Errors are problem details.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::HeaderMap;
use larder_console::{CacheSettings, CacheSettingsChange, Change, WhatIf};
use larder_web::{Problem, Site};

use super::description::ProblemDetails;
use super::read_json;
use crate::error::Error;
use crate::service::Images;

/// The cache's settings
///
/// Those in force. Under the autopilot the policy is the one that it changed
/// to last.
#[utoipa::path(get, path = "/cache/settings", tag = "Cache", responses(
    (status = 200, description = "The settings in force", body = CacheSettings),
))]
pub(crate) async fn get_settings(State(images): State<Images>) -> Json<CacheSettings> {
    Json(images.settings().into())
}

/// Change the cache's settings
///
/// What the body doesn't name stays as it is. Changes take effect at once,
/// keep what is in memory as far as it fits, and stay over a restart.
#[utoipa::path(patch, path = "/cache/settings", tag = "Cache",
    request_body = CacheSettingsChange,
    responses(
        (status = 200, description = "The settings in force now", body = CacheSettings),
        (status = 400, description = "The body is no such JSON; nothing was changed",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "A setting makes no sense; nothing was changed",
            body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(crate) async fn change_settings(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<CacheSettings>, Problem> {
    site.access.check(&headers)?;
    let change: CacheSettingsChange = read_json(&body, "settings of the cache")?;
    let change = Change::try_from(change).map_err(|error| refused(&error, error.field))?;
    match images.adjust(|now| change.of(now)).await {
        Ok(settings) => Ok(Json(settings.into())),
        Err(Error::InvalidCapacity(error)) => Err(refused(&error, "capacity_bytes")),
        Err(error) => Err(error.into()),
    }
}

fn refused(why: &impl ToString, field: &str) -> Problem {
    Problem::new(http::StatusCode::UNPROCESSABLE_ENTITY, why.to_string()).in_field(field)
}

/// Put the cache's settings back to the defaults
#[utoipa::path(delete, path = "/cache/settings", tag = "Cache", responses(
    (status = 200, description = "The settings in force now", body = CacheSettings),
))]
pub(crate) async fn reset_settings(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<Json<CacheSettings>, Problem> {
    site.access.check(&headers)?;
    images.reset_settings().await?;
    Ok(Json(images.settings().into()))
}

/// What other settings would do
///
/// Hit ratios of every policy at capacities from a sixteenth of the present
/// one to sixteen times it, by simulations of a sample of the keys: of all of
/// them while the cache is small.
#[utoipa::path(get, path = "/cache/what-if", tag = "Cache", responses(
    (status = 200, description = "Figures, a recommendation, and what the autopilot did",
        body = WhatIf),
))]
pub(crate) async fn what_if(State(images): State<Images>) -> Json<WhatIf> {
    Json(WhatIf::from(&images.insight()))
}

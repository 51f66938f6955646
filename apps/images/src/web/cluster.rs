//! The REST API of the cluster: its members, and how its pool is run. Errors
//! are problem details.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::HeaderMap;
use larder_tier::Overview;
use larder_web::{Problem, Site};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::description::ProblemDetails;
use super::read_json;
use crate::model::PoolSettings;
use crate::service::{Images, Minute, Pool};
use crate::store::PoolDecision;

/// The cluster.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClusterDescription {
    /// Its members with what each last reported; absent for a single node.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    overview: Option<Overview>,
    /// How many nodes own keys, and who decides.
    pool: PoolDescription,
    /// What all nodes did in the last half hour, minute by minute.
    minutes: Vec<Minute>,
}

/// The pool: the nodes that own keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct PoolDescription {
    /// How many nodes own keys.
    size: u16,
    /// How many could.
    members: u16,
    /// `manual`, or `auto`: the miss rate decides.
    mode: &'static str,
    /// The fewest nodes.
    fewest: u16,
    /// The most nodes.
    most: u16,
    /// By what the size is multiplied to grow, rounded up.
    expand_ratio: f64,
    /// By what the size is multiplied to shrink, rounded down.
    shrink_ratio: f64,
    /// Above this miss rate the pool grows, 0 to 1.
    max_miss_rate: f64,
    /// Below this miss rate it shrinks, 0 to 1.
    min_miss_rate: f64,
    /// Seconds between decisions.
    interval_seconds: u32,
    /// The latest decisions, newest first.
    decisions: Vec<PoolDecision>,
}

impl From<Pool> for PoolDescription {
    fn from(pool: Pool) -> Self {
        let Pool { settings, size, members, decisions } = pool;
        Self {
            size,
            members,
            mode: settings.mode.name(),
            fewest: settings.fewest,
            most: settings.most,
            expand_ratio: settings.expand_ratio,
            shrink_ratio: settings.shrink_ratio,
            max_miss_rate: settings.max_miss_rate,
            min_miss_rate: settings.min_miss_rate,
            interval_seconds: settings.interval_seconds,
            decisions,
        }
    }
}

/// What to change of the pool; what is absent stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolChange {
    /// How many nodes are to own keys.
    pub(super) size: Option<u16>,
    /// `manual` or `auto`.
    pub(super) mode: Option<String>,
    /// The fewest nodes, 1 or more.
    pub(super) fewest: Option<u16>,
    /// The most nodes, 64 at most.
    pub(super) most: Option<u16>,
    /// More than 1.
    pub(super) expand_ratio: Option<f64>,
    /// Between 0 and 1.
    pub(super) shrink_ratio: Option<f64>,
    /// Up to 1.
    pub(super) max_miss_rate: Option<f64>,
    /// From 0, less than the highest.
    pub(super) min_miss_rate: Option<f64>,
    /// From 5 to 3600.
    pub(super) interval_seconds: Option<u32>,
}

impl PoolChange {
    /// Makes the change.
    pub(super) async fn make(self, images: &Images) -> Result<Pool, crate::error::Error> {
        let mode = self.mode.as_deref().map(str::parse).transpose()?;
        let size = self.size;
        let change = move |now: PoolSettings| {
            Ok(PoolSettings {
                mode: mode.unwrap_or(now.mode),
                fewest: self.fewest.unwrap_or(now.fewest),
                most: self.most.unwrap_or(now.most),
                expand_ratio: self.expand_ratio.unwrap_or(now.expand_ratio),
                shrink_ratio: self.shrink_ratio.unwrap_or(now.shrink_ratio),
                max_miss_rate: self.max_miss_rate.unwrap_or(now.max_miss_rate),
                min_miss_rate: self.min_miss_rate.unwrap_or(now.min_miss_rate),
                interval_seconds: self.interval_seconds.unwrap_or(now.interval_seconds),
            })
        };
        images.run_pool(change, size).await
    }
}

/// The cluster: members, pool, the last half hour
///
/// Any node tells of all.
#[utoipa::path(get, path = "/cluster/status", tag = "Cluster", responses(
    (status = 200, description = "The cluster as the database has it", body = ClusterDescription),
))]
pub(crate) async fn status(
    State(images): State<Images>,
) -> Result<Json<ClusterDescription>, Problem> {
    Ok(Json(ClusterDescription {
        overview: images.overview().await?,
        pool: images.pool().await?.into(),
        minutes: images.minutes().await?,
    }))
}

/// Change how the pool is run
///
/// What the body doesn't name stays as it is. All nodes keep to it within a
/// second.
#[utoipa::path(patch, path = "/cluster/pool", tag = "Cluster",
    request_body = PoolChange,
    responses(
        (status = 200, description = "The pool now", body = PoolDescription),
        (status = 400, description = "The body is no such JSON; nothing was changed",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "It makes no sense, or this is a single node; nothing was changed",
            body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(crate) async fn change_pool(
    State(images): State<Images>,
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<PoolDescription>, Problem> {
    site.access.check(&headers)?;
    let change: PoolChange = read_json(&body, "settings of the pool")?;
    Ok(Json(change.make(&images).await?.into()))
}

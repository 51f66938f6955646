//! The order service: purchases, and the log of them.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use larder_input::IdempotencyKey;
use larder_web::Problem;

use super::{IDEMPOTENCY_KEY, Ours, Replica, number, read_json};
use crate::model::{Order, Purchase};

/// The most orders of one answer.
const MOST: u32 = 1_000;

pub(super) fn routes() -> Router<Replica> {
    Router::new().route("/orders", get(list).post(purchase)).route("/orders/{number}", get(order))
}

async fn purchase(
    State(replica): State<Replica>,
    _: Ours,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Order>), Problem> {
    let key = key_of(&headers)?.ok_or_else(|| {
        Problem::bad_request("The Idempotency-Key header is missing.").in_field("Idempotency-Key")
    })?;
    let purchase: Purchase = read_json(&body, "book and quantity")?;
    Ok((StatusCode::CREATED, Json(replica.shop.purchase(purchase, key).await?)))
}

/// The key that a purchase carries, if it does.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().parse::<IdempotencyKey>();
    Ok(Some(key.map_err(crate::Error::from)?))
}

async fn order(
    State(replica): State<Replica>,
    Path(order): Path<String>,
) -> Result<Json<Order>, Problem> {
    Ok(Json(replica.shop.order(number(&order, "number")?).await?))
}

/// Newest first; `before` is the number of the last order of the page before.
async fn list(
    State(replica): State<Replica>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Vec<Order>>, Problem> {
    let parameter = |name: &str, default: u64| match query.get(name) {
        None => Ok(default),
        Some(text) => number(text, name),
    };
    let before = parameter("before", i64::MAX as u64)?;
    let size = parameter("size", 100)?.min(MOST.into());
    Ok(Json(replica.shop.orders(before, size as u32).await?))
}

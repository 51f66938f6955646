//! The catalog service: queries by topic and by item, prices, stock, new and
//! retired books.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use larder_web::Problem;

use super::{Ours, Replica, number, read_json};
use crate::model::{Book, Change, Listing, Movement, NewBook, Page, Title, Topic};
use crate::service::topic_of;

/// The most movements of one answer.
const MOVEMENTS: u32 = 1_000;

pub(super) fn routes() -> Router<Replica> {
    Router::new()
        .route("/topics", get(topics))
        .route("/topics/{topic}", get(topic))
        .route("/books", get(list).post(add))
        .route("/books/{id}", get(book).patch(change))
        .route("/movements", get(movements))
}

async fn topics(State(replica): State<Replica>) -> Result<Json<Vec<Topic>>, Problem> {
    Ok(Json(replica.shop.topics().await?))
}

async fn topic(
    State(replica): State<Replica>,
    Path(topic): Path<String>,
) -> Result<Json<Vec<Title>>, Problem> {
    Ok(Json(replica.shop.topic(&topic_of(&topic)?).await?))
}

async fn list(
    State(replica): State<Replica>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Page>, Problem> {
    let listing = Listing::from_query(|name| query.get(name).cloned());
    Ok(Json(replica.shop.list(listing.map_err(crate::Error::from)?).await?))
}

async fn book(
    State(replica): State<Replica>,
    Path(id): Path<String>,
) -> Result<Json<Book>, Problem> {
    Ok(Json(replica.shop.book(number(&id, "id")?).await?))
}

async fn add(
    State(replica): State<Replica>,
    _: Ours,
    body: Bytes,
) -> Result<(StatusCode, Json<Book>), Problem> {
    let new: NewBook = read_json(&body, "title, topic and price_cents")?;
    Ok((StatusCode::CREATED, Json(replica.shop.add(new).await?)))
}

async fn change(
    State(replica): State<Replica>,
    Path(id): Path<String>,
    _: Ours,
    body: Bytes,
) -> Result<Json<Book>, Problem> {
    let change: Change = read_json(&body, "price_cents, stock, cover or is_retired")?;
    Ok(Json(replica.shop.change(number(&id, "id")?, change).await?))
}

async fn movements(
    State(replica): State<Replica>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Vec<Movement>>, Problem> {
    let after = query.get("after").map(|after| after.parse::<u64>());
    let after = after.transpose().map_err(|_| {
        Problem::bad_request("The parameter after must be a number.").in_field("after")
    })?;
    Ok(Json(replica.shop.movements(after, MOVEMENTS).await?))
}

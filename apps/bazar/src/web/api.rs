//! The front end's API: JSON in, JSON out.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use larder_input::IdempotencyKey;
use larder_web::Problem;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Web, check_access, say};
use crate::error::Error;
use crate::front::{Front, Served};
use crate::model::{Book, BookId, Change, NewBook, Order, Purchase};
use crate::replica::{key_of, number, read_json};
use crate::service::topic_of;

/// Orders on a page.
const ORDERS: u32 = 100;

/// A book, as the API shows it.
#[derive(Serialize)]
struct Info {
    id: BookId,
    title: String,
    topic: String,
    author: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    isbn: Option<String>,
    quantity: u32,
    /// In cents.
    price: u32,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_retired: bool,
}

impl From<Book> for Info {
    fn from(book: Book) -> Self {
        Self {
            id: book.id,
            title: book.title,
            topic: book.topic,
            author: book.author,
            isbn: book.isbn,
            quantity: book.stock,
            price: book.price_cents,
            version: book.version,
            cover: book.cover,
            is_retired: book.is_retired,
        }
    }
}

/// An order, as the API shows it.
#[derive(Serialize)]
struct Bought {
    number: u64,
    book: BookId,
    title: String,
    quantity: u32,
    /// Of one copy, in cents.
    price: u32,
    total: u64,
    /// Seconds since 1970.
    at: i64,
}

impl From<Order> for Bought {
    fn from(order: Order) -> Self {
        let total = order.total_cents();
        Self {
            number: order.number,
            book: order.book,
            title: order.title,
            quantity: order.quantity,
            price: order.price_cents,
            total,
            at: order.at.seconds(),
        }
    }
}

/// An answer that says who gave it.
fn answer<T, S: Serialize>(
    front: &Front,
    served: Served<T>,
    show: impl FnOnce(T) -> S,
) -> Response {
    let Served { value, by, source } = served;
    let mut response = Json(show(value)).into_response();
    say(front, &Served { value: (), by, source }, &mut response);
    response
}

/// `GET /search/{topic}`: the books of a topic.
pub(super) async fn search(
    State(front): State<Front>,
    Path(topic): Path<String>,
) -> Result<Response, Problem> {
    let titles = front.topic(topic_of(&topic)?).await?;
    Ok(answer(&front, titles, |titles| titles))
}

/// `GET /search?topic=`, for topics with slashes.
pub(super) async fn search_all(
    State(front): State<Front>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Problem> {
    let topic = query.get("topic").map_or("", String::as_str);
    let titles = front.topic(topic_of(topic)?).await?;
    Ok(answer(&front, titles, |titles| titles))
}

/// `GET /topics`
pub(super) async fn topics(State(front): State<Front>) -> Result<Response, Problem> {
    let topics = front.topics().await?;
    Ok(answer(&front, topics, |topics| topics))
}

/// `GET /info/{id}`: a book.
pub(super) async fn info(
    State(front): State<Front>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let book = front.book(number(&id, "id")?).await?;
    Ok(answer(&front, book, Info::from))
}

/// `GET /books?query=&topic=&sort=&page=&size=`
pub(super) async fn list(
    State(front): State<Front>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let page = front.list(query.as_deref().unwrap_or_default()).await?;
    Ok(answer(&front, page, |page| {
        let books: Vec<Info> = page.books.into_iter().map(Info::from).collect();
        json!({ "books": books, "total": page.total, "page": page.page, "size": page.size })
    }))
}

/// What a purchase may say in its body.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    quantity: Option<u32>,
}

/// `POST` or `PUT /purchase/{id}`, with the quantity in the query or a body.
pub(super) async fn purchase(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let book = number(&id, "id")?;
    let wanted: Wanted = match body.trim_ascii() {
        b"" => Wanted::default(),
        body => read_json(body, "a quantity")?,
    };
    let in_query = query.get("quantity").map(|text| {
        text.parse().map_err(|_| {
            Problem::bad_request("The quantity must be a number, 1 or more.").in_field("quantity")
        })
    });
    let quantity = wanted.quantity.or(in_query.transpose()?).unwrap_or(1);
    // One of our own makes our own repetitions one purchase.
    let key = key_of(&headers)?.unwrap_or_else(|| IdempotencyKey::random(larder_web::random()));
    let order = front.purchase(Purchase { book, quantity }, &key).await?;
    let mut response = answer(&front, order, Bought::from);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `GET /orders/{number}`
pub(super) async fn order(
    State(front): State<Front>,
    Path(order): Path<String>,
) -> Result<Response, Problem> {
    let order = front.order(number(&order, "number")?).await?;
    Ok(answer(&front, order, Bought::from))
}

/// `GET /orders?before=`: the newest first, for the administrator.
pub(super) async fn orders(
    State(web): State<Web>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_access(&web, &headers)?;
    let before = query.get("before").map(|before| number(before, "before")).transpose()?;
    let orders = web.front.orders(before, ORDERS).await?;
    Ok(answer(&web.front, orders, |orders| {
        orders.into_iter().map(Bought::from).collect::<Vec<_>>()
    }))
}

/// `POST /books`: adds a book.
pub(super) async fn add(
    State(web): State<Web>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    check_access(&web, &headers)?;
    let new: NewBook = read_json(&body, "title, topic and price_cents")?;
    let book = web.front.add(&new.checked().map_err(Error::from)?).await?;
    let location = format!("/info/{}", book.value.id);
    let mut response = answer(&web.front, book, Info::from);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `PATCH /books/{id}`: changes price, stock or cover, retires a book.
pub(super) async fn change(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    check_access(&web, &headers)?;
    let id = number(&id, "id")?;
    let change: Change = read_json(&body, "price_cents, stock, cover or is_retired")?;
    let book = web.front.change(id, &change.checked().map_err(Error::from)?).await?;
    Ok(answer(&web.front, book, Info::from))
}

/// `GET /replicas/status`: who is there, who answers, what memory does.
pub(super) async fn replicas(State(web): State<Web>) -> Response {
    let tier = web.front.shop().tier();
    let (cache, reads) = (tier.cache_stats(), tier.meter().total());
    let here: HashMap<String, bool> = web.local.running().into_iter().collect();
    let replicas = web.front.replicas().into_iter().map(|replica| {
        let is_here = here.contains_key(&replica.name);
        let mut shown = json!(replica);
        shown["is_here"] = is_here.into();
        shown
    });
    let stopped: Vec<&String> =
        here.iter().filter(|(_, is_running)| !**is_running).map(|(name, _)| name).collect();
    Json(json!({
        "front": web.front.name(),
        "replicas": replicas.collect::<Vec<_>>(),
        "stopped": stopped,
        "cache": {
            "items": cache.items,
            "max_items": cache.max_items,
            "size_bytes": cache.weight_bytes,
            "capacity_bytes": cache.capacity_bytes,
            "requests": reads.requests(),
            "hits": reads.hits.len(),
            "evictions": cache.evictions,
        },
    }))
    .into_response()
}

/// `POST /replicas/{name}/stop`: stops a replica of this process.
pub(super) async fn stop(
    State(web): State<Web>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    check_access(&web, &headers)?;
    match web.local.stop(&name).await {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(not_here()),
    }
}

/// `POST /replicas/{name}/start`: starts it again.
pub(super) async fn start(
    State(web): State<Web>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    check_access(&web, &headers)?;
    match web.local.start(&name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(not_here()),
    }
}

pub(super) fn not_here() -> Problem {
    Problem::not_found("This process has no such replica: stop and start it where it runs.")
}

/// `GET /readyz`
pub(super) async fn readyz(State(front): State<Front>) -> StatusCode {
    match front.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

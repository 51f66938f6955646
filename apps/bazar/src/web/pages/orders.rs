//! The orders, the newest first, for the administrator: page by page, or all as
//! a file.

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header;
use larder_web::{Problem, Visit};

use super::csv;
use super::layout::{Frame, Tab};
use super::order::OrderView;
use crate::model::Order;
use crate::replica::number;
use crate::web::{Web, check_access};

/// Orders on a page.
const SIZE: u32 = 50;

/// Orders of one piece of the file.
const PIECE: u32 = 1_000;

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    frame: Frame,
    orders: Vec<OrderView>,
    first_url: Option<String>,
    next_url: Option<String>,
}

/// `GET /admin/orders?before=`
pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    if let Some(response) = web.sign_in_first(&visit) {
        return Ok(response);
    }
    let before = visit.fields.get("before");
    let before = (!before.is_empty()).then(|| number(before, "before")).transpose()?;
    let mut frame = web.frame(&visit, "Orders", Tab::Admin);
    let mut orders = frame.note(web.front.orders(before, SIZE + 1).await?);
    let has_more = orders.len() > SIZE as usize;
    orders.truncate(SIZE as usize);
    let url = format!("{}/admin/orders", web.base);
    visit.page(&OrdersPage {
        next_url: orders
            .last()
            .filter(|_| has_more)
            .map(|last| format!("{url}?before={}", last.number)),
        first_url: before.map(|_| url),
        orders: orders.into_iter().map(OrderView::from).collect(),
        frame,
    })
}

/// `GET /admin/orders.csv`: all orders, read piece by piece as it is sent.
pub(super) async fn export(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    check_access(&web, &visit.headers)?;
    // A shop that doesn't answer is told by the status, not by a short file.
    let first = web.front.orders(None, PIECE).await?.value;
    let pieces = stream::try_unfold(Some(first), move |piece| {
        let front = web.front.clone();
        async move {
            let Some(orders) = piece else { return Ok(None) };
            let next = match orders.last().filter(|_| orders.len() == PIECE as usize) {
                Some(last) => Some(front.orders(Some(last.number), PIECE).await?.value),
                None => None,
            };
            // A failure ends the connection: the file is seen to be cut off.
            Ok::<_, crate::Error>(Some((lines(&orders), next)))
        }
    });
    let head = stream::once(async { Ok(Bytes::from_static(csv::HEAD.as_bytes())) });
    let body = Body::from_stream(futures_util::StreamExt::chain(head, pieces));
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"orders.csv\""),
    ];
    Ok((headers, body).into_response())
}

fn lines(orders: &[Order]) -> Bytes {
    orders.iter().map(csv::line).collect::<String>().into()
}

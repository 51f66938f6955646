//! The orders, the newest first, for the administrator: page by page, or all as
//! a file.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use larder_web::text::Moment;
use larder_web::{Problem, Visit, csv};

use super::layout::{Frame, Tab};
use super::order::OrderView;
use super::view::plain_price;
use crate::model::Order;
use crate::replica::number;
use crate::web::{Web, check_access};

/// Orders on a page.
const SIZE: u32 = 50;

/// Orders of one piece of the file.
const PIECE: u32 = 1_000;

/// The first line of the file.
const HEAD: &str = "number,book,title,quantity,price,total,time";

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
    let more = move |before: Option<u64>| {
        let front = web.front.clone();
        async move {
            let orders = front.orders(before, PIECE).await?.value;
            let last = orders.last().filter(|_| orders.len() == PIECE as usize);
            let last = last.map(|order| order.number);
            Ok::<_, crate::Error>((orders.iter().map(line).collect(), last))
        }
    };
    Ok(csv::file("orders.csv", HEAD, more).await?)
}

/// The line of an order.
fn line(order: &Order) -> String {
    csv::Line::default()
        .plain(order.number)
        .plain(order.book)
        .text(&order.title)
        .plain(order.quantity)
        .plain(plain_price(order.price_cents.into()))
        .plain(plain_price(order.total_cents()))
        .plain(Moment::of(order.at).iso)
        .end()
}

#[cfg(test)]
mod tests {
    use larder_clock::Timestamp;

    use super::*;

    #[test]
    fn an_order_is_a_line() {
        let order = Order {
            number: 7,
            book: 2,
            title: "Xen, again".into(),
            quantity: 3,
            price_cents: 1_050,
            at: Timestamp(1_000_000_000_000_000),
        };
        assert_eq!(line(&order), "7,2,\"Xen, again\",3,10.50,31.50,2001-09-09T01:46:40Z\r\n");
        assert_eq!(HEAD.split(',').count(), 7);
    }
}

//! Looking up an order by its number.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use larder_web::text::Moment;
use larder_web::{Problem, Visit};

use super::layout::{Frame, Tab};
use super::view::price;
use crate::model::Order;
use crate::replica::number;
use crate::web::Web;

/// An order.
pub(super) struct OrderView {
    pub(super) number: u64,
    pub(super) book: u64,
    pub(super) title: String,
    pub(super) quantity: u32,
    pub(super) price: String,
    pub(super) total: String,
    pub(super) at: Moment,
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        Self {
            number: order.number,
            book: order.book,
            quantity: order.quantity,
            price: price(order.price_cents.into()),
            total: price(order.total_cents()),
            at: Moment::of(order.at),
            title: order.title,
        }
    }
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    frame: Frame,
    typed: String,
    problem: Option<String>,
    order: Option<OrderView>,
}

/// `GET /order?number=`
pub(super) async fn look_up(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    let typed = visit.fields.get("number").trim().to_owned();
    show(&web, &visit, typed).await
}

/// `GET /order/{number}`
pub(super) async fn page(
    State(web): State<Web>,
    Path(typed): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    show(&web, &visit, typed).await
}

async fn show(web: &Web, visit: &Visit, typed: String) -> Result<Response, Problem> {
    let frame = web.frame(visit, "Your order", Tab::Order);
    let mut page = OrderPage { frame, typed, problem: None, order: None };
    if page.typed.is_empty() {
        return visit.page(&page);
    }
    let found = match number(page.typed.trim_start_matches('#'), "number") {
        Ok(number) => web.front.order(number).await.map_err(Problem::from),
        Err(_) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "An order’s number is of digits only, like 1042.",
        )),
    };
    match found {
        Ok(order) => {
            let order = page.frame.note(order);
            page.frame.title = format!("Order {}", order.number);
            page.order = Some(order.into());
            visit.page(&page)
        }
        Err(problem) if problem.status.is_client_error() => {
            page.problem = Some(problem.detail);
            visit.answer(problem.status, &page)
        }
        Err(problem) => Err(problem),
    }
}

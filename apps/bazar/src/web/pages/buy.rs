//! Buying: the page that asks, and the form that buys. Each page has a key of
//! its own, so sending its form again is the same purchase.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use larder_input::IdempotencyKey;
use larder_web::{Checked, Problem, Visit};

use super::layout::{Frame, Notice, Tab};
use super::view::{BookView, price};
use crate::model::{Book, BookId, Purchase};
use crate::replica::number;
use crate::web::Web;

#[derive(Template)]
#[template(path = "buy.html")]
struct BuyPage {
    frame: Frame,
    book: BookView,
    key: String,
    quantity: String,
    total: String,
    problem: Option<String>,
}

impl BuyPage {
    fn new(web: &Web, mut frame: Frame, book: Book, quantity: &str) -> Self {
        frame.title = format!("Buy {}", book.title);
        let copies = quantity.parse().unwrap_or(1u32);
        Self {
            frame,
            total: price(u64::from(copies) * u64::from(book.price_cents)),
            book: BookView::of(web, book),
            key: IdempotencyKey::random(larder_web::random()).as_str().to_owned(),
            quantity: quantity.to_owned(),
            problem: None,
        }
    }
}

/// `GET /buy/{id}`
pub(super) async fn ask(
    State(web): State<Web>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    let mut frame = web.frame(&visit, "Buy", Tab::Shop);
    let book = frame.note(web.front.book(number(&id, "id")?).await?);
    visit.page(&BuyPage::new(&web, frame, book, "1"))
}

/// `POST /buy/{id}`
pub(super) async fn buy(
    State(web): State<Web>,
    Path(id): Path<String>,
    form: Checked,
) -> Result<Response, Problem> {
    let Checked { visit, fields } = form;
    let book = number(&id, "id")?;
    let typed = fields.get("quantity").trim();
    let key = fields.get("key").parse::<IdempotencyKey>().map_err(crate::Error::from)?;
    let problem = match typed.parse() {
        Ok(quantity) => match web.front.purchase(Purchase { book, quantity }, &key).await {
            Ok(order) => {
                return Ok(web.go_to(&format!("/order/{}", order.value.number), Notice::Bought));
            }
            Err(error) => Problem::from(error),
        },
        Err(_) => {
            let why = "The quantity must be a number, 1 or more.";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why).in_field("quantity")
        }
    };
    again(&web, &visit, book, typed, &key, problem).await
}

/// The page again, with what is wrong.
async fn again(
    web: &Web,
    visit: &Visit,
    book: BookId,
    typed: &str,
    key: &IdempotencyKey,
    problem: Problem,
) -> Result<Response, Problem> {
    let mut frame = web.frame(visit, "Buy", Tab::Shop);
    // Of a book that isn't sold, or if nobody answers, the problem is all there
    // is to say.
    let Ok(found) = web.front.book(book).await else { return Err(problem) };
    let found = frame.note(found);
    let mut page = BuyPage::new(web, frame, found, typed);
    let (status, words) = match problem.status {
        StatusCode::UNPROCESSABLE_ENTITY if problem.field.is_none() => (
            problem.status,
            "This form has bought something already, with another quantity; nothing more was \
             bought now. What you see here is a new purchase."
                .into(),
        ),
        StatusCode::BAD_REQUEST => (StatusCode::UNPROCESSABLE_ENTITY, problem.detail),
        status => {
            // Whether it was made may not be known: the same key asks again for
            // the same purchase.
            if status.is_server_error() {
                key.as_str().clone_into(&mut page.key);
            }
            (status, problem.detail)
        }
    };
    page.problem = Some(words);
    visit.answer(status, &page)
}

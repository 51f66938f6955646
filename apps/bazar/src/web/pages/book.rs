//! The page of a book.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use larder_web::{Problem, Visit};

use super::layout::{Frame, Tab};
use super::view::BookView;
use crate::model::Title;
use crate::replica::number;
use crate::web::Web;

/// Books of the same topic that are shown.
const MORE: usize = 6;

#[derive(Template)]
#[template(path = "book.html")]
struct BookPage {
    frame: Frame,
    book: BookView,
    more: Vec<Title>,
}

/// `GET /book/{id}`
pub(super) async fn page(
    State(web): State<Web>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    let mut frame = web.frame(&visit, "Book", Tab::Shop);
    let book = frame.note(web.front.book(number(&id, "id")?).await?);
    // Without its neighbours the page is still the book's.
    let titles = web.front.topic(book.topic.clone()).await.map(|titles| titles.value);
    let others = titles.unwrap_or_default().into_iter().filter(|title| title.id != book.id);
    frame.title.clone_from(&book.title);
    visit.page(&BookPage {
        more: others.take(MORE).collect(),
        book: BookView::of(&web, book),
        frame,
    })
}

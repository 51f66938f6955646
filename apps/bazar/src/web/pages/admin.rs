//! The administrator's start: what runs low, and all books, also those that are
//! sold no more.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::text::{count, counted, encode};
use larder_web::{Problem, Visit};

use super::layout::{Frame, Tab};
use super::pager::Pager;
use super::view::{BookView, FEW};
use crate::model::Page;
use crate::web::Web;

/// Books on a page.
const SIZE: u32 = 25;

/// Books of the list of those that run low.
const LOW: u32 = 12;

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    frame: Frame,
    few: u32,
    low: Vec<BookView>,
    /// How many there are, if these are not all.
    more_low: Option<String>,
    query: String,
    query_problem: Option<String>,
    count: String,
    books: Vec<BookView>,
    pager: Pager,
}

/// `GET /admin?query=&page=`
pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    if let Some(response) = web.sign_in_first(&visit) {
        return Ok(response);
    }
    let query = visit.fields.get("query").trim().to_owned();
    let page = visit.fields.get("page").parse().unwrap_or(1).clamp(1, 100_000);
    let low = format!("sort=stock&stock_below={}&size={LOW}", FEW + 1);
    let all = format!("query={}&page={page}&size={SIZE}&retired=true", encode(&query));
    let (low, all) = tokio::join!(web.front.list(&low), web.front.list(&all));
    let mut frame = web.frame(&visit, "Admin", Tab::Admin);
    let (status, query_problem, all) = match all {
        Ok(all) => (StatusCode::OK, None, frame.note(all)),
        Err(error) => {
            let problem = Problem::from(error);
            if problem.status != StatusCode::BAD_REQUEST {
                return Err(problem);
            }
            let none = Page { books: Vec::new(), total: 0, page: 1, size: SIZE };
            (StatusCode::UNPROCESSABLE_ENTITY, Some(problem.detail), none)
        }
    };
    let low = low?.value;
    let view = |books: Vec<_>| books.into_iter().map(|book| BookView::of(&web, book)).collect();
    let url = |page| format!("{}/admin?query={}&page={page}", web.base, encode(&query));
    let page = AdminPage {
        few: FEW,
        more_low: (low.total > low.books.len() as u64).then(|| count(low.total)),
        low: view(low.books),
        query_problem,
        count: counted(all.total, "book"),
        pager: Pager::new(page, SIZE, all.total, url),
        books: view(all.books),
        query,
        frame,
    };
    visit.answer(status, &page)
}

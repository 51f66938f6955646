//! Changing one book, and adding one.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use larder_input::Invalid;
use larder_web::{Fields, Posted, Problem, Visit};

use super::layout::{Frame, Notice, Tab};
use super::view::{BookView, cents_of};
use crate::error::Error;
use crate::model::{BookId, Change, NewBook, Reason, StockChange};
use crate::replica::number;
use crate::web::Web;

/// What is wrong with a form, and in which field.
struct Wrong {
    field: String,
    why: String,
}

impl From<Invalid> for Wrong {
    fn from(invalid: Invalid) -> Self {
        Self { field: invalid.field.to_owned(), why: invalid.why }
    }
}

#[derive(Template)]
#[template(path = "edit.html")]
struct EditPage {
    frame: Frame,
    book: BookView,
    has_images: bool,
    wrong: Option<Wrong>,
    price: String,
    by: String,
    is_correction: bool,
    cover: String,
}

impl EditPage {
    fn is_wrong(&self, field: &str) -> Option<&str> {
        self.wrong.as_ref().filter(|wrong| wrong.field == field).map(|wrong| wrong.why.as_str())
    }
}

/// `GET /admin/books/{id}`
pub(super) async fn page(
    State(web): State<Web>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    if let Some(response) = web.sign_in_first(&visit) {
        return Ok(response);
    }
    let page = edit_page(&web, &visit, number(&id, "id")?).await?;
    visit.page(&page)
}

async fn edit_page(web: &Web, visit: &Visit, id: BookId) -> Result<EditPage, Problem> {
    let mut frame = web.frame(visit, "Change a book", Tab::Admin);
    let book = frame.note(web.front.book_also_retired(id).await?);
    frame.title.clone_from(&book.title);
    let book = BookView::of(web, book);
    Ok(EditPage {
        frame,
        has_images: web.covers.is_some(),
        wrong: None,
        price: book.plain_price.clone(),
        by: String::new(),
        is_correction: false,
        cover: book.cover.clone(),
        book,
    })
}

/// `POST /admin/books/{id}`: a form for one of price, stock, cover and whether
/// it is sold.
pub(super) async fn change(
    State(web): State<Web>,
    Path(id): Path<String>,
    form: Posted,
) -> Result<Response, Problem> {
    let Posted { visit, fields } = form;
    let id = number(&id, "id")?;
    let wrong = match change_of(&fields) {
        Ok(change) => {
            let done = match change.is_retired {
                Some(true) => Notice::Retired,
                Some(false) => Notice::Returned,
                None => Notice::Changed,
            };
            match web.front.change(id, &change).await {
                Ok(_) => return Ok(web.go_to(&format!("/admin/books/{id}"), done)),
                Err(error) => refused(error, "stock")?,
            }
        }
        Err(wrong) => wrong,
    };
    let mut page = edit_page(&web, &visit, id).await?;
    for (name, shown) in
        [("price", &mut page.price), ("by", &mut page.by), ("cover", &mut page.cover)]
    {
        if fields.has(name) {
            fields.get(name).clone_into(shown);
        }
    }
    page.is_correction = fields.get("reason") == Reason::Correction.name();
    page.wrong = Some(wrong);
    visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// The change that a form asks for.
fn change_of(fields: &Fields) -> Result<Change, Wrong> {
    let mut change = Change::default();
    if fields.has("price") {
        change.price_cents = Some(price_of(fields)?);
    }
    if fields.has("by") {
        let by = fields.get("by").trim().parse().map_err(|_| {
            Invalid::new("stock", "How many come or go must be a whole number, like 5 or -2.")
        })?;
        let reason = match fields.get("reason") {
            "correction" => Reason::Correction,
            _ => Reason::Restock,
        };
        change.stock = Some(StockChange { by, reason });
    }
    if fields.has("cover") {
        change.cover = Some(fields.get("cover").to_owned());
    }
    if fields.has("retired") {
        change.is_retired = Some(fields.get("retired") == "true");
    }
    Ok(change.checked()?)
}

fn price_of(fields: &Fields) -> Result<u32, Wrong> {
    cents_of(fields.get("price")).map_err(|why| Wrong { field: "price_cents".into(), why })
}

/// What the catalog says is wrong with a form; the fault of a conflict is in
/// `field`.
fn refused(error: Error, field: &str) -> Result<Wrong, Problem> {
    let problem = Problem::from(error);
    match problem.status {
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT => Ok(Wrong {
            field: problem.field.unwrap_or_else(|| field.to_owned()),
            why: problem.detail,
        }),
        _ => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "add.html")]
struct AddPage {
    frame: Frame,
    fields: Fields,
    wrong: Option<Wrong>,
}

impl AddPage {
    fn is_wrong(&self, field: &str) -> Option<&str> {
        self.wrong.as_ref().filter(|wrong| wrong.field == field).map(|wrong| wrong.why.as_str())
    }
}

fn add_frame(web: &Web, visit: &Visit) -> Frame {
    web.frame(visit, "Add a book", Tab::Admin)
}

/// `GET /admin/add`
pub(super) async fn add_page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    if let Some(response) = web.sign_in_first(&visit) {
        return Ok(response);
    }
    let (frame, fields) = (add_frame(&web, &visit), Fields::default());
    visit.page(&AddPage { frame, fields, wrong: None })
}

/// `POST /admin/add`
pub(super) async fn add(State(web): State<Web>, form: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = form;
    let wrong = match new_of(&fields) {
        Ok(new) => match web.front.add(&new).await {
            Ok(book) => {
                let path = format!("/admin/books/{}", book.value.id);
                return Ok(web.go_to(&path, Notice::Added));
            }
            Err(error) => refused(error, "title")?,
        },
        Err(wrong) => wrong,
    };
    let page = AddPage { frame: add_frame(&web, &visit), fields, wrong: Some(wrong) };
    visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// The book that a form describes.
fn new_of(fields: &Fields) -> Result<NewBook, Wrong> {
    let text = |name| fields.get(name).to_owned();
    let stock = match fields.get("stock").trim() {
        "" => 0,
        typed => typed.parse().map_err(|_| {
            Invalid::new("stock", "The copies in stock must be a whole number, 0 or more.")
        })?,
    };
    let new = NewBook {
        title: text("title"),
        topic: text("topic"),
        author: text("author"),
        isbn: Some(text("isbn")),
        price_cents: price_of(fields)?,
        stock,
        cover: Some(text("cover")),
    };
    Ok(new.checked()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(pairs: &[(&str, &str)]) -> Result<Change, String> {
        let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        change_of(&Fields::new(pairs)).map_err(|wrong| wrong.field)
    }

    #[test]
    fn each_form_changes_what_it_shows_and_nothing_else() {
        let price = Change { price_cents: Some(1_250), ..Change::default() };
        assert_eq!(change(&[("price", "12.50")]), Ok(price));
        let stock = Some(StockChange { by: -2, reason: Reason::Correction });
        let gone = Change { stock, ..Change::default() };
        assert_eq!(change(&[("by", "-2"), ("reason", "correction")]), Ok(gone));
        let cover = Change { cover: Some(String::new()), ..Change::default() };
        assert_eq!(change(&[("cover", " ")]), Ok(cover));
        let back = Change { is_retired: Some(false), ..Change::default() };
        assert_eq!(change(&[("retired", "false")]), Ok(back));
        for (form, field) in [
            (&[("price", "much")], "price_cents"),
            (&[("by", "few")], "stock"),
            (&[("by", "0")], "stock"),
            (&[("by", "-1")], "stock"),
        ] {
            assert_eq!(change(form), Err(field.to_owned()));
        }
        assert!(change(&[]).is_err());
    }
}

//! The list of all images: search, sort and page through it; delete one or
//! all, after being asked.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::{Fields, Posted, Problem, Visit};

use super::Pages;
use super::layout::{Frame, Notice, Tab, go_to};
use super::text;
use super::view::ImageView;
use crate::error::Error;
use crate::model::{Cursor, ImageKey, Listing, Precondition, Sort};

/// How many images a page may show; the first is the default.
const LIMITS: [u32; 3] = [25, 50, 100];

/// What part of the list to show, as its address says. Whatever the address
/// gets wrong is shown as if it were not there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    q: String,
    sort: Sort,
    descending: bool,
    after: Option<Cursor>,
    limit: u32,
}

impl Place {
    fn of(fields: &Fields) -> Self {
        let limit = fields.get("limit").parse().unwrap_or(LIMITS[0]);
        let sort = fields.get("sort").parse().unwrap_or_default();
        let after = fields.get("cursor").parse().ok();
        Self {
            q: fields.get("q").to_owned(),
            sort,
            descending: fields.get("dir") == "desc",
            after: after.filter(|cursor: &Cursor| cursor.fits(sort)),
            limit: if LIMITS.contains(&limit) { limit } else { LIMITS[0] },
        }
    }

    fn listing(&self) -> Listing {
        Listing {
            prefix: String::new(),
            contains: self.q.clone(),
            sort: self.sort,
            descending: self.descending,
            after: self.after.clone(),
            limit: self.limit,
        }
    }

    fn first(&self) -> Self {
        Self { after: None, ..self.clone() }
    }

    fn url(&self) -> String {
        let mut fields = Vec::new();
        if !self.q.is_empty() {
            fields.push(format!("q={}", text::encode(&self.q)));
        }
        if self.sort != Sort::default() || self.descending {
            fields.push(format!("sort={}", self.sort.name()));
        }
        if self.descending {
            fields.push("dir=desc".into());
        }
        if self.limit != LIMITS[0] {
            fields.push(format!("limit={}", self.limit));
        }
        if let Some(cursor) = &self.after {
            fields.push(format!("cursor={}", text::encode(&cursor.to_string())));
        }
        if fields.is_empty() { "/keys".into() } else { format!("/keys?{}", fields.join("&")) }
    }
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    q: String,
    sort: &'static str,
    direction: &'static str,
    limits: Vec<(u32, bool)>,
    heads: Vec<Head>,
    images: Vec<ImageView>,
    has_any: bool,
    count: String,
    first_url: Option<String>,
    next_url: Option<String>,
}

/// A column by which the list can be sorted.
struct Head {
    name: &'static str,
    title: &'static str,
    url: String,
    aria_sort: &'static str,
}

/// `GET /keys`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let place = Place::of(&visit.fields);
    let (total, bytes) = pages.images.totals().await?;
    let page = pages.images.list(place.listing()).await?;
    let shown = page.images.len() as u64;
    let all = format!("{} in all, {}", text::counted(total, "image"), text::bytes(bytes));
    let is_whole = page.next.is_none() && place.after.is_none();
    let count = match (place.q.is_empty(), is_whole) {
        (true, _) => all,
        (false, true) => format!("{} found; {all}", text::counted(shown, "image")),
        (false, false) => format!("{shown} of those found; {all}"),
    };
    let next_url = page.next.map(|next| Place { after: Some(next), ..place.clone() }.url());
    let in_memory = pages.images.are_in_memory(&page.images);
    let views = page.images.iter().zip(in_memory);
    visit.page(&KeysPage {
        frame: Frame::of(&visit, "Keys", Tab::Keys),
        sort: place.sort.name(),
        direction: if place.descending { "desc" } else { "asc" },
        limits: LIMITS.iter().map(|&limit| (limit, limit == place.limit)).collect(),
        heads: Sort::ALL.iter().map(|&sort| head(&place, sort)).collect(),
        images: views.map(|(image, in_memory)| ImageView::of(image, in_memory)).collect(),
        has_any: total > 0,
        count,
        first_url: place.after.is_some().then(|| place.first().url()),
        next_url,
        q: place.q,
    })
}

fn head(place: &Place, sort: Sort) -> Head {
    let is_current = place.sort == sort;
    // Who sorts by date or size wants the newest or the largest first.
    let starts_descending = matches!(sort, Sort::Date | Sort::Size);
    let descending = if is_current { !place.descending } else { starts_descending };
    Head {
        name: sort.name(),
        title: match sort {
            Sort::Key => "Key",
            Sort::Date => "Date",
            Sort::Size => "Size",
            Sort::Type => "Type",
        },
        url: Place { sort, descending, ..place.first() }.url(),
        aria_sort: match (is_current, place.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        },
    }
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    frame: Frame,
    image: ImageView,
}

/// `GET /keys/delete?key=`: asks first.
pub(super) async fn ask(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let key: ImageKey = visit.fields.get("key").parse().map_err(Error::from)?;
    let (image, _) = pages.images.describe(&key).await?;
    let image = ImageView::of(&image, pages.images.is_in_memory(&key));
    visit.page(&DeletePage { frame: Frame::of(&visit, "Delete an image", Tab::Keys), image })
}

/// `POST /keys/delete`
pub(super) async fn delete(
    State(pages): State<Pages>,
    posted: Posted,
) -> Result<Response, Problem> {
    let key: ImageKey = posted.fields.get("key").parse().map_err(Error::from)?;
    match pages.images.delete(&key, Precondition::None).await {
        // Somebody else was faster; what was wanted is so.
        Ok(()) | Err(Error::NoSuchImage) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(go_to(&Place::of(&posted.fields).url(), Notice::Deleted))
}

#[derive(Template)]
#[template(path = "delete_all.html")]
struct DeleteAllPage {
    frame: Frame,
    count: u64,
    images: String,
    size: String,
    problem: Option<&'static str>,
}

/// `GET /keys/delete-all`: asks first.
pub(super) async fn ask_all(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let page = delete_all_page(&pages, &visit).await?;
    visit.page(&page)
}

/// `POST /keys/delete-all`
pub(super) async fn delete_all(
    State(pages): State<Pages>,
    posted: Posted,
) -> Result<Response, Problem> {
    if posted.fields.get("sure") != "yes" {
        let mut page = delete_all_page(&pages, &posted.visit).await?;
        page.problem = Some("Tick the box to confirm. Nothing was deleted.");
        return posted.visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    pages.images.delete_all().await?;
    Ok(go_to("/keys", Notice::DeletedAll))
}

async fn delete_all_page(pages: &Pages, visit: &Visit) -> Result<DeleteAllPage, Problem> {
    let (count, bytes) = pages.images.totals().await?;
    Ok(DeleteAllPage {
        frame: Frame::of(visit, "Delete all images", Tab::Keys),
        count,
        images: text::counted(count, "image"),
        size: text::bytes(bytes),
        problem: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_place_is_as_short_as_it_can_be() {
        let plain = Place::of(&Fields::default());
        assert_eq!(plain.url(), "/keys");
        let after = Some(Cursor { value: "7".into(), key: "a&b c".into() });
        let place = Place { q: "é".into(), sort: Sort::Size, descending: true, after, limit: 50 };
        assert_eq!(place.url(), "/keys?q=%C3%A9&sort=size&dir=desc&limit=50&cursor=7~a%26b%20c");
        assert_eq!(place.first().after, None);
    }

    #[test]
    fn a_column_turns_its_order_round_when_it_is_chosen_again() {
        let plain = Place::of(&Fields::default());
        assert_eq!(head(&plain, Sort::Key).url, "/keys?sort=key&dir=desc");
        assert_eq!(head(&plain, Sort::Size).url, "/keys?sort=size&dir=desc");
        assert_eq!(head(&plain, Sort::Type).url, "/keys?sort=type");
        assert_eq!(head(&plain, Sort::Key).aria_sort, "ascending");
    }
}

//! The shop front: topics, search, and the books, page by page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_web::text::{counted, encode};
use larder_web::{Fields, Problem, Visit};

use super::layout::{Frame, Tab};
use super::pager::Pager;
use super::view::BookView;
use crate::error::Error;
use crate::front::Served;
use crate::model::Page;
use crate::web::Web;

/// Books on a page.
const SIZE: u32 = 24;

/// Orders of the list that visitors may choose, with their names; the first is
/// the default.
const SORTS: [(&str, &str); 3] = [("title", "Title"), ("price", "Price"), ("newest", "Newest")];

/// What part of the list to show, as its address says. An order or page that
/// makes no sense is shown as if it were not there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    query: String,
    topic: String,
    sort: &'static str,
    page: u32,
}

impl Place {
    fn of(fields: &Fields) -> Self {
        let sort = SORTS.iter().find(|(name, _)| *name == fields.get("sort"));
        Self {
            query: fields.get("query").trim().to_owned(),
            topic: fields.get("topic").trim().to_owned(),
            sort: sort.unwrap_or(&SORTS[0]).0,
            page: fields.get("page").parse().unwrap_or(1).clamp(1, 100_000),
        }
    }

    fn first(&self) -> Self {
        Self { page: 1, ..self.clone() }
    }

    /// What differs from the defaults.
    fn query(&self) -> String {
        let mut fields = Vec::new();
        for (name, value) in [("query", &self.query), ("topic", &self.topic)] {
            if !value.is_empty() {
                fields.push(format!("{name}={}", encode(value)));
            }
        }
        if self.sort != SORTS[0].0 {
            fields.push(format!("sort={}", self.sort));
        }
        if self.page > 1 {
            fields.push(format!("page={}", self.page));
        }
        fields.join("&")
    }

    fn url(&self, base: &str) -> String {
        match self.query().as_str() {
            "" => format!("{base}/"),
            query => format!("{base}/?{query}"),
        }
    }
}

#[derive(Template)]
#[template(path = "shop.html")]
struct ShopPage {
    frame: Frame,
    query: String,
    query_problem: Option<String>,
    topic: String,
    sort: &'static str,
    facets: Vec<Choice>,
    sorts: Vec<Choice>,
    count: String,
    books: Vec<BookView>,
    pager: Pager,
    all_url: String,
    is_narrowed: bool,
}

/// A link that narrows or sorts the list.
struct Choice {
    text: String,
    count: Option<u64>,
    url: String,
    is_chosen: bool,
}

/// `GET /?query=&topic=&sort=&page=`
pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    let place = Place::of(&visit.fields);
    let mut frame = web.frame(&visit, "Shop", Tab::Shop);
    let base = frame.base.clone();
    let asked = format!("{}&size={SIZE}", place.query());
    let (topics, list) = tokio::join!(web.front.topics(), web.front.list(&asked));
    let nothing = Page { books: Vec::new(), total: 0, page: 1, size: SIZE };
    let (status, query_problem, page) = match list {
        Ok(list) => (StatusCode::OK, None, frame.note(list)),
        Err(error) => {
            let problem = refused(error)?;
            (StatusCode::UNPROCESSABLE_ENTITY, Some(problem), nothing)
        }
    };
    let Served { value: topics, .. } = topics?;

    let first = place.first();
    let all = Choice {
        text: "All topics".into(),
        count: Some(topics.iter().map(|topic| topic.books).sum()),
        url: Place { topic: String::new(), ..first.clone() }.url(&base),
        is_chosen: place.topic.is_empty(),
    };
    let facet = |topic: crate::model::Topic| Choice {
        count: Some(topic.books),
        url: Place { topic: topic.name.clone(), ..first.clone() }.url(&base),
        is_chosen: topic.name == place.topic,
        text: topic.name,
    };
    let sort = |&(name, text): &(&'static str, &str)| Choice {
        text: text.to_owned(),
        count: None,
        url: Place { sort: name, ..first.clone() }.url(&base),
        is_chosen: name == place.sort,
    };
    if !place.topic.is_empty() {
        frame.title = format!("{} – Shop", place.topic);
    }
    let found = if place.query.is_empty() { "" } else { " found" };
    let shop = ShopPage {
        facets: std::iter::once(all).chain(topics.into_iter().map(facet)).collect(),
        sorts: SORTS.iter().map(sort).collect(),
        count: format!("{}{found}", counted(page.total, "book")),
        pager: Pager::new(place.page, SIZE, page.total, |page| {
            Place { page, ..place.clone() }.url(&base)
        }),
        books: page.books.into_iter().map(|book| BookView::of(&web, book)).collect(),
        all_url: format!("{base}/"),
        is_narrowed: place.first().query() != "" || place.page > 1,
        query: place.query,
        query_problem,
        topic: place.topic,
        sort: place.sort,
        frame,
    };
    visit.answer(status, &shop)
}

/// What is wrong with the words that are looked for.
fn refused(error: Error) -> Result<String, Problem> {
    let problem = Problem::from(error);
    match problem.status {
        StatusCode::BAD_REQUEST => Ok(problem.detail),
        _ => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_has_an_address() {
        let place = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            Place::of(&Fields::new(pairs)).url("/bazar")
        };
        assert_eq!(place(&[]), "/bazar/");
        assert_eq!(place(&[("sort", "best"), ("page", "0"), ("query", " ")]), "/bazar/");
        assert_eq!(
            place(&[("query", "a&b"), ("topic", "ü/x"), ("sort", "price"), ("page", "3")]),
            "/bazar/?query=a%26b&topic=%C3%BC/x&sort=price&page=3"
        );
    }
}

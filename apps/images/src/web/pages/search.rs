//! The search page: a key, the image under it, who answered and how fast.

use std::time::Instant;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_tier::Source;
use larder_web::{Problem, Visit};

use super::Pages;
use super::layout::{Frame, Tab};
use super::text;
use super::view::ImageView;
use crate::error::Error;
use crate::model::ImageKey;
use crate::service::Images;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    key: String,
    key_problem: Option<String>,
    unknown: Option<Unknown>,
    found: Option<Found>,
}

struct Found {
    image: ImageView,
    is_from_memory: bool,
    took: String,
}

struct Unknown {
    similar_url: String,
    upload_url: String,
}

/// `GET /search?key=`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let key = visit.fields.get("key").to_owned();
    let mut page = SearchPage {
        frame: Frame::of(&visit, "Search", Tab::Search),
        key: key.clone(),
        key_problem: None,
        unknown: None,
        found: None,
    };
    if !visit.fields.has("key") {
        return visit.page(&page);
    }
    let key = match key.parse::<ImageKey>() {
        Ok(key) => key,
        Err(error) => {
            page.key_problem = Some(error.to_string());
            return visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    match find(&pages.images, &key).await {
        Ok(found) => {
            page.frame.title = format!("{} – Search", page.key);
            page.found = Some(found);
            visit.page(&page)
        }
        Err(Error::NoSuchImage) => {
            let encoded = text::encode(key.as_str());
            page.unknown = Some(Unknown {
                similar_url: format!("/keys?q={encoded}"),
                upload_url: format!("/?key={encoded}"),
            });
            visit.answer(StatusCode::NOT_FOUND, &page)
        }
        Err(error) => Err(error.into()),
    }
}

async fn find(images: &Images, key: &ImageKey) -> Result<Found, Error> {
    let start = Instant::now();
    let served = images.get(key).await?;
    let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(Found {
        image: ImageView::of(&served.content.image, images.is_in_memory(key)),
        is_from_memory: served.source != Source::Store,
        took: text::nanoseconds(took.max(1)),
    })
}

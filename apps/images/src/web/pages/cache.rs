//! The settings of the cache: see what it holds and what it could do, change
//! it while it runs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_cache::{Objective, PolicyKind};
use larder_console::{Console, Held, Refusal, Words, settings_from};
use larder_web::{Posted, Problem, Visit};

use super::Pages;
use super::layout::{Frame, Notice, Tab, go_to};
use crate::error::Error;

/// What the page says of this cache.
const WORDS: Words = Words {
    page: "/cache",
    forms: "/cache",
    clear: "Empties the memory; the images stay in the store.",
    objective: Objective::summary,
    wait: None,
    elsewhere: None,
};

/// The same where the images are on a mem-cache server.
const WORDS_ELSEWHERE: Words = Words {
    clear: "Empties the mem-cache server; the images stay in the store.",
    elsewhere: Some(
        "The images are on a mem-cache server (--cache), which these settings are sent to; its own \
         page shows what others would do.",
    ),
    ..WORDS
};

#[derive(Template)]
#[template(path = "cache.html")]
struct CachePage {
    frame: Frame,
    console: Console,
}

impl CachePage {
    fn new(pages: &Pages, visit: &Visit) -> Self {
        let images = &pages.images;
        let summary = images.summary();
        let held = Held {
            items: summary.items,
            size_bytes: summary.size_bytes,
            capacity_bytes: summary.capacity_bytes,
        };
        let words = if images.config().mem_cache.is_some() { &WORDS_ELSEWHERE } else { &WORDS };
        let (settings, defaults) = (images.settings(), images.default_settings());
        Self {
            frame: Frame::of(visit, "Cache", Tab::Cache),
            console: Console::new(words, visit, settings, defaults, held, &images.insight()),
        }
    }
}

/// `GET /cache`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    visit.page(&CachePage::new(&pages, &visit))
}

/// `POST /cache/apply`
pub(super) async fn apply(State(pages): State<Pages>, posted: Posted) -> Result<Response, Problem> {
    let settings = match settings_from(&posted.fields, pages.images.settings()) {
        Ok(settings) => settings,
        Err(refusal) => return refuse(&pages, &posted, refusal),
    };
    match pages.images.configure(settings).await {
        Ok(()) => Ok(go_to("/cache", Notice::Applied)),
        Err(Error::InvalidCapacity(error)) => refuse(&pages, &posted, error.into()),
        Err(error) => Err(error.into()),
    }
}

/// The page again, with what was typed and what is wrong with it.
fn refuse(pages: &Pages, posted: &Posted, refusal: Refusal) -> Result<Response, Problem> {
    let mut page = CachePage::new(pages, &posted.visit);
    page.console.refuse(&posted.fields, refusal);
    posted.visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// `POST /cache/what-if/apply`: the policy that the visitor saw recommended.
pub(super) async fn follow(
    State(pages): State<Pages>,
    posted: Posted,
) -> Result<Response, Problem> {
    let policy = posted.fields.get("policy").parse::<PolicyKind>();
    let policy = policy.map_err(|error| Problem::bad_request(error.to_string()))?;
    pages.images.change_policy(policy).await?;
    Ok(go_to("/cache", Notice::Applied))
}

/// `POST /cache/clear`
pub(super) async fn clear(State(pages): State<Pages>, _: Posted) -> Result<Response, Problem> {
    pages.images.clear_cache().await?;
    Ok(go_to("/cache", Notice::Cleared))
}

/// `POST /cache/defaults`
pub(super) async fn defaults(State(pages): State<Pages>, _: Posted) -> Result<Response, Problem> {
    pages.images.reset_settings().await?;
    Ok(go_to("/cache", Notice::Defaults))
}

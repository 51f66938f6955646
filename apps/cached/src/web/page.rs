//! The page of the cache: what it did since the start, what is in use, its
//! settings, and what others would do. Works without JavaScript; with it, it
//! follows what happens.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use larder_cache::{Objective, PolicyKind};
use larder_console::{Console, Held, Settings, Words, settings_from};
use larder_web::{Posted, Problem, Visit, text};

use super::layout::{Frame, Notice, go_back};
use super::{Web, sign_in};
use crate::MemCache;

/// What the page says of this cache.
const WORDS: Words = Words {
    page: "/",
    forms: "/settings",
    clear: "Drops every entry, for all clients and for good: there is no store behind this cache.",
    objective: spared,
    wait: Some(
        "Requests are simulated only while somebody looks: from the first look at this page until \
         ten minutes after the last, and as long as the autopilot is on.",
    ),
    elsewhere: None,
};

/// What a hit spares: the cache knows no store, but its clients do.
fn spared(objective: Objective) -> &'static str {
    match objective {
        Objective::Bytes => "Spares clients the most bytes: a large value counts for more.",
        Objective::Objects | Objective::Cost => {
            "Spares clients the most misses, of large and small values alike."
        }
    }
}

/// Its routes, and those for signing in.
pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/", get(page))
        .route("/settings/apply", post(apply))
        .route("/settings/defaults", post(defaults))
        .route("/settings/clear", post(clear))
        .route("/settings/what-if/apply", post(follow))
        .route("/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
}

#[derive(Template)]
#[template(path = "cache.html")]
struct CachePage {
    frame: Frame,
    figures: [Figure; 8],
    console: Console,
}

/// Something that was counted.
struct Figure {
    /// Its name for scripts.
    name: &'static str,
    title: &'static str,
    /// Its colour, by class.
    class: &'static str,
    value: String,
}

impl CachePage {
    fn new(cache: &MemCache, visit: &Visit) -> Self {
        let stats = cache.stats();
        let held = Held {
            items: stats.items,
            size_bytes: stats.weight_bytes,
            capacity_bytes: stats.capacity_bytes,
        };
        let rate = (stats.requests > 0).then(|| stats.hits as f64 / stats.requests as f64);
        let figure = |name, title, class, value| Figure { name, title, class, value };
        let plain = |name, title, number| figure(name, title, "", text::count(number));
        let (settings, defaults) = (cache.settings(), cache.default_settings());
        Self {
            frame: Frame::of(visit, "Mem-cache"),
            figures: [
                figure("hit_rate", "Hit rate", "hit", text::percent(rate)),
                plain("requests", "Requests", stats.requests),
                figure("hits", "Hits", "hit", text::count(stats.hits)),
                figure("misses", "Misses", "miss", text::count(stats.misses)),
                plain("items", "Entries", stats.items),
                plain("inserts", "Stored", stats.inserts),
                plain("evictions", "Evictions", stats.evictions),
                plain("connections", "memcached connections", cache.connections() as u64),
            ],
            console: Console::new(&WORDS, visit, settings, defaults, held, &cache.insight()),
        }
    }
}

/// `GET /`
async fn page(State(cache): State<MemCache>, visit: Visit) -> Result<Response, Problem> {
    visit.page(&CachePage::new(&cache, &visit))
}

/// `POST /settings/apply`
async fn apply(State(cache): State<MemCache>, posted: Posted) -> Result<Response, Problem> {
    match settings_from(&posted.fields, cache.settings()) {
        Ok(settings) => {
            cache.adjust(|_| settings);
            Ok(go_back(Notice::Applied))
        }
        Err(refusal) => {
            let mut page = CachePage::new(&cache, &posted.visit);
            page.console.refuse(&posted.fields, refusal);
            posted.visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

/// `POST /settings/what-if/apply`: the policy that the visitor saw recommended.
async fn follow(State(cache): State<MemCache>, posted: Posted) -> Result<Response, Problem> {
    let policy = posted.fields.get("policy").parse::<PolicyKind>();
    let policy = policy.map_err(|error| Problem::bad_request(error.to_string()))?;
    cache.adjust(|now| Settings { policy, ..now });
    Ok(go_back(Notice::Applied))
}

/// `POST /settings/defaults`
async fn defaults(State(cache): State<MemCache>, _: Posted) -> Response {
    cache.adjust(|_| cache.default_settings());
    go_back(Notice::Defaults)
}

/// `POST /settings/clear`
async fn clear(State(cache): State<MemCache>, _: Posted) -> Response {
    cache.clear();
    go_back(Notice::Cleared)
}

#[cfg(test)]
mod tests;

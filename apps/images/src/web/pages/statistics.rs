//! The statistics page, its data, and its live events.

use std::convert::Infallible;

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use larder_clock::{Clock, SystemClock};
use larder_web::{Problem, Visit};
use serde::Serialize;

use super::Pages;
use super::chart::{Chart, charts};
use super::layout::{Frame, Tab};
use super::text;
use crate::service::{Images, Summary, View};
use crate::store::Sample;

#[derive(Template)]
#[template(path = "statistics.html")]
struct StatisticsPage {
    frame: Frame,
    view: &'static str,
    view_title: &'static str,
    views: Vec<ViewLink>,
    tiles: Vec<Tile>,
    times: Vec<Times>,
    charts: Vec<Chart>,
    policy: String,
}

struct ViewLink {
    name: &'static str,
    title: &'static str,
    is_current: bool,
}

/// One number.
struct Tile {
    /// Its name for scripts.
    name: &'static str,
    title: &'static str,
    value: String,
    /// What colour marks it.
    class: &'static str,
}

/// How long one kind of read takes.
struct Times {
    /// Its name for scripts.
    name: &'static str,
    title: &'static str,
    class: &'static str,
    mean: String,
    p99: String,
}

/// What the page's script starts from.
#[derive(Serialize)]
struct Data {
    summary: Summary,
    samples: Vec<Sample>,
}

/// What the page's script is told every five seconds.
#[derive(Serialize)]
struct Update {
    summary: Summary,
    sample: Option<Sample>,
}

/// `GET /statistics?view=`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let view = view(&visit);
    let samples = pages.images.samples(view).await?;
    let summary = pages.images.summary();
    let link = |other: View| ViewLink {
        name: other.name(),
        title: other.title(),
        is_current: other == view,
    };
    visit.page(&StatisticsPage {
        frame: Frame::of(&visit, "Statistics", Tab::Statistics),
        view: view.name(),
        view_title: view.title(),
        views: View::ALL.into_iter().map(link).collect(),
        tiles: tiles(&summary),
        times: times(&summary),
        charts: charts(&samples, seconds(view), SystemClock.now().seconds()),
        policy: policy(&pages.images),
    })
}

/// `GET /statistics/data?view=`
pub(super) async fn data(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    let samples = pages.images.samples(view(&visit)).await?;
    Ok(Json(Data { summary: pages.images.summary(), samples }).into_response())
}

/// `GET /statistics/events`: one event at once, then one per sample.
pub(super) async fn events(
    State(pages): State<Pages>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let images = pages.images;
    let mut samples = images.watch_samples();
    samples.mark_changed();
    let stream = futures_util::stream::unfold((images, samples), |(images, mut samples)| async {
        tokio::select! {
            () = images.shutdown().asked() => return None,
            changed = samples.changed() => changed.ok()?,
        }
        let sample = *samples.borrow_and_update();
        let update = Update { summary: images.summary(), sample };
        let event = Event::default().json_data(update).unwrap_or_default();
        Some((Ok(event), (images, samples)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn view(visit: &Visit) -> View {
    let name = visit.fields.get("view");
    View::ALL.into_iter().find(|view| view.name() == name).unwrap_or_default()
}

fn seconds(view: View) -> i64 {
    match view {
        View::TenMinutes => 600,
        View::Hour => 3600,
        View::Day => 24 * 3600,
    }
}

fn policy(images: &Images) -> String {
    images.settings().policy.title().to_owned()
}

fn tiles(summary: &Summary) -> Vec<Tile> {
    let tile = |name, title, value, class| Tile { name, title, value, class };
    vec![
        tile("hit_rate", "Hit rate", text::percent(summary.hit_rate), "hit"),
        tile("miss_rate", "Miss rate", text::percent(summary.miss_rate), "miss"),
        tile("requests", "Requests", text::count(summary.requests), ""),
        tile("hits", "Hits", text::count(summary.hits), "hit"),
        tile("misses", "Misses", text::count(summary.misses), "miss"),
        tile("evictions", "Evictions", text::count(summary.evictions), ""),
        tile("items", "Items in memory", text::count(summary.items), ""),
        tile("size_bytes", "Total size", text::bytes(summary.size_bytes), ""),
        tile("capacity_bytes", "Capacity", text::bytes(summary.capacity_bytes), ""),
    ]
}

fn times(summary: &Summary) -> Vec<Times> {
    vec![
        Times {
            name: "hit",
            title: "Time of a hit",
            class: "hit",
            mean: text::nanoseconds(summary.hit_ns_mean),
            p99: text::nanoseconds(summary.hit_ns_p99),
        },
        Times {
            name: "miss",
            title: "Time of a miss",
            class: "miss",
            mean: text::nanoseconds(summary.miss_ns_mean),
            p99: text::nanoseconds(summary.miss_ns_p99),
        },
    ]
}

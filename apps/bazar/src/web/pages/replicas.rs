//! The replicas: how each does, what memory does in front of them, who answers
//! for a book; those of this process can be stopped and started.

use std::collections::HashMap;
use std::time::Instant;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use larder_web::text::{bytes, count, nanoseconds, percent};
use larder_web::{Posted, Problem, Visit};

use super::layout::{Frame, Notice, Tab};
use crate::front::{ReplicaStatus, Served};
use crate::model::Book;
use crate::replica::number;
use crate::web::api::not_here;
use crate::web::{Web, source_name};

/// Books that are offered to ask for.
const OFFERED: u32 = 50;

#[derive(Template)]
#[template(path = "replicas.html")]
struct ReplicasPage {
    frame: Frame,
    front: String,
    replicas: Vec<Row>,
    tiles: [Tile; 5],
    books: Vec<(u64, String)>,
    typed: String,
    answer: Option<Answer>,
    problem: Option<String>,
}

/// A replica.
struct Row {
    name: String,
    service: &'static str,
    address: String,
    /// `up`, `down`, `stopped` or `starting`.
    state: &'static str,
    is_here: bool,
    in_flight: String,
    served: String,
    failed: String,
    p50: String,
    p99: String,
}

/// A figure of the memory.
struct Tile {
    name: &'static str,
    title: &'static str,
    value: String,
    note: String,
    kind: &'static str,
}

/// Who answered for a book.
struct Answer {
    title: String,
    by: String,
    cache: &'static str,
    took: String,
}

impl Row {
    fn of(replica: ReplicaStatus, is_here: bool) -> Self {
        Self {
            service: replica.service,
            state: if replica.is_up { "up" } else { "down" },
            is_here,
            in_flight: count(replica.in_flight),
            served: count(replica.served),
            failed: count(replica.failed),
            p50: nanoseconds(replica.p50_us.saturating_mul(1_000)),
            p99: nanoseconds(replica.p99_us.saturating_mul(1_000)),
            name: replica.name,
            address: replica.address,
        }
    }

    /// One of this process that isn't registered.
    fn away(name: String, state: &'static str) -> Self {
        let none = || "–".to_owned();
        Self {
            name,
            service: "",
            address: String::new(),
            state,
            is_here: true,
            in_flight: none(),
            served: none(),
            failed: none(),
            p50: none(),
            p99: none(),
        }
    }

    fn state_text(&self) -> &'static str {
        match self.state {
            "up" => "Healthy",
            "down" => "Doesn’t answer",
            "starting" => "Starting",
            _ => "Stopped",
        }
    }
}

/// All replicas by name: those that are registered, and those of this process
/// that aren't, each named with whether it runs.
fn rows(registered: Vec<ReplicaStatus>, here: Vec<(String, bool)>) -> Vec<Row> {
    let mut here: HashMap<String, bool> = here.into_iter().collect();
    let mut rows = Vec::new();
    for replica in registered {
        // What this process has stopped is known before others notice.
        match here.get(&replica.name) {
            Some(false) => {}
            found => {
                let is_here = found.is_some();
                here.remove(&replica.name);
                rows.push(Row::of(replica, is_here));
            }
        }
    }
    let away =
        |(name, is_running)| Row::away(name, if is_running { "starting" } else { "stopped" });
    rows.extend(here.into_iter().map(away));
    rows.sort_by(|one, other| (&one.name, &one.address).cmp(&(&other.name, &other.address)));
    rows
}

fn tiles(web: &Web) -> [Tile; 5] {
    let tier = web.front.shop().tier();
    let (cache, reads) = (tier.cache_stats(), tier.meter().total());
    let (hits, requests) = (reads.hits.len(), reads.requests());
    let rate = (requests > 0).then(|| hits as f64 / requests as f64);
    let bound =
        cache.max_items.map_or_else(String::new, |most| format!("of {} at most", count(most)));
    let tile = |name, title, value, note, kind| Tile { name, title, value, note, kind };
    [
        tile("hit_ratio", "Hit ratio", percent(rate), String::new(), "hit"),
        tile("requests", "Reads", count(requests), String::new(), ""),
        tile("items", "Items in memory", count(cache.items), bound, "hit"),
        tile(
            "size",
            "Size",
            bytes(cache.weight_bytes),
            format!("of {}", bytes(cache.capacity_bytes)),
            "",
        ),
        tile("evictions", "Evictions", count(cache.evictions), String::new(), "miss"),
    ]
}

/// `GET /replicas?ask=`
pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Result<Response, Problem> {
    let mut frame = web.frame(&visit, "Replicas", Tab::Replicas);
    let typed = visit.fields.get("ask").trim().to_owned();
    let (mut answer, mut problem) = (None, None);
    if !typed.is_empty() {
        match ask(&web, &typed).await {
            Ok((served, told)) => {
                frame.note(served);
                answer = Some(told);
            }
            Err(wrong) => problem = Some(wrong.detail),
        }
    }
    // Without a catalog there is nothing to offer, and the page says why.
    let offered = web.front.list(&format!("size={OFFERED}")).await;
    let offered = offered.map(|list| list.value.books).unwrap_or_default();
    visit.page(&ReplicasPage {
        front: web.front.name().to_owned(),
        replicas: rows(web.front.replicas(), web.local.running()),
        tiles: tiles(&web),
        books: offered.into_iter().map(|book| (book.id, book.title)).collect(),
        typed,
        answer,
        problem,
        frame,
    })
}

async fn ask(web: &Web, typed: &str) -> Result<(Served<Book>, Answer), Problem> {
    let start = Instant::now();
    let served = web.front.book(number(typed, "id")?).await?;
    let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let answer = Answer {
        title: served.value.title.clone(),
        by: served.by.as_deref().unwrap_or("its memory").to_owned(),
        cache: served.source.map_or("miss", source_name),
        took: nanoseconds(took.max(1)),
    };
    Ok((served, answer))
}

/// `POST /replicas/stop`
pub(super) async fn stop(State(web): State<Web>, form: Posted) -> Result<Response, Problem> {
    match web.local.stop(form.fields.get("name")).await {
        true => Ok(web.go_to("/replicas", Notice::Stopped)),
        false => Err(not_here()),
    }
}

/// `POST /replicas/start`
pub(super) async fn start(State(web): State<Web>, form: Posted) -> Result<Response, Problem> {
    match web.local.start(form.fields.get("name")).await? {
        true => Ok(web.go_to("/replicas", Notice::Started)),
        false => Err(not_here()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(name: &str, is_up: bool) -> ReplicaStatus {
        ReplicaStatus {
            name: name.into(),
            service: "catalog",
            address: format!("{name}:1"),
            is_up,
            in_flight: 0,
            served: 0,
            failed: 0,
            p50_us: 0,
            p99_us: 0,
        }
    }

    #[test]
    fn replicas_are_listed_by_name_whether_they_run_or_not() {
        let there = vec![registered("d", true), registered("a", true), registered("b", false)];
        let here = vec![("a".into(), false), ("c".into(), true), ("d".into(), true)];
        let rows: Vec<_> = rows(there, here)
            .into_iter()
            .map(|row| (row.name.clone(), row.state, row.is_here))
            .collect();
        let row = |name: &str, state, is_here| (name.to_owned(), state, is_here);
        let expected = [
            row("a", "stopped", true),
            row("b", "down", false),
            row("c", "starting", true),
            row("d", "up", true),
        ];
        assert_eq!(rows, expected);
    }
}

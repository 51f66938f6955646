//! The cluster and its pool for people: who is there, what they hold and do,
//! and how many of them own keys.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_clock::{Clock, SystemClock, Timestamp};
use larder_tier::{Load, Member};
use larder_web::{Posted, Problem, Visit};

use super::Pages;
use super::chart::{Chart, pool_charts};
use super::layout::{Frame, Notice, Tab, go_to};
use super::text;
use crate::error::Error;
use crate::model::{InvalidPool, Mode, PoolSettings};
use crate::service::Minute;
use crate::store::PoolDecision;

/// Seconds that the charts go back.
const SPAN_SECONDS: i64 = 30 * 60;

#[derive(Template)]
#[template(path = "cluster.html")]
struct ClusterPage {
    frame: Frame,
    is_alone: bool,
    node: u16,
    version: u64,
    members: Vec<MemberRow>,
    size: u16,
    could: u16,
    is_auto: bool,
    fields: Vec<Field>,
    problem: Option<String>,
    decisions: Vec<DecisionRow>,
    tiles: Vec<(&'static str, String)>,
    charts: Vec<Chart>,
    /// How far the charts go back.
    view_title: &'static str,
    cache: String,
}

struct MemberRow {
    node: u16,
    is_here: bool,
    address: String,
    listens: String,
    standing: &'static str,
    is_active: bool,
    epoch: u64,
    lease: String,
    items: String,
    size: String,
    hit_rate: String,
    requests: String,
    forwards: String,
    barrier: String,
}

/// A field of the form.
struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
}

struct DecisionRow {
    at: String,
    change: String,
    reason: String,
}

/// `GET /cluster`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    visit.page(&ClusterPage::new(&pages, &visit).await?)
}

impl ClusterPage {
    async fn new(pages: &Pages, visit: &Visit) -> Result<Self, Problem> {
        let images = &pages.images;
        let (overview, pool) = (images.overview().await?, images.pool().await?);
        let minutes = images.minutes().await?;
        let now = SystemClock.now().seconds();
        let settings = images.settings();
        let is_alone = overview.is_none();
        let (node, version, members) = match overview {
            Some(overview) => (overview.node, overview.version, overview.members),
            None => (0, 0, Vec::new()),
        };
        let loads: Vec<Load> = match is_alone {
            true => vec![images.load()],
            false => members.iter().map(|member| member.load.clone()).collect(),
        };
        Ok(Self {
            frame: Frame::of(visit, "Cluster", Tab::Cluster),
            is_alone,
            node,
            version,
            tiles: tiles(&loads, &minutes, pool.size),
            members: members.into_iter().map(|member| row(member, node)).collect(),
            size: pool.size,
            could: pool.members,
            is_auto: pool.settings.mode == Mode::Auto,
            fields: fields(&pool.settings),
            problem: None,
            decisions: pool.decisions.iter().map(decision).collect(),
            charts: pool_charts(&minutes, SPAN_SECONDS, now),
            view_title: "30 minutes",
            cache: format!(
                "{} MB, {}",
                crate::model::megabytes(settings.capacity_bytes),
                settings.policy.title()
            ),
        })
    }
}

/// `POST /cluster/apply`
pub(super) async fn apply(State(pages): State<Pages>, posted: Posted) -> Result<Response, Problem> {
    let given = &posted.fields;
    let mode = if given.has("auto") { Mode::Auto } else { Mode::Manual };
    let number = |name: &'static str, label| {
        let number: Option<f64> = given.get(name).trim().parse().ok();
        number.filter(|number| number.is_finite()).ok_or(InvalidPool::NotANumber(label))
    };
    let whole = |name, label| Ok(number(name, label)?.clamp(0.0, f64::from(u16::MAX)) as u16);
    let read = |_| {
        Ok(PoolSettings {
            mode,
            fewest: whole("fewest", "The fewest nodes")?,
            most: whole("most", "The most nodes")?,
            expand_ratio: number("expand_ratio", "The expand ratio")?,
            shrink_ratio: number("shrink_ratio", "The shrink ratio")?,
            max_miss_rate: number("max_miss_rate", "The highest miss rate")? / 100.0,
            min_miss_rate: number("min_miss_rate", "The lowest miss rate")? / 100.0,
            interval_seconds: whole("interval_seconds", "The interval")?.into(),
        })
    };
    match pages.images.run_pool(read, None).await {
        Ok(_) => Ok(go_to("/cluster", Notice::Applied)),
        Err(Error::InvalidPool(error)) => refuse(&pages, &posted, &error).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /cluster/grow` and `/cluster/shrink`: by one node.
pub(super) async fn grow(State(pages): State<Pages>, posted: Posted) -> Result<Response, Problem> {
    step(&pages, &posted, true).await
}

/// As [`grow`].
pub(super) async fn shrink(
    State(pages): State<Pages>,
    posted: Posted,
) -> Result<Response, Problem> {
    step(&pages, &posted, false).await
}

async fn step(pages: &Pages, posted: &Posted, grow: bool) -> Result<Response, Problem> {
    match pages.images.step_pool(grow).await {
        Ok(_) => Ok(go_to("/cluster", Notice::Resized)),
        Err(Error::InvalidPool(error)) => refuse(pages, posted, &error).await,
        Err(error) => Err(error.into()),
    }
}

/// The page again, with what was typed and what is wrong with it.
async fn refuse(
    pages: &Pages,
    posted: &Posted,
    problem: &InvalidPool,
) -> Result<Response, Problem> {
    let mut page = ClusterPage::new(pages, &posted.visit).await?;
    page.problem = Some(problem.to_string());
    for field in &mut page.fields {
        if posted.fields.has(field.name) {
            posted.fields.get(field.name).clone_into(&mut field.value);
        }
    }
    posted.visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn fields(settings: &PoolSettings) -> Vec<Field> {
    let percent = |rate: f64| ((rate * 1e6).round() / 1e4).to_string();
    let field = |name, label, hint, value| Field { name, label, hint, value };
    vec![
        field("fewest", "Fewest nodes", "1 or more", settings.fewest.to_string()),
        field("most", "Most nodes", "64 at most", settings.most.to_string()),
        field(
            "max_miss_rate",
            "Grow above",
            "percent of reads that miss",
            percent(settings.max_miss_rate),
        ),
        field("expand_ratio", "Grow by", "times, rounded up", settings.expand_ratio.to_string()),
        field(
            "min_miss_rate",
            "Shrink below",
            "percent of reads that miss",
            percent(settings.min_miss_rate),
        ),
        field(
            "shrink_ratio",
            "Shrink by",
            "times, rounded down",
            settings.shrink_ratio.to_string(),
        ),
        field(
            "interval_seconds",
            "Decide every",
            "seconds, from 5 to 3600",
            settings.interval_seconds.to_string(),
        ),
    ]
}

fn row(member: Member, here: u16) -> MemberRow {
    let load = member.load;
    let rate = (load.requests > 0).then(|| load.hits as f64 / load.requests as f64);
    let barrier = match load.barrier_us_p99 {
        0 => "–".to_owned(),
        _ => text::nanoseconds(load.barrier_us_p50 * 1_000),
    };
    MemberRow {
        node: member.node,
        is_here: member.node == here,
        address: member.address,
        listens: load.listens,
        standing: member.standing,
        is_active: member.is_active,
        epoch: member.epoch,
        lease: format!("{} ms", load.lease_age_ms),
        items: text::count(load.items),
        size: text::bytes(load.size_bytes),
        hit_rate: text::percent(rate),
        requests: text::count(load.requests),
        forwards: text::count(load.forwards),
        barrier,
    }
}

fn decision(decision: &PoolDecision) -> DecisionRow {
    DecisionRow {
        at: text::Moment::of(Timestamp(decision.at * 1_000_000)).text,
        change: format!("{} → {}", decision.size_before, decision.size_after),
        reason: decision.reason.clone(),
    }
}

fn tiles(loads: &[Load], minutes: &[Minute], size: u16) -> Vec<(&'static str, String)> {
    let sum = |of: fn(&Load) -> u64| loads.iter().map(of).sum::<u64>();
    let last = minutes.last().copied().unwrap_or_default();
    vec![
        ("Active nodes", text::count(size.into())),
        ("Hit rate", text::percent(last.hit_rate)),
        ("Miss rate", text::percent(last.miss_rate)),
        ("Items in memory", text::count(sum(|load| load.items))),
        ("Total size", text::bytes(sum(|load| load.size_bytes))),
        ("Capacity", text::bytes(sum(|load| load.capacity_bytes))),
    ]
}

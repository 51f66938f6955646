//! The settings of the cache: see what it holds, change it while it runs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_cache::PolicyKind;
use larder_web::Problem;

use super::Pages;
use super::layout::{Frame, Notice, Tab};
use super::text;
use super::visit::{Posted, Visit, go_to};
use crate::error::Error;
use crate::model::{Settings, capacity_from_megabytes, machine_memory_bytes};

#[derive(Template)]
#[template(path = "cache.html")]
struct CachePage {
    frame: Frame,
    capacity: String,
    capacity_problem: Option<String>,
    policy_problem: Option<&'static str>,
    policies: Vec<Choice>,
    used_percent: u64,
    used: String,
    of: String,
    items: String,
    in_force: String,
    defaults: String,
    memory: String,
}

/// A policy to choose.
struct Choice {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    is_chosen: bool,
    is_default: bool,
}

impl CachePage {
    fn new(pages: &Pages, visit: &Visit) -> Self {
        let (settings, defaults) = (pages.images.settings(), pages.images.default_settings());
        let summary = pages.images.summary();
        let used = summary.size_bytes * 100 / summary.capacity_bytes.max(1);
        let choice = |&policy: &PolicyKind| Choice {
            name: policy.name(),
            title: policy.title(),
            summary: policy.summary(),
            is_chosen: policy == settings.policy,
            is_default: policy == defaults.policy,
        };
        Self {
            frame: visit.frame("Cache", Tab::Cache),
            capacity: settings.capacity_megabytes(),
            capacity_problem: None,
            policy_problem: None,
            policies: PolicyKind::ALL.iter().map(choice).collect(),
            // What is there at all is seen.
            used_percent: used.clamp(u64::from(summary.size_bytes > 0), 100),
            used: text::bytes(summary.size_bytes),
            of: text::bytes(summary.capacity_bytes),
            items: text::counted(summary.items, "entry").replace("entrys", "entries"),
            in_force: settings.policy.title().to_owned(),
            defaults: format!("{} MB, {}", defaults.capacity_megabytes(), defaults.policy.title()),
            memory: text::bytes(machine_memory_bytes()),
        }
    }
}

/// `GET /cache`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    visit.page(&CachePage::new(&pages, &visit))
}

/// `POST /cache/apply`
pub(super) async fn apply(State(pages): State<Pages>, posted: Posted) -> Result<Response, Problem> {
    let typed = posted.fields.get("capacity");
    let policy = posted.fields.get("policy").parse::<PolicyKind>();
    let capacity = capacity_from_megabytes(typed, machine_memory_bytes());
    if let (Ok(capacity_bytes), Ok(policy)) = (&capacity, &policy) {
        let settings = Settings { capacity_bytes: *capacity_bytes, policy: *policy };
        match pages.images.configure(settings).await {
            Ok(()) => return Ok(go_to("/cache", Notice::Applied)),
            Err(Error::InvalidCapacity(error)) => {
                return refuse(&pages, &posted, Some(error.to_string()), None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let policy_problem = policy.is_err().then_some("Choose one of these policies.");
    refuse(&pages, &posted, capacity.err().map(|error| error.to_string()), policy_problem)
}

/// The page again, with what was typed and what is wrong with it.
fn refuse(
    pages: &Pages,
    posted: &Posted,
    capacity_problem: Option<String>,
    policy_problem: Option<&'static str>,
) -> Result<Response, Problem> {
    let mut page = CachePage::new(pages, &posted.visit);
    page.capacity = posted.fields.get("capacity").to_owned();
    page.capacity_problem = capacity_problem;
    page.policy_problem = policy_problem;
    if let Ok(chosen) = posted.fields.get("policy").parse::<PolicyKind>() {
        for choice in &mut page.policies {
            choice.is_chosen = choice.name == chosen.name();
        }
    }
    posted.visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// `POST /cache/clear`
pub(super) async fn clear(State(pages): State<Pages>, _: Posted) -> Result<Response, Problem> {
    pages.images.clear_cache();
    Ok(go_to("/cache", Notice::Cleared))
}

/// `POST /cache/defaults`
pub(super) async fn defaults(State(pages): State<Pages>, _: Posted) -> Result<Response, Problem> {
    pages.images.reset_settings().await?;
    Ok(go_to("/cache", Notice::Defaults))
}

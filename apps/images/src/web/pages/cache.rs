//! The settings of the cache: see what it holds and what it could do, change
//! it while it runs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use larder_cache::{Objective, PolicyKind};
use larder_web::{Posted, Problem, Visit};

use super::Pages;
use super::layout::{Frame, Notice, Tab, go_to};
use super::text;
use super::what_if::{self, WhatIfView};
use crate::error::Error;
use crate::model::{
    OBJECTIVES, Settings, capacity_from_megabytes, machine_memory_bytes, megabytes,
    objective_from_name,
};

#[derive(Template)]
#[template(path = "cache.html")]
struct CachePage {
    frame: Frame,
    capacity: String,
    capacity_problem: Option<String>,
    policy_problem: Option<&'static str>,
    objective_problem: Option<String>,
    policies: Vec<Choice>,
    objectives: Vec<Choice>,
    autopilot: bool,
    /// Whether the autopilot is on, whatever the form says.
    is_piloted: bool,
    what_if: WhatIfView,
    used_percent: u64,
    used: String,
    of: String,
    items: String,
    in_force: String,
    defaults: String,
    memory: String,
}

/// A policy or an objective to choose.
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
        let objective = |objective: Objective| Choice {
            name: objective.name(),
            title: what_if::title(objective),
            summary: objective.summary(),
            is_chosen: objective == settings.objective,
            is_default: objective == defaults.objective,
        };
        // A form that is shown again keeps the visitor's view as well.
        let of = objective_from_name(visit.fields.get("of")).unwrap_or(settings.objective);
        Self {
            frame: Frame::of(visit, "Cache", Tab::Cache),
            capacity: megabytes(settings.capacity_bytes),
            capacity_problem: None,
            policy_problem: None,
            objective_problem: None,
            policies: PolicyKind::ALL.iter().map(choice).collect(),
            objectives: OBJECTIVES.map(objective).into(),
            autopilot: settings.autopilot,
            is_piloted: settings.autopilot,
            what_if: WhatIfView::new(&pages.images.insight(), settings, of),
            // What is there at all is seen.
            used_percent: used.clamp(u64::from(summary.size_bytes > 0), 100),
            used: text::bytes(summary.size_bytes),
            of: text::bytes(summary.capacity_bytes),
            items: text::counted(summary.items, "entry").replace("entrys", "entries"),
            in_force: settings.policy.title().to_owned(),
            defaults: in_words(&defaults),
            memory: text::bytes(machine_memory_bytes()),
        }
    }
}

/// `GET /cache`
pub(super) async fn page(State(pages): State<Pages>, visit: Visit) -> Result<Response, Problem> {
    visit.page(&CachePage::new(&pages, &visit))
}

/// Settings in a few words.
fn in_words(settings: &Settings) -> String {
    let mut words =
        format!("{} MB, {}", megabytes(settings.capacity_bytes), settings.policy.title());
    if settings.objective != Objective::default() {
        words.push_str(&format!(", for {}", settings.objective));
    }
    if settings.autopilot {
        words.push_str(", autopilot");
    }
    words
}

/// `POST /cache/apply`
pub(super) async fn apply(State(pages): State<Pages>, posted: Posted) -> Result<Response, Problem> {
    let typed = posted.fields.get("capacity");
    let policy = posted.fields.get("policy").parse::<PolicyKind>();
    let capacity = capacity_from_megabytes(typed, machine_memory_bytes());
    // A program that fills in the form may not know of it.
    let objective = match posted.fields.has("objective") {
        true => objective_from_name(posted.fields.get("objective")),
        false => Ok(pages.images.settings().objective),
    };
    if let (Ok(capacity_bytes), Ok(policy), Ok(objective)) = (&capacity, &policy, &objective) {
        let (capacity_bytes, policy, objective) = (*capacity_bytes, *policy, *objective);
        let autopilot = posted.fields.has("autopilot");
        let settings = Settings { capacity_bytes, policy, objective, autopilot };
        match pages.images.configure(settings).await {
            Ok(()) => return Ok(go_to("/cache", Notice::Applied)),
            Err(Error::InvalidCapacity(error)) => {
                return refuse(&pages, &posted, |page| {
                    page.capacity_problem = Some(error.to_string());
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
    refuse(&pages, &posted, |page| {
        page.capacity_problem = capacity.err().map(|error| error.to_string());
        page.policy_problem = policy.is_err().then_some("Choose one of these policies.");
        page.objective_problem = objective.err().map(|error| error.to_string());
    })
}

/// The page again, with what was typed and what is wrong with it.
fn refuse(
    pages: &Pages,
    posted: &Posted,
    tell: impl FnOnce(&mut CachePage),
) -> Result<Response, Problem> {
    let mut page = CachePage::new(pages, &posted.visit);
    page.capacity = posted.fields.get("capacity").to_owned();
    page.autopilot = posted.fields.has("autopilot");
    tell(&mut page);
    if let Ok(chosen) = posted.fields.get("policy").parse::<PolicyKind>() {
        choose(&mut page.policies, chosen.name());
    }
    if let Ok(chosen) = objective_from_name(posted.fields.get("objective")) {
        choose(&mut page.objectives, chosen.name());
    }
    posted.visit.answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn choose(choices: &mut [Choice], name: &str) {
    for choice in choices {
        choice.is_chosen = choice.name == name;
    }
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

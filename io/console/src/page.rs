//! The page without what an app has around it, and what its form says.

use askama::Template;
use larder_cache::{Objective, PolicyKind};
use larder_web::{Fields, Visit, text};

use crate::what_if::{self, WhatIfView};
use crate::{
    Insight, InvalidCapacity, InvalidObjective, OBJECTIVES, Settings, assets,
    capacity_from_megabytes, machine_memory_bytes, megabytes, objective_from_name,
};

/// What differs from app to app.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// The page's address.
    pub page: &'static str,
    /// What the addresses of its forms begin with: `…/apply`, `…/defaults`,
    /// `…/clear` and `…/what-if/apply`.
    pub forms: &'static str,
    /// What becomes of what is cleared.
    pub clear: &'static str,
    /// What an objective is there for.
    pub objective: fn(Objective) -> &'static str,
    /// What to say of a what-if that has too little to go by.
    pub wait: Option<&'static str>,
    /// Where the what-if is instead, if it isn't here.
    pub elsewhere: Option<&'static str>,
}

/// What a cache holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Its entries.
    pub items: u64,
    /// Their bytes, overhead included.
    pub size_bytes: u64,
    /// The most that they may be.
    pub capacity_bytes: u64,
}

/// The page's main part, as a template.
#[derive(Template)]
#[template(path = "console.html")]
pub struct Console {
    words: &'static Words,
    form_token: String,
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
    /// Beside a what-if that has too little to go by.
    note: Option<&'static str>,
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

impl Console {
    /// The page for a visitor.
    pub fn new(
        words: &'static Words,
        visit: &Visit,
        settings: Settings,
        defaults: Settings,
        held: Held,
        insight: &Insight,
    ) -> Self {
        let used = held.size_bytes * 100 / held.capacity_bytes.max(1);
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
            summary: (words.objective)(objective),
            is_chosen: objective == settings.objective,
            is_default: objective == defaults.objective,
        };
        // A form that is shown again keeps the visitor's view as well.
        let of = objective_from_name(visit.fields.get("of")).unwrap_or(settings.objective);
        let what_if = WhatIfView::new(insight, settings, of);
        Self {
            words,
            form_token: visit.form_token.value().to_owned(),
            capacity: megabytes(settings.capacity_bytes),
            capacity_problem: None,
            policy_problem: None,
            objective_problem: None,
            policies: PolicyKind::ALL.iter().map(choice).collect(),
            objectives: OBJECTIVES.map(objective).into(),
            autopilot: settings.autopilot,
            is_piloted: settings.autopilot,
            note: words.wait.filter(|_| what_if.figures.is_none()),
            what_if,
            // What is there at all is seen.
            used_percent: used.clamp(u64::from(held.size_bytes > 0), 100),
            used: text::bytes(held.size_bytes),
            of: text::bytes(held.capacity_bytes),
            items: text::counted(held.items, "entry").replace("entrys", "entries"),
            in_force: settings.policy.title().to_owned(),
            defaults: in_words(&defaults),
            memory: text::bytes(machine_memory_bytes()),
        }
    }

    /// The page again, with what was typed and what is wrong with it.
    pub fn refuse(&mut self, typed: &Fields, refusal: Refusal) {
        let Refusal { capacity, policy, objective } = refusal;
        self.capacity_problem = capacity.map(|error| error.to_string());
        self.policy_problem = policy;
        self.objective_problem = objective.map(|error| error.to_string());
        self.capacity = typed.get("capacity").to_owned();
        self.autopilot = typed.has("autopilot");
        if let Ok(chosen) = typed.get("policy").parse::<PolicyKind>() {
            choose(&mut self.policies, chosen.name());
        }
        if let Ok(chosen) = objective_from_name(typed.get("objective")) {
            choose(&mut self.objectives, chosen.name());
        }
    }

    /// The address of an asset of the page.
    pub fn asset(&self, name: &str) -> String {
        assets::asset(name)
    }
}

fn choose(choices: &mut [Choice], name: &str) {
    for choice in choices {
        choice.is_chosen = choice.name == name;
    }
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

/// What is wrong with the form, field by field.
#[derive(Debug, Default)]
pub struct Refusal {
    capacity: Option<InvalidCapacity>,
    policy: Option<&'static str>,
    objective: Option<InvalidObjective>,
}

impl From<InvalidCapacity> for Refusal {
    fn from(capacity: InvalidCapacity) -> Self {
        Self { capacity: Some(capacity), ..Self::default() }
    }
}

/// The settings that the form says; `now` are those in force.
///
/// # Errors
/// A field makes no sense.
pub fn settings_from(form: &Fields, now: Settings) -> Result<Settings, Refusal> {
    let capacity = capacity_from_megabytes(form.get("capacity"), machine_memory_bytes());
    let policy = form.get("policy").parse::<PolicyKind>();
    // A program that fills in the form may not know of it.
    let objective = match form.has("objective") {
        true => objective_from_name(form.get("objective")),
        false => Ok(now.objective),
    };
    match (capacity, policy, objective) {
        (Ok(capacity_bytes), Ok(policy), Ok(objective)) => {
            let autopilot = form.has("autopilot");
            Ok(Settings { capacity_bytes, policy, objective, autopilot })
        }
        (capacity, policy, objective) => Err(Refusal {
            capacity: capacity.err(),
            policy: policy.is_err().then_some("Choose one of these policies."),
            objective: objective.err(),
        }),
    }
}

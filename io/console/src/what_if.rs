//! The what-if as the page shows it: every figure as text. Estimates nothing,
//! and rounds errors up.

use larder_cache::what_if::{Ratio, Report, Rung};
use larder_cache::{Decision, Objective, PolicyKind};

use larder_web::text;

use crate::curves::{Drawing, drawings};
use crate::{Advice, Insight, OBJECTIVES, Settings};

/// Colours that the style sheet has for lines.
const HUES: usize = 9;

/// The what-if for the template.
pub(crate) struct WhatIfView {
    /// `wait`, `stay` or `change`.
    pub(crate) tone: &'static str,
    pub(crate) sentence: String,
    pub(crate) change: Option<Change>,
    /// What was not shown because there is too little to go by.
    pub(crate) figures: Option<Figures>,
    pub(crate) decisions: Vec<DecisionView>,
}

/// A policy to change to.
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
}

/// A report in figures.
pub(crate) struct Figures {
    pub(crate) tabs: Vec<TabLink>,
    pub(crate) of_bytes: bool,
    /// What the recommendation goes by, if that isn't what is shown.
    pub(crate) other_objective: Option<&'static str>,
    pub(crate) drawings: Vec<Drawing>,
    pub(crate) columns: Vec<Column>,
    pub(crate) here: usize,
    /// Best first, at the present capacity.
    pub(crate) rows: Vec<Row>,
    pub(crate) bounds: Vec<String>,
    pub(crate) bound_here: String,
    /// How the figures at the present capacity came about.
    pub(crate) source: String,
    pub(crate) measured: Option<String>,
    pub(crate) requests: String,
}

pub(crate) struct TabLink {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) is_current: bool,
}

/// A capacity.
pub(crate) struct Column {
    pub(crate) capacity: String,
    pub(crate) factor: String,
    pub(crate) sample: String,
    pub(crate) is_here: bool,
}

/// A policy.
pub(crate) struct Row {
    pub(crate) hue: usize,
    pub(crate) title: &'static str,
    pub(crate) is_present: bool,
    pub(crate) is_better: bool,
    pub(crate) hits_here: String,
    pub(crate) error_here: String,
    pub(crate) cells: Vec<Cell>,
}

/// A policy with a capacity.
pub(crate) struct Cell {
    pub(crate) hits: String,
    pub(crate) error: String,
}

/// A change by the autopilot.
pub(crate) struct DecisionView {
    pub(crate) requests: String,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) gain: String,
    pub(crate) reason: String,
}

impl WhatIfView {
    /// What is known, with the hit ratio of `of`.
    pub(crate) fn new(insight: &Insight, settings: Settings, of: Objective) -> Self {
        let advice = &insight.advice;
        let tone = match advice {
            Advice::Wait(_) => "wait",
            Advice::Stay => "stay",
            Advice::Change(_) => "change",
        };
        let report = insight.report.as_deref().filter(|report| !report.rungs.is_empty());
        let report = report.filter(|_| !matches!(advice, Advice::Wait(_)));
        // A report of a moment ago may recommend what has been done since.
        let change = advice.recommendation().map(|better| better.policy);
        let change = change.filter(|policy| *policy != settings.policy);
        Self {
            tone,
            sentence: advice.to_string(),
            change: change.map(|policy| Change { name: policy.name(), title: policy.title() }),
            figures: report.map(|report| Figures::new(report, of)),
            decisions: insight.decisions.iter().rev().map(DecisionView::new).collect(),
        }
    }
}

impl Figures {
    fn new(report: &Report, of: Objective) -> Self {
        let Report { rungs, now, objective, .. } = report;
        let at = now.rung.min(rungs.len() - 1);
        let here = &rungs[at];
        let better = report.recommendation.filter(|better| better.objective == of);
        let better = better.map(|better| better.policy);
        let mut ranking: Vec<_> = here.estimates.iter().collect();
        ranking.sort_by(|a, b| b.hits.of(of).total_cmp(&a.hits.of(of)));
        let row = |policy: PolicyKind| {
            let cell = |rung: &Rung| match rung.estimate(policy) {
                Some(found) => {
                    Cell { hits: percent(found.hits, of), error: error(found.error, of) }
                }
                None => Cell { hits: "–".into(), error: String::new() },
            };
            let Cell { hits: hits_here, error: error_here } = cell(here);
            Row {
                hue: hue(policy),
                title: policy.title(),
                is_present: policy == now.policy,
                is_better: better == Some(policy),
                hits_here,
                error_here,
                cells: rungs.iter().map(cell).collect(),
            }
        };
        let column = |(number, rung): (usize, &Rung)| Column {
            capacity: text::bytes(rung.capacity_bytes),
            factor: format!("{}×", factor(report, number)),
            sample: sample(rung.rate),
            is_here: number == at,
        };
        let tab = |objective: Objective| TabLink {
            name: objective.name(),
            title: title(objective),
            is_current: objective == of,
        };
        Self {
            tabs: OBJECTIVES.map(tab).into(),
            of_bytes: of == Objective::Bytes,
            other_objective: (*objective != of).then(|| objective.name()),
            drawings: drawings(report, of),
            columns: rungs.iter().enumerate().map(column).collect(),
            here: at,
            rows: ranking.into_iter().map(|estimate| row(estimate.policy)).collect(),
            bounds: rungs.iter().map(|rung| percent(rung.bound, of)).collect(),
            bound_here: percent(here.bound, of),
            source: source(here),
            measured: report.measured.filter(|_| *objective == of).map(|hits| {
                let share = text::percent(Some(hits));
                format!("The cache itself has hit {share} of late, by its own count.")
            }),
            requests: text::counted(report.requests_seen, "request"),
        }
    }
}

impl DecisionView {
    fn new(decision: &Decision) -> Self {
        let mut letters = decision.reason.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        let reason: String = first.chain(letters).collect();
        Self {
            requests: text::counted(decision.at_requests, "request"),
            from: decision.from.title(),
            to: decision.to.title(),
            gain: format!("{:+.1}", 100.0 * decision.expected_gain).replace('-', "−"),
            reason: format!("{}.", reason.trim_end_matches('.')),
        }
    }
}

/// An objective for people, as what it makes the most of.
pub(crate) fn title(objective: Objective) -> &'static str {
    match objective {
        Objective::Objects => "Object hits",
        Objective::Bytes => "Byte hits",
        Objective::Cost => "Cost spared",
    }
}

/// A capacity of the report in multiples of the present one: each is twice
/// the one before.
pub fn factor(report: &Report, rung: usize) -> f64 {
    2.0_f64.powi(rung as i32 - report.now.rung as i32)
}

/// The number of a policy's colour.
pub(crate) fn hue(policy: PolicyKind) -> usize {
    PolicyKind::ALL.iter().position(|other| *other == policy).unwrap_or(0) % HUES
}

fn percent(ratio: Ratio, of: Objective) -> String {
    text::percent(Some(ratio.of(of)))
}

/// An error in points, rounded up: it must not look smaller than it is.
fn error(ratio: Ratio, of: Objective) -> String {
    match ratio.of(of) {
        0.0 => "exact".into(),
        error => format!("± {:.1}", (1000.0 * error - 1e-9).ceil() / 10.0),
    }
}

/// What part of the keys was simulated.
fn sample(rate: f64) -> String {
    if rate >= 1.0 { "all".into() } else { format!("1 in {:.0}", rate.recip()) }
}

fn source(here: &Rung) -> String {
    if here.rate >= 1.0 {
        return "At this size every key is simulated: these figures are counts, not guesses."
            .into();
    }
    let keys = here.rate.recip();
    format!(
        "At this size one key in {keys:.0} is simulated; in 19 of 20 cases the truth is within the \
         ± beside a figure."
    )
}

#[cfg(test)]
mod tests;

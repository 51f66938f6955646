//! The settings of a cache, and what others would do, as JSON.

use larder_cache::what_if::{Ratio, Recommendation, Report};
use larder_cache::{Decision, Objective, PolicyKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::what_if::factor;
use crate::{Insight, Settings, objective_from_name};

/// The settings of the cache.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheSettings {
    /// Capacity in bytes.
    #[schema(example = 268_435_456_u64)]
    capacity_bytes: u64,
    /// The replacement policy in force: `lru`, `random`, `fifo`, `clock`,
    /// `sieve`, `s3-fifo`, `s3-fifo-size`, `w-tinylfu` or `gdsf`.
    #[schema(example = "lru")]
    policy: &'static str,
    /// What it is to spare: `objects` (reads of the store) or `bytes`.
    #[schema(example = "objects")]
    objective: &'static str,
    /// Whether the policy is changed by what the what-if says.
    autopilot: bool,
}

impl From<Settings> for CacheSettings {
    fn from(settings: Settings) -> Self {
        Self {
            capacity_bytes: settings.capacity_bytes,
            policy: settings.policy.name(),
            objective: settings.objective.name(),
            autopilot: settings.autopilot,
        }
    }
}

/// Settings of the cache to change; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheSettingsChange {
    /// Capacity in bytes, at most the memory of the machine.
    capacity_bytes: Option<u64>,
    /// The replacement policy by its name; under the autopilot, where it goes
    /// on from.
    policy: Option<String>,
    /// `objects` or `bytes`.
    objective: Option<String>,
    /// Whether the policy is changed by what the what-if says.
    autopilot: Option<bool>,
}

/// A change of settings, its names understood; what is absent stays.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    capacity_bytes: Option<u64>,
    policy: Option<PolicyKind>,
    objective: Option<Objective>,
    autopilot: Option<bool>,
}

/// Why a change is refused. The message is for the user.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct UnknownName {
    /// The setting.
    pub field: &'static str,
    why: String,
}

impl TryFrom<CacheSettingsChange> for Change {
    type Error = UnknownName;

    fn try_from(wanted: CacheSettingsChange) -> Result<Self, UnknownName> {
        let CacheSettingsChange { capacity_bytes, policy, objective, autopilot } = wanted;
        let policy = policy.map(|name| name.parse::<PolicyKind>()).transpose();
        let policy =
            policy.map_err(|error| UnknownName { field: "policy", why: format!("{error}.") })?;
        let objective = objective.map(|name| objective_from_name(&name)).transpose();
        let objective = objective
            .map_err(|error| UnknownName { field: "objective", why: error.to_string() })?;
        Ok(Self { capacity_bytes, policy, objective, autopilot })
    }
}

impl Change {
    /// What it makes of settings.
    pub fn of(self, now: Settings) -> Settings {
        Settings {
            capacity_bytes: self.capacity_bytes.unwrap_or(now.capacity_bytes),
            policy: self.policy.unwrap_or(now.policy),
            objective: self.objective.unwrap_or(now.objective),
            autopilot: self.autopilot.unwrap_or(now.autopilot),
        }
    }
}

/// What other policies and capacities would make of the requests, the recent
/// ones counting most.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhatIf {
    /// What it comes to, in one sentence.
    advice: String,
    /// The change of policy to make; null if none is better beyond doubt or
    /// too little is known as yet.
    recommendation: Option<RecommendationDescription>,
    /// The figures; null until there has been something to go by.
    report: Option<ReportDescription>,
    /// The latest changes of policy by the autopilot, oldest first.
    decisions: Vec<DecisionDescription>,
}

/// A policy that would spare more than the one in force at the same capacity.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecommendationDescription {
    /// What the ratios are of: `objects` or `bytes`.
    objective: &'static str,
    /// The policy to change to.
    policy: &'static str,
    /// What it would hit, 0 to 1.
    ratio: f64,
    /// The policy in force.
    present_policy: &'static str,
    /// What that hits, 0 to 1.
    present_ratio: f64,
    /// How many times the capacity the policy in force would need for `ratio`;
    /// null if even 16 times isn't enough.
    memory_factor: Option<f64>,
    /// All of that in a sentence.
    sentence: String,
}

/// Hit ratios by policy and capacity.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportDescription {
    /// What the recommendation goes by: `objects` or `bytes`.
    objective: &'static str,
    /// The policy in force when the figures were made.
    policy: &'static str,
    /// The capacity in force then.
    capacity_bytes: u64,
    /// Requests to the cache since the start.
    requests_seen: u64,
    /// Those of them that were simulated.
    requests_sampled: u64,
    /// The part of recent requests that hit in the cache itself, by its own
    /// count; null before it was counted.
    measured: Option<f64>,
    /// The capacities, smallest first.
    capacities: Vec<CapacityDescription>,
}

/// What policies would do with one capacity.
#[derive(Debug, Serialize, ToSchema)]
pub struct CapacityDescription {
    /// The capacity.
    capacity_bytes: u64,
    /// In multiples of the present one.
    factor: f64,
    /// The part of all keys that was simulated, at most 1: every key.
    rate: f64,
    /// What no policy can exceed, by the same sample.
    bound: RatioDescription,
    /// One per policy.
    policies: Vec<PolicyDescription>,
}

/// What one policy would do with one capacity.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyDescription {
    /// The policy.
    policy: &'static str,
    /// What it would hit.
    hits: RatioDescription,
    /// How far from the truth that may be, either way, in 19 of 20 cases; 0
    /// where every key was simulated.
    error: RatioDescription,
}

/// Parts of the whole, 0 to 1.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatioDescription {
    /// Of the requests.
    objects: f64,
    /// Of the bytes requested.
    bytes: f64,
}

/// A change of policy by the autopilot.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionDescription {
    /// When, in requests to the cache since the start.
    at_requests: u64,
    /// The policy until then.
    from: &'static str,
    /// The policy since.
    to: &'static str,
    /// How much larger a part would hit, -1 to 1.
    expected_gain: f64,
    /// Why, in a sentence.
    reason: String,
}

impl From<&Insight> for WhatIf {
    fn from(insight: &Insight) -> Self {
        let Insight { report, advice, decisions } = insight;
        Self {
            advice: advice.to_string(),
            recommendation: advice.recommendation().map(RecommendationDescription::from),
            report: report.as_deref().map(ReportDescription::from),
            decisions: decisions.iter().map(DecisionDescription::from).collect(),
        }
    }
}

impl From<&Recommendation> for RecommendationDescription {
    fn from(better: &Recommendation) -> Self {
        Self {
            objective: better.objective.name(),
            policy: better.policy.name(),
            ratio: better.ratio,
            present_policy: better.present_policy.name(),
            present_ratio: better.present_ratio,
            memory_factor: better.memory_factor,
            sentence: format!("{better}."),
        }
    }
}

impl From<&Report> for ReportDescription {
    fn from(report: &Report) -> Self {
        let here = report.rungs.get(report.now.rung).map_or(0, |rung| rung.capacity_bytes);
        Self {
            objective: report.objective.name(),
            policy: report.now.policy.name(),
            capacity_bytes: here,
            requests_seen: report.requests_seen,
            requests_sampled: report.sampled,
            measured: report.measured,
            capacities: (0..report.rungs.len()).map(|rung| capacity(report, rung)).collect(),
        }
    }
}

fn capacity(report: &Report, number: usize) -> CapacityDescription {
    let rung = &report.rungs[number];
    let policies = rung.estimates.iter().map(|estimate| PolicyDescription {
        policy: estimate.policy.name(),
        hits: estimate.hits.into(),
        error: estimate.error.into(),
    });
    CapacityDescription {
        capacity_bytes: rung.capacity_bytes,
        factor: factor(report, number),
        rate: rung.rate,
        bound: rung.bound.into(),
        policies: policies.collect(),
    }
}

impl From<Ratio> for RatioDescription {
    fn from(ratio: Ratio) -> Self {
        Self { objects: ratio.of(Objective::Objects), bytes: ratio.of(Objective::Bytes) }
    }
}

impl From<&Decision> for DecisionDescription {
    fn from(decision: &Decision) -> Self {
        Self {
            at_requests: decision.at_requests,
            from: decision.from.name(),
            to: decision.to.name(),
            expected_gain: decision.expected_gain,
            reason: decision.reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Advice;
    use crate::samples::report;

    #[test]
    fn a_report_reads_as_json() {
        let (report, requests) = (report(), 123_456);
        let decision = Decision {
            at_requests: 22_000,
            from: PolicyKind::Lru,
            to: PolicyKind::Gdsf,
            expected_gain: 0.09,
            reason: "it led".into(),
        };
        let advice = Advice::of(Some(&report), requests);
        let decisions = vec![decision];
        let insight = Insight { report: Some(Arc::new(report)), advice, decisions };
        let json = serde_json::to_value(WhatIf::from(&insight)).expect("is JSON");
        let better = &json["recommendation"];
        assert_eq!(better["policy"], "gdsf");
        assert_eq!(better["sentence"], json["advice"]);
        assert_eq!(json["report"]["requests_seen"], requests);
        assert_eq!(json["report"]["capacity_bytes"], 64 << 20);
        let capacities = json["report"]["capacities"].as_array().expect("a list");
        assert_eq!(capacities.len(), 9);
        assert_eq!(
            (&capacities[0]["factor"], &capacities[0]["rate"]),
            (&0.0625.into(), &1.0.into())
        );
        assert_eq!(capacities[4]["capacity_bytes"], 64 << 20);
        let lru = &capacities[4]["policies"][0];
        assert_eq!((&lru["policy"], &lru["hits"]["objects"]), (&"lru".into(), &0.72.into()));
        assert_eq!(json["decisions"][0]["to"], "gdsf");
    }
}

//! What to tell an operator about the policy of a cache. Goes by a report;
//! estimates nothing itself.

use std::fmt;
use std::sync::Arc;

use larder_cache::Decision;
use larder_cache::what_if::{Recommendation, Report};

/// Requests before which nothing is said: the first of them are of an empty
/// cache under every policy.
const ENOUGH_REQUESTS: u64 = 1000;

/// What the memory could do, and what to do about it.
#[derive(Clone, Debug)]
pub struct Insight {
    /// What other policies and capacities would do; `None` until there has
    /// been something to go by.
    pub report: Option<Arc<Report>>,
    /// What the report comes to.
    pub advice: Advice,
    /// The latest changes by the autopilot, oldest first.
    pub decisions: Vec<Decision>,
}

impl Insight {
    /// What was seen of a cache that has had so many requests.
    pub fn of(seen: larder_tier::Insight, requests: u64) -> Self {
        let larder_tier::Insight { report, decisions, began_at, .. } = seen;
        let advice = Advice::of(report.as_deref(), requests.saturating_sub(began_at));
        Self { report, advice, decisions }
    }
}

/// What to do about the policy. `Display` gives the sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Advice {
    /// Wait: there were so few requests so far.
    Wait(u64),
    /// Leave it as it is: none is better beyond doubt.
    Stay,
    /// Change it.
    Change(Recommendation),
}

impl Advice {
    /// What a report comes to, if there is one, after so many requests.
    pub fn of(report: Option<&Report>, requests: u64) -> Self {
        match report {
            Some(report) if report.requests_seen >= ENOUGH_REQUESTS => {
                report.recommendation.map_or(Self::Stay, Self::Change)
            }
            Some(report) => Self::Wait(report.requests_seen),
            // Nothing was looked at yet, however many there were.
            None => Self::Wait(requests.min(ENOUGH_REQUESTS)),
        }
    }

    /// The change to make, if one is better.
    pub fn recommendation(&self) -> Option<&Recommendation> {
        match self {
            Self::Change(recommendation) => Some(recommendation),
            Self::Wait(_) | Self::Stay => None,
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait(requests) => {
                write!(f, "Not enough requests yet: {requests} of about 1\u{a0}000.")
            }
            Self::Stay => f.write_str(
                "No policy would do better at this size by more than the estimate’s error.",
            ),
            Self::Change(recommendation) => write!(f, "{recommendation}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use larder_cache::what_if::Now;
    use larder_cache::{Objective, PolicyKind};

    use super::*;
    use crate::samples::gdsf;

    fn report(requests_seen: u64, recommendation: Option<Recommendation>) -> Report {
        Report {
            objective: Objective::Objects,
            requests_seen,
            sampled: requests_seen,
            measured: None,
            rungs: Vec::new(),
            now: Now { policy: PolicyKind::Lru, rung: 0 },
            recommendation,
        }
    }

    #[test]
    fn nothing_is_recommended_before_there_were_enough_requests() {
        let advice = |report: Option<Report>, requests| Advice::of(report.as_ref(), requests);
        assert_eq!(advice(None, 12), Advice::Wait(12));
        assert_eq!(advice(None, 5000), Advice::Wait(1000));
        assert_eq!(advice(Some(report(999, Some(gdsf()))), 999), Advice::Wait(999));
        assert_eq!(advice(Some(report(1000, Some(gdsf()))), 1000), Advice::Change(gdsf()));
        assert_eq!(advice(Some(report(1000, None)), 1000), Advice::Stay);
    }

    #[test]
    fn advice_is_a_sentence() {
        let change = Advice::Change(gdsf()).to_string();
        let expected =
            "GDSF at the same size: 81 % instead of 72 %; LRU would need 2.3× the memory for that.";
        assert_eq!(change, expected);
        assert!(Advice::Wait(7).to_string().contains("7 of about 1\u{a0}000"));
        assert!(Advice::Stay.to_string().ends_with("error."));
    }
}

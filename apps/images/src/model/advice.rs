//! What to tell an operator about the policy of the cache. Goes by a report;
//! estimates nothing itself.

use std::fmt;

use larder_cache::what_if::{Recommendation, Report};

/// Requests before which nothing is said: the first of them are of an empty
/// cache under every policy.
const ENOUGH_REQUESTS: u64 = 1000;

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
pub(crate) mod tests {
    use larder_cache::what_if::Now;
    use larder_cache::{Objective, PolicyKind};

    use super::*;

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

    /// GDSF is better than LRU.
    pub(crate) fn gdsf() -> Recommendation {
        Recommendation {
            objective: Objective::Objects,
            policy: PolicyKind::Gdsf,
            ratio: 0.81,
            present_policy: PolicyKind::Lru,
            present_ratio: 0.72,
            memory_factor: Some(2.3),
            top_factor: 16.0,
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

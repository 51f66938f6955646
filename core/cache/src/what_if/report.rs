//! What the what-if has to say, as plain data. It never computes anything but
//! the sentence of a recommendation.

use std::fmt;

use crate::{Objective, PolicyKind};

/// One figure per objective, each a part of the whole, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio {
    /// Of the requests.
    pub objects: f64,
    /// Of the bytes requested.
    pub bytes: f64,
    /// Of what loading everything requested would cost. Equal to `objects`
    /// as long as all costs are equal.
    pub cost: f64,
}

impl Ratio {
    /// The figure that counts under this objective.
    #[must_use]
    pub fn of(&self, objective: Objective) -> f64 {
        match objective {
            Objective::Objects => self.objects,
            Objective::Bytes => self.bytes,
            Objective::Cost => self.cost,
        }
    }
}

/// What one policy would make of the requests, with one capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The policy.
    pub policy: PolicyKind,
    /// The part that would hit, 0 to 1.
    pub hits: Ratio,
    /// How far from the truth `hits` may be, either way, in about 19 of 20
    /// cases. 0 where every request was simulated; 1 before there is anything
    /// to go by.
    pub error: Ratio,
}

/// One capacity of the ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// The capacity, in bytes.
    pub capacity_bytes: u64,
    /// The part of all keys that was simulated, above 0, at most 1 (exact).
    pub rate: f64,
    /// The part that no policy can exceed, not even one that knows the
    /// future, 0 to 1.
    pub bound: Ratio,
    /// One per policy, in the order of [`PolicyKind::ALL`].
    pub estimates: Vec<Estimate>,
}

impl Rung {
    /// The estimate for a policy.
    #[must_use]
    pub fn estimate(&self, policy: PolicyKind) -> Option<&Estimate> {
        self.estimates.iter().find(|estimate| estimate.policy == policy)
    }
}

/// What the cache has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The policy in charge.
    pub policy: PolicyKind,
    /// The index among the rungs of the capacity in force.
    pub rung: usize,
}

/// What other capacities and policies would make of the requests, the recent
/// ones counting most.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the cache is there to spare; the recommendation goes by it.
    pub objective: Objective,
    /// Requests to the cache since the start, sampled or not.
    pub requests_seen: u64,
    /// Those of them that were simulated, on one rung at least.
    pub sampled: u64,
    /// The part of recent requests that hit in the cache itself, as far as
    /// its owner counted that. `None` before it did.
    pub measured: Option<f64>,
    /// The ladder, smallest capacity first. Rungs too small to hold anything
    /// are missing.
    pub rungs: Vec<Rung>,
    /// Where on the ladder the cache is.
    pub now: Now,
    /// The change of policy to make, if one is better beyond doubt.
    pub recommendation: Option<Recommendation>,
}

impl Report {
    /// What the present policy makes of the present capacity.
    #[must_use]
    pub fn present(&self) -> Option<&Estimate> {
        self.rungs.get(self.now.rung)?.estimate(self.now.policy)
    }
}

/// A policy that would spare more than the present one. `Display` gives the
/// sentence: "GDSF at the same size: 81 % instead of 72 %; LRU would need
/// 2.3× the memory for that".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recommendation {
    /// What the ratios are of.
    pub objective: Objective,
    /// The policy to change to.
    pub policy: PolicyKind,
    /// What it would make of the present capacity, 0 to 1.
    pub ratio: f64,
    /// The policy in charge.
    pub present_policy: PolicyKind,
    /// What the policy in charge makes of it, 0 to 1.
    pub present_ratio: f64,
    /// How many times the present capacity the policy in charge would need
    /// for `ratio`, above 1; `None` if even the top of the ladder isn't enough.
    pub memory_factor: Option<f64>,
    /// The top of the ladder, in multiples of the present capacity.
    pub top_factor: f64,
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (there, here) = (100.0 * self.ratio, 100.0 * self.present_ratio);
        // Small gains need a decimal to be seen at all.
        let decimals = if there - here < 2.0 { 1 } else { 0 };
        let better = self.policy.title();
        let present = self.present_policy.title();
        write!(
            f,
            "{better} at the same size: {there:.decimals$} % instead of {here:.decimals$} %"
        )?;
        match self.objective {
            Objective::Objects => {}
            Objective::Bytes => write!(f, " of the bytes")?,
            Objective::Cost => write!(f, " of the cost")?,
        }
        match self.memory_factor {
            Some(factor) if factor < 10.0 => {
                write!(f, "; {present} would need {factor:.1}× the memory for that")
            }
            Some(factor) => write!(f, "; {present} would need {factor:.0}× the memory for that"),
            None => {
                write!(f, "; {present} would not get there with {:.0}× the memory", self.top_factor)
            }
        }
    }
}

/// How the policies have done of late at the present capacity: what the
/// [`Autopilot`](crate::Autopilot) goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Standings {
    /// The policy in charge.
    pub present: PolicyKind,
    /// How many requests, the recent ones counting most, the ratios are of.
    pub requests: f64,
    /// Entries that the cache would hold under an average policy.
    pub items: f64,
    /// One per policy, in the order of [`PolicyKind::ALL`]; none if nothing
    /// is known as yet.
    pub policies: Vec<Standing>,
}

/// How a policy has done of late at the present capacity, beside the present
/// policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The policy.
    pub policy: PolicyKind,
    /// The part that would have hit by the objective, 0 to 1.
    pub ratio: f64,
    /// `ratio` less the present policy's.
    pub gain: f64,
    /// How far from the truth `gain` may be, either way, in about 19 of 20
    /// cases. Smaller than the error of either ratio: both are of the same
    /// sample.
    pub error: f64,
}

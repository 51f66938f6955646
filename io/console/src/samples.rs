//! A report that was made by hand, for tests.

use larder_cache::what_if::{Estimate, Now, Ratio, Recommendation, Report, Rung};
use larder_cache::{Objective, PolicyKind};

use crate::MEGABYTE;

/// GDSF is better than LRU.
pub fn gdsf() -> Recommendation {
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

/// 64 MB of LRU, which does worse than GDSF.
pub fn report() -> Report {
    let estimates = |capacity: f64| {
        let estimate = |(number, &policy): (usize, &PolicyKind)| {
            let better = if policy == PolicyKind::Gdsf { 0.09 } else { 0.005 * number as f64 };
            let objects = (0.72 + 0.1 * capacity.log2() / 2.0 + better).min(0.97);
            Estimate {
                policy,
                hits: Ratio { objects, bytes: objects - 0.3, cost: objects },
                error: Ratio { objects: 0.0061, bytes: 0.0149, cost: 0.0061 },
            }
        };
        PolicyKind::ALL.iter().enumerate().map(estimate).collect()
    };
    let rung = |power: i32| {
        let factor = 2.0_f64.powi(power);
        Rung {
            capacity_bytes: (64.0 * factor) as u64 * MEGABYTE,
            rate: if power < -1 { 1.0 } else { 1.0 / 64.0 },
            bound: Ratio { objects: 0.97, bytes: 0.8, cost: 0.97 },
            estimates: estimates(factor),
        }
    };
    Report {
        objective: Objective::Objects,
        requests_seen: 123_456,
        sampled: 2_345,
        measured: Some(0.7183),
        rungs: (-4..=4).map(rung).collect(),
        now: Now { policy: PolicyKind::Lru, rung: 4 },
        recommendation: Some(gdsf()),
    }
}

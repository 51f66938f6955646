//! From counts to figures: the report, the recommendation and the standings.
//! It never changes a count.

use super::report::{Estimate, Now, Ratio, Recommendation, Report, Rung, Standing, Standings};
use super::tally::MEASURES;
use super::{WhatIf, rung};
use crate::{Objective, PolicyKind};

/// Standard deviations to either side that make about 19 of 20 cases.
const SPREAD: f64 = 2.0;
/// What less than a tenth of a point would gain isn't worth a word.
const LEAST_GAIN: f64 = 0.001;

/// A measured ratio and its standard deviation, per measure.
type Figures = [(f64, f64); MEASURES];

impl WhatIf {
    /// What other capacities and policies would have made of the requests.
    /// Takes well under a millisecond, and nothing from the counts.
    #[must_use]
    pub fn report(&self) -> Report {
        let curves: Vec<Vec<Figures>> = self.rungs.iter().map(hits).collect();
        let rungs: Vec<Rung> = (0..self.rungs.len()).map(|rung| self.rung(rung, &curves)).collect();
        let now = Now { policy: self.settings.policy, rung: self.now };
        let measured = self.rungs.get(self.now).and_then(|rung| {
            let missed = rung.tally.missed_by_cache(measure(self.settings.objective));
            missed.map(|missed| 1.0 - missed)
        });
        Report {
            objective: self.settings.objective,
            requests_seen: self.requests_seen(),
            sampled: self.sampled,
            measured,
            recommendation: self.recommend(&rungs),
            rungs,
            now,
        }
    }

    /// How the policies have done of late at the present capacity.
    #[must_use]
    pub fn standings(&self) -> Standings {
        let present = self.settings.policy;
        let mut standings = Standings { present, requests: 0.0, items: 0.0, policies: Vec::new() };
        let Some(rung) = self.rungs.get(self.now) else {
            return standings;
        };
        let Some(recent) = rung.recent.as_ref().filter(|recent| !recent.is_empty()) else {
            return standings;
        };
        let measure = measure(self.settings.objective);
        let measure = if recent.has(measure) { measure } else { 0 };
        let standing = |(policy, &kind): (usize, &PolicyKind)| {
            let missed = recent.missed(policy, measure);
            let more = recent.difference(number(present), policy, measure);
            Standing {
                policy: kind,
                ratio: (1.0 - missed.part).clamp(0.0, 1.0),
                gain: more.part,
                error: (SPREAD * more.deviation + recent.doubt(policy)).min(1.0),
            }
        };
        standings.requests = recent.requested(0) / self.short.weight;
        standings.items = rung.items() / rung.rate();
        standings.policies = PolicyKind::ALL.iter().enumerate().map(standing).collect();
        standings
    }

    fn requests_seen(&self) -> u64 {
        self.totals.map_or(self.sampled, |totals| totals.requests)
    }

    fn rung(&self, number: usize, curves: &[Vec<Figures>]) -> Rung {
        let rung = &self.rungs[number];
        let crowding = crowding(rung);
        let left_out = 1.0 - rung.rate();
        let estimate = |(policy, &kind): (usize, &PolicyKind)| {
            let figures = curves[number][policy];
            let errors: [f64; MEASURES] = std::array::from_fn(|measure| {
                let slope = slope(curves, number, policy, measure);
                // Between rungs a cliff looks like a slope.
                let near = rung.tally.near_misses(policy) / SPREAD * left_out.sqrt();
                let crowded = (slope * crowding).abs().max(near);
                let variance = figures[measure].1.powi(2) + crowded.powi(2);
                (SPREAD * variance.sqrt() + rung.tally.doubt(policy)).min(1.0)
            });
            Estimate {
                policy: kind,
                hits: ratio(figures.map(|(hits, _)| hits)),
                error: ratio(errors),
            }
        };
        let estimates: Vec<Estimate> = PolicyKind::ALL.iter().enumerate().map(estimate).collect();
        let bound = self.bound(rung.capacity_bytes, &estimates);
        Rung { capacity_bytes: rung.capacity_bytes, rate: rung.rate(), bound, estimates }
    }

    /// By the sample; never below an estimate, as the truth isn't either.
    fn bound(&self, capacity_bytes: u64, estimates: &[Estimate]) -> Ratio {
        let missed = self.bound.missed(capacity_bytes);
        let objects = missed[0].1;
        let bounds: [f64; MEASURES] = std::array::from_fn(|measure| {
            let (missed, sampled) = missed[measure];
            if sampled <= 0.0 {
                return 0.0;
            }
            let truth = &self.truth;
            let requested = if self.bound.is_exact() || !truth.is_known[0] {
                sampled
            } else if truth.is_known[measure] {
                truth.requested[measure]
            } else {
                sampled / objects * truth.requested[0]
            };
            (1.0 - missed / requested.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
        });
        let reached =
            |of: fn(&Ratio) -> f64| estimates.iter().map(|e| of(&e.hits)).fold(0.0, f64::max);
        Ratio {
            objects: bounds[0].max(reached(|hits| hits.objects)),
            bytes: bounds[1].max(reached(|hits| hits.bytes)),
            cost: bounds[2].max(reached(|hits| hits.cost)),
        }
    }

    fn recommend(&self, rungs: &[Rung]) -> Option<Recommendation> {
        let objective = self.settings.objective;
        let (here, rung) = (rungs.get(self.now)?, self.rungs.get(self.now)?);
        let present = here.estimate(self.settings.policy)?;
        let present_ratio = present.hits.of(objective);
        let by_ratio =
            |a: &&Estimate, b: &&Estimate| a.hits.of(objective).total_cmp(&b.hits.of(objective));
        let best = here.estimates.iter().max_by(by_ratio)?;
        let ratio = best.hits.of(objective);
        let measure = measure(objective);
        let measure = if rung.tally.has(measure) { measure } else { 0 };
        let more = rung.tally.difference(number(present.policy), number(best.policy), measure);
        let doubt = rung.tally.doubt(number(best.policy));
        let least_gain = (SPREAD * more.deviation + doubt).max(LEAST_GAIN);
        if ratio - present_ratio <= least_gain {
            return None;
        }
        let curve = rungs[self.now..].iter().filter_map(|rung| {
            let hits = rung.estimate(present.policy)?.hits.of(objective);
            Some((rung.capacity_bytes as f64 / here.capacity_bytes as f64, hits))
        });
        let curve: Vec<(f64, f64)> = curve.collect();
        Some(Recommendation {
            objective,
            policy: best.policy,
            ratio,
            present_policy: present.policy,
            present_ratio,
            memory_factor: reach(&curve, ratio),
            top_factor: curve.last().map_or(1.0, |&(factor, _)| factor),
        })
    }
}

/// Where a curve over factors of the capacity first gets to a ratio:
/// interpolated along the logarithm of the capacity.
fn reach(curve: &[(f64, f64)], ratio: f64) -> Option<f64> {
    curve.windows(2).find(|pair| pair[1].1 >= ratio).map(|pair| {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        let way = ((ratio - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        from * (to / from).powf(way)
    })
}

fn hits(rung: &rung::Rung) -> Vec<Figures> {
    let figures = |policy: usize| {
        std::array::from_fn(|measure| {
            let measure = if rung.tally.has(measure) { measure } else { 0 };
            let missed = rung.tally.missed(policy, measure);
            if rung.tally.is_empty() {
                return (0.0, 1.0);
            }
            ((1.0 - missed.part).clamp(0.0, 1.0), missed.deviation)
        })
    };
    (0..PolicyKind::ALL.len()).map(figures).collect()
}

/// How far off, as a part of the capacity, a ghost's size may be for the keys
/// that chance has put in its sample: of n entries, the square root of n more
/// or fewer would have been there.
fn crowding(rung: &rung::Rung) -> f64 {
    ((1.0 - rung.rate()) / rung.items().max(1.0)).sqrt()
}

/// How much the ratio grows with the logarithm of the capacity, between the
/// rung's neighbours.
fn slope(curves: &[Vec<Figures>], rung: usize, policy: usize, measure: usize) -> f64 {
    let low = rung.saturating_sub(1);
    let high = (rung + 1).min(curves.len() - 1);
    let rise = curves[high][policy][measure].0 - curves[low][policy][measure].0;
    rise / ((high - low).max(1) as f64 * std::f64::consts::LN_2)
}

fn ratio([objects, bytes, cost]: [f64; MEASURES]) -> Ratio {
    Ratio { objects, bytes, cost }
}

fn measure(objective: Objective) -> usize {
    match objective {
        Objective::Objects => 0,
        Objective::Bytes => 1,
        Objective::Cost => 2,
    }
}

fn number(policy: PolicyKind) -> usize {
    PolicyKind::ALL.iter().position(|&kind| kind == policy).unwrap_or(0)
}

//! Rounds of the same step on the same target, together: their mean and how far
//! they are apart.

use super::{Counts, Latency, Measured, Results};
use crate::plan::{Amount, Step};

/// A mean and the range it is the mean of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count().max(1) as f64;
        Self {
            mean: values.clone().sum::<f64>() / count,
            least: values.clone().fold(f64::INFINITY, f64::min),
            most: values.fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// A step on a target, over all rounds.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The target's name.
    pub target: String,
    /// The step.
    pub step: Step,
    /// How often it was measured.
    pub rounds: usize,
    /// Answers a second.
    pub throughput: Spread,
    /// Processor time of the target for a request, in microseconds, if that was
    /// measured.
    pub cpu: Option<Spread>,
    /// What a round took, in seconds.
    pub seconds: Spread,
    /// Half took less, in microseconds.
    pub p50: Spread,
    /// 99 of 100 took less, in microseconds.
    pub p99: Spread,
    /// On average, in microseconds.
    pub mean: Spread,
    /// All rounds' answers.
    pub counts: Counts,
    /// By kind of request and by part: means of the rounds.
    pub kinds: Vec<(String, Latency)>,
    /// Whether all rounds ran to their end.
    pub is_complete: bool,
}

/// All steps, in the order in which they first ended.
#[must_use]
pub fn summaries(results: &Results) -> Vec<Summary> {
    let mut groups: Vec<Vec<&Measured>> = Vec::new();
    for run in &results.runs {
        let is_same = |group: &&mut Vec<&Measured>| {
            group[0].target == run.target && is_same_step(&group[0].step, &run.step)
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    groups.iter().map(|group| summarise(group)).collect()
}

fn is_same_step(one: &Step, other: &Step) -> bool {
    let is_same_amount = match (one.amount, other.amount) {
        (Amount::Requests(one), Amount::Requests(other)) => one == other,
        (Amount::Seconds(one), Amount::Seconds(other)) => one.to_bits() == other.to_bits(),
        _ => false,
    };
    one.ratio == other.ratio && one.clients == other.clients && is_same_amount
}

fn summarise(group: &[&Measured]) -> Summary {
    let spread = |of: fn(&Measured) -> f64| Spread::of(group.iter().map(move |run| of(run)));
    let mut counts = Counts::default();
    for run in group {
        counts.add(&run.counts);
    }
    Summary {
        target: group[0].target.clone(),
        step: group[0].step,
        rounds: group.len(),
        throughput: spread(|run| run.throughput),
        cpu: cpu(group),
        seconds: spread(|run| run.seconds),
        p50: spread(|run| run.latency.p50),
        p99: spread(|run| run.latency.p99),
        mean: spread(|run| run.latency.mean),
        counts,
        kinds: kinds(group),
        is_complete: group.iter().all(|run| run.is_complete),
    }
}

fn cpu(group: &[&Measured]) -> Option<Spread> {
    let each = |run: &&Measured| Some(run.cpu_seconds? * 1e6 / run.counts.requests.max(1) as f64);
    let all: Vec<f64> = group.iter().map(each).collect::<Option<_>>()?;
    Some(Spread::of(all.iter().copied()))
}

fn kinds(group: &[&Measured]) -> Vec<(String, Latency)> {
    let named = |run: &Measured, name: &str| {
        let mut all = run.kinds.iter().chain(&run.parts);
        all.find(|(kind, _)| kind == name).map(|(_, latency)| *latency)
    };
    let names = group[0].kinds.iter().chain(&group[0].parts).map(|(name, _)| name);
    let mean_of = |name: &String| {
        let all: Vec<Latency> = group.iter().filter_map(|run| named(run, name)).collect();
        let mean = |of: fn(&Latency) -> f64| Spread::of(all.iter().map(of)).mean;
        let latency = Latency {
            count: all.iter().map(|latency| latency.count).sum(),
            mean: mean(|it| it.mean),
            p50: mean(|it| it.p50),
            p90: mean(|it| it.p90),
            p99: mean(|it| it.p99),
            p999: mean(|it| it.p999),
            max: all.iter().map(|it| it.max).fold(0.0, f64::max),
        };
        (name.clone(), latency)
    };
    names.map(mean_of).filter(|(_, latency)| latency.count > 0).collect()
}

//! What was measured, as it is written to `results.json`: plain data that later
//! versions can read. Durations are microseconds.

mod files;
mod summary;

use serde::{Deserialize, Serialize};

pub use files::{Folder, read};
pub use summary::{Spread, Summary, summaries};

use crate::machine::Machine;
use crate::plan::Step;
use crate::target::Finding;

/// All of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// What measured, as `larder 0.1.0`.
    pub tool: String,
    /// How it was started.
    pub command: String,
    /// When, RFC 3339.
    pub started_at: String,
    /// Where.
    pub machine: Machine,
    /// Every setting by its name.
    pub settings: Vec<(String, String)>,
    /// Repeats it.
    pub seed: u64,
    /// What was measured.
    pub targets: Vec<TargetInfo>,
    /// The steps that have ended, in order.
    pub runs: Vec<Measured>,
    /// What was looked at once all was answered.
    pub findings: Vec<Finding>,
    /// Whether all steps have ended.
    pub is_complete: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetInfo {
    /// What tables call it.
    pub name: String,
    /// What it is, and where.
    pub label: String,
    /// What it says it is.
    pub version: String,
}

/// A step on a target, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The target's name.
    pub target: String,
    /// From 1.
    pub round: u32,
    /// What was asked for.
    pub step: Step,
    /// How long it took.
    pub seconds: f64,
    /// Answers by what they were.
    pub counts: Counts,
    /// Answers a second that were right, or refused by right.
    pub throughput: f64,
    /// Processor time that the target's processes took, if that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// All requests.
    pub latency: Latency,
    /// By kind of request.
    pub kinds: Vec<(String, Latency)>,
    /// By part.
    pub parts: Vec<(String, Latency)>,
    /// The share of requests, in percent, and what they took at most.
    pub percentiles: Vec<(f64, f64)>,
    /// Second by second.
    pub timeline: Vec<Slice>,
    /// The first answers that weren't right, in words.
    pub complaints: Vec<String>,
    /// Whether it ran to its end.
    pub is_complete: bool,
}

/// Answers by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub requests: u64,
    /// Refused, as they may be.
    pub refused: u64,
    /// No answer, or an error.
    pub failed: u64,
    /// Another key's value, or none that was ever written.
    pub wrong: u64,
    /// Older than they may be.
    pub stale: u64,
    /// Not whole.
    pub torn: u64,
    /// A cache had it.
    pub hits: u64,
    /// A cache hadn't.
    pub misses: u64,
    /// Bytes of values.
    pub bytes: u64,
}

impl Counts {
    /// Answers that no correct service gives.
    #[must_use]
    pub fn lies(&self) -> u64 {
        self.wrong + self.stale + self.torn
    }

    /// Everything that is no good answer.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.lies() + self.failed
    }

    /// The share of reads that a cache had, if it says so.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let reads = self.hits + self.misses;
        (reads > 0).then(|| self.hits as f64 / reads as f64)
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.failed += other.failed;
        self.wrong += other.wrong;
        self.stale += other.stale;
        self.torn += other.torn;
        self.hits += other.hits;
        self.misses += other.misses;
        self.bytes += other.bytes;
    }
}

/// What requests took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// On average.
    pub mean: f64,
    /// Half took less.
    pub p50: f64,
    /// Nine of ten took less.
    pub p90: f64,
    /// 99 of 100 took less.
    pub p99: f64,
    /// 999 of 1000 took less.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// A while of a step, a second but for the last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Slice {
    /// Seconds since the step began, at its end.
    pub until: f64,
    /// How long it is.
    pub seconds: f64,
    /// What came in it.
    pub counts: Counts,
    /// Half took less.
    pub p50: f64,
    /// 99 of 100 took less.
    pub p99: f64,
}

impl Slice {
    /// Answers a second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        if self.seconds > 0.0 { self.counts.requests as f64 / self.seconds } else { 0.0 }
    }
}

impl Results {
    /// Answers that no correct service gives, and checks that failed.
    #[must_use]
    pub fn lies(&self) -> u64 {
        let findings = self.findings.iter().filter(|finding| !finding.is_right).count() as u64;
        self.total().lies() + findings
    }

    /// All answers.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for run in &self.runs {
            total.add(&run.counts);
        }
        total
    }
}

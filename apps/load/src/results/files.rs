//! `results.json` and `results.csv`, written anew whenever a step has ended, so
//! that a run that is interrupted, even by force, keeps what it has measured.

use std::path::{Path, PathBuf};

use super::{Measured, Results};
use crate::error::{Error, Result, at};

/// The file that has everything.
const JSON: &str = "results.json";

/// One line for each step, for other programs.
const CSV: &str = "results.csv";

/// Where the results of a run are kept.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if it isn't there.
    ///
    /// # Errors
    /// It can't be made.
    pub fn make(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(at(path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what there is.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self, results: &Results) -> Result<()> {
        let json = serde_json::to_vec_pretty(results).map_err(|error| Error::Content {
            path: self.path.join(JSON),
            why: error.to_string(),
        })?;
        self.replace(JSON, &json)?;
        self.replace(CSV, &csv(results).map_err(at(&self.path.join(CSV)))?)
    }

    /// Writes a file so that there is always a whole one.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, new) = (self.path.join(name), self.path.join(format!(".{name}.new")));
        std::fs::write(&new, bytes).map_err(at(&new))?;
        std::fs::rename(&new, &path).map_err(at(&path))
    }
}

/// Reads the results of a run from its folder, or from the file itself.
///
/// # Errors
/// There are none, or of another version.
pub fn read(path: &Path) -> Result<Results> {
    let path = if path.is_dir() { path.join(JSON) } else { path.to_owned() };
    let text = std::fs::read(&path).map_err(at(&path))?;
    serde_json::from_slice(&text).map_err(|error| Error::Content {
        path,
        why: format!("it isn’t what larder load wrote: {error}"),
    })
}

const COLUMNS: [&str; 26] = [
    "target",
    "round",
    "ratio",
    "clients",
    "amount",
    "seconds",
    "requests",
    "throughput",
    "cpu_seconds",
    "refused",
    "failed",
    "wrong",
    "stale",
    "torn",
    "hits",
    "misses",
    "bytes",
    "kind",
    "count",
    "mean_us",
    "p50_us",
    "p90_us",
    "p99_us",
    "p999_us",
    "max_us",
    "complete",
];

fn csv(results: &Results) -> std::io::Result<Vec<u8>> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(COLUMNS)?;
    for run in &results.runs {
        let all = [("all".to_owned(), run.latency)];
        for (kind, latency) in all.iter().chain(&run.kinds).chain(&run.parts) {
            let mut line = settings_and_counts(run);
            line.push(kind.clone());
            line.push(latency.count.to_string());
            let micros = [latency.mean, latency.p50, latency.p90, latency.p99, latency.p999];
            line.extend(micros.iter().chain([&latency.max]).map(ToString::to_string));
            line.push(run.is_complete.to_string());
            lines.write_record(line)?;
        }
    }
    lines.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn settings_and_counts(run: &Measured) -> Vec<String> {
    let counts = &run.counts;
    let mut line = vec![run.target.clone(), run.round.to_string(), run.step.ratio.to_string()];
    line.extend([run.step.clients.to_string(), run.step.amount.to_string()]);
    line.extend([format!("{:.6}", run.seconds), counts.requests.to_string()]);
    line.push(format!("{:.3}", run.throughput));
    line.push(run.cpu_seconds.map(|seconds| format!("{seconds:.2}")).unwrap_or_default());
    let numbers = [counts.refused, counts.failed, counts.wrong, counts.stale, counts.torn];
    let more = [counts.hits, counts.misses, counts.bytes];
    line.extend(numbers.iter().chain(&more).map(ToString::to_string));
    line
}

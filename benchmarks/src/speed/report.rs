//! Results: Markdown on the standard output, every sample in a CSV file. It
//! never measures.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::thread;

/// The least, the middle and the greatest of some figures.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
}

impl Spread {
    /// Of no figures, NaN.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        let (last, middle) = (figures.len().saturating_sub(1), figures.len() / 2);
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { least: at(0), median, greatest: at(last) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.least, self.greatest)
    }
}

/// Where results go.
pub struct Report {
    csv: Option<File>,
}

impl Report {
    /// Begins the file, if there is to be one.
    pub fn new(csv: Option<&Path>) -> io::Result<Self> {
        let mut csv = csv.map(File::create).transpose()?;
        if let Some(file) = &mut csv {
            writeln!(file, "setting,cache,round,figure,value")?;
        }
        Ok(Self { csv })
    }

    /// Saves one sample at once, so that an interrupted run loses nothing.
    pub fn save(
        &mut self,
        setting: &str,
        cache: &str,
        round: usize,
        figure: &str,
        value: f64,
    ) -> io::Result<()> {
        let Some(file) = &mut self.csv else { return Ok(()) };
        writeln!(file, "{setting},{cache},{round},{figure},{value}")
    }

    /// Says where this was measured, and what.
    pub fn machine(&self) {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let model = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| {
                Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().into())
            })
            .unwrap_or_else(|| "unknown processor".to_owned());
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
        println!("{model}, {cores} cores, load {load} at the start.");
        let versions = ["quick_cache", "moka", "foyer-memory", "mimalloc"]
            .map(|name| format!("{name} {}", version(name)));
        println!("{}.", versions.join(", "));
    }
}

/// The version of a dependency that this program was built with.
fn version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let begin = format!("name = \"{name}\"");
    let mut lines = lock.lines().skip_while(|line| *line != begin).skip(1);
    let line = lines.next().and_then(|line| line.strip_prefix("version = "));
    line.map_or("unknown", |version| version.trim_matches('"'))
}

/// A number with its noun.
pub fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Prints a table in Markdown.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    println!("| {} |", head.join(" | "));
    // The first column names things, the others hold figures.
    println!("|---|{}", "---:|".repeat(head.len().saturating_sub(1)));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

//! How far a run is: a bar on a terminal, a line for each step elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use larder_load::Observer;
use larder_load::plan::Step;
use larder_load::results::{Measured, Slice};

/// Of a step, and of making ready.
const PARTS: u64 = 1000;

pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(PARTS);
        let template = "{prefix:<34} {bar:24.cyan/blue} {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━╸─"));
        Self { bar, is_terminal: std::io::stderr().is_terminal() }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, line: &str) {
        if self.is_terminal {
            self.bar.println(line);
        } else {
            eprintln!("{line}");
        }
    }
}

fn milliseconds(microseconds: f64) -> String {
    format!("{:.2} ms", microseconds / 1e3)
}

impl Observer for Progress {
    fn prepared(&self, target: &str, done: u64, of: u64) {
        self.bar.set_prefix("filling");
        self.bar.set_position(PARTS * done / of.max(1));
        self.bar.set_message(format!("{done} of {of} keys, {target}"));
    }

    fn begun(&self, target: &str, step: &Step, number: usize, of: usize) {
        let clients = step.clients;
        self.bar.set_prefix(format!("{number}/{of} {target} {} {clients} cl.", step.ratio));
        self.bar.set_position(0);
        self.bar.set_message("");
    }

    fn passed(&self, slice: &Slice, share: f64) {
        self.bar.set_position((PARTS as f64 * share) as u64);
        let counts = &slice.counts;
        self.bar.set_message(format!(
            "{:.0}/s  p50 {}  p99 {}  errors {}",
            slice.throughput(),
            milliseconds(slice.p50),
            milliseconds(slice.p99),
            counts.errors(),
        ));
    }

    fn ended(&self, run: &Measured) {
        let (step, counts) = (&run.step, &run.counts);
        self.line(&format!(
            "{:<10} round {}  {}  {:>3} clients  {:>14}  {:>9.0}/s  p50 {:>10}  p99 {:>10}  \
             failed {}  wrong {}",
            run.target,
            run.round,
            step.ratio,
            step.clients,
            step.amount.to_string(),
            run.throughput,
            milliseconds(run.latency.p50),
            milliseconds(run.latency.p99),
            counts.failed,
            counts.lies(),
        ));
    }
}

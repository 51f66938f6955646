//! `what-if`: how far the what-if's estimates are from full simulations of the
//! same requests, what its autopilot makes of them, and what both cost. It
//! never touches a cache: a full-size ghost stands for it.

mod autopilot;
mod cell;
mod cost;
mod errors;
mod feed;
mod meter;
mod truth;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use larder_benchmarks::stream;
use larder_cache::{Objective, PolicyKind};

/// Measures the what-if and the autopilot on recorded traces.
#[derive(Parser)]
#[command(name = "what-if")]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// How far estimates are from full simulations, and what they take
    Errors(Options),
    /// The policy chosen online, against every policy kept throughout
    Autopilot(Options),
    /// What a cache of a million entries pays for its what-if
    Cost,
}

/// What to play, and how.
#[derive(Args)]
struct Options {
    /// Traces, or folders of them: one `key` or `key,size` per line, `.xz` or plain
    #[arg(default_value = "../shared/traces", value_name = "FILE")]
    traces: Vec<PathBuf>,

    /// The capacity of the cache, in percent of the footprint [default: 1,5,10,20; autopilot: 1,5,10]
    #[arg(long, value_delimiter = ',', value_name = "PERCENT")]
    capacity: Vec<f64>,

    /// The policy of the cache; the autopilot's to begin with
    #[arg(long, default_value = "w-tinylfu", value_name = "NAME")]
    policy: PolicyKind,

    /// What the cache is there to spare
    #[arg(long, default_value = "objects", value_name = "NAME")]
    objective: Objective,

    /// Draws other samples
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u32,

    /// Traces with fewer requests are left out
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    least_requests: usize,

    /// Every figure to standard error, as it comes
    #[arg(long)]
    verbose: bool,

    /// Threads for the full simulations
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    jobs: usize,
}

fn main() -> anyhow::Result<()> {
    match Command::parse().what {
        What::Errors(options) => errors::run(&options),
        What::Autopilot(options) => autopilot::run(&options),
        What::Cost => {
            cost::run();
            Ok(())
        }
    }
}

impl Options {
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        stream::find(&self.traces)
    }

    fn percents(&self, default: &[f64]) -> Vec<f64> {
        if self.capacity.is_empty() { default.to_vec() } else { self.capacity.clone() }
    }
}

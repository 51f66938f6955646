//! `hit-ratios`: what every policy of Larder, its peers and the offline bounds
//! make of recorded traces, as Markdown. It measures no time; the same traces
//! give the same bytes.

mod contenders;
mod literature;
mod offline;
mod peers;
mod plain;
mod play;
mod report;
mod summary;

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use larder_cache::Objective;

use larder_benchmarks::stream::{self, Stream};
use play::Cell;

/// Hit ratios of Larder's policies, of peers and of offline bounds on traces.
#[derive(Parser)]
#[command(name = "hit-ratios")]
struct Args {
    /// Traces, or folders of them: one `key` or `key,size` per line, `.xz` or plain
    #[arg(default_value = "../shared/traces", value_name = "FILE")]
    traces: Vec<PathBuf>,

    /// Percent of the footprint: of distinct objects if sizes are equal, else of their bytes
    #[arg(long, value_delimiter = ',', default_value = "1,5,10", value_name = "PERCENT")]
    capacity: Vec<f64>,

    /// What Larder's policies are to spare on traces with mixed sizes
    #[arg(long, value_delimiter = ',', default_value = "objects,bytes", value_name = "NAME")]
    objective: Vec<Objective>,

    /// Writes every figure to this file too, as it comes
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Threads
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    jobs: usize,

    /// Compares with the reference figures instead, and fails if they disagree
    #[arg(long, conflicts_with_all = ["capacity", "objective", "csv"])]
    check: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let files = stream::find(&args.traces)?;
    if args.check {
        return Ok(if literature::check(&files)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let percents = &args.capacity;
    anyhow::ensure!(
        percents.iter().all(|&percent| percent > 0.0 && percent <= 100.0),
        "a capacity is above 0 and at most 100 percent of the footprint"
    );
    let mut csv = args.csv.as_ref().map(csv).transpose()?;
    let mut cells: Vec<Cell> = Vec::new();
    for file in &files {
        let stream = Stream::read(file)?;
        let contenders = contenders::of(&stream, &args.objective);
        let played = play::all(&stream, &contenders, percents, args.jobs);
        if let Some(csv) = &mut csv {
            report::csv(csv, &played).context("could not write the CSV file")?;
        }
        cells.extend(played);
    }
    print!("{}", report::markdown(&cells));
    print!("{}", summary::markdown(&cells));
    Ok(ExitCode::SUCCESS)
}

/// A CSV file with its heading.
fn csv(path: &PathBuf) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("could not make {}", path.display()))?;
    report::csv_heading(&file).context("could not write the CSV file")?;
    Ok(file)
}

//! How fast Larder's cache is beside its peers: all of them in one process,
//! in turns of a fraction of a second, so that a busy machine slows all alike.
//! It never judges hit ratios by real traces; another benchmark does.
//!
//! Two figures stand for speed. Throughput is what the clock on the wall says;
//! CPU time per operation is what the threads were charged, and moves less when
//! others use the machine. Ratios are taken within each round, and the median
//! of them is shown with the least and the greatest.
//!
//! Results are Markdown on the standard output; `--csv` saves every sample as
//! it comes.

#![forbid(unsafe_code)]

mod args;
mod entrants;
mod keys;
mod larder;
mod memory;
mod peers;
mod report;
mod rounds;
mod speed;
mod switch;
mod window;

use std::error::Error;

use clap::Parser;

use crate::args::{Args, What};
use crate::report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if let Some(state) = args.resident {
        return memory::measure_here(&args, state);
    }
    let mut report = Report::new(args.csv.as_deref())?;
    report.machine();
    for what in args.what.parts() {
        match what {
            What::Hits => speed::hits(&args, &mut report)?,
            What::Batch => speed::batch(&args, &mut report)?,
            What::Mixed => speed::mixed(&args, &mut report)?,
            What::Stats => speed::stats(&args, &mut report)?,
            What::Memory => memory::measure(&args, &mut report)?,
            What::Switch => switch::measure(&args, &mut report)?,
            What::All => {}
        }
    }
    Ok(())
}

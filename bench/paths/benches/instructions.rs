//! How many instructions the core's hot paths take, counted by Callgrind: one
//! walk of each, without what sets it up. It compares nothing:
//! `tests/instructions.rs` runs it and does.

#![allow(missing_docs)]

use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use larder_paths::{Path, Walk};

#[allow(clippy::needless_pass_by_value, reason = "the list's items come by value")]
fn ready(path: Path) -> Box<dyn Walk> {
    path.ready()
}

// Given back, so that dropping what was set up isn't counted.
#[library_benchmark]
#[benches::all(iter = larder_paths::all(), setup = ready)]
fn walked(mut walk: Box<dyn Walk>) -> Box<dyn Walk> {
    walk.walk();
    walk
}

library_benchmark_group!(name = paths, benchmarks = walked);

// Without simulated processor caches it takes half the time, and counts alone
// are compared.
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = paths
);

//! How long the core's hot paths take; each sample is one walk of 1,024 times.
//!
//! `cargo bench --bench paths`, with `-- cache/hit` for those of that name.

#![allow(missing_docs)]

use std::cell::RefCell;

use divan::Bencher;
use divan::counter::ItemsCount;
use larder_paths::{Path, TIMES};

fn main() {
    divan::main();
}

// Of more walks in one sample, all would be prepared before the first.
#[divan::bench(args = larder_paths::all(), sample_size = 1, sample_count = 200)]
fn path(bencher: Bencher<'_, '_>, path: &Path) {
    let walk = RefCell::new(path.ready());
    bencher
        .counter(ItemsCount::new(TIMES))
        .with_inputs(|| walk.borrow_mut().prepare())
        .bench_local_values(|()| walk.borrow_mut().walk());
}

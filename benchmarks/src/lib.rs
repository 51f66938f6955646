//! What the benchmarks have in common: traces on disk.

pub mod stream;

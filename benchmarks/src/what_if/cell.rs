//! A trace as the what-if sees it: hashes and weights.

use std::path::Path;

use larder_benchmarks::stream::Stream;
use larder_workload::trace::hash;

/// What entries of traces without sizes weigh.
pub const WEIGHT: u32 = 4096;

/// A trace, by hash and weight.
pub struct Requests {
    pub name: String,
    pub list: Vec<(u64, u32)>,
    footprint_bytes: u64,
}

impl Requests {
    /// Reads one; another seed gives other hashes.
    pub fn read(path: &Path, seed: u32) -> anyhow::Result<Self> {
        let Stream { name, trace, .. } = Stream::read(path)?;
        let unit = if trace.equal_size() == Some(1) { WEIGHT } else { 1 };
        // Numbers far enough apart that no two seeds share hashes in small traces.
        let first = seed.wrapping_mul(0x9e37_79b9);
        let requests = trace.requests().iter();
        let list = requests.map(|r| (hash(r.key.wrapping_add(first)), (r.size * unit).max(1)));
        let footprint_bytes = trace.footprint_bytes() * u64::from(unit);
        Ok(Self { name, list: list.collect(), footprint_bytes })
    }

    /// What so many percent of the footprint are: even ones, so that rungs of
    /// one ladder are found again in those of twice the percentage.
    pub fn capacity(&self, percent: f64) -> u64 {
        let unit = (self.footprint_bytes as f64 / 100.0 / 16.0) as u64 * 16;
        ((unit as f64 * percent) as u64).max(1)
    }
}

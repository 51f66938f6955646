//! What the what-if takes: processor time of its thread, and bytes allocated
//! meanwhile and kept.

use std::alloc::System;

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Sums over the calls it was asked to watch. No other thread may allocate
/// during those.
#[derive(Default)]
pub struct Meter {
    pub seconds: f64,
    /// Bytes now, and the most after any call.
    bytes: i64,
    pub most_bytes: i64,
}

impl Meter {
    /// Calls it and watches what it takes.
    pub fn watch<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let (bytes, seconds) = (allocated(), cpu_seconds());
        let answer = call();
        self.seconds += cpu_seconds() - seconds;
        self.bytes += allocated() - bytes;
        self.most_bytes = self.most_bytes.max(self.bytes);
        answer
    }
}

fn allocated() -> i64 {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

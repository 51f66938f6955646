//! Counts and times of reads: totals for scraping, and the window since the
//! last look for statistics over time.

use std::time::Duration;

use parking_lot::Mutex;

use crate::Source;

/// Times in nanoseconds, two significant digits, up to a minute.
pub type Histogram = hdrhistogram::Histogram<u64>;

const LONGEST_NS: u64 = 60_000_000_000;

/// Reads over some time: `requests = hits + misses` by construction.
#[derive(Clone, Debug)]
pub struct Window {
    /// Times of reads answered from memory, in nanoseconds.
    pub hits: Histogram,
    /// Times of all other reads, in nanoseconds.
    pub misses: Histogram,
}

impl Default for Window {
    fn default() -> Self {
        Self { hits: histogram(), misses: histogram() }
    }
}

/// A histogram that has seen nothing.
pub(crate) fn histogram() -> Histogram {
    Histogram::new_with_bounds(1, LONGEST_NS, 2).expect("the bounds are in range")
}

impl Window {
    /// Reads, however answered.
    pub fn requests(&self) -> u64 {
        self.hits.len() + self.misses.len()
    }

    /// Adds another window to this one.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.hits, &other.hits), (&mut self.misses, &other.misses)] {
            mine.add(theirs).expect("both have the same bounds");
        }
    }
}

/// Takes the time of reads.
#[derive(Default)]
pub struct Meter {
    windows: Mutex<Windows>,
}

#[derive(Default)]
struct Windows {
    /// Since the start, without the present window.
    past: Window,
    present: Window,
}

impl Meter {
    /// Counts a read.
    pub fn record(&self, source: Source, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS);
        let mut windows = self.windows.lock();
        let histogram = match source {
            Source::Memory | Source::Peer => &mut windows.present.hits,
            Source::Store => &mut windows.present.misses,
        };
        histogram.saturating_record(nanoseconds);
    }

    /// All reads since the start.
    pub fn total(&self) -> Window {
        let windows = self.windows.lock();
        let mut total = windows.past.clone();
        total.add(&windows.present);
        total
    }

    /// The reads since [`Meter::take`] was last called.
    pub fn present(&self) -> Window {
        self.windows.lock().present.clone()
    }

    /// The reads since this was last called; begins a new window.
    pub fn take(&self) -> Window {
        let mut windows = self.windows.lock();
        let present = std::mem::take(&mut windows.present);
        windows.past.add(&present);
        present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_add_up_to_the_total() {
        let meter = Meter::default();
        meter.record(Source::Memory, Duration::from_micros(10));
        meter.record(Source::Store, Duration::from_millis(3));
        let first = meter.take();
        assert_eq!((first.hits.len(), first.misses.len(), first.requests()), (1, 1, 2));
        assert_eq!(meter.take().requests(), 0);
        meter.record(Source::Store, Duration::from_secs(3600));
        let total = meter.total();
        assert_eq!((total.hits.len(), total.misses.len()), (1, 2));
        assert!(
            total.misses.max() >= LONGEST_NS,
            "a read longer than the scale counts as the longest"
        );
    }
}

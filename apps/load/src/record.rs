//! Counts answers and what they took, for all clients of a step. It keeps
//! histograms (HDR, three digits), never single requests.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::results::{Counts, Latency, Slice};
use crate::target::{Answer, Source, Verdict};

/// Clients write to this many parts, so that they seldom meet.
const SHARDS: usize = 8;

/// Answers that weren't right and are told in words.
const COMPLAINTS: usize = 5;

/// Histograms count in these: a quarter of a microsecond and up.
const LEAST_NS: u64 = 256;
const MOST_NS: u64 = 600_000_000_000;

/// Where the lines of the percentile graph are drawn through.
const PERCENTILES: [f64; 16] = [
    0.0, 10.0, 25.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.99,
];

/// Counts of all clients.
pub(crate) struct Recorder {
    shards: Vec<Mutex<Shard>>,
    complaints: Mutex<Vec<String>>,
}

struct Shard {
    counts: Counts,
    kinds: Vec<Histogram<u64>>,
    parts: Vec<Histogram<u64>>,
    slice: Histogram<u64>,
    slice_counts: Counts,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LEAST_NS, MOST_NS, 3).expect("the bounds are in order")
}

/// What a recorder knows at the end.
pub(crate) struct Recorded {
    pub(crate) counts: Counts,
    pub(crate) latency: Latency,
    pub(crate) kinds: Vec<Latency>,
    pub(crate) parts: Vec<Latency>,
    pub(crate) percentiles: Vec<(f64, f64)>,
    pub(crate) complaints: Vec<String>,
}

impl Recorder {
    pub(crate) fn new(kinds: usize, parts: usize, clients: usize) -> Self {
        let shard = || {
            let many = |count| (0..count).map(|_| histogram()).collect();
            Mutex::new(Shard {
                counts: Counts::default(),
                kinds: many(kinds),
                parts: many(parts),
                slice: histogram(),
                slice_counts: Counts::default(),
            })
        };
        let shards = (0..clients.clamp(1, SHARDS)).map(|_| shard()).collect();
        Self { shards, complaints: Mutex::default() }
    }

    /// Counts a client's answer to what started at `from`.
    pub(crate) fn record(&self, client: usize, answer: &Answer, from: Instant) {
        if let Some(why) = answer.why.as_ref().filter(|_| answer.verdict != Verdict::Refused) {
            let mut complaints = self.complaints.lock();
            if complaints.len() < COMPLAINTS && !complaints.contains(why) {
                complaints.push(why.clone());
            }
        }
        let took = answer.at.saturating_duration_since(from);
        let counts = counts_of(answer);
        let mut shard = self.shards[client % self.shards.len()].lock();
        shard.counts.add(&counts);
        shard.slice_counts.add(&counts);
        // What failed took as long as it took: it stays in the picture.
        add(&mut shard.slice, took);
        add(&mut shard.kinds[answer.kind], took);
        for &(part, took) in &answer.parts {
            add(&mut shard.parts[part], took);
        }
    }

    /// What came since this was asked last.
    pub(crate) fn slice(&self, since: Instant, last: &mut f64) -> Slice {
        let (mut all, mut counts) = (histogram(), Counts::default());
        for shard in &self.shards {
            let mut shard = shard.lock();
            all.add(&shard.slice).expect("they have the same bounds");
            shard.slice.reset();
            counts.add(&std::mem::take(&mut shard.slice_counts));
        }
        let until = since.elapsed().as_secs_f64();
        let seconds = until - std::mem::replace(last, until);
        let latency = latency_of(&all);
        Slice { until, seconds, counts, p50: latency.p50, p99: latency.p99 }
    }

    pub(crate) fn finish(&self) -> Recorded {
        let merge = |of: fn(&Shard) -> &Vec<Histogram<u64>>| -> Vec<Histogram<u64>> {
            let mut merged: Vec<_> =
                of(&self.shards[0].lock()).iter().map(|_| histogram()).collect();
            for shard in &self.shards {
                for (sum, one) in merged.iter_mut().zip(of(&shard.lock())) {
                    sum.add(one).expect("they have the same bounds");
                }
            }
            merged
        };
        let (kinds, parts) = (merge(|shard| &shard.kinds), merge(|shard| &shard.parts));
        let mut all = histogram();
        for kind in &kinds {
            all.add(kind).expect("they have the same bounds");
        }
        let mut counts = Counts::default();
        for shard in &self.shards {
            counts.add(&shard.lock().counts);
        }
        Recorded {
            counts,
            latency: latency_of(&all),
            kinds: kinds.iter().map(latency_of).collect(),
            parts: parts.iter().map(latency_of).collect(),
            percentiles: percentiles_of(&all),
            complaints: std::mem::take(&mut *self.complaints.lock()),
        }
    }
}

fn add(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}

fn counts_of(answer: &Answer) -> Counts {
    let mut counts = Counts { requests: 1, bytes: answer.bytes, ..Counts::default() };
    match answer.verdict {
        Verdict::Right => {}
        Verdict::Refused => counts.refused = 1,
        Verdict::Failed => counts.failed = 1,
        Verdict::Wrong => counts.wrong = 1,
        Verdict::Stale => counts.stale = 1,
        Verdict::Torn => counts.torn = 1,
    }
    match answer.source {
        Source::Hit => counts.hits = 1,
        Source::Miss => counts.misses = 1,
        Source::Unsaid => {}
    }
    counts
}

fn microseconds(nanoseconds: f64) -> f64 {
    (nanoseconds / 10.0).round() / 100.0
}

fn latency_of(histogram: &Histogram<u64>) -> Latency {
    if histogram.is_empty() {
        return Latency::default();
    }
    let at = |percent: f64| microseconds(histogram.value_at_percentile(percent) as f64);
    Latency {
        count: histogram.len(),
        mean: microseconds(histogram.mean()),
        p50: at(50.0),
        p90: at(90.0),
        p99: at(99.0),
        p999: at(99.9),
        max: microseconds(histogram.max() as f64),
    }
}

fn percentiles_of(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let value = |percent: f64| microseconds(histogram.value_at_percentile(percent) as f64);
    // Beyond the last request a percentile says nothing new.
    let says = |percent: f64| (100.0 - percent) / 100.0 * histogram.len() as f64 >= 1.0;
    let known = PERCENTILES.into_iter().filter(|&percent| says(percent));
    let mut points: Vec<_> = known.map(|percent| (percent, value(percent))).collect();
    // The longest stands where one request of all is.
    let last = 100.0 - 100.0 / histogram.len().max(2) as f64;
    points.retain(|(percent, _)| *percent < last);
    points.push((last, microseconds(histogram.max() as f64)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_latencies_of_all_clients_come_together() {
        let recorder = Recorder::new(2, 1, 4);
        let from = Instant::now();
        for client in 0..4 {
            for milliseconds in 1..=100 {
                let at = from + Duration::from_millis(milliseconds);
                let parts = vec![(0, Duration::from_millis(2))];
                let answer = Answer { at, parts, ..Answer::right(client % 2, 10) };
                recorder.record(client, &answer, from);
            }
        }
        recorder.record(0, &Answer::other(0, Verdict::Stale, "old"), from);
        let mut last = 0.0;
        assert_eq!(recorder.slice(from, &mut last).counts.requests, 401);
        assert_eq!(recorder.slice(from, &mut last).counts.requests, 0);
        let recorded = recorder.finish();
        assert_eq!((recorded.counts.requests, recorded.counts.stale), (401, 1));
        assert_eq!((recorded.counts.bytes, recorded.counts.lies()), (4000, 1));
        assert_eq!((recorded.kinds[0].count, recorded.kinds[1].count), (201, 200));
        assert!((recorded.kinds[1].p50 / 50_000.0 - 1.0).abs() < 0.01);
        assert!((recorded.kinds[1].p99 / 99_000.0 - 1.0).abs() < 0.01);
        assert!((recorded.parts[0].mean / 2000.0 - 1.0).abs() < 0.01);
        assert_eq!(recorded.complaints, ["old"]);
    }
}

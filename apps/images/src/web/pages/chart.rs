//! Line charts as small drawings, for the time before scripts run and for
//! browsers without them. Attributes only: the pages' policy allows no inline
//! style.

use super::text;
use crate::service::Minute;
use crate::store::Sample;

/// The drawing's size in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;

/// The most points of a line: there are no more pixels to see them in.
const MOST_POINTS: usize = 300;

/// A chart for a template.
pub(super) struct Chart {
    /// Its name for scripts.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What the vertical axis counts.
    pub(super) unit: &'static str,
    pub(super) lines: Vec<Line>,
    /// The upper end of the vertical axis.
    pub(super) top: String,
    /// What the chart shows, in words.
    pub(super) summary: String,
}

/// A line of a chart.
pub(super) struct Line {
    pub(super) name: &'static str,
    /// Its colour, by class.
    pub(super) class: &'static str,
    /// Points of each unbroken stretch.
    pub(super) stretches: Vec<String>,
}

/// One quantity over time.
struct Series<T> {
    name: &'static str,
    class: &'static str,
    value: fn(&T) -> Option<f64>,
}

/// Something that was measured at a moment.
trait Timed {
    /// The moment, in seconds since 1970.
    fn at(&self) -> i64;
}

impl Timed for Sample {
    fn at(&self) -> i64 {
        self.at
    }
}

impl Timed for Minute {
    fn at(&self) -> i64 {
        self.at
    }
}

/// How the vertical axis grows and is labelled.
struct Axis {
    unit: &'static str,
    is_logarithmic: bool,
    /// Its upper end, if that is fixed.
    top: Option<f64>,
    label: fn(f64) -> String,
}

/// All charts over these samples, which span the seconds up to `until`.
pub(super) fn charts(samples: &[Sample], seconds: i64, until: i64) -> Vec<Chart> {
    let span = (until - seconds, until);
    vec![
        chart(
            ("rates", "Hit and miss rate"),
            &Axis {
                unit: "share of reads",
                is_logarithmic: false,
                top: Some(1.0),
                label: |value| text::percent(Some(value)),
            },
            &[
                Series {
                    name: "Hit rate",
                    class: "hit",
                    value: |s: &Sample| share(s.hits, s.requests),
                },
                Series {
                    name: "Miss rate",
                    class: "miss",
                    value: |s: &Sample| share(s.misses, s.requests),
                },
            ],
            samples,
            span,
        ),
        chart(
            ("requests", "Requests per second"),
            &Axis {
                unit: "reads a second",
                is_logarithmic: false,
                top: None,
                label: |value| format!("{value:.1}/s"),
            },
            &[
                Series { name: "Hits", class: "hit", value: |s: &Sample| per_second(s.hits, s) },
                Series {
                    name: "Misses",
                    class: "miss",
                    value: |s: &Sample| per_second(s.misses, s),
                },
            ],
            samples,
            span,
        ),
        chart(
            ("memory", "Memory"),
            &Axis {
                unit: "bytes",
                is_logarithmic: false,
                top: None,
                label: |value| text::bytes(value as u64),
            },
            &[
                Series {
                    name: "In use",
                    class: "size",
                    value: |s: &Sample| Some(s.size_bytes as f64),
                },
                Series {
                    name: "Capacity",
                    class: "capacity",
                    value: |s: &Sample| Some(s.capacity_bytes as f64),
                },
            ],
            samples,
            span,
        ),
        chart(
            ("latency", "Time of a read, 99th percentile"),
            &Axis {
                unit: "time, logarithmic",
                is_logarithmic: true,
                top: None,
                label: |value| text::nanoseconds(value as u64),
            },
            &[
                Series { name: "Hit", class: "hit", value: |s: &Sample| some(s.hit_ns_p99) },
                Series { name: "Miss", class: "miss", value: |s: &Sample| some(s.miss_ns_p99) },
            ],
            samples,
            span,
        ),
    ]
}

/// The charts of the pool over these minutes.
pub(super) fn pool_charts(minutes: &[Minute], seconds: i64, until: i64) -> Vec<Chart> {
    let span = (until - seconds, until);
    let axis = |unit, top, label| Axis { unit, is_logarithmic: false, top, label };
    let count: fn(f64) -> String = |value| text::count(value as u64);
    let only = |name, class, value| [Series { name, class, value }];
    let rates = axis("share of reads", Some(1.0), |value| text::percent(Some(value)));
    let size = axis("bytes", None, |value| text::bytes(value as u64));
    vec![
        chart(
            ("nodes", "Nodes"),
            &axis("nodes that own keys", None, count),
            &only("Nodes", "size", |minute: &Minute| Some(minute.nodes as f64)),
            minutes,
            span,
        ),
        chart(
            ("miss_rate", "Miss rate"),
            &rates,
            &only("Miss rate", "miss", |minute: &Minute| minute.miss_rate),
            minutes,
            span,
        ),
        chart(
            ("hit_rate", "Hit rate"),
            &rates,
            &only("Hit rate", "hit", |minute: &Minute| minute.hit_rate),
            minutes,
            span,
        ),
        chart(
            ("items", "Items in memory"),
            &axis("items", None, count),
            &only("Items", "size", |minute: &Minute| Some(minute.items as f64)),
            minutes,
            span,
        ),
        chart(
            ("total_size", "Total size"),
            &size,
            &only("In use", "size", |minute: &Minute| Some(minute.size_bytes as f64)),
            minutes,
            span,
        ),
        chart(
            ("requests", "Requests"),
            &axis("reads a minute", None, count),
            &only("Requests", "size", |minute: &Minute| Some(minute.requests as f64)),
            minutes,
            span,
        ),
    ]
}

fn chart<T: Timed>(
    (id, title): (&'static str, &'static str),
    axis: &Axis,
    series: &[Series<T>],
    samples: &[T],
    (from, until): (i64, i64),
) -> Chart {
    let values = || series.iter().flat_map(|line| samples.iter().filter_map(line.value));
    let highest = axis.top.unwrap_or_else(|| values().fold(0.0, f64::max));
    let scale = |value: f64| match (axis.is_logarithmic, highest > 0.0) {
        (_, false) => 0.0,
        // From 100 ns up: nothing here is faster.
        (true, true) => (value / 100.0).max(1.0).log10() / (highest / 100.0).max(10.0).log10(),
        (false, true) => value / highest,
    };
    let step = samples.len().div_ceil(MOST_POINTS).max(1);
    let line = |line: &Series<T>| {
        let mut stretches = vec![String::new()];
        for sample in samples.iter().step_by(step) {
            let Some(value) = (line.value)(sample) else {
                stretches.push(String::new());
                continue;
            };
            let x = (sample.at() - from) as f64 / (until - from).max(1) as f64 * WIDTH;
            let y = HEIGHT - scale(value) * (HEIGHT - 4.0) - 2.0;
            if let Some(stretch) = stretches.last_mut() {
                stretch.push_str(&format!("{:.1},{y:.1} ", x.clamp(0.0, WIDTH)));
            }
        }
        stretches.retain(|stretch| !stretch.is_empty());
        // A point by itself is drawn as a line to where it is.
        for stretch in stretches.iter_mut().filter(|points| points.matches(',').count() == 1) {
            *stretch = stretch.repeat(2);
        }
        Line { name: line.name, class: line.class, stretches }
    };
    Chart {
        id,
        title,
        unit: axis.unit,
        lines: series.iter().map(line).collect(),
        top: (axis.label)(highest),
        summary: series.iter().map(|line| in_words(axis, line, samples)).collect(),
    }
}

fn in_words<T>(axis: &Axis, series: &Series<T>, samples: &[T]) -> String {
    let values: Vec<f64> = samples.iter().filter_map(series.value).collect();
    let (Some(&last), name) = (values.last(), series.name) else {
        return format!("{}: nothing yet. ", series.name);
    };
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(0.0, f64::max);
    let label = axis.label;
    format!("{name}: now {}, from {} to {}. ", label(last), label(lowest), label(highest))
}

fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

fn some(nanoseconds: u64) -> Option<f64> {
    (nanoseconds > 0).then_some(nanoseconds as f64)
}

fn per_second(count: u64, sample: &Sample) -> Option<f64> {
    Some(count as f64 / sample.seconds.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_there_was_nothing_to_measure() {
        let sample =
            |at, hits| Sample { at, seconds: 5, requests: hits, hits, ..Sample::default() };
        let samples = [sample(5, 1), sample(10, 0), sample(15, 3), sample(20, 2)];
        let charts = charts(&samples, 20, 20);
        let rates = &charts[0];
        assert_eq!(rates.lines[0].stretches, ["150.0,2.0 150.0,2.0 ", "450.0,2.0 600.0,2.0 "]);
        assert_eq!(rates.top, "100.0%");
        assert!(rates.summary.contains("Hit rate: now 100.0%, from 100.0% to 100.0%."));
        assert_eq!(charts[1].top, "0.6/s");
    }

    #[test]
    fn charts_of_nothing_say_so() {
        for chart in charts(&[], 600, 1000) {
            assert!(chart.lines.iter().all(|line| line.stretches.is_empty()));
            assert!(chart.summary.contains("nothing yet"), "{}", chart.summary);
        }
    }
}

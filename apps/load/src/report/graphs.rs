//! Which graphs a run has: latency and throughput for each ratio, against the
//! number of requests and against concurrency; percentiles; and what happened
//! over time.

use super::bars::Bars;
use super::chart::{Axis, Chart, Line, Scale};
use crate::plan::{Amount, Ratio, clients_in_words as clients};
use crate::results::{Measured, Results, Slice, Summary, summaries};

/// Runs that a graph over time tells apart.
const OVER_TIME: usize = 8;

/// Targets side by side, for each step.
pub(crate) fn bars(results: &Results) -> Vec<Bars> {
    let summaries = summaries(results);
    if results.targets.len() < 2 {
        return Vec::new();
    }
    let first = summaries.iter().filter(|summary| summary.target == summaries[0].target);
    let of = |(number, base): (usize, &Summary)| {
        let own = summaries.iter().filter(|other| super::table::is_beside(base, other));
        Bars {
            name: format!("side-by-side-{}", number + 1),
            title: format!("Throughput, {}", base.step.in_words()),
            label: "requests/s".into(),
            bars: own.map(|summary| (summary.target.clone(), summary.throughput)).collect(),
        }
    };
    first.enumerate().map(of).collect()
}

/// All lines that the results are enough for.
pub(crate) fn charts(results: &Results) -> Vec<Chart> {
    let summaries = summaries(results);
    let mut ratios: Vec<Ratio> = Vec::new();
    for summary in &summaries {
        if !ratios.contains(&summary.step.ratio) {
            ratios.push(summary.step.ratio);
        }
    }
    let mut charts = Vec::new();
    for ratio in ratios {
        let own: Vec<&Summary> = summaries.iter().filter(|it| it.step.ratio == ratio).collect();
        let is_many = results.targets.len() > 1;
        charts.extend(against(&own, ratio, is_many, &REQUESTS));
        charts.extend(against(&longest(&own), ratio, is_many, &CLIENTS));
    }
    charts.extend(percentiles(results));
    charts.extend(over_time(results, "hit-rate", "Hit rate over time", "hits, %", |slice| {
        slice.counts.hit_rate().map(|rate| rate * 100.0)
    }));
    charts.extend(over_time(results, "throughput", "Throughput over time", "requests/s", |it| {
        (it.seconds > 0.2).then(|| it.throughput())
    }));
    charts
}

/// What latency and throughput are shown against.
struct Against {
    name: &'static str,
    label: &'static str,
    scale: Scale,
    x: fn(&Summary) -> Option<f64>,
    /// What tells the lines apart.
    line: fn(&Summary) -> String,
}

const REQUESTS: Against = Against {
    name: "requests",
    label: "requests",
    scale: Scale::Linear,
    x: |summary| match summary.step.amount {
        Amount::Requests(requests) => Some(requests as f64),
        Amount::Seconds(_) => None,
    },
    line: |summary| clients(summary.step.clients),
};

const CLIENTS: Against = Against {
    name: "clients",
    label: "clients at once",
    scale: Scale::Doubling,
    x: |summary| Some(summary.step.clients as f64),
    line: |summary| summary.step.amount.to_string(),
};

/// Against clients one line is enough: that of the longest steps.
fn longest<'a>(own: &[&'a Summary]) -> Vec<&'a Summary> {
    let amount = |summary: &Summary| match summary.step.amount {
        Amount::Requests(requests) => requests as f64,
        Amount::Seconds(seconds) => seconds,
    };
    let most = own.iter().map(|it| amount(it)).fold(0.0, f64::max);
    own.iter().copied().filter(|it| amount(it) >= most).collect()
}

/// Lines by their names, in the order in which they come.
fn grouped<'a>(
    own: &[&'a Summary],
    is_many: bool,
    against: &Against,
) -> Vec<(String, Vec<(f64, &'a Summary)>)> {
    let mut lines: Vec<(String, Vec<(f64, &Summary)>)> = Vec::new();
    for summary in own {
        let Some(x) = (against.x)(summary) else { continue };
        let line = (against.line)(summary);
        let name = if is_many { format!("{}, {line}", summary.target) } else { line };
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push((x, summary)),
            None => lines.push((name, vec![(x, summary)])),
        }
    }
    for (_, points) in &mut lines {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    // A point alone is no line.
    lines.retain(|(_, points)| points.len() > 1);
    lines
}

fn against(own: &[&Summary], ratio: Ratio, is_many: bool, against: &Against) -> Vec<Chart> {
    let lines = grouped(own, is_many, against);
    if lines.is_empty() {
        return Vec::new();
    }
    let slowest = own.iter().map(|it| it.p99.mean).fold(0.0, f64::max);
    let (unit, per_unit) = if slowest < 1000.0 { ("µs", 1.0) } else { ("ms", 1000.0) };
    let of = |what: &str| {
        let reads = ratio.reads;
        format!("{what} against {}, {reads} % reads and {} % writes", against.label, 100 - reads)
    };
    let file =
        |what: &str| format!("{what}-by-{}-{}", against.name, ratio.to_string().replace(':', "-"));
    let x = Axis::new(against.label, against.scale);
    let mut latency = Vec::new();
    let mut throughput = Vec::new();
    for (colour, (name, points)) in lines.into_iter().enumerate() {
        let line = |suffix: &str, is_dashed, y: &dyn Fn(&Summary) -> f64| Line {
            name: format!("{name}{suffix}"),
            points: points.iter().map(|(x, summary)| (*x, y(summary))).collect(),
            colour,
            is_dashed,
        };
        latency.push(line(", p50", false, &|it| it.p50.mean / per_unit));
        latency.push(line(", p99", true, &|it| it.p99.mean / per_unit));
        throughput.push(line("", false, &|it| it.throughput.mean));
    }
    let y = Axis::new(format!("latency, {unit}"), Scale::Linear);
    let per_second = Axis::new("requests/s", Scale::Linear);
    vec![
        Chart { name: file("latency"), title: of("Latency"), x: x.clone(), y, lines: latency },
        Chart {
            name: file("throughput"),
            title: of("Throughput"),
            x,
            y: per_second,
            lines: throughput,
        },
    ]
}

/// The name of a run among others.
fn name(run: &Measured, is_many: bool) -> String {
    let step = format!("{}, {}", run.step.ratio, clients(run.step.clients));
    if is_many { format!("{}, {step}", run.target) } else { step }
}

/// The last run of each target and ratio, with the most clients: the fullest.
fn fullest(results: &Results) -> Vec<&Measured> {
    let mut best: Vec<&Measured> = Vec::new();
    for run in &results.runs {
        let size = |run: &Measured| (run.step.clients, run.counts.requests);
        let known =
            best.iter_mut().find(|it| it.target == run.target && it.step.ratio == run.step.ratio);
        match known {
            Some(known) if size(run) >= size(known) => *known = run,
            Some(_) => {}
            None => best.push(run),
        }
    }
    best.truncate(OVER_TIME);
    best
}

fn percentiles(results: &Results) -> Option<Chart> {
    let is_many = results.targets.len() > 1;
    let lines = fullest(results).into_iter().enumerate().map(|(colour, run)| Line {
        name: name(run, is_many),
        points: run.percentiles.iter().map(|&(percent, us)| (percent, us / 1000.0)).collect(),
        colour,
        is_dashed: false,
    });
    let lines: Vec<Line> = lines.filter(|line| line.points.len() > 2).collect();
    (!lines.is_empty()).then(|| Chart {
        name: "latency-percentiles".into(),
        title: "Latency by percentile".into(),
        x: Axis::new("percentile", Scale::Percentile),
        y: Axis::new("latency, ms", Scale::Tenfold),
        lines,
    })
}

fn over_time(
    results: &Results,
    file: &str,
    title: &str,
    label: &str,
    of: impl Fn(&Slice) -> Option<f64>,
) -> Option<Chart> {
    let is_many = results.targets.len() > 1;
    let line = |(colour, run): (usize, &Measured)| {
        let points = run.timeline.iter().filter_map(|slice| Some((slice.until, of(slice)?)));
        let (name, points) = (name(run, is_many), points.collect());
        Line { name, points, colour, is_dashed: false }
    };
    let lines: Vec<Line> = fullest(results).into_iter().enumerate().map(line).collect();
    let lines: Vec<Line> = lines.into_iter().filter(|line| line.points.len() > 1).collect();
    (!lines.is_empty()).then(|| Chart {
        name: format!("{file}-over-time"),
        title: title.into(),
        x: Axis::new("seconds", Scale::Linear),
        y: Axis {
            least_end: if label.ends_with('%') { 100.0 } else { 0.0 },
            ..Axis::new(label, Scale::Linear)
        },
        lines,
    })
}

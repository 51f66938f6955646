//! Agreement with the figures that were measured before Larder was written,
//! with the literature's own simulators, on the same traces.
//!
//! LRU, FIFO, CLOCK and SIEVE leave nothing to interpretation, so a difference
//! of more than 0.1 points is an error. Beside the reference figure stands
//! what the plain code of `plain.rs` gives, which must agree to the hit. The
//! other columns are for information.

use std::path::PathBuf;

use larder_cache::{Objective, PolicyKind};

use crate::contenders::larder;
use crate::offline;
use crate::plain::{Plain, Rule};
use crate::play::{Score, play};
use larder_benchmarks::stream::{Room, Stream};

/// Object hit ratios in percent of one trace with equal sizes at one capacity.
struct Equal(&'static str, f64, [f64; 11]);

/// What the columns of [`Equal`] are called, and the policy of Larder's that
/// has to reach them.
const EQUAL_COLUMNS: [(&str, &str); 11] = [
    ("FIFO", "fifo"),
    ("RND", "random"),
    ("LRU", "lru"),
    ("CLOCK", "clock"),
    ("SIEVE", "sieve"),
    ("S3-FIFO", "s3-fifo"),
    ("ARC", "arc"),
    ("W-TLFU 1%", "w-tinylfu"),
    ("W-TLFU 20%", "w-tinylfu"),
    ("GDSF", "gdsf"),
    ("Belady", ""),
];

#[rustfmt::skip]
const EQUAL: &[Equal] = &[
    Equal("arc-oltp", 1.0, [36.6, 36.1, 41.6, 42.2, 40.3, 46.3, 45.4, 40.4, 45.8, 44.3, 59.8]),
    Equal("arc-oltp", 10.0, [63.3, 62.3, 66.5, 66.9, 66.7, 67.8, 67.3, 63.9, 67.2, 67.2, 76.2]),
    Equal("arc-p3", 1.0, [1.6, 1.5, 1.6, 1.6, 2.9, 3.2, 3.8, 3.6, 3.9, 1.6, 10.7]),
    Equal("arc-p3", 10.0, [17.6, 21.3, 16.8, 19.1, 24.8, 31.6, 32.3, 33.5, 30.3, 25.6, 55.2]),
    Equal("scarab", 1.0, [31.8, 31.6, 34.7, 35.7, 40.8, 41.9, 40.8, 40.3, 42.5, 40.2, 53.3]),
    Equal("scarab", 10.0, [57.1, 56.4, 60.6, 60.9, 60.9, 62.8, 62.4, 60.4, 61.2, 62.0, 75.0]),
    Equal("web07", 1.0, [36.3, 35.6, 39.1, 39.8, 42.3, 43.5, 41.9, 38.7, 43.6, 42.5, 53.4]),
    Equal("web07", 10.0, [53.1, 52.7, 55.7, 56.2, 57.9, 58.2, 58.1, 56.3, 57.4, 57.2, 68.1]),
    Equal("corda", 1.0, [33.3, 32.6, 33.3, 33.3, 0.7, 33.3, 33.3, 3.7, 33.3, 33.3, 33.3]),
    Equal("corda", 10.0, [33.3, 33.2, 33.3, 33.3, 6.7, 33.3, 33.3, 33.3, 33.3, 33.3, 33.3]),
    Equal("lirs-2-pools", 1.0, [19.2, 19.4, 21.8, 23.7, 47.7, 40.4, 46.5, 41.8, 37.2, 36.5, 50.6]),
    Equal("lirs-2-pools", 10.0, [49.9, 50.0, 54.4, 54.4, 54.3, 54.4, 54.3, 54.4, 54.3, 54.4, 68.5]),
    Equal("lirs-multi3", 1.0, [5.0, 6.2, 5.1, 5.2, 7.6, 14.3, 15.2, 20.9, 20.1, 6.7, 28.7]),
    Equal("lirs-multi3", 10.0, [29.2, 30.5, 35.5, 36.4, 37.4, 45.4, 39.0, 46.2, 45.0, 36.5, 52.9]),
    Equal("lirs-sprite", 1.0, [17.0, 17.0, 16.3, 16.2, 19.3, 16.9, 19.0, 21.8, 21.6, 18.6, 42.3]),
    Equal("lirs-sprite", 10.0, [82.0, 79.6, 86.5, 86.4, 81.5, 86.2, 85.5, 80.0, 84.3, 84.2, 91.4]),
];

/// Object and byte hit ratios in percent with mixed sizes.
struct Mixed(&'static str, f64, [(f64, f64); 8]);

const MIXED_COLUMNS: [(&str, &str); 8] = [
    ("LRU", "lru"),
    ("SIEVE", "sieve"),
    ("S3-FIFO", "s3-fifo"),
    ("ARC", "arc"),
    ("W-TLFU 1%", "w-tinylfu"),
    ("GDSF", "gdsf"),
    ("Belady", ""),
    ("PFOO-L", ""),
];

#[rustfmt::skip]
const MIXED: &[Mixed] = &[
    Mixed("adaptsize-cdn", 1.0, [(20.9, 24.5), (22.7, 25.8), (24.2, 26.5), (22.6, 25.7), (25.4, 16.6), (28.8, 24.0), (32.6, 32.6), (38.0, 33.8)]),
    Mixed("adaptsize-cdn", 10.0, [(29.8, 30.8), (33.5, 33.0), (33.1, 32.9), (33.6, 33.1), (34.8, 28.2), (37.2, 31.5), (39.9, 37.3), (39.9, 37.3)]),
    Mixed("cloudphysics-sample", 1.0, [(16.6, 2.0), (17.7, 2.2), (17.7, 2.4), (17.7, 2.2), (18.9, 2.3), (17.9, 2.0), (20.0, 6.1), (26.5, 10.7)]),
    Mixed("cloudphysics-sample", 10.0, [(19.0, 4.8), (21.0, 7.0), (26.7, 14.3), (22.4, 8.6), (26.9, 11.4), (24.2, 4.9), (34.9, 26.8), (46.0, 35.1)]),
];

/// What is promised, in tenths of a point.
const PROMISED: &[&str] = &["FIFO", "LRU", "CLOCK", "SIEVE"];
const TOLERANCE_TENTHS: i64 = 1;

/// The last column of an agreement row.
const BROKEN: &str = "**broken**";

/// Prints the comparison; true if every promise is kept.
pub fn check(files: &[PathBuf]) -> anyhow::Result<bool> {
    println!("| trace | cap | policy | reference | Larder | difference | plain | |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut is_kept = true;
    let mut compared = 0;
    for file in files {
        let stream = Stream::read(file)?;
        for Equal(trace, percent, figures) in EQUAL {
            if *trace == stream.name {
                for (&(column, policy), &figure) in EQUAL_COLUMNS.iter().zip(figures) {
                    is_kept &= compare(&stream, *percent, column, policy, &[figure]);
                    compared += 1;
                }
            }
        }
        for Mixed(trace, percent, figures) in MIXED {
            if *trace == stream.name {
                for (&(column, policy), &(objects, bytes)) in MIXED_COLUMNS.iter().zip(figures) {
                    is_kept &= compare(&stream, *percent, column, policy, &[objects, bytes]);
                    compared += 1;
                }
            }
        }
    }
    anyhow::ensure!(compared > 0, "there are no reference figures for any of these traces");
    println!("\n{}.", if is_kept { "Every promise is kept" } else { "A promise is broken" });
    Ok(is_kept)
}

/// Prints one row, or none if there is no such policy; true unless a promise
/// is broken.
fn compare(stream: &Stream, percent: f64, column: &str, policy: &str, figures: &[f64]) -> bool {
    let room = stream.room(percent);
    let ours = policy.parse().ok().map(|kind: PolicyKind| larder(kind, Objective::Objects));
    let score = match (ours, column) {
        (Some(ours), _) => (ours.play)(stream, room),
        (None, "Belady") => offline::belady(stream, room),
        (None, "PFOO-L") => offline::pfoo_l(stream, room),
        (None, _) => return true,
    };
    let rules: &[(&str, Rule)] = match column {
        "FIFO" => &[("", Rule::Fifo)],
        "LRU" => &[("", Rule::Lru)],
        "CLOCK" => &[("1 bit ", Rule::Clock(1)), ("2 bits ", Rule::Clock(3))],
        "SIEVE" => &[("", Rule::Sieve)],
        _ => &[],
    };
    let plain: Vec<(&str, Score)> =
        rules.iter().map(|&(name, rule)| (name, plain(rule, stream, room))).collect();
    let is_promised = PROMISED.contains(&column);
    let far = distances(stream, score, figures);
    let agrees = far.iter().all(|tenths| tenths.abs() <= TOLERANCE_TENTHS);
    let is_confirmed = plain.is_empty() || plain.iter().any(|&(_, plain)| plain == score);
    let verdict = match (is_promised, agrees && is_confirmed) {
        (false, _) => "for information",
        (true, true) => "agrees",
        (true, false) => BROKEN,
    };
    let plain: Vec<String> = plain
        .iter()
        .map(|&(name, plain)| {
            let same = if plain == score { " =" } else { "" };
            format!("{name}{}{same}", shown(stream, plain, figures.len()))
        })
        .collect();
    let reference: Vec<String> = figures.iter().map(|figure| format!("{figure:.1}")).collect();
    let far: Vec<String> =
        far.iter().map(|&tenths| format!("{:+.1}", tenths as f64 / 10.0)).collect();
    println!(
        "| {} | {percent} % | {column} | {} | {} | {} | {} | {verdict} |",
        stream.name,
        reference.join(" / "),
        shown(stream, score, figures.len()),
        far.join(" / "),
        plain.join(", "),
    );
    verdict != BROKEN
}

fn plain(rule: Rule, stream: &Stream, room: Room) -> Score {
    play(&mut Plain::new(rule, room.bytes, stream.trace.objects()), stream)
}

/// Object and byte hit ratio in percent.
fn ratios(stream: &Stream, score: Score) -> [f64; 2] {
    let requests = stream.trace.requests().len() as f64;
    let bytes = stream.trace.requested_bytes().max(1) as f64;
    [100.0 * score.hits as f64 / requests, 100.0 * score.hit_bytes as f64 / bytes]
}

fn shown(stream: &Stream, score: Score, measures: usize) -> String {
    let ratios: Vec<String> =
        ratios(stream, score)[..measures].iter().map(|ratio| format!("{ratio:.1}")).collect();
    ratios.join(" / ")
}

/// How much more than the reference, both rounded as they are printed.
fn distances(stream: &Stream, score: Score, figures: &[f64]) -> Vec<i64> {
    let tenths = |ratio: f64| (ratio * 10.0).round() as i64;
    let ratios = ratios(stream, score);
    ratios.iter().zip(figures).map(|(&ours, &figure)| tenths(ours) - tenths(figure)).collect()
}

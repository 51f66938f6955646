//! The curves of the what-if as a drawing: hit ratio over capacity, a line for
//! each policy. Attributes and classes only: the pages' policy allows no
//! inline style.

use larder_cache::Objective;
use larder_cache::what_if::{Estimate, Report, Rung};

use larder_web::text;

use crate::what_if::hue;

/// A drawing's size and the room around its plot, in its own units.
struct Layout {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// Units that a label of the horizontal axis needs.
    label_width: f64,
}

/// Beside the ranking, and on a phone: text has to be as large there.
const LAYOUTS: [Layout; 2] = [
    Layout {
        class: "broad",
        width: 780.0,
        height: 440.0,
        left: 48.0,
        right: 22.0,
        top: 26.0,
        bottom: 34.0,
        label_width: 70.0,
    },
    Layout {
        class: "slim",
        width: 360.0,
        height: 330.0,
        left: 42.0,
        right: 18.0,
        top: 26.0,
        bottom: 34.0,
        label_width: 62.0,
    },
];

/// A drawing for the template.
pub(crate) struct Drawing {
    pub(crate) class: &'static str,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) across: Vec<Tick>,
    pub(crate) up: Vec<Tick>,
    /// Those that matter most come last, on top.
    pub(crate) curves: Vec<Curve>,
    pub(crate) bound: String,
    pub(crate) bound_label: Label,
    /// What the truth may be of the present policy; `None` where it is exact.
    pub(crate) band: Option<String>,
    pub(crate) here: Label,
    pub(crate) here_hue: usize,
    pub(crate) better: Option<Label>,
    /// Where the capacities stand, for scripts.
    pub(crate) places: String,
}

/// A mark of an axis.
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) text: String,
    pub(crate) is_here: bool,
}

/// The line of a policy.
pub(crate) struct Curve {
    pub(crate) hue: usize,
    pub(crate) role: &'static str,
    pub(crate) points: String,
}

/// A point with words beside it.
pub(crate) struct Label {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) text_x: f64,
    pub(crate) text_y: f64,
    pub(crate) anchor: &'static str,
    pub(crate) text: String,
}

/// The drawings of a report, in each size; none if it has no two capacities
/// to draw a line between.
pub(crate) fn drawings(report: &Report, of: Objective) -> Vec<Drawing> {
    match report.rungs.len() {
        0 | 1 => Vec::new(),
        _ => LAYOUTS.iter().map(|layout| Plot::new(layout, report, of).draw()).collect(),
    }
}

/// Where figures go in a layout.
struct Plot<'a> {
    layout: &'a Layout,
    report: &'a Report,
    of: Objective,
    lowest: f64,
    highest: f64,
}

impl<'a> Plot<'a> {
    fn new(layout: &'a Layout, report: &'a Report, of: Objective) -> Self {
        let figures = || {
            report.rungs.iter().flat_map(|rung| {
                let hits = rung.estimates.iter().map(|estimate| estimate.hits.of(of));
                hits.chain([rung.bound.of(of)])
            })
        };
        // Whole tenths, and two of them at the least.
        let lowest = (figures().fold(1.0, f64::min) * 10.0).floor().clamp(0.0, 8.0);
        let highest = (figures().fold(0.0, f64::max) * 10.0).ceil().clamp(lowest + 2.0, 10.0);
        Self { layout, report, of, lowest: lowest / 10.0, highest: highest / 10.0 }
    }

    fn x(&self, rung: &Rung) -> f64 {
        let capacity = |rung: Option<&Rung>| rung.map_or(1.0, |rung| rung.capacity_bytes as f64);
        let first = capacity(self.report.rungs.first());
        let span = (capacity(self.report.rungs.last()) / first).log2().max(f64::MIN_POSITIVE);
        let Layout { width, left, right, .. } = self.layout;
        left + (rung.capacity_bytes as f64 / first).log2() / span * (width - left - right)
    }

    fn y(&self, ratio: f64) -> f64 {
        let Layout { height, top, bottom, .. } = self.layout;
        let part = (ratio - self.lowest) / (self.highest - self.lowest);
        height - bottom - part.clamp(0.0, 1.0) * (height - top - bottom)
    }

    fn draw(&self) -> Drawing {
        let Layout { class, width, height, left, right, top, bottom, .. } = *self.layout;
        let of = self.of;
        let Report { rungs, now, recommendation, .. } = self.report;
        let better = recommendation.filter(|better| better.objective == of);
        let mut curves: Vec<(u8, Curve)> = Vec::new();
        for policy in rungs.first().into_iter().flat_map(|rung| &rung.estimates) {
            let policy = policy.policy;
            let role = match better {
                _ if policy == now.policy => (2, "present"),
                Some(better) if better.policy == policy => (1, "better"),
                _ => (0, "other"),
            };
            let points = self.line(|rung| rung.estimate(policy).map(|found| found.hits.of(of)));
            curves.push((role.0, Curve { hue: hue(policy), role: role.1, points }));
        }
        curves.sort_by_key(|(order, _)| *order);
        let present = |rung: &'a Rung| rung.estimate(now.policy);
        let edge = |sign: f64| {
            let at = move |e: &Estimate| (e.hits.of(of) + sign * e.error.of(of)).clamp(0.0, 1.0);
            move |rung: &'a Rung| present(rung).map(at)
        };
        let is_exact = rungs.iter().filter_map(present).all(|e| e.error.of(of) == 0.0);
        let band = || {
            let lower = self.line(edge(-1.0));
            let back = lower.split(' ').rev().collect::<Vec<_>>().join(" ");
            format!("{} {back}", self.line(edge(1.0)))
        };
        let here = &rungs[now.rung.min(rungs.len() - 1)];
        let places: Vec<_> = rungs.iter().map(|rung| format!("{:.1}", self.x(rung))).collect();
        Drawing {
            class,
            width,
            height,
            left,
            right: width - right,
            top,
            bottom: height - bottom,
            across: self.across(),
            up: self.up(),
            curves: curves.into_iter().map(|(_, curve)| curve).collect(),
            bound: self.line(|rung| Some(rung.bound.of(of))),
            bound_label: self.bound_label(),
            band: (!is_exact).then(band),
            here: self.label(here, present(here), false, "You are here: "),
            here_hue: hue(now.policy),
            better: better.and_then(|better| {
                let estimate = here.estimate(better.policy)?;
                let name = format!("{} ", better.policy.title());
                Some(self.label(here, Some(estimate), true, &name))
            }),
            places: places.join(" "),
        }
    }

    fn line(&self, ratio: impl Fn(&'a Rung) -> Option<f64>) -> String {
        let point = |rung: &'a Rung| Some((self.x(rung), self.y(ratio(rung)?)));
        let points = self.report.rungs.iter().filter_map(point);
        points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
    }

    /// Beside a point: above it to the left, where a rising curve leaves room,
    /// or below it to the right.
    fn label(&self, at: &Rung, found: Option<&Estimate>, is_above: bool, name: &str) -> Label {
        let ratio = found.map_or(0.0, |estimate| estimate.hits.of(self.of));
        let (x, y) = (self.x(at), self.y(ratio));
        let Layout { width, height, left, bottom, .. } = self.layout;
        // Where there is no room on that side, the other one has it.
        let to_left = if is_above { x > left + 110.0 } else { x > width - 160.0 };
        let below = (y + 24.0).min(height - bottom - 6.0);
        Label {
            x,
            y,
            text_x: if to_left { x - 11.0 } else { x + 11.0 },
            text_y: if is_above { y - 10.0 } else { below },
            anchor: if to_left { "end" } else { "start" },
            text: format!("{name}{}", text::percent(Some(ratio))),
        }
    }

    /// Over the beginning of the bound, where nothing else can be.
    fn bound_label(&self) -> Label {
        let rungs = &self.report.rungs;
        let highest = |some: &[Rung]| some.iter().map(|r| r.bound.of(self.of)).fold(0.0, f64::max);
        let reached = rungs.len().min(if self.layout.class == "broad" { 3 } else { 5 });
        let y = self.y(highest(&rungs[..reached])) - 9.0;
        let (x, anchor) = (self.layout.left + 4.0, "start");
        Label { x, y, text_x: x, text_y: y, anchor, text: "No policy can exceed this".into() }
    }

    /// Capacities, as many as there is room for, the present one among them.
    fn across(&self) -> Vec<Tick> {
        let Layout { width, left, right, label_width, .. } = self.layout;
        let (rungs, now) = (&self.report.rungs, self.report.now.rung);
        let distance = (width - left - right) / (rungs.len() - 1) as f64;
        let step = (label_width / distance).ceil().max(1.0) as usize;
        let shown = rungs.iter().enumerate().filter(|(at, _)| at.abs_diff(now) % step == 0);
        let tick = |(at, rung): (usize, &Rung)| Tick {
            at: self.x(rung),
            text: text::bytes(rung.capacity_bytes),
            is_here: at == now,
        };
        shown.map(tick).collect()
    }

    fn up(&self) -> Vec<Tick> {
        let (from, to) =
            ((self.lowest * 10.0).round() as u32, (self.highest * 10.0).round() as u32);
        let tick = |tenths: u32| Tick {
            at: self.y(f64::from(tenths) / 10.0),
            text: format!("{}%", 10 * tenths),
            is_here: false,
        };
        (from..=to).step_by(if to - from > 6 { 2 } else { 1 }).map(tick).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::report;

    /// The coordinates of a line.
    fn points(line: &str) -> Vec<(f64, f64)> {
        let number = |text: &str| text.parse::<f64>().expect("a number");
        let point = |point: &str| point.split_once(',').map(|(x, y)| (number(x), number(y)));
        line.split(' ').map(|text| point(text).expect("a point")).collect()
    }

    #[test]
    fn every_policy_has_a_line_inside_the_plot_and_none_is_above_the_bound() {
        for of in [Objective::Objects, Objective::Bytes] {
            for drawing in drawings(&report(), of) {
                let bound = points(&drawing.bound);
                assert_eq!(drawing.curves.len(), larder_cache::PolicyKind::ALL.len());
                for curve in &drawing.curves {
                    let points = points(&curve.points);
                    assert_eq!(points.len(), report().rungs.len());
                    for ((x, y), (_, bound)) in points.iter().zip(&bound) {
                        assert!((drawing.left..=drawing.right).contains(x), "{x}");
                        assert!((drawing.top..=drawing.bottom).contains(y), "{y}");
                        assert!(y >= bound, "a policy is above what none can exceed");
                    }
                }
                let last = drawing.curves.last().expect("there are some");
                assert_eq!((last.role, last.hue), ("present", 0), "it is on top");
            }
        }
    }

    #[test]
    fn where_the_cache_stands_is_marked_and_labelled() {
        let broad = &drawings(&report(), Objective::Objects)[0];
        let here: Vec<_> = broad.across.iter().filter(|tick| tick.is_here).collect();
        assert_eq!((here.len(), here[0].text.as_str(), here[0].at), (1, "64 MB", broad.here.x));
        assert_eq!(broad.here.text, "You are here: 72.0%");
        let better = broad.better.as_ref().expect("is marked");
        assert_eq!(better.text, "GDSF 81.0%");
        assert!(better.y < broad.here.y);
        assert!(broad.band.is_some());
        // What is recommended for objects says nothing about bytes.
        assert!(drawings(&report(), Objective::Bytes)[0].better.is_none());
    }

    #[test]
    fn what_is_exact_has_no_band_and_a_single_capacity_no_curves() {
        let mut report = report();
        for estimate in report.rungs.iter_mut().flat_map(|rung| &mut rung.estimates) {
            estimate.error = larder_cache::what_if::Ratio::default();
        }
        assert!(drawings(&report, Objective::Objects)[0].band.is_none());
        report.rungs.truncate(1);
        assert!(drawings(&report, Objective::Objects).is_empty());
        report.rungs.clear();
        assert!(drawings(&report, Objective::Objects).is_empty());
    }

    #[test]
    fn the_axis_of_a_slim_drawing_keeps_the_present_capacity() {
        let slim = &drawings(&report(), Objective::Objects)[1];
        assert!(slim.across.len() < report().rungs.len());
        assert!(slim.across.iter().any(|tick| tick.is_here));
        assert!(slim.up.len() > 2);
    }
}

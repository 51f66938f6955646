//! A graph of lines. It doesn't know what it shows.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::canvas::{Drawing, FAMILY, GRID, INK, LINES, MUTED, PAPER};
use crate::error::Result;

/// How numbers lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// Each doubling is as far.
    Doubling,
    /// Each ten times as much is as far.
    Tenfold,
    /// Percentiles: 90, 99 and 99.9 are equally far apart.
    Percentile,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Doubling => value.max(1e-9).log2(),
            Self::Tenfold => value.max(1e-9).log10(),
            Self::Percentile => -(1.0 - value.min(99.999_999) / 100.0).log10(),
        }
    }

    /// What is written at a place; nothing between the marks of a scale.
    fn mark(self, place: f64) -> String {
        let is_whole = (place - place.round()).abs() < 1e-6;
        match self {
            Self::Linear => super::digits_plain(place),
            _ if !is_whole => String::new(),
            Self::Doubling => super::digits_plain(place.exp2()),
            Self::Tenfold => super::digits_plain(10f64.powf(place)),
            Self::Percentile => {
                let digits = (place as usize).saturating_sub(2);
                format!("{:.digits$} %", 100.0 - 100.0 / 10f64.powf(place))
            }
        }
    }
}

/// An axis: what it shows and how.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
    /// Where it ends at least.
    pub(crate) least_end: f64,
}

impl Axis {
    pub(crate) fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), scale, least_end: 0.0 }
    }

    /// From where to where, for these numbers.
    fn range(&self, values: impl Iterator<Item = f64> + Clone, room: f64) -> (f64, f64) {
        let places = values.map(|value| self.scale.place(value));
        let least = places.clone().fold(f64::INFINITY, f64::min);
        let most = places.fold(f64::NEG_INFINITY, f64::max);
        match self.scale {
            Scale::Linear => (0.0, (most * room).max(self.least_end).max(1e-9)),
            Scale::Percentile => (0.0, most.max(1.0)),
            Scale::Doubling | Scale::Tenfold => {
                (least.floor(), most.ceil().max(least.floor() + 1.0))
            }
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Lines of the same number have the same colour.
    pub(crate) colour: usize,
    pub(crate) is_dashed: bool,
}

/// A graph.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// The name of its files.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

impl Drawing for Chart {
    fn name(&self) -> &str {
        &self.name
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, factor: f64) -> Result<()> {
        let failed = |error: DrawingAreaErrorKind<B::ErrorType>| self.failed(error);
        let size = |pixels: f64| pixels * factor;
        let whole = |pixels: f64| (pixels * factor).round() as u32;
        area.fill(&PAPER).map_err(failed)?;
        let points = self.lines.iter().flat_map(|line| line.points.iter());
        let (left, right) = self.x.range(points.clone().map(|point| point.0), 1.02);
        let (bottom, top) = self.y.range(points.map(|point| point.1), 1.12);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FAMILY, size(19.0)).into_font().color(&INK))
            .margin(whole(14.0))
            .margin_right(whole(22.0))
            .x_label_area_size(whole(44.0))
            .y_label_area_size(whole(66.0))
            .build_cartesian_2d(left..right, bottom..top)
            .map_err(failed)?;
        let labels = (FAMILY, size(13.0)).into_font().color(&MUTED);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(whole(1.0)))
            .axis_style(MUTED.stroke_width(whole(1.0)))
            .x_label_style(labels.clone())
            .y_label_style(labels.clone())
            .axis_desc_style((FAMILY, size(14.0)).into_font().color(&INK))
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .x_labels(if self.x.scale == Scale::Linear { 10 } else { 8 })
            .x_label_formatter(&|place| self.x.scale.mark(*place))
            .y_label_formatter(&|place| self.y.scale.mark(*place))
            .set_all_tick_mark_size(whole(4.0))
            .draw()
            .map_err(failed)?;
        for line in &self.lines {
            self.draw_line(&mut chart, line, factor).map_err(failed)?;
        }
        if self.lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(self.free_corner(left, right, bottom, top))
                .margin(whole(8.0))
                .legend_area_size(whole(26.0))
                .background_style(PAPER.mix(0.85))
                .border_style(GRID.stroke_width(whole(1.0)))
                .label_font((FAMILY, size(13.0)).into_font().color(&INK))
                .draw()
                .map_err(failed)?;
        }
        area.present().map_err(failed)
    }
}

impl Chart {
    fn draw_line<B: DrawingBackend, X, Y>(
        &self,
        chart: &mut ChartContext<'_, B, Cartesian2d<X, Y>>,
        line: &Line,
        factor: f64,
    ) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let whole = |pixels: f64| (pixels * factor).round() as u32;
        let style = LINES[line.colour % LINES.len()].stroke_width(whole(2.2));
        let place = |&(x, y): &(f64, f64)| (self.x.scale.place(x), self.y.scale.place(y));
        let points: Vec<(f64, f64)> = line.points.iter().map(place).collect();
        let drawn = if line.is_dashed {
            let dashes = (whole(6.0), whole(5.0));
            chart.draw_series(DashedLineSeries::new(points.clone(), dashes.0, dashes.1, style))?
        } else {
            chart.draw_series(LineSeries::new(points.clone(), style))?
        };
        let key = factor as i32;
        let is_dashed = line.is_dashed;
        drawn.label(&line.name).legend(move |(x, y)| {
            let end = if is_dashed { x + 9 * key } else { x + 22 * key };
            PathElement::new(vec![(x, y), (end, y)], style)
        });
        // Many points are a line by themselves.
        if !line.is_dashed && points.len() <= 24 {
            let dot = |point| Circle::new(point, whole(3.4), style.color.filled());
            chart.draw_series(points.into_iter().map(dot))?;
        }
        Ok(())
    }

    /// The corner in which the fewest points lie, for the names of the lines.
    fn free_corner(&self, left: f64, right: f64, bottom: f64, top: f64) -> SeriesLabelPosition {
        let corners = [
            (SeriesLabelPosition::UpperLeft, 0.0, 1.0),
            (SeriesLabelPosition::UpperRight, 1.0, 1.0),
            (SeriesLabelPosition::LowerRight, 1.0, 0.0),
            (SeriesLabelPosition::LowerLeft, 0.0, 0.0),
        ];
        let crowd = |x: f64, y: f64| {
            let points = self.lines.iter().flat_map(|line| line.points.iter());
            let near = points.filter(|point| {
                let across = (self.x.scale.place(point.0) - left) / (right - left);
                let up = (self.y.scale.place(point.1) - bottom) / (top - bottom);
                (across - x).abs() < 0.4 && (up - y).abs() < 0.45
            });
            near.count()
        };
        let best = corners.into_iter().min_by_key(|(_, x, y)| crowd(*x, *y));
        best.map_or(SeriesLabelPosition::UpperLeft, |(corner, ..)| corner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let line = |name: &str, colour, is_dashed| Line {
            name: name.into(),
            points: vec![(1.0, 10.0), (4.0, 20.0), (16.0, 80.0)],
            colour,
            is_dashed,
        };
        Chart {
            name: "some".into(),
            title: "Latency & <more>".into(),
            x: Axis::new("clients", Scale::Doubling),
            y: Axis::new("ms", Scale::Linear),
            lines: vec![line("p50", 0, false), line("p99", 0, true)],
        }
    }

    #[test]
    fn a_graph_has_its_words_its_lines_and_a_dark_side() {
        let svg = chart().svg().unwrap();
        for part in ["Latency &amp; &lt;more", "p50", "p99", "clients", "prefers-color-scheme"] {
            assert!(svg.contains(part), "{part} is missing:\n{svg}");
        }
        // Whatever the dark style replaces is there to be replaced.
        for colour in ["fill=\"#FFFFFF\"", "fill=\"#1B1F24\"", "stroke=\"#E3E7EB\""] {
            assert!(svg.contains(colour), "{colour} is missing");
        }
    }

    #[test]
    fn a_graph_is_a_whole_png_with_something_on_it() {
        let file = chart().png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (1600, 920));
        assert!(pixels.chunks(3).filter(|pixel| pixel != &[255, 255, 255]).count() > 5000);
    }

    #[test]
    fn scales_are_marked_at_their_own_numbers() {
        assert_eq!(Scale::Doubling.mark(4.0), "16");
        assert_eq!(Scale::Percentile.mark(3.0), "99.9 %");
        assert_eq!(Scale::Doubling.mark(1.5), "");
    }
}

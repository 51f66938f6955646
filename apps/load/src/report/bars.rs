//! Targets side by side: a bar for each, with a whisker from the least to the
//! most of its rounds. It doesn't know what the numbers are.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Drawing, FAMILY, GRID, INK, LINES, MUTED, PAPER};
use crate::error::Result;
use crate::results::Spread;

/// The share of its place that a bar takes.
const THICKNESS: f64 = 0.56;

/// A graph.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) label: String,
    pub(crate) bars: Vec<(String, Spread)>,
}

impl Drawing for Bars {
    fn name(&self) -> &str {
        &self.name
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, factor: f64) -> Result<()> {
        let failed = |error: DrawingAreaErrorKind<B::ErrorType>| self.failed(error);
        let whole = |pixels: f64| (pixels * factor).round() as u32;
        area.fill(&PAPER).map_err(failed)?;
        let most = self.bars.iter().map(|(_, spread)| spread.most).fold(1e-9, f64::max);
        let count = self.bars.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FAMILY, 19.0 * factor).into_font().color(&INK))
            .margin(whole(14.0))
            .margin_right(whole(26.0))
            .x_label_area_size(whole(44.0))
            .y_label_area_size(whole(130.0))
            // The first one is on top.
            .build_cartesian_2d(0.0..most * 1.15, count..0.0)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(whole(1.0)))
            .axis_style(MUTED.stroke_width(whole(1.0)))
            .x_label_style((FAMILY, 13.0 * factor).into_font().color(&MUTED))
            .axis_desc_style((FAMILY, 14.0 * factor).into_font().color(&INK))
            .x_desc(&self.label)
            .x_labels(8)
            .set_all_tick_mark_size(whole(4.0))
            .x_label_formatter(&|value| super::digits_plain(*value))
            .draw()
            .map_err(failed)?;
        for (place, bar) in self.bars.iter().enumerate() {
            draw_bar(area, &mut chart, place, bar, factor).map_err(failed)?;
        }
        area.present().map_err(failed)
    }
}

type Place = Cartesian2d<RangedCoordf64, RangedCoordf64>;

/// A bar, its whisker, its name to the left and its number to the right.
fn draw_bar<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    chart: &mut ChartContext<'_, B, Place>,
    place: usize,
    (name, spread): &(String, Spread),
    factor: f64,
) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let middle = place as f64 + 0.5;
    let (top, bottom) = (middle - THICKNESS / 2.0, middle + THICKNESS / 2.0);
    let fill = LINES[place % LINES.len()].filled();
    chart.draw_series([Rectangle::new([(0.0, top), (spread.mean, bottom)], fill)])?;
    let line = INK.stroke_width((1.6 * factor).round() as u32);
    let ends = vec![(spread.least, middle), (spread.most, middle)];
    chart.draw_series([PathElement::new(ends, line)])?;
    let gap = (8.0 * factor) as i32;
    let (x, y) = chart.backend_coord(&(0.0, middle));
    let words = (FAMILY, 14.0 * factor).into_font().color(&INK);
    let words = words.pos(Pos::new(HPos::Right, VPos::Center));
    area.draw(&Text::new(name.as_str(), (x - gap, y), words))?;
    let (x, y) = chart.backend_coord(&(spread.most, middle));
    let number = (FAMILY, 13.0 * factor).into_font().color(&MUTED);
    let number = number.pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(super::digits_plain(spread.mean), (x + gap, y), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_named_beside_its_bar() {
        let spread = |mean: f64| Spread { mean, least: mean * 0.9, most: mean * 1.1 };
        let bars = Bars {
            name: "bars".into(),
            title: "Throughput".into(),
            label: "requests/s".into(),
            bars: vec![("larder".into(), spread(900.0)), ("nginx".into(), spread(700.0))],
        };
        let svg = bars.svg().unwrap();
        assert!(["larder", "nginx", "900", "700"].iter().all(|word| svg.contains(word)), "{svg}");
        assert!(bars.png().unwrap().len() > 5000);
    }
}

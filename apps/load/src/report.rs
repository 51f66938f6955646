//! What a run's results are shown as: a table on the terminal, graphs, and a
//! page that needs nothing else. It reads results and measures nothing.

mod bars;
mod canvas;
mod chart;
mod graphs;
mod markdown;
mod page;
mod table;

use std::path::PathBuf;

pub use markdown::{Section, sections};
pub use table::{details, ratios, steps, verdict};

use canvas::Drawing;

use crate::error::Result;
use crate::results::{Folder, Results};

/// Writes graphs and the page; returns where the page is.
///
/// # Errors
/// A graph can't be drawn, or a file can't be written.
pub fn write(results: &Results, folder: &Folder) -> Result<PathBuf> {
    let mut drawn = Vec::new();
    for bars in graphs::bars(results) {
        drawn.push(draw(&bars, folder)?);
    }
    for chart in graphs::charts(results) {
        drawn.push(draw(&chart, folder)?);
    }
    folder.replace("report.html", page::render(results, &drawn)?.as_bytes())?;
    Ok(folder.path().join("report.html"))
}

/// Writes both files of a graph; returns the SVG.
fn draw(graph: &impl Drawing, folder: &Folder) -> Result<String> {
    let svg = graph.svg()?;
    folder.replace(&format!("{}.svg", graph.name()), svg.as_bytes())?;
    folder.replace(&format!("{}.png", graph.name()), &graph.png()?)?;
    Ok(svg)
}

/// A duration in microseconds with three digits and its unit.
pub(crate) fn duration(microseconds: f64) -> String {
    match microseconds {
        us if us < 1_000.0 => format!("{} µs", digits(us)),
        us if us < 1_000_000.0 => format!("{} ms", digits(us / 1e3)),
        us => format!("{} s", digits(us / 1e6)),
    }
}

/// A number with three digits that count, and commas between thousands.
pub(crate) fn digits(number: f64) -> String {
    match number.abs() {
        size if size >= 1_000.0 => with_commas(number.round() as u64),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.01 || size == 0.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// The same without zeros that say nothing, for axes.
pub(crate) fn digits_plain(number: f64) -> String {
    let text = digits(number);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_the_digits_that_count() {
        assert_eq!([0.0, 0.25, 12.34, 123.4].map(digits), ["0.00", "0.25", "12.3", "123"]);
        assert_eq!([1234.0, 1_234_567.0].map(digits), ["1,234", "1,234,567"]);
        assert_eq!([12.0, 1500.0, 2.5e6].map(duration), ["12.0 µs", "1.50 ms", "2.50 s"]);
    }
}

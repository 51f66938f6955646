//! `report.html`: one file with everything in it, light and dark, without
//! network and without scripts.

use askama::Template;

use super::table::{Cells, kind_cells, ratio_cells, round_cells, step_cells};
use crate::error::{Error, Result};
use crate::results::Results;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    results: &'a Results,
    machine: String,
    verdict: Vec<String>,
    is_right: bool,
    tables: Vec<(&'static str, Cells)>,
    details: Vec<(&'static str, Cells)>,
    charts: &'a [String],
}

/// The page with graphs that were drawn before.
pub(crate) fn render(results: &Results, charts: &[String]) -> Result<String> {
    let mut tables = vec![("Results", step_cells(results))];
    if results.targets.len() > 1 {
        tables.push(("Side by side", ratio_cells(results)));
    }
    let mut details = vec![("By kind of request", kind_cells(results))];
    details.push(("What a round took", round_cells(results)));
    details.retain(|(_, cells)| !cells.rows.is_empty());
    let page = Page {
        results,
        machine: results.machine.in_words(),
        verdict: super::verdict(results).lines().map(str::to_owned).collect(),
        is_right: results.lies() == 0,
        tables,
        details,
        charts,
    };
    let failed =
        |error: askama::Error| Error::Graph { name: "report.html".into(), why: error.to_string() };
    page.render().map_err(failed)
}

//! Results as sections of a Markdown file: `bench/RESULTS.md`.

use super::table::{Style, kind_cells, ratio_cells, round_cells, step_cells};
use crate::results::Results;

/// A part of the file under its own title.
pub struct Section {
    /// The title.
    pub title: String,
    /// The results.
    pub results: Results,
}

/// All sections, one after the other.
#[must_use]
pub fn sections(sections: &[Section]) -> String {
    sections.iter().map(section).collect()
}

fn section(Section { title, results }: &Section) -> String {
    let targets = results.targets.iter().map(|target| {
        let comma = if target.version.is_empty() { "" } else { ", " };
        format!("- {}: {}{comma}{}\n", target.name, target.label, target.version)
    });
    let settings = results.settings.iter().map(|(name, value)| format!("{name}: {value}"));
    let mut tables = vec![step_cells(results)];
    if results.targets.len() > 1 {
        tables.push(ratio_cells(results));
    } else {
        tables.push(kind_cells(results));
        tables.push(round_cells(results));
    }
    tables.retain(|table| !table.rows.is_empty());
    let tables = tables.iter().map(|table| table.write(&Style::Markdown));
    format!(
        "## {title}\n\n{}, {}. {}\n\n```sh\n{}\n```\n\n{}- {}\n\n{}\n\n",
        results.started_at,
        results.machine.in_words(),
        super::verdict(results).replace('\n', " "),
        results.command,
        targets.collect::<String>(),
        settings.collect::<Vec<_>>().join("; "),
        tables.collect::<Vec<_>>().join("\n\n"),
    )
}

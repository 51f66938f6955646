//! What was played, as tables in Markdown and as rows of a CSV file.

use std::fmt::Write as _;
use std::io::{self, Write};

use larder_cache::Objective;

use crate::contenders::Group;
use crate::play::{Cell, Entry, Measure};

/// What was run, how, and how to read it.
const INTRODUCTION: &str = include_str!("introduction.md");

/// The introduction and all tables of figures.
pub fn markdown(cells: &[Cell]) -> String {
    let (mixed, equal): (Vec<&Cell>, Vec<&Cell>) = cells.iter().partition(|cell| cell.is_mixed);
    let mut text = INTRODUCTION.to_owned();
    if let Some(first) = equal.first() {
        let ours = first.entries[0].group;
        let measures = [Measure::Objects];
        text += "\n## Equal sizes: object hit ratio in %\n";
        text += "\n### Larder's policies\n";
        text += &table(&equal, &measures, |group| group == ours || group == Group::Offline);
        text += "\n### Peers\n";
        text += &table(&equal, &measures, |group| matches!(group, Group::Peer | Group::Offline));
    }
    if let Some(first) = mixed.first() {
        let measures = [Measure::Objects, Measure::Bytes];
        text += "\n## Mixed sizes: object / byte hit ratio in %\n";
        for objective in objectives(first) {
            let ours = Group::Larder(objective);
            let _ = write!(text, "\n### Larder's policies, told to spare {objective}\n");
            text += &table(&mixed, &measures, |group| group == ours || group == Group::Offline);
        }
        text += "\n### Peers\n";
        text += &table(&mixed, &measures, |group| matches!(group, Group::Peer | Group::Offline));
    }
    text
}

/// The objectives that a cell was played under.
fn objectives(cell: &Cell) -> Vec<Objective> {
    let mut objectives: Vec<Objective> = Vec::new();
    for entry in &cell.entries {
        if let Group::Larder(objective) = entry.group
            && !objectives.contains(&objective)
        {
            objectives.push(objective);
        }
    }
    objectives
}

/// One row per cell and one column per contender in the groups wanted.
fn table(cells: &[&Cell], measures: &[Measure], is_wanted: impl Fn(Group) -> bool) -> String {
    let wanted = |cell: &Cell, show: &dyn Fn(&Entry) -> String| -> String {
        let entries = cell.entries.iter().filter(|entry| is_wanted(entry.group));
        entries.map(|entry| format!(" {} |", show(entry))).collect()
    };
    let mut text = String::from("\n| trace (requests / objects) | cap |");
    text += &wanted(cells[0], &|entry| entry.name.to_owned());
    text += "\n|---|---|";
    text += &wanted(cells[0], &|_| "---".to_owned()).replace(' ', "");
    for cell in cells {
        let _ = write!(text, "\n| {} | {} % |", cell.title(), cell.percent);
        text += &wanted(cell, &|entry| {
            let shown: Vec<_> =
                measures.iter().map(|&measure| ratio(cell, entry, measure)).collect();
            shown.join(" / ")
        });
    }
    text + "\n"
}

/// A ratio: bold if it is the best that counts, in brackets if it would count
/// but for the capacity.
fn ratio(cell: &Cell, entry: &Entry, measure: Measure) -> String {
    let shown = format!("{:.1}", cell.ratio(entry.score, measure));
    let is_best = shown == format!("{:.1}", cell.best(measure));
    match entry.counts() {
        true if is_best => format!("**{shown}**"),
        false if entry.is_over => format!("({shown})"),
        _ => shown,
    }
}

/// The names of the columns.
pub fn csv_heading(mut file: impl Write) -> io::Result<()> {
    writeln!(
        file,
        "trace,requests,objects,footprint_bytes,capacity_percent,capacity_bytes,group,objective,\
         contender,hits,hit_bytes,object_hit_ratio,byte_hit_ratio"
    )
}

/// One row per contender and cell.
pub fn csv(mut file: impl Write, cells: &[Cell]) -> io::Result<()> {
    for cell in cells {
        for entry in &cell.entries {
            let (group, objective) = match entry.group {
                Group::Larder(objective) => ("larder", objective.name()),
                Group::Peer => ("peer", ""),
                Group::Offline => ("offline", ""),
            };
            writeln!(
                file,
                "{},{},{},{},{},{},{group},{objective},{},{},{},{:.4},{:.4}",
                cell.trace,
                cell.requests,
                cell.objects,
                cell.footprint_bytes,
                cell.percent,
                cell.capacity_bytes,
                entry.name,
                entry.score.hits,
                entry.score.hit_bytes,
                cell.ratio(entry.score, Measure::Objects),
                cell.ratio(entry.score, Measure::Bytes),
            )?;
        }
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Score;
    use crate::summary;

    fn entry(group: Group, name: &'static str, hits: u64, is_over: bool) -> Entry {
        Entry { group, name, score: Score { hits, hit_bytes: hits }, is_over }
    }

    fn cell(entries: Vec<Entry>) -> Cell {
        Cell {
            trace: "tiny".into(),
            requests: 1000,
            requested_bytes: 1000,
            objects: 600,
            footprint_bytes: 600,
            is_mixed: false,
            percent: 0.5,
            capacity_bytes: 3,
            entries,
        }
    }

    #[test]
    fn the_best_that_counts_is_bold_and_the_others_stay_behind_it() {
        let cells = [cell(vec![
            entry(Group::Larder(Objective::Objects), "LRU", 400, false),
            entry(Group::Peer, "quick", 410, false),
            entry(Group::Peer, "loose", 450, true),
            entry(Group::Offline, "Belady", 500, false),
        ])];
        let text = markdown(&cells);
        assert!(text.contains("| tiny (1k / 1k) | 0.5 % | 40.0 | 50.0 |\n"), "{text}");
        assert!(text.contains("| 0.5 % | **41.0** | (45.0) | 50.0 |\n"), "{text}");
        let text = summary::markdown(&cells);
        assert!(text.contains("| LRU | 40.0 | 1.0 | 1.0 | tiny 0.5 % |\n"), "{text}");
        assert!(text.contains("| quick | 41.0 | 0.0 | 0.0 | – |\n"), "{text}");
        assert!(!text.contains("Belady"), "{text}");
    }
}

//! How far each stays behind the best, over all traces and capacities.

use std::fmt::Write;

use larder_cache::Objective;

use crate::contenders::Group;
use crate::play::{Cell, Entry, Measure};

/// What one contender made of all cells.
struct Line {
    name: String,
    mean_ratio: f64,
    mean_regret: f64,
    worst_regret: f64,
    worst_cell: String,
}

/// One table per measure, over all cells and over those with mixed sizes.
pub fn markdown(cells: &[Cell]) -> String {
    let mut text = String::from("\n## Distance to the best online policy, in points\n");
    let all: Vec<&Cell> = cells.iter().collect();
    let mixed: Vec<&Cell> = cells.iter().filter(|cell| cell.is_mixed).collect();
    for (measure, hits) in [(Measure::Objects, "Object hits"), (Measure::Bytes, "Byte hits")] {
        text += &table(&format!("{hits}, all traces"), &all, measure);
        if !mixed.is_empty() && mixed.len() < all.len() {
            text += &table(&format!("{hits}, mixed sizes"), &mixed, measure);
        }
    }
    text
}

fn table(title: &str, cells: &[&Cell], measure: Measure) -> String {
    let mut lines: Vec<Line> = Vec::new();
    for entry in contenders(cells, measure) {
        lines.extend(line(entry, cells, measure));
    }
    lines.sort_by(|a, b| a.mean_regret.total_cmp(&b.mean_regret));
    let mut text = format!(
        "\n### {title} ({} cells)\n\n| policy | mean hit ratio | mean distance | worst | where |\n\
         |---|---|---|---|---|\n",
        cells.len()
    );
    for line in lines {
        let Line { name, mean_ratio, mean_regret, worst_regret, worst_cell } = line;
        let _ = writeln!(
            text,
            "| {name} | {mean_ratio:.1} | {mean_regret:.1} | {worst_regret:.1} | {worst_cell} |"
        );
    }
    text
}

/// Everyone who doesn't know the future; each policy of Larder's once, under
/// the objective that serves the measure if there is a choice.
fn contenders<'a>(cells: &[&'a Cell], measure: Measure) -> Vec<&'a Entry> {
    let richest = cells.iter().max_by_key(|cell| cell.entries.len());
    let entries: Vec<&Entry> = richest.iter().flat_map(|cell| &cell.entries).collect();
    let is_told = |entry: &Entry| entry.group == Group::Larder(served(measure));
    let has_choice = entries.iter().any(|entry| is_told(entry));
    let is_in = |entry: &&Entry| match entry.group {
        Group::Larder(_) => !has_choice || is_told(entry),
        Group::Peer => true,
        Group::Offline => false,
    };
    entries.into_iter().filter(is_in).collect()
}

fn served(measure: Measure) -> Objective {
    match measure {
        Measure::Objects => Objective::Objects,
        Measure::Bytes => Objective::Bytes,
    }
}

fn line(entry: &Entry, cells: &[&Cell], measure: Measure) -> Option<Line> {
    let mut line = Line {
        name: entry.name.to_owned(),
        mean_ratio: 0.0,
        mean_regret: 0.0,
        worst_regret: 0.0,
        worst_cell: "–".to_owned(),
    };
    for cell in cells {
        // With equal sizes there is but one objective.
        let same = |other: &&Entry| other.group == entry.group && other.name == entry.name;
        let alike =
            |other: &&Entry| is_larder(other) == is_larder(entry) && other.name == entry.name;
        let mut entries = cell.entries.iter();
        let found = entries.clone().find(same).or_else(|| entries.find(alike))?;
        let ratio = cell.ratio(found.score, measure);
        let regret = cell.best(measure) - ratio;
        line.mean_ratio += ratio / cells.len() as f64;
        line.mean_regret += regret / cells.len() as f64;
        if regret > line.worst_regret {
            line.worst_regret = regret;
            line.worst_cell = format!("{} {} %", cell.trace, cell.percent);
        }
    }
    Some(line)
}

fn is_larder(entry: &Entry) -> bool {
    matches!(entry.group, Group::Larder(_))
}

//! The results as tables: for the terminal, in Markdown, and as plain cells for
//! the page.

use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};

use super::{digits, duration};
use crate::plan::clients_in_words;
use crate::results::{Results, Spread, Summary, summaries};

/// How a table is written.
pub(crate) enum Style {
    Terminal,
    Markdown,
}

/// A table's cells; the columns behind the first `left` are numbers.
pub(crate) struct Cells {
    pub(crate) header: Vec<&'static str>,
    pub(crate) left: usize,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Cells {
    /// As text.
    pub(crate) fn write(&self, style: &Style) -> String {
        let mut table = Table::new();
        table.load_style(match style {
            Style::Terminal => NOTHING.header_separator(LineStyle::none().fill('─').junction('─')),
            Style::Markdown => ASCII_MARKDOWN,
        });
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.header.clone());
        for column in self.left..self.header.len() {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.add_rows(self.rows.clone());
        table.to_string()
    }
}

/// A mean, and how far its rounds are apart.
pub(crate) fn spread(spread: &Spread, shown: fn(f64) -> String) -> String {
    let half = (spread.most - spread.least) / 2.0;
    if half > 0.0 && spread.mean > 0.0 {
        format!("{} ± {:.0} %", shown(spread.mean), half / spread.mean * 100.0)
    } else {
        shown(spread.mean)
    }
}

/// Every step with what it took, for the terminal.
#[must_use]
pub fn steps(results: &Results) -> String {
    step_cells(results).write(&Style::Terminal)
}

/// Every step.
pub(crate) fn step_cells(results: &Results) -> Cells {
    let summaries = summaries(results);
    let is_many = results.targets.len() > 1;
    let says_hits = summaries.iter().any(|it| it.counts.hit_rate().is_some());
    let mut header = if is_many { vec!["target"] } else { vec![] };
    header.extend(["reads:writes", "clients", "amount", "requests/s", "p50", "p99"]);
    let says_cpu = summaries.iter().any(|it| it.cpu.is_some());
    header.extend(says_cpu.then_some("CPU/request"));
    header.extend(if says_hits { vec!["hits"] } else { vec![] });
    header.extend(["failed", "wrong"]);
    let row = |summary: &Summary| {
        let mut row = if is_many { vec![summary.target.clone()] } else { vec![] };
        row.extend(settings_and_latency(summary));
        let cpu = summary.cpu.as_ref().map_or(String::new(), |cpu| spread(cpu, duration));
        row.extend(says_cpu.then_some(cpu));
        let rate = summary.counts.hit_rate();
        let rate = rate.map_or(String::new(), |rate| format!("{:.1} %", rate * 100.0));
        row.extend(says_hits.then_some(rate));
        row.extend([summary.counts.failed, summary.counts.lies()].map(|it| it.to_string()));
        row
    };
    let rows = summaries.iter().map(row).collect();
    Cells { header, left: usize::from(is_many) + 1, rows }
}

fn settings_and_latency(summary: &Summary) -> Vec<String> {
    let step = &summary.step;
    let end = if summary.is_complete { "" } else { " (cut short)" };
    vec![
        step.ratio.to_string(),
        step.clients.to_string(),
        format!("{}{end}", step.amount),
        spread(&summary.throughput, digits),
        spread(&summary.p50, duration),
        spread(&summary.p99, duration),
    ]
}

/// Each kind of request and each part of it by itself.
pub(crate) fn kind_cells(results: &Results) -> Cells {
    let header =
        vec!["target", "step", "what", "count", "mean", "p50", "p90", "p99", "p99.9", "max"];
    let mut rows = Vec::new();
    for summary in summaries(results) {
        for (kind, latency) in &summary.kinds {
            let mut row = vec![summary.target.clone(), summary.step.in_words(), kind.clone()];
            row.push(super::digits_plain(latency.count as f64));
            let all = [latency.mean, latency.p50, latency.p90, latency.p99, latency.p999];
            row.extend(all.iter().chain([&latency.max]).map(|&took| duration(took)));
            rows.push(row);
        }
    }
    Cells { header, left: 3, rows }
}

/// What a round took as a whole, where there were several.
pub(crate) fn round_cells(results: &Results) -> Cells {
    let row = |summary: &Summary| {
        let seconds = &summary.seconds;
        let mut row = vec![summary.target.clone(), summary.step.in_words()];
        row.push(summary.rounds.to_string());
        let all = [seconds.mean, seconds.least, seconds.most];
        row.extend(all.map(|seconds| duration(seconds * 1e6)));
        row
    };
    let several = summaries(results);
    let several = several.iter().filter(|summary| summary.rounds > 1);
    let header = vec!["target", "step", "rounds", "mean", "least", "most"];
    Cells { header, left: 2, rows: several.map(row).collect() }
}

/// The other targets beside the first, step by step.
pub(crate) fn ratio_cells(results: &Results) -> Cells {
    let all = summaries(results);
    let says_cpu = all.iter().any(|it| it.cpu.is_some());
    let mut rows = Vec::new();
    for base in all.iter().filter(|summary| summary.target == results.targets[0].name) {
        for other in all.iter().filter(|it| is_beside(base, it)) {
            let mut row = vec![
                format!("{}, {}", base.step.ratio, clients_in_words(base.step.clients)),
                other.target.clone(),
                spread(&other.throughput, digits),
                times(other.throughput.mean, base.throughput.mean),
                times(other.throughput.least, base.throughput.most),
                times(other.throughput.most, base.throughput.least),
                duration(other.p50.mean),
                duration(other.p99.mean),
            ];
            let cpu = other.cpu.zip(base.cpu);
            let cpu = cpu.map_or(String::new(), |(other, base)| times(other.mean, base.mean));
            row.extend(says_cpu.then_some(cpu));
            rows.push(row);
        }
    }
    let mut header =
        vec!["step", "target", "requests/s", "times the first", "from", "to", "p50", "p99"];
    header.extend(says_cpu.then_some("CPU/request, times"));
    Cells { header, left: 2, rows }
}

/// Whether two summaries are of the same step.
pub(crate) fn is_beside(base: &Summary, other: &Summary) -> bool {
    let (one, two) = (&base.step, &other.step);
    (one.ratio, one.clients) == (two.ratio, two.clients) && one.amount == two.amount
}

fn times(value: f64, base: f64) -> String {
    if base > 0.0 { format!("{:.2}×", value / base) } else { "–".to_owned() }
}

/// The other targets beside the first, for the terminal.
#[must_use]
pub fn ratios(results: &Results) -> String {
    ratio_cells(results).write(&Style::Terminal)
}

/// Each kind of request, and what rounds took, for the terminal.
#[must_use]
pub fn details(results: &Results) -> String {
    let rounds = round_cells(results);
    let kinds = kind_cells(results).write(&Style::Terminal);
    match rounds.rows.is_empty() {
        true => kinds,
        false => format!("{kinds}\n\n{}", rounds.write(&Style::Terminal)),
    }
}

/// What was wrong, first; or that nothing was.
#[must_use]
pub fn verdict(results: &Results) -> String {
    let total = results.total();
    let mut lines = Vec::new();
    if results.lies() > 0 {
        lines.push(format!(
            "WRONG ANSWERS: {} wrong, {} stale, {} torn of {} requests.",
            total.wrong, total.stale, total.torn, total.requests
        ));
    }
    let complaints = results.runs.iter().flat_map(|run| run.complaints.iter()).take(5);
    lines.extend(complaints.map(|why| format!("  {why}")));
    for finding in &results.findings {
        let word = if finding.is_right { "Right" } else { "WRONG" };
        lines.push(format!("{word}: {}.", finding.what));
    }
    if total.failed > 0 {
        lines.push(format!("{} of {} requests failed.", total.failed, total.requests));
    } else if results.lies() == 0 {
        lines.push(format!("All of {} answers were right.", digits(total.requests as f64)));
    }
    if !results.is_complete {
        lines.push("The run was cut short; this is what it had measured.".to_owned());
    }
    lines.join("\n")
}

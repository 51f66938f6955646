//! Rounds: every cache has its turn, and again. It never lets one cache run
//! long enough for the machine's mood to change under it.

use crate::args::Args;
use crate::entrants::REFERENCE;
use crate::report::{Report, Spread, counted, table};
use crate::window::{Sample, Turn, Work};

/// A cache that takes part, and what came out of its turns.
pub struct Runner {
    pub name: String,
    pub cache: Box<dyn Turn>,
    samples: Vec<Sample>,
}

impl Runner {
    pub fn new(name: &str, cache: Box<dyn Turn>) -> Self {
        Self { name: name.to_owned(), cache, samples: Vec::new() }
    }

    fn spread(&self, figure: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(figure).collect())
    }
}

/// Runs all rounds with one number of threads and prints the table.
pub fn run(
    args: &Args,
    report: &mut Report,
    runners: &mut [Runner],
    work: Work,
    title: &str,
    threads: usize,
) -> std::io::Result<()> {
    let setting = format!("{title} {}", counted(threads, "thread"));
    for runner in runners.iter_mut() {
        runner.samples.clear();
    }
    for round in 0..args.rounds() {
        for runner in runners.iter_mut() {
            let sample = runner.cache.turn(work, threads, args.window());
            report.save(&setting, &runner.name, round, "mops", sample.mops)?;
            report.save(&setting, &runner.name, round, "cpu_ns", sample.cpu_ns)?;
            report.save(&setting, &runner.name, round, "hit_ratio", sample.hit_ratio)?;
            runner.samples.push(sample);
        }
    }
    print_table(runners, work, &setting);
    Ok(())
}

fn print_table(runners: &[Runner], work: Work, setting: &str) {
    println!("\n### {setting}\n");
    let mut head = vec!["cache", "Mops/s", "CPU ns/op"];
    if work == Work::Mixed {
        head.extend(["hits", "entries"]);
    }
    head.extend(["speed to quick_cache by CPU", "by wall"]);
    let reference = runners.iter().find(|runner| runner.name == REFERENCE);
    let mut rows = Vec::new();
    for runner in runners {
        let mut row = vec![
            runner.name.clone(),
            format!("{:.1}", runner.spread(|s| s.mops).median),
            format!("{:.0}", runner.spread(|s| s.cpu_ns).median),
        ];
        if work == Work::Mixed {
            row.push(format!("{:.1} %", 100.0 * runner.spread(|s| s.hit_ratio).median));
            row.push(runner.cache.entries().to_string());
        }
        if let Some(reference) = reference {
            // More is faster in both columns.
            row.push(ratio(runner, reference, |ours, theirs| theirs.cpu_ns / ours.cpu_ns));
            row.push(ratio(runner, reference, |ours, theirs| ours.mops / theirs.mops));
        } else {
            row.extend(["–".to_owned(), "–".to_owned()]);
        }
        rows.push(row);
    }
    table(&head, &rows);
}

fn ratio(runner: &Runner, reference: &Runner, of: fn(&Sample, &Sample) -> f64) -> String {
    let pairs = runner.samples.iter().zip(&reference.samples);
    Spread::of(pairs.map(|(ours, theirs)| of(ours, theirs)).collect()).to_string()
}

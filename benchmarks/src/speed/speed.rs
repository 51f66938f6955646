//! The measurements of speed: which caches, which keys, which work.

use std::error::Error;

use crate::args::Args;
use crate::entrants::{self, Entrant};
use crate::keys::{Streams, shuffled};
use crate::report::Report;
use crate::rounds::{Runner, run};
use crate::window::Work;

/// Room beyond the entries, because a share of a shard may be exceeded long
/// before the whole is.
const ROOM: u64 = 2;

/// Gets that all hit.
pub fn hits(args: &Args, report: &mut Report) -> Result<(), Box<dyn Error>> {
    println!("\n## Gets, all hits, Zipf {}", args.exponent);
    resident(args, report, &entrants::all(args), Work::Hits, "hits")
}

/// Gets of 16 keys at once.
pub fn batch(args: &Args, report: &mut Report) -> Result<(), Box<dyn Error>> {
    println!("\n## Gets of 16 keys at once, all hits, Zipf {}", args.exponent);
    println!("\nAn operation is one key. quick_cache gets them one by one.");
    resident(args, report, &entrants::batches(args), Work::Batch, "batch")
}

/// What counting hits and marking uses cost.
pub fn stats(args: &Args, report: &mut Report) -> Result<(), Box<dyn Error>> {
    println!("\n## What counters and policy cost a hit of ours, Zipf {}", args.exponent);
    println!("\n`peek` counts nothing and marks no use, so the difference is both.");
    resident(args, report, &entrants::counting(args), Work::Hits, "stats")
}

fn resident(
    args: &Args,
    report: &mut Report,
    entrants: &[Entrant],
    work: Work,
    title: &str,
) -> Result<(), Box<dyn Error>> {
    for entries in args.entries() {
        let streams = Streams::draw(entries, args.exponent, args.seed)?;
        let order = shuffled(entries, args.seed);
        let mut runners = Vec::new();
        for entrant in entrants {
            let cache = entrant.build(entries * ROOM, &streams);
            cache.fill(&order);
            runners.push(Runner::new(&entrant.name, cache));
        }
        drop(order);
        for threads in args.threads() {
            run(args, report, &mut runners, work, &format!("{title} {entries} entries"), threads)?;
        }
    }
    Ok(())
}

/// Get, and insert on a miss, with one forced insert in ten requests.
pub fn mixed(args: &Args, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let keys = args.working_set;
    println!("\n## Get or insert on a miss, 10 % forced inserts, Zipf {}", args.exponent);
    println!(
        "\nAll have room for the same number of entries; “entries” is what they hold in the end."
    );
    let streams = Streams::draw(keys, args.exponent, args.seed)?;
    for percent in args.capacity_percent() {
        let room = ((keys as f64 * percent / 100.0) as u64).max(1);
        let mut runners: Vec<Runner> = entrants::all(args)
            .iter()
            .map(|entrant| Runner::new(&entrant.name, entrant.build(room, &streams)))
            .collect();
        // Uncounted, until the caches are full and their policies have learnt.
        for runner in &runners {
            runner.cache.turn(Work::Mixed, 1, args.window() * 4);
        }
        let title = format!("mixed {percent} % of {keys} keys");
        for threads in args.threads() {
            run(args, report, &mut runners, Work::Mixed, &title, threads)?;
        }
    }
    Ok(())
}

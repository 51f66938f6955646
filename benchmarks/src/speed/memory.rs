//! What an entry costs beyond its key and value: resident pages of a process
//! that holds one cache and nothing else. This program calls itself for each,
//! so that no cache reuses what another has freed.

use std::error::Error;
use std::process::Command;
use std::{env, fs};

use clap::ValueEnum;

use crate::args::Args;
use crate::entrants::{self, Entrant};
use crate::keys::Streams;
use crate::report::{Report, table};

/// What is in the cache when its memory is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// 16 bytes to 64 bytes, with room for a quarter more.
    Roomy,
    /// 16 bytes to 64 bytes, full and exchanged once.
    Full,
    /// 8 bytes to 8 bytes, with room for a quarter more.
    RoomyNumbers,
    /// 8 bytes to 8 bytes, full and exchanged once.
    FullNumbers,
}

impl State {
    const ALL: [Self; 4] = [Self::Roomy, Self::Full, Self::RoomyNumbers, Self::FullNumbers];

    fn entrants(self, args: &Args) -> Vec<Entrant> {
        match self {
            Self::Roomy | Self::Full => entrants::all(args),
            Self::RoomyNumbers | Self::FullNumbers => entrants::numbers(args),
        }
    }

    /// Bytes of key and value.
    fn payload(self, cache: &str) -> f64 {
        match self {
            Self::Roomy | Self::Full if cache.contains("u64") => 72.0,
            Self::Roomy | Self::Full => 80.0,
            Self::RoomyNumbers | Self::FullNumbers => 16.0,
        }
    }

    fn is_full(self) -> bool {
        matches!(self, Self::Full | Self::FullNumbers)
    }
}

/// Measures all caches in all states, each in a process of its own.
pub fn measure(args: &Args, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let entries = args.one_number_of_entries();
    println!("\n## Resident bytes per entry beyond key and value, {entries} entries\n");
    println!("“with room”: 25 % of the capacity free. “full”: twice as many inserted as fit.\n");
    let mut rows: Vec<Vec<String>> = Vec::new();
    for entrant in entrants::all(args) {
        rows.push(vec![entrant.name]);
    }
    for state in State::ALL {
        for row in &mut rows {
            let known = state.entrants(args).iter().any(|entrant| entrant.name == row[0]);
            let cell = if known {
                let bytes = measure_elsewhere(args, state, &row[0], entries)?;
                report.save(&format!("memory {state:?}"), &row[0], 0, "bytes_per_entry", bytes)?;
                format!("{bytes:.0}")
            } else {
                "–".to_owned()
            };
            row.push(cell);
        }
    }
    let head = [
        "cache",
        "16 B to 64 B, with room",
        "16 B to 64 B, full",
        "8 B to 8 B, with room",
        "8 B to 8 B, full",
    ];
    table(&head, &rows);
    Ok(())
}

/// Bytes per entry beyond key and value, as a child finds them.
fn measure_elsewhere(
    args: &Args,
    state: State,
    cache: &str,
    entries: u64,
) -> Result<f64, Box<dyn Error>> {
    let name = state.to_possible_value().expect("no state is hidden").get_name().to_owned();
    let policy = cache.strip_prefix("larder ").map(|policy| format!("--policies={policy}"));
    let output = Command::new(env::current_exe()?)
        .args(["--resident", &name, "--cache", cache, "--entries", &entries.to_string()])
        .args(args.repeated())
        .args(policy)
        // What is freed goes back at once: only what is held counts.
        .env("MIMALLOC_PURGE_DELAY", "0")
        .env("MIMALLOC_ALLOW_LARGE_OS_PAGES", "0")
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("measuring the memory of {cache}: {reason}").into());
    }
    Ok(text.trim().parse()?)
}

/// What the child does: fills the one cache and prints bytes per entry.
pub fn measure_here(args: &Args, state: State) -> Result<(), Box<dyn Error>> {
    let cache = args.cache.as_deref().unwrap_or_default();
    let found = state.entrants(args).into_iter().find(|entrant| entrant.name == cache);
    let entrant = found.ok_or_else(|| format!("no cache is called {cache:?}"))?;
    let entries = args.one_number_of_entries();
    let before = resident_bytes()?;
    let filled = if state.is_full() {
        let filled = entrant.build(entries, &Streams::empty());
        filled.fill_range(0, entries * 2);
        filled
    } else {
        let filled = entrant.build(entries + entries / 4, &Streams::empty());
        filled.fill_range(0, entries);
        filled
    };
    let held = filled.entries();
    // Ghosts and sketches belong to a full cache; missing entries don't.
    if held < entries * 9 / 10 {
        return Err(format!("{cache} holds {held} of {entries} entries").into());
    }
    let bytes = resident_bytes()?.saturating_sub(before);
    println!("{}", bytes as f64 / held as f64 - state.payload(cache));
    Ok(())
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).ok_or("/proc/self/statm has no second field")?;
    Ok(pages.parse::<u64>()? * rustix::param::page_size() as u64)
}

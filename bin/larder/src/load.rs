//! The load tool: reads what is to be measured, shows how far it is, and says
//! what came of it. What it measures it reaches over the network only.

mod compare;
mod options;
mod progress;
mod targets;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use larder_load::results::{Folder, Results};
use larder_load::{Entrant, Session, Stop, report};

use options::{Defaults, LoadOptions};
use progress::Progress;

/// Ended by Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum LoadCommand {
    /// Measure an image store: Larder, or any that speaks the classic API
    Images(ImagesCommand),
    /// Measure a memcached, or what speaks its text protocol
    Memcached(CacheCommand),
    /// Measure a Redis
    Redis(CacheCommand),
    /// Measure a bookstore's front end: info, search, purchase
    Bazar(BazarTarget),
    /// Measure research funding, at the researchers' service
    Grants(GrantsTarget),
    /// Put runs, or targets measured in turn, side by side
    #[command(after_long_help = compare::EXAMPLES)]
    Compare(compare::CompareCommand),
    /// Write the tables of runs as a Markdown file, or draw a run's report anew
    Report(ReportCommand),
}

#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ImagesCommand {
    /// Where it is, such as http://127.0.0.1:5000
    url: String,

    #[command(flatten)]
    how: targets::ImagesOptions,

    #[command(flatten)]
    options: LoadOptions,
}

#[derive(Args)]
pub(crate) struct CacheCommand {
    /// Where it is, such as 127.0.0.1:11211
    #[arg(value_name = "HOST:PORT")]
    address: String,

    #[command(flatten)]
    how: targets::CacheOptions,

    #[command(flatten)]
    options: LoadOptions,
}

#[derive(Args)]
pub(crate) struct BazarTarget {
    /// Where its front end is, such as http://127.0.0.1:5010
    url: String,

    #[command(flatten)]
    options: LoadOptions,
}

#[derive(Args)]
pub(crate) struct GrantsTarget {
    /// Where the researchers' service is, such as http://127.0.0.1:5002
    url: String,

    #[command(flatten)]
    how: targets::GrantsOptions,

    #[command(flatten)]
    options: LoadOptions,
}

#[derive(Args)]
pub(crate) struct ReportCommand {
    /// Folders of runs, with a title where the file is Markdown: “Hits=out/hits”
    #[arg(required = true, value_name = "[TITLE=]FOLDER")]
    runs: Vec<String>,

    /// Write all of them into this Markdown file, instead of each one's
    /// report.html
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Every answer is checked: values carry a stamp with key, version and checksum.
A run with a wrong, stale or torn answer says so first and ends with code 1.

Examples:
  larder load images http://127.0.0.1:5000
      the six classic graphs: latency and throughput against the number of
      requests for 20:80, 50:50 and 80:20 reads to writes
  larder load images http://127.0.0.1:5000 --api rest --ratio 100:0 \\
      --clients 1,4,16,64 --duration 10s --warm-up 2s --size 100KB
  larder load images http://127.0.0.1:5000 --rate 500 --duration 30s
      500 requests a second whether or not they are answered; latency counts
      from when each was meant to start";

/// Runs it.
pub(crate) async fn run(command: LoadCommand) -> anyhow::Result<ExitCode> {
    match command {
        LoadCommand::Images(it) => {
            let defaults = Defaults::images();
            let target = |built: &options::Built| it.how.target(&it.url, built);
            one("images", &it.options, &defaults, target).await
        }
        LoadCommand::Memcached(it) => {
            let defaults = Defaults::memcached(it.how.depth());
            let target = |built: &options::Built| it.how.memcached(&it.address, built);
            one("memcached", &it.options, &defaults, target).await
        }
        LoadCommand::Redis(it) => {
            let defaults = Defaults::memcached(it.how.depth());
            let target = |built: &options::Built| it.how.redis(&it.address, built);
            one("redis", &it.options, &defaults, target).await
        }
        LoadCommand::Bazar(it) => {
            let target = |_: &options::Built| targets::bazar(&it.url);
            one("bazar", &it.options, &Defaults::bazar(), target).await
        }
        LoadCommand::Grants(it) => {
            let defaults = Defaults::grants(it.how.work());
            let target = |_: &options::Built| it.how.target(&it.url);
            one("grants", &it.options, &defaults, target).await
        }
        LoadCommand::Compare(it) => compare::run(it).await,
        LoadCommand::Report(it) => write_report(&it),
    }
}

/// Measures one target.
async fn one(
    name: &str,
    options: &LoadOptions,
    defaults: &Defaults,
    target: impl FnOnce(&options::Built) -> anyhow::Result<Arc<dyn larder_load::target::Target>>,
) -> anyhow::Result<ExitCode> {
    let built = options.build(defaults)?;
    let processes = options.processes(&[name])?.concat();
    let entrant = Entrant { name: name.to_owned(), target: target(&built)?, processes };
    measure(&[entrant], &built).await
}

/// Measures, and reports.
async fn measure(entrants: &[Entrant], built: &options::Built) -> anyhow::Result<ExitCode> {
    let folder = Folder::make(&built.out)?;
    let stop = Stop::default();
    stop_on_signals(&stop)?;
    let progress = Progress::new();
    let session = Session {
        entrants,
        plan: &built.plan,
        folder: &folder,
        stop: &stop,
        observer: &progress,
        command: command_line(),
        settings: built.settings.clone(),
    };
    let results = session.run().await;
    progress.finish();
    if results.is_err() && folder.path().join("results.json").exists() {
        eprintln!("What was measured before is in {}.", folder.path().display());
    }
    tell(&results?, &folder)
}

/// Ends the run at the first signal, the program at the second.
fn stop_on_signals(stop: &Stop) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("can't watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("can't watch for SIGTERM")?;
    let stop = stop.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_asked() {
                std::process::exit(i32::from(INTERRUPTED));
            }
            stop.ask();
        }
    });
    Ok(())
}

/// Says what came of a run: what was wrong first.
fn tell(results: &Results, folder: &Folder) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n", report::verdict(results))?;
    if results.runs.is_empty() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    writeln!(out, "{}\n", report::steps(results))?;
    if results.targets.len() > 1 {
        writeln!(out, "{}\n", report::ratios(results))?;
    } else {
        writeln!(out, "{}\n", report::details(results))?;
    }
    let page = report::write(results, folder)?;
    writeln!(out, "report  {}", page.display())?;
    Ok(if results.lies() > 0 {
        ExitCode::FAILURE
    } else if results.is_complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(INTERRUPTED)
    })
}

fn command_line() -> String {
    let words = std::env::args().enumerate().map(|(place, word)| match (place, word) {
        (0, _) => "larder".to_owned(),
        (_, word) if word.contains([' ', '*', '$', '&', ';']) => format!("'{word}'"),
        (_, word) => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn write_report(command: &ReportCommand) -> anyhow::Result<ExitCode> {
    let mut sections = Vec::new();
    for run in &command.runs {
        let (title, folder) = run.split_once('=').unwrap_or((run, run));
        let results = larder_load::results::read(folder.as_ref())?;
        if command.markdown.is_none() {
            let page = report::write(&results, &Folder::make(folder.as_ref())?)?;
            writeln!(std::io::stdout(), "report  {}", page.display())?;
        }
        sections.push(report::Section { title: title.to_owned(), results });
    }
    if let Some(file) = &command.markdown {
        let text = format!("{}{}", include_str!("load/results.md"), report::sections(&sections));
        std::fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

//! Runs side by side: those whose results are in folders, or live targets that
//! are measured in turn.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use larder_load::Entrant;
use larder_load::Form;
use larder_load::results::{Folder, Results, read};
use larder_load::target::images::{Api, Images};
use larder_load::target::{Contents, Target};
use larder_load::target::{memcached, redis};

use super::options::{Built, Defaults, LoadOptions};
use super::{measure, targets, tell};
use crate::Usage;

pub(crate) const EXAMPLES: &str = "\
A target is [NAME=]KIND:ADDRESS, its kind images, images-rest, memcached,
redis or bazar. All are measured by the same requests, in turn (A B A B …), so that a
machine that gets slower or faster favours none.

Examples:
  larder load compare monday tuesday
      two folders that larder load wrote
  larder load compare larder=images-rest:http://127.0.0.1:5000 \\
      nginx=images-rest:http://127.0.0.1:8080 --ratio 100:0 --clients 16 \\
      --duration 10s --warm-up 2s --rounds 5";

#[derive(Args)]
pub(crate) struct CompareCommand {
    /// Folders of runs, or targets that are running
    #[arg(required = true, num_args = 2.., value_name = "RUN|TARGET")]
    entrants: Vec<String>,

    /// Requests that a client sends to a memcached before it reads answers
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Target")]
    depth: u16,

    #[command(flatten)]
    options: LoadOptions,
}

pub(crate) async fn run(command: CompareCommand) -> anyhow::Result<ExitCode> {
    let folders = command.entrants.iter().filter(|entrant| Path::new(entrant).exists()).count();
    if folders == command.entrants.len() {
        return saved(&command);
    }
    if folders > 0 {
        return Err(
            Usage("compare folders of runs, or targets, but not both at once".into()).into()
        );
    }
    let defaults = match command
        .entrants
        .iter()
        .any(|entrant| ["memcached:", "redis:"].iter().any(|it| entrant.contains(it)))
    {
        true => Defaults::memcached(command.depth.into()),
        false => Defaults::images(),
    };
    let built = command.options.build(&defaults)?;
    let mut entrants = Vec::new();
    for text in &command.entrants {
        entrants.push(entrant(text, &built)?);
    }
    let names: Vec<&str> = entrants.iter().map(|entrant| entrant.name.as_str()).collect();
    let processes = command.options.processes(&names)?;
    for (entrant, processes) in entrants.iter_mut().zip(processes) {
        entrant.processes = processes;
    }
    measure(&entrants, &built).await
}

/// Puts results that were saved into one, under the names of their folders.
fn saved(command: &CompareCommand) -> anyhow::Result<ExitCode> {
    let mut all: Option<Results> = None;
    for folder in &command.entrants {
        let mut results = read(folder.as_ref())?;
        let several = results.targets.len() > 1;
        let name =
            |target: &str| if several { format!("{folder} {target}") } else { folder.clone() };
        for target in &mut results.targets {
            target.name = name(&target.name);
        }
        for run in &mut results.runs {
            run.target = name(&run.target);
        }
        match &mut all {
            None => all = Some(results),
            Some(all) => {
                all.targets.extend(results.targets);
                all.runs.extend(results.runs);
                all.findings.extend(results.findings);
                all.command = format!("{}; {}", all.command, results.command);
                all.is_complete &= results.is_complete;
            }
        }
    }
    let results = all.ok_or_else(|| Usage("there is nothing to compare".into()))?;
    let out = command.options.build(&Defaults::images())?.out;
    let folder = Folder::make(&out)?;
    folder.save(&results)?;
    tell(&results, &folder)
}

/// A target as it is written: `[NAME=]KIND:ADDRESS`.
fn entrant(text: &str, built: &Built) -> anyhow::Result<Entrant> {
    let wrong = || {
        Usage(format!(
            "{text}: neither a folder of a run nor a target such as \
             images:http://127.0.0.1:5000 or memcached:127.0.0.1:11211"
        ))
    };
    let (name, target) = text.split_once('=').map_or((None, text), |(name, it)| (Some(name), it));
    let (kind, address) = target.split_once(':').ok_or_else(wrong)?;
    let workload = &built.plan.workload;
    let images = |api| -> anyhow::Result<Arc<dyn Target>> {
        let contents = Contents::store(workload, built.values(Form::Png)?);
        Ok(Arc::new(Images::new(address, api, contents, None)?))
    };
    let cache = || anyhow::Ok(Contents::cache(workload, built.values(Form::Plain)?, false));
    let target: Arc<dyn Target> = match kind {
        "images" => images(Api::Classic)?,
        "images-rest" => images(Api::Rest)?,
        "memcached" => memcached::target(address, cache()?, true)?,
        "redis" => redis::target(address, cache()?, true)?,
        "bazar" => targets::bazar(address)?,
        _ => return Err(wrong().into()),
    };
    let name = name.unwrap_or(target_name(text)).to_owned();
    Ok(Entrant { name, target, processes: Vec::new() })
}

fn target_name(text: &str) -> &str {
    text.trim_end_matches('/')
}

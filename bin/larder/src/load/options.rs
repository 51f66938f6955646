//! What every target's run can be told, and what it is when it isn't told.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::{Args, ValueEnum};
use larder_load::plan::{Amount, Pace, Plan, Ratio, Skew, Workload};
use larder_load::{Form, Picture, Values};
use larder_workload::arrivals::Spread;
use larder_workload::sizes::Sizes;
use larder_workload::trace::Trace;

use super::targets::Work;
use crate::Usage;

#[derive(Args)]
pub(crate) struct LoadOptions {
    /// Reads to writes, in percent; several are measured one after the other
    #[arg(long, value_name = "R:W", value_delimiter = ',', help_heading = "What is run")]
    pub(crate) ratio: Vec<Ratio>,

    /// Clients at once, each with a connection; several numbers are measured
    /// one after the other
    #[arg(long, value_name = "COUNT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..), help_heading = "What is run")]
    pub(crate) clients: Vec<u16>,

    /// Requests of a step; several numbers are measured one after the other
    #[arg(long, value_name = "COUNT", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "duration", help_heading = "What is run")]
    pub(crate) requests: Vec<u64>,

    /// How long a step is, instead: 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "What is run")]
    pub(crate) duration: Option<Duration>,

    /// The same without being measured, before each step
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s", help_heading = "What is run")]
    pub(crate) warm_up: Duration,

    /// How often all steps are repeated; several targets take turns
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), help_heading = "What is run")]
    pub(crate) rounds: Option<u32>,

    /// A process of the target on this machine: what processor time a request
    /// takes there is measured, that of the process's children included. Among
    /// several targets with the name of its own: larder=4711
    #[arg(long = "pid", value_name = "[NAME=]PID", value_parser = process, help_heading = "What is run")]
    pub(crate) processes: Vec<ProcessOf>,

    /// Open loop: so many requests a second, whether or not they are answered.
    /// Latency counts from when each was meant to start
    #[arg(long, value_name = "PER_SECOND", help_heading = "When requests are sent")]
    pub(crate) rate: Option<f64>,

    /// How the requests of an open loop are spread
    #[arg(
        long,
        value_name = "LAW",
        default_value = "poisson",
        help_heading = "When requests are sent"
    )]
    pub(crate) arrivals: ArrivalLaw,

    /// Keys there are
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..100_000_000), help_heading = "Keys and values")]
    pub(crate) keys: Option<u64>,

    /// Which key is asked for: uniform, zipf (0.99) or zipf:EXPONENT
    #[arg(long, value_name = "LAW", default_value = "uniform", help_heading = "Keys and values")]
    pub(crate) skew: Skew,

    /// How large values are: 100KB, 1KB..64KB, or lognormal:MEDIAN:SIGMA
    #[arg(long, value_name = "LAW", help_heading = "Keys and values")]
    pub(crate) size: Option<Sizes>,

    /// A folder of PNG and JPEG files to upload instead, each with a stamp
    #[arg(long, value_name = "FOLDER", help_heading = "Keys and values")]
    pub(crate) images: Option<PathBuf>,

    /// Keys and sizes from a recording, in its order: lines of key,size; or
    /// oracleGeneral records where the name ends so
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys", "skew"], help_heading = "Keys and values")]
    pub(crate) trace: Option<PathBuf>,

    /// Repeats the stream of requests exactly
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Keys and values")]
    pub(crate) seed: u64,

    /// Where results go [default: load-results/DATE-TIME]
    #[arg(long, value_name = "FOLDER", help_heading = "Results")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalLaw {
    /// Independent of each other, as those of many people.
    Poisson,
    /// All the same time apart.
    Even,
}

/// What a target is measured with when nothing else is said.
pub(crate) struct Defaults {
    ratios: &'static [u8],
    clients: &'static [u16],
    requests: &'static [u64],
    rounds: u32,
    keys: u64,
    size: u32,
    depth: usize,
}

impl Defaults {
    /// What the classic course report has: six graphs.
    pub(crate) fn images() -> Self {
        Self {
            ratios: &[20, 50, 80],
            clients: &[1, 16],
            requests: &[200, 400, 600, 800, 1000],
            rounds: 1,
            keys: 100,
            size: 100 << 10,
            depth: 1,
        }
    }

    pub(crate) fn memcached(depth: usize) -> Self {
        let (keys, size) = (10_000, 1024);
        Self { ratios: &[90], requests: &[100_000], keys, size, depth, ..Self::images() }
    }

    pub(crate) fn bazar() -> Self {
        Self { ratios: &[90], requests: &[10_000], keys: 100, ..Self::images() }
    }

    pub(crate) fn grants(work: Work) -> Self {
        let (requests, rounds, clients): (&[u64], u32, &[u16]) = match work {
            // As the classic student system was measured.
            Work::Accounts => (&[500], 10, &[1, 16]),
            Work::Withdrawals => (&[5000], 1, &[1, 16]),
            Work::Live => (&[500], 1, &[1]),
        };
        Self { ratios: &[0], clients, requests, rounds, ..Self::images() }
    }
}

/// A process to watch, as it is written: `[NAME=]PID`.
#[derive(Clone)]
pub(crate) struct ProcessOf {
    target: Option<String>,
    pid: u32,
}

fn process(text: &str) -> Result<ProcessOf, String> {
    let (target, pid) = match text.split_once('=') {
        Some((name, pid)) => (Some(name.to_owned()), pid),
        None => (None, text),
    };
    let pid = pid.parse().map_err(|_| "expected a process's number, or NAME=NUMBER".to_owned())?;
    Ok(ProcessOf { target, pid })
}

/// A plan, and what goes with it.
pub(crate) struct Built {
    pub(crate) plan: Plan,
    pub(crate) out: PathBuf,
    pub(crate) settings: Vec<(String, String)>,
    pictures: Vec<Picture>,
}

impl Built {
    /// Values for a target; each has its own, for each has its own contents.
    pub(crate) fn values(&self, form: Form) -> anyhow::Result<Values> {
        let run = {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            u64::try_from(now.as_nanos()).unwrap_or_default()
        };
        Ok(Values::new(run, self.plan.workload.seed, form, self.pictures.clone()))
    }
}

impl LoadOptions {
    /// The processes to watch of each of these targets.
    pub(crate) fn processes(&self, targets: &[&str]) -> Result<Vec<Vec<u32>>, Usage> {
        let mut all = vec![Vec::new(); targets.len()];
        for ProcessOf { target, pid } in &self.processes {
            let place = match target {
                Some(name) => targets.iter().position(|target| target == name),
                None => (targets.len() == 1).then_some(0),
            };
            let place = place.ok_or_else(|| {
                let names = targets.join(", ");
                Usage(format!("--pid: say whose process {pid} is by NAME=PID: one of {names}"))
            })?;
            all[place].push(*pid);
        }
        Ok(all)
    }

    pub(crate) fn build(&self, defaults: &Defaults) -> anyhow::Result<Built> {
        let ratios = or(&self.ratio, defaults.ratios, |&reads| Ratio { reads });
        let clients: Vec<u16> = or(&self.clients, defaults.clients, |&count| count);
        let clients: Vec<usize> = clients.into_iter().map(usize::from).collect();
        let requests = or(&self.requests, defaults.requests, |&count| count);
        let amounts: Vec<Amount> = match self.duration {
            Some(duration) => vec![Amount::Seconds(duration.as_secs_f64())],
            None => requests.into_iter().map(Amount::Requests).collect(),
        };
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err(Usage("--rate must be above 0".into()).into());
        }
        let pace = self.rate.map_or(Pace::Closed, |per_second| Pace::Open {
            per_second,
            spread: match self.arrivals {
                ArrivalLaw::Poisson => Spread::Poisson,
                ArrivalLaw::Even => Spread::Even,
            },
        });
        let workload = self.workload(defaults)?;
        let pictures = match &self.images {
            Some(folder) => larder_load::read_folder(folder)?,
            None => Vec::new(),
        };
        let settings = self.settings(&workload, pace);
        let plan = Plan {
            steps: Plan::steps(&ratios, &clients, &amounts),
            rounds: self.rounds.unwrap_or(defaults.rounds),
            pace,
            warm_up: self.warm_up,
            depth: defaults.depth,
            workload,
        };
        Ok(Built { plan, out: self.out.clone().unwrap_or_else(dated), settings, pictures })
    }

    fn workload(&self, defaults: &Defaults) -> anyhow::Result<Workload> {
        let trace = self.trace.as_deref().map(read_trace).transpose()?;
        Ok(Workload {
            seed: self.seed,
            keys: self.keys.unwrap_or(defaults.keys),
            skew: self.skew,
            sizes: self.size.unwrap_or(Sizes::Fixed(defaults.size)),
            trace: trace.map(Arc::new),
        })
    }

    fn settings(&self, workload: &Workload, pace: Pace) -> Vec<(String, String)> {
        let pace = match pace {
            Pace::Closed => "closed".to_owned(),
            Pace::Open { per_second, spread } => format!("open, {per_second}/s, {spread:?}"),
        };
        let keys = match (&self.trace, &workload.trace) {
            (Some(path), Some(trace)) => {
                format!("{} of the trace {}", trace.objects(), path.display())
            }
            _ => format!("{}, {}", workload.keys, workload.skew),
        };
        let sizes = match &self.images {
            Some(folder) => format!("the pictures in {}", folder.display()),
            None => format!("{} bytes", workload.sizes),
        };
        let warm_up = format!("{} s", self.warm_up.as_secs_f64());
        let named = [
            ("Loop", pace),
            ("Warm-up", warm_up),
            ("Keys", keys),
            ("Values", sizes),
            ("Seed", workload.seed.to_string()),
        ];
        named.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

fn or<T: Clone, D>(given: &[T], default: &[D], of: impl Fn(&D) -> T) -> Vec<T> {
    if given.is_empty() { default.iter().map(of).collect() } else { given.to_vec() }
}

fn read_trace(path: &Path) -> anyhow::Result<Trace> {
    let named = || path.display().to_string();
    let file = BufReader::new(File::open(path).with_context(named)?);
    let name = path.to_string_lossy();
    let is_oracle = name.ends_with(".oracleGeneral") || name.ends_with(".oracleGeneral.bin");
    let trace = if is_oracle { Trace::read_oracle_general(file) } else { Trace::read(file) };
    trace.with_context(named)
}

fn dated() -> PathBuf {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    PathBuf::from(format!("load-results/{}", now.map_or(0, |now| now.as_secs())))
}

/// A time with its unit.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 10s, 500ms or 2m".to_owned();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1.5m"), Ok(Duration::from_secs(90)));
        assert!(time("10").is_err() && time("s").is_err() && time("-1s").is_err());
    }
}

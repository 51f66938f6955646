//! What readers notice while our policy is switched and our capacity lowered
//! and raised: how long a single get takes at worst.
//!
//! The machine interrupts readers too, so the same is measured while nothing
//! happens: once with the switching thread asleep, once with it as busy as
//! with switching, but far from the cache. Only what goes beyond the latter is
//! the switch's.

use std::error::Error;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use larder_cache::{Cache, Config, PolicyKind};
use larder_workload::random::mix;

use crate::args::Args;
use crate::keys::{CHUNK, Key, Streams, Value, shuffled};
use crate::report::{Report, Spread, counted, table};

type Wide = [u8; 16];
type Chunks<'k> = &'k [[Wide; CHUNK]];

/// The number of the step at which readers leave.
const OVER: usize = usize::MAX;

/// The least that quiet and busy steps last.
const LEAST: Duration = Duration::from_millis(50);

/// No get takes longer; if one did, it would be shown as this.
const MINUTE_NS: u64 = 60_000_000_000;

/// What happens while readers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Uncounted.
    WarmUp,
    Policy(PolicyKind),
    /// Another thread is busy, for as long as all policies took together.
    Busy,
    /// Nothing, for as long.
    Quiet,
    Halve,
    Raise,
}

impl Step {
    fn name(self) -> String {
        match self {
            Self::WarmUp => "warm-up".to_owned(),
            Self::Policy(kind) => format!("switch to {kind}"),
            Self::Busy => "another thread busy".to_owned(),
            Self::Quiet => "nothing".to_owned(),
            Self::Halve => "capacity halved".to_owned(),
            Self::Raise => "capacity raised again".to_owned(),
        }
    }
}

/// What one step did to readers, over all rounds.
struct Observed {
    name: String,
    took_ms: Vec<f64>,
    latencies_ns: Histogram<u64>,
    /// Of each round.
    longest_us: Vec<f64>,
}

impl Observed {
    fn new(name: String) -> Self {
        Self { name, took_ms: Vec::new(), latencies_ns: histogram(), longest_us: Vec::new() }
    }

    fn add(&mut self, took: Duration, latencies_ns: &Histogram<u64>) {
        self.took_ms.push(took.as_secs_f64() * 1e3);
        self.longest_us.push(latencies_ns.max() as f64 / 1e3);
        self.latencies_ns += latencies_ns;
    }

    fn quantile_us(&self, quantile: f64) -> f64 {
        self.latencies_ns.value_at_quantile(quantile) as f64 / 1e3
    }

    fn longest_us(&self) -> Spread {
        Spread::of(self.longest_us.clone())
    }
}

/// Two digits, up to a minute, allocated at once: it never grows while a get is
/// being timed.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MINUTE_NS, 2).expect("these bounds and digits are in range")
}

/// Measures with each number of readers.
pub fn measure(args: &Args, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let entries = args.one_number_of_entries();
    let first = args.policies().first().copied().unwrap_or(Config::default().policy);
    println!("\n## What readers notice of a switch, {entries} entries, begun with {first}");
    println!("\n“beyond busy” is the difference to another thread being busy for as long.");
    println!("A get that waits stands for all that it keeps from being asked: see Mops/s too.");
    let streams = Streams::draw(entries, args.exponent, args.seed)?;
    let (chunks, _) = Wide::stream(&streams).as_chunks::<CHUNK>();
    let order = shuffled(entries, args.seed);
    let steps = steps(first);
    for readers in args.readers() {
        let weight = Cache::weight_of(Wide::of(0).lent(), &value(0));
        let config = Config { capacity_bytes: entries * weight, ..args.config(first) };
        let cache = Cache::new(config);
        let mut observed: Vec<Observed> =
            steps.iter().map(|step| Observed::new(step.name())).collect();
        let mut switches = Observed::new("all switches of policy".to_owned());
        for round in 0..args.rounds() {
            for &number in &order {
                cache.insert(Wide::of(u64::from(number)).lent(), value(u64::from(number)));
            }
            let outcome = one_round(&cache, chunks, &steps, readers);
            let mut together = (Duration::ZERO, histogram());
            for ((step, observed), (took, latencies)) in
                steps.iter().zip(&mut observed).zip(&outcome)
            {
                observed.add(*took, latencies);
                if matches!(step, Step::Policy(_)) {
                    together.0 += *took;
                    together.1 += latencies;
                }
                let setting = format!("switch {entries} entries {}", counted(readers, "reader"));
                let longest = latencies.max() as f64 / 1e3;
                report.save(&setting, &observed.name, round, "longest_us", longest)?;
                let took = took.as_secs_f64() * 1e3;
                report.save(&setting, &observed.name, round, "took_ms", took)?;
            }
            switches.add(together.0, &together.1);
        }
        println!("\n### {}\n", counted(readers, "reader"));
        print_table(&steps, &observed, &switches);
    }
    Ok(())
}

/// Through all policies and back to the first, then the rest.
fn steps(first: PolicyKind) -> Vec<Step> {
    let mut steps = vec![Step::WarmUp];
    let others = PolicyKind::ALL.iter().copied().filter(|&kind| kind != first);
    steps.extend(others.map(Step::Policy));
    steps.push(Step::Policy(first));
    steps.extend([Step::Busy, Step::Quiet, Step::Halve, Step::Raise]);
    steps
}

fn value(number: u64) -> Arc<[u8]> {
    Value::marked(Wide::of(number).mark())
}

/// Takes all steps while readers read, and gives how long each took and how
/// long the gets that began in it.
fn one_round(
    cache: &Cache<Arc<[u8]>>,
    chunks: Chunks<'_>,
    steps: &[Step],
    readers: usize,
) -> Vec<(Duration, Histogram<u64>)> {
    let current = AtomicUsize::new(0);
    let read = |reader: usize| {
        let first = reader * chunks.len() / readers;
        let keys = chunks.iter().cycle().skip(first).flatten();
        read_until_over(cache, keys, &current, steps.len())
    };
    let read = &read;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..readers).map(|n| scope.spawn(move || read(n))).collect();
        let took = take_steps(cache, steps, &current);
        let mut outcome: Vec<_> = took.into_iter().map(|took| (took, histogram())).collect();
        for thread in threads {
            let latencies = thread.join().expect("a reader doesn't panic");
            for ((_, all), one) in outcome.iter_mut().zip(latencies) {
                *all += one;
            }
        }
        outcome
    })
}

fn take_steps(cache: &Cache<Arc<[u8]>>, steps: &[Step], current: &AtomicUsize) -> Vec<Duration> {
    let whole = cache.config().capacity_bytes;
    let mut switching = Duration::ZERO;
    let mut all = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        current.store(number, Ordering::Relaxed);
        let began = Instant::now();
        match *step {
            Step::WarmUp => thread::sleep(LEAST),
            Step::Policy(kind) => cache.reconfigure(whole, None, kind),
            Step::Busy => be_busy(switching.max(LEAST)),
            Step::Quiet => thread::sleep(switching.max(LEAST)),
            Step::Halve => cache.reconfigure(whole / 2, None, cache.config().policy),
            Step::Raise => cache.reconfigure(whole, None, cache.config().policy),
        }
        let took = began.elapsed();
        if matches!(step, Step::Policy(_)) {
            switching += took;
        }
        all.push(took);
    }
    current.store(OVER, Ordering::Relaxed);
    all
}

fn be_busy(duration: Duration) {
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < duration {
        number = hint::black_box(mix(number));
    }
}

/// Gets without a pause, one look at the clock each: a latency is what lies
/// between two looks.
fn read_until_over<'k>(
    cache: &Cache<Arc<[u8]>>,
    keys: impl Iterator<Item = &'k Wide>,
    current: &AtomicUsize,
    steps: usize,
) -> Vec<Histogram<u64>> {
    let mut latencies: Vec<_> = (0..steps).map(|_| histogram()).collect();
    let mut last = Instant::now();
    for key in keys {
        let step = current.load(Ordering::Relaxed);
        let Some(histogram) = latencies.get_mut(step) else { break };
        drop(hint::black_box(cache.get(key)));
        let now = Instant::now();
        histogram.saturating_record((now - last).as_nanos() as u64);
        last = now;
    }
    latencies
}

fn print_table(steps: &[Step], observed: &[Observed], switches: &Observed) {
    let head = [
        "meanwhile",
        "took ms",
        "Mops/s",
        "p50 µs",
        "p99.9 µs",
        "p99.99 µs",
        "longest µs: median of rounds (least–greatest)",
        "p99.99 beyond busy",
        "longest beyond busy",
    ];
    let at = |wanted: Step| {
        let found = steps.iter().position(|&step| step == wanted);
        &observed[found.expect("every round has this step")]
    };
    let busy = at(Step::Busy);
    let mut shown = vec![at(Step::Quiet), busy, switches];
    let rest = steps
        .iter()
        .zip(observed)
        .filter(|(step, _)| matches!(step, Step::Policy(_) | Step::Halve | Step::Raise));
    shown.extend(rest.map(|(_, observed)| observed));
    let row = |one: &&Observed| {
        let longest = one.longest_us();
        vec![
            one.name.clone(),
            format!("{:.1}", Spread::of(one.took_ms.clone()).median),
            format!("{:.2}", one.latencies_ns.len() as f64 / one.took_ms.iter().sum::<f64>() / 1e3),
            format!("{:.2}", one.quantile_us(0.5)),
            format!("{:.1}", one.quantile_us(0.999)),
            format!("{:.1}", one.quantile_us(0.9999)),
            format!("{:.0} ({:.0}–{:.0})", longest.median, longest.least, longest.greatest),
            format!("{:+.1}", one.quantile_us(0.9999) - busy.quantile_us(0.9999)),
            format!("{:+.0}", longest.median - busy.longest_us().median),
        ]
    };
    table(&head, &shown.iter().map(row).collect::<Vec<_>>());
}

//! One torment from beginning to end: start the cluster and the load, let the
//! faults come, heal everything, look at what is left, judge.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::checker::{Verdict, check};
use crate::cluster::Cluster;
use crate::database::Engine;
use crate::faults::{Fault, Faults, Victim, failovers};
use crate::history::{DATABASE, Operation, What};
use crate::load::{Field, KEYS, Notes, Worker, key_name};
use crate::report::Summary;
use crate::systems::System;

/// How much torment.
pub struct Course {
    /// Of faults and load.
    pub seed: u64,
    /// The database below.
    pub engine: Engine,
    /// How many nodes.
    pub nodes: usize,
    /// How many clients each has.
    pub clients: usize,
    /// How long a client rests between two requests.
    pub rest: Duration,
    /// It goes on at least so long,
    pub lasts: Duration,
    /// with so many operations,
    pub operations: u64,
    /// and so many faults.
    pub faults: usize,
    /// Whether violations are shown, and logs, faults and history left behind.
    pub explains: Explains,
}

/// When a torment explains itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explains {
    /// Never: it is known why something is wrong.
    Never,
    /// If something is wrong.
    Wrong,
    /// In any case.
    Always,
}

/// How long a cluster may take to start or to heal.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether nodes ended by themselves.
const WATCH: Duration = Duration::from_millis(50);

/// How many violations are shown.
const SHOWN: usize = 10;

/// Torments a system; `None` if what it needs is missing here.
///
/// # Panics
/// It doesn't start.
pub fn torment(system: &dyn System, course: &Course) -> Option<Summary> {
    let mut cluster = Cluster::start(system, course.engine, course.nodes)?;
    let runtime = Runtime::new().expect("a runtime starts");
    tell(&format!("torment of {}: LARDER_TEST_SEED={}", system.name(), course.seed));
    runtime.block_on(cluster.wait_until_ready(PATIENCE)).unwrap_or_else(|why| panic!("{why}"));

    let field = Arc::new(Field {
        from: cluster.clients(),
        nodes: cluster.site.nodes.clone(),
        began: Instant::now(),
        stop: AtomicBool::new(false),
        operations: AtomicU64::new(0),
        rest: course.rest,
    });
    let clients = course.nodes * course.clients;
    let worker = |number| Worker::new(field.clone(), number, course.seed);
    let working: Vec<_> = (0..clients).map(|number| runtime.spawn(worker(number).work())).collect();
    let faults = suffer(&mut cluster, &field, course);
    field.stop.store(true, Ordering::Relaxed);
    let lasted = field.began.elapsed();
    let mut notes = Notes::default();
    for work in working {
        notes.add(runtime.block_on(work).expect("a client doesn't panic"));
    }

    let look = |node| worker(clients + node).look_at_everything();
    let unhealed = match runtime.block_on(cluster.wait_until_ready(PATIENCE)) {
        Err(why) => vec![why],
        Ok(()) => (0..course.nodes)
            .flat_map(|node| {
                let (seen, unanswered) = runtime.block_on(look(node));
                notes.operations.extend(seen.operations);
                unanswered
            })
            .collect(),
    };
    notes.operations.extend(look_into_the_database(&cluster, &field));

    let verdict = check(&notes.operations);
    let is_right = verdict.violations.is_empty() && unhealed.is_empty();
    if course.explains == Explains::Always || course.explains == Explains::Wrong && !is_right {
        explain(&verdict, &notes.operations, &faults, cluster.keep());
    }
    let mut summary =
        Summary::new(system.name(), course.seed, course.nodes, lasted, &notes, &faults, verdict);
    summary.unhealed = unhealed;
    summary.ended = cluster.ended();
    tell(&summary.to_string());
    Some(summary)
}

/// Lets the faults come until there was enough of everything, then ends all of
/// them. Returns each as it was, with the nanosecond at which it had ended.
fn suffer(cluster: &mut Cluster<'_>, field: &Field, course: &Course) -> Vec<(Fault, u64)> {
    let by_chance = Faults::new(course.seed, course.nodes, cluster.has_network());
    let coming: Box<dyn Iterator<Item = Fault>> = match course.engine {
        Engine::Patroni => Box::new(failovers()),
        engine if engine.may_be_tormented() => Box::new(by_chance),
        _ => Box::new(by_chance.filter(|fault| fault.victim != Victim::Database)),
    };
    let mut coming = coming.peekable();
    let mut going_on: VecDeque<Fault> = VecDeque::new();
    let mut past = Vec::new();
    // A database needs its time to start. The faults after it come later by as
    // much, or they would all come at once.
    let mut slip = Duration::ZERO;
    loop {
        let next = coming.next_if(|next| going_on.front().is_none_or(|one| next.at < one.end()));
        if let Some(mut next) = next {
            let is_enough = next.at + slip > course.lasts
                && field.operations.load(Ordering::Relaxed) >= course.operations
                && past.len() + going_on.len() >= course.faults;
            if is_enough {
                break;
            }
            slip = wait_until(field, next.at, slip, cluster);
            next.begin(cluster);
            let place = going_on.partition_point(|other| other.end() <= next.end());
            next.slip = slip;
            going_on.insert(place, next);
        } else if let Some(over) = going_on.pop_front() {
            wait_until(field, over.end(), slip, cluster);
            over.finish(cluster);
            slip = field.began.elapsed() - over.end();
            past.push((over, field.now()));
        }
    }
    for over in going_on {
        over.finish(cluster);
        past.push((over, field.now()));
    }
    past
}

/// Waits for a planned moment, and returns by how much the plan has slipped:
/// here time itself is the fault. Nodes that end meanwhile are started again.
fn wait_until(
    field: &Field,
    moment: Duration,
    slip: Duration,
    cluster: &mut Cluster<'_>,
) -> Duration {
    loop {
        let now = field.began.elapsed();
        let Some(left) = (moment + slip).checked_sub(now) else { return now - moment };
        std::thread::sleep(left.min(WATCH));
        cluster.revive();
    }
}

/// What the database holds of each key, as reads after everything else.
fn look_into_the_database(cluster: &Cluster<'_>, field: &Field) -> Vec<Operation> {
    let start = field.now();
    let contents = cluster.contents();
    let end = field.now();
    let look = |key: u32| {
        let found = contents.get(&key_name(key));
        let what = found.map_or(What::Absent, |&version| What::Found { version, stamp: None });
        Operation { key, node: DATABASE, start, end, what }
    };
    (0..KEYS).map(look).collect()
}

/// Shows the first violations, and leaves in the folder the logs, the faults,
/// and all that happened to the keys that have one, or to all if none has.
fn explain(verdict: &Verdict, operations: &[Operation], faults: &[(Fault, u64)], folder: &Path) {
    for found in verdict.violations.iter().take(SHOWN) {
        tell(&format!("{}: {}; {:?}", found.kind, found.why, found.operation));
    }
    let broken = verdict.violations.iter().filter_map(|found| Some(found.operation.as_ref()?.key));
    let broken: BTreeSet<u32> = broken.collect();
    let is_told = |key: u32| broken.is_empty() || broken.contains(&key);
    let mut told: Vec<&Operation> =
        operations.iter().filter(|operation| is_told(operation.key)).collect();
    told.sort_by_key(|operation| (operation.key, operation.start));
    let told = told.into_iter().map(|operation| format!("{operation:?}\n"));
    let faults = faults.iter().map(|(fault, ended)| {
        format!("{fault}; began at {} ns, ended at {ended} ns\n", fault.began())
    });
    for (name, text) in [("history", told.collect::<String>()), ("faults", faults.collect())] {
        fs::write(folder.join(name), text).expect("the folder is ours");
    }
    tell(&format!("logs, faults and history are in {}", folder.display()));
}

/// Says something on the test's output that the harness doesn't hold back.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

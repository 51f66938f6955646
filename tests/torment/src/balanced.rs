//! A cluster behind a load balancer, as people run it: each node is stopped and
//! started again under load, and one is killed. Notes what failed, and judges
//! the answers as a torment does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder_servers::HaProxy;
use tokio::runtime::Runtime;

use crate::checker::{Verdict, check};
use crate::cluster::Cluster;
use crate::database::Engine;
use crate::load::{Failure, Field, Notes, Worker};
use crate::systems::System;
use crate::torment::{PATIENCE, tell};

/// As many as the shipped configuration has.
const NODES: usize = 3;

/// How many clients of the balancer there are.
const CLIENTS: usize = 12;

/// How long a client rests between two requests.
const REST: Duration = Duration::from_millis(2);

/// What clients are given to work while nothing happens to the nodes.
const CALM: Duration = Duration::from_secs(1);

/// How long the survivors may take to write again, and some time more.
const AFTER_A_KILL: Duration = Duration::from_secs(5);

/// What came out.
#[derive(Debug)]
pub struct Balanced {
    /// What was judged.
    pub verdict: Verdict,
    /// How many requests were sent.
    pub asked: u64,
    /// How many operations came to an end after the kill.
    pub after_the_kill: u64,
    /// What failed before any node was killed.
    pub failed_at_restarts: Vec<String>,
    /// What failed of the requests that were under way at the kill,
    pub failed_at_the_kill: Vec<String>,
    /// and of those that were sent once the node was dead.
    pub failed_later: Vec<String>,
}

/// Restarts every node under load, then kills one; `None` if what this needs
/// is missing here.
///
/// # Panics
/// Something is there and doesn't start.
pub fn balanced(system: &dyn System, seed: u64) -> Option<Balanced> {
    let mut cluster = Cluster::start_here(system, Engine::Postgres, NODES)?;
    let runtime = Runtime::new().expect("a runtime starts");
    let ready = |cluster: &mut Cluster<'_>| {
        let ready = runtime.block_on(cluster.wait_until_ready(PATIENCE));
        ready.unwrap_or_else(|why| panic!("{why}"));
    };
    ready(&mut cluster);
    // Not before: nodes that are starting are none that it asks.
    let balancer = HaProxy::start(&cluster.site.nodes)?;
    let field = Arc::new(Field {
        from: cluster.clients(),
        nodes: vec![balancer.address()],
        began: Instant::now(),
        stop: AtomicBool::new(false),
        operations: AtomicU64::new(0),
        rest: REST,
    });
    let work = |number| runtime.spawn(Worker::new(field.clone(), number, seed).work());
    let working: Vec<_> = (0..CLIENTS).map(work).collect();

    std::thread::sleep(CALM);
    for node in 0..NODES {
        cluster.stop_node(node);
        cluster.start_node(node);
        ready(&mut cluster);
        std::thread::sleep(CALM);
    }
    let kill = field.now();
    cluster.kill_node(0);
    let dead = field.now();
    let operations = field.operations.load(Ordering::Relaxed);
    std::thread::sleep(AFTER_A_KILL);
    let after_the_kill = field.operations.load(Ordering::Relaxed) - operations;
    field.stop.store(true, Ordering::Relaxed);
    let mut notes = Notes::default();
    for work in working {
        notes.add(runtime.block_on(work).expect("a client doesn't panic"));
    }

    let failed = |from: u64, to: u64, began_before: bool| -> Vec<String> {
        let failed = notes.failures.iter().filter(|failure| {
            (from..to).contains(&failure.end) && (failure.start < dead) == began_before
        });
        let text = |failure: &Failure| {
            let [start, end] = [failure.start, failure.end].map(Duration::from_nanos);
            format!("{} from {start:.3?} to {end:.3?}", failure.sort)
        };
        failed.map(text).collect()
    };
    let balanced = Balanced {
        verdict: check(&notes.operations),
        asked: notes.asked,
        after_the_kill,
        failed_at_restarts: failed(0, kill, true),
        failed_at_the_kill: failed(kill, u64::MAX, true),
        failed_later: failed(kill, u64::MAX, false),
    };
    if !balanced.failed_at_restarts.is_empty() || !balanced.failed_later.is_empty() {
        tell(&format!("{balanced:#?}\n{}", balancer.log_tail()));
    }
    Some(balanced)
}

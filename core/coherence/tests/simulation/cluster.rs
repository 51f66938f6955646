//! The cluster of the simulation: 3 to 5 nodes that are the very code of
//! production, the database, the network and the clients, as one queue of
//! events in the order of true time. No threads, no waiting, and no chance but
//! the seed's.

mod clients;
mod database;
mod faults;
mod nodes;

use std::collections::BTreeMap;
use std::ops::Range;

use larder_coherence::{Node, NodeId, Slot};

use crate::clock::{Clock, MS, SECOND};
use crate::dice::Dice;
use crate::history::History;
use crate::host::Host;
use crate::plan::{Plan, Setting};
use crate::queue::{Event, Happening, Key, Queue};
use crate::server::Server;
use crate::tally::{Seen, Tally};

/// When the faults begin, and when they stop.
const TROUBLE: Range<u64> = 500 * MS..8 * SECOND;
/// When the clients stop.
const QUIET: u64 = TROUBLE.end + 3 * SECOND;
/// By when all has to be well again: the longest patience and one fence after
/// the last request.
const WELL: u64 = QUIET + 9 * SECOND;

pub(crate) struct Cluster {
    now: u64,
    queue: Queue,
    dice: Dice,
    plan: Plan,
    trace: bool,
    hosts: Vec<Host>,
    /// All there were; the last is the primary.
    servers: Vec<Server>,
    /// A failover is to come with the next change, which only the standby sees,
    /// or at this time.
    fails_over_by: Option<u64>,
    /// Until when nothing comes through, from one node to another.
    cut: BTreeMap<(usize, usize), u64>,
    /// When nothing comes through from a node to the database, and back.
    cut_asking: Vec<Range<u64>>,
    cut_answers: Vec<Range<u64>>,
    history: History,
    tally: Tally,
}

/// Runs one seed.
///
/// # Errors
/// What was wrong.
pub(crate) fn run(seed: u64, setting: &Setting) -> Result<Tally, String> {
    let mut cluster = Cluster::new(seed, setting);
    cluster.run_until(TROUBLE.end);
    cluster.heal();
    cluster.run_until(WELL);
    // Without a rule only what is untrue counts, not what takes long.
    if cluster.history.violation.is_none() && setting.broken.is_none() {
        cluster.prove_well();
    }
    match cluster.history.violation {
        None => Ok(cluster.tally),
        Some(violation) => Err(format!("at {} ms: {violation}", cluster.now / MS)),
    }
}

impl Cluster {
    fn new(seed: u64, setting: &Setting) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::new(setting, &mut dice);
        let hosts = (0..plan.nodes).map(|_| Host::new(Clock::new(&mut dice))).collect();
        let mut cluster = Self {
            now: 0,
            queue: Queue::default(),
            trace: setting.trace,
            hosts,
            servers: vec![Server::new(plan.keys, Clock::new(&mut dice))],
            fails_over_by: None,
            cut: BTreeMap::new(),
            cut_asking: vec![0..0; plan.nodes],
            cut_answers: vec![0..0; plan.nodes],
            history: History::new(plan.keys),
            tally: Tally::default(),
            dice,
            plan,
        };
        if cluster.trace {
            eprintln!("{:#?}", cluster.plan);
        }
        (0..cluster.plan.nodes).for_each(|at| cluster.start(at));
        cluster.queue.push(TROUBLE.start / 2, Event::Client);
        cluster.queue.push(TROUBLE.start, Event::Fault);
        cluster
    }

    fn run_until(&mut self, end: u64) {
        while self.history.violation.is_none()
            && let Some((at, event)) = self.queue.pop_before(end)
        {
            self.now = at;
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::On { at, life, what } => self.happen(at, life, what),
            Event::Arrive { from, life, question, mute } => {
                self.arrive(from, life, question, mute);
            }
            Event::Client => self.client(),
            Event::Fault => self.fault(),
            Event::Restart(at) => self.start(at),
        }
    }

    /// Starts a node, unless it runs.
    fn start(&mut self, at: usize) {
        if self.hosts[at].node.is_none() {
            let (config, rules) = (self.plan.config(id(at)), self.plan.rules());
            self.hosts[at].start(Node::with_rules(config, rules));
            self.set_alarm(at);
        }
    }

    /// Lets something happen on a node, in its present life or in whichever.
    fn push_on(&mut self, after: u64, at: usize, life: Option<u64>, what: Happening) {
        self.queue.push(self.now + after, Event::On { at, life, what });
    }

    fn slot(&self) -> impl Fn(Key) -> Slot + use<> {
        let slots = self.plan.config(id(0)).slots;
        move |key| Slot(u32::try_from(key).expect("few keys") % slots)
    }

    fn primary(&mut self) -> &mut Server {
        self.servers.last_mut().expect("there is always one")
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>9.3} ms  {}", self.now as f64 / MS as f64, what());
        }
    }

    /// After the faults, and some time: everybody is in and keeps entries,
    /// writes go through, and the second read of a key is a hit.
    fn prove_well(&mut self) {
        for at in 0..self.plan.nodes {
            self.check_node(at);
        }
        for at in 0..self.plan.nodes {
            let write = self.history.write((0..self.plan.keys).collect(), false);
            self.push_on(at as u64 * 100 * MS, at, None, Happening::Write(write));
        }
        let written = self.tally.of(Seen::Written);
        self.run_until(WELL + SECOND);
        let written = self.tally.of(Seen::Written) - written;
        self.expect_all(written, self.plan.nodes, "writes go through");
        self.read_everything(WELL + SECOND);
        let hits = self.tally.of(Seen::Hit);
        self.read_everything(WELL + SECOND + 100 * MS);
        let hits = self.tally.of(Seen::Hit) - hits;
        self.expect_all(hits, self.plan.nodes * self.plan.keys, "second reads are hits");
        let lives: Vec<u64> = self.hosts.iter().map(|host| host.life).collect();
        let primary = self.servers.last().expect("there is always one");
        self.history.close(primary, &lives);
    }

    fn check_node(&mut self, at: usize) {
        let host = &self.hosts[at];
        let now = host.clock.at(WELL);
        let node = host.node.as_ref().expect("all were started");
        let (runs, writes) = (node.lease().runs(now), node.writes());
        if !runs || writes > 0 {
            let state = format!("{node:?}");
            self.history.blame(|| format!("node {at} isn't well again: {state}"));
        }
    }

    fn read_everything(&mut self, from: u64) {
        self.now = from;
        for at in 0..self.plan.nodes {
            for key in 0..self.plan.keys {
                let request = self.history.read(key, false);
                self.push_on(0, at, None, Happening::Read(request));
            }
        }
        self.run_until(from + 100 * MS);
    }

    fn expect_all(&mut self, have: u64, want: usize, what: &str) {
        if have != want as u64 {
            for host in &self.hosts {
                self.tell(|| format!("{:?}", host.node));
            }
            self.history.blame(|| format!("after the faults {have} of {want} {what}"));
        }
    }
}

fn id(at: usize) -> NodeId {
    NodeId(u16::try_from(at).expect("few nodes"))
}

//! What a write costs in clusters that are larger than this machine holds: the
//! very step function of production, driven by a queue of events in simulated
//! time, without faults. It knows no HTTP and no batches: each message is sent
//! by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use larder_coherence::{
    Config, Envelope, Input, Instance, Node, NodeId, Outcome, Output, Reply, Roster, Scope, Slot,
    Statement, Time, WriteId,
};
use larder_workload::random::SplitMix64;

use crate::Effort;
use crate::figures::{head, median, microseconds, quantile, row};

const SIZES: [usize; 6] = [1, 8, 32, 128, 256, 512];
const WRITES: usize = 100;
/// Between two writes.
const PAUSE_US: u64 = 20_000;
/// Until all have joined, and know of each other.
const SETTLED_US: u64 = 2_000_000;
/// One way to another node.
const WAY_US: u64 = 100;
/// A statement, with both ways.
const STATEMENT_US: u64 = 500;
/// What a node works on a message, sent or received, one after the other.
const WORK_US: [u64; 2] = [0, 10];
const SLOTS: u32 = 1_024;
const SEED: u64 = 42;
const SERVER: Instance = Instance(1);

pub(crate) fn ask(effort: Effort) -> Result<()> {
    head(&[
        "nodes",
        "messages a write",
        "commits a write",
        "other statements a write",
        "latency",
        "latency with 10 µs a message",
        "p99",
        "step function a write, at the writer",
        "renewals per second",
    ]);
    for nodes in SIZES {
        let [free, working] = WORK_US.map(|work_us| World::new(nodes, work_us).measure(effort));
        let (free, working) = (free?, working?);
        row(&[
            nodes.to_string(),
            format!("{:.0}", free.messages),
            format!("{:.2}", free.commits),
            format!("{:.2}", free.statements),
            format!("{:.2} ms", median(&free.latencies_us) / 1e3),
            format!("{:.2} ms", median(&working.latencies_us) / 1e3),
            format!("{:.2} ms", quantile(&working.latencies_us, 0.99) / 1e3),
            format!("{:.0} µs", free.stepping_us),
            format!("{:.0}", free.renewals),
        ]);
    }
    Ok(())
}

/// What was seen, per write but for the renewals.
struct Seen {
    messages: f64,
    commits: f64,
    statements: f64,
    latencies_us: Vec<f64>,
    /// Of this machine's time.
    stepping_us: f64,
    renewals: f64,
}

enum Event {
    /// The alarm of this number rings.
    Wake {
        at: usize,
        alarm: u64,
    },
    /// A message is there, and is to be worked on.
    Arrive(Envelope),
    Input {
        at: usize,
        input: Input,
    },
    /// A statement is at the database.
    Perform {
        from: usize,
        statement: Statement,
    },
}

#[derive(Default)]
struct Counts {
    messages: usize,
    commits: usize,
    renewals: usize,
    statements: usize,
}

struct World {
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    pushed: u64,
    hosts: Vec<Host>,
    roster: Roster,
    work_us: u64,
    counts: Counts,
    /// When the write that is under way was answered.
    answered: Option<u64>,
}

struct Host {
    node: Node,
    alarm: u64,
    /// Until when it works on messages.
    busy_until: u64,
    /// How long its steps took on this machine.
    stepping: Duration,
}

impl World {
    fn new(nodes: usize, work_us: u64) -> Self {
        let host = |at: usize| {
            let config = Config { slots: SLOTS, ..Config::new(id(at)) };
            let node = Node::new(config);
            Host { node, alarm: 0, busy_until: 0, stepping: Duration::ZERO }
        };
        let mut world = Self {
            now: 0,
            events: BTreeMap::new(),
            pushed: 0,
            hosts: (0..nodes).map(host).collect(),
            roster: Roster::new(SERVER),
            work_us,
            counts: Counts::default(),
            answered: None,
        };
        // They start one after the other.
        for at in 0..nodes {
            world.push(at as u64 * 700, Event::Wake { at, alarm: 0 });
        }
        world
    }

    fn measure(mut self, effort: Effort) -> Result<Seen> {
        self.run_until(SETTLED_US);
        let mut random = SplitMix64::new(SEED);
        self.counts = Counts::default();
        let (mut latencies_us, mut stepping_us) = (Vec::new(), Vec::new());
        let writes = effort.times(WRITES);
        for write in 0..writes {
            let began = SETTLED_US + write as u64 * PAUSE_US;
            self.run_until(began);
            let at = random.below(self.hosts.len() as u64) as usize;
            let slot = Slot(random.below(u64::from(SLOTS)) as u32);
            let before = self.hosts[at].stepping;
            let input =
                Input::Write { write: WriteId(write as u64), scope: Scope::Slots(vec![slot]) };
            self.push(began, Event::Input { at, input });
            self.answered = None;
            self.run_until(began + PAUSE_US);
            let answered = self.answered;
            ensure!(answered.is_some(), "a write takes longer than {PAUSE_US} µs");
            latencies_us.push((answered.unwrap_or_default() - began) as f64);
            stepping_us.push(microseconds(self.hosts[at].stepping - before));
        }
        let per_write = |count: usize| count as f64 / writes as f64;
        let Counts { messages, commits, renewals, statements } = self.counts;
        Ok(Seen {
            messages: per_write(messages),
            commits: per_write(commits),
            statements: per_write(statements - commits - renewals),
            latencies_us,
            stepping_us: median(&stepping_us),
            renewals: per_write(renewals) * 1e6 / PAUSE_US as f64,
        })
    }

    fn push(&mut self, at: u64, event: Event) {
        self.pushed += 1;
        self.events.insert((at, self.pushed), event);
    }

    fn run_until(&mut self, end: u64) {
        while let Some(next) = self.events.first_entry().filter(|next| next.key().0 < end) {
            let ((at, _), event) = next.remove_entry();
            self.now = at;
            self.take(event);
        }
        self.now = end;
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Wake { at, alarm } if alarm == self.hosts[at].alarm => {
                self.step(at, Input::Wake)
            }
            Event::Wake { .. } => {}
            Event::Arrive(envelope) => {
                let at = usize::from(envelope.to.0);
                let done = self.work(at);
                self.push(done, Event::Input { at, input: Input::Message(envelope) });
            }
            Event::Input { at, input } => self.step(at, input),
            Event::Perform { from, statement } => self.perform(from, statement),
        }
    }

    /// When a node has worked on one more message.
    fn work(&mut self, at: usize) -> u64 {
        let host = &mut self.hosts[at];
        host.busy_until = host.busy_until.max(self.now) + self.work_us;
        host.busy_until
    }

    fn step(&mut self, at: usize, input: Input) {
        let host = &mut self.hosts[at];
        let began = Instant::now();
        let outputs = host.node.step(Time(self.now), input);
        host.stepping += began.elapsed();
        host.alarm += 1;
        let (alarm, wakes_at) = (host.alarm, host.node.wakes_at());
        if let Some(Time(wakes_at)) = wakes_at {
            self.push(wakes_at.max(self.now + 1), Event::Wake { at, alarm });
        }
        for output in outputs {
            match output {
                Output::Send(envelope) => {
                    self.counts.messages += 1;
                    let sent = self.work(at);
                    self.push(sent + WAY_US, Event::Arrive(envelope));
                }
                Output::Perform(statement) => {
                    let there = self.now + STATEMENT_US / 2;
                    self.push(there, Event::Perform { from: at, statement });
                }
                Output::Answer(_, Outcome::Written { .. }) => self.answered = Some(self.now),
                Output::Answer(..) | Output::Drop(_) | Output::Publish(_) => {}
            }
        }
    }

    /// The database does what it is asked, all at once.
    fn perform(&mut self, from: usize, statement: Statement) {
        self.counts.statements += 1;
        let node = id(from);
        let reply = match statement {
            Statement::Join => {
                let epoch = self.roster.join(node, SERVER);
                Reply::Joined { epoch, roster: self.roster.clone() }
            }
            Statement::Renew { epoch, .. } => {
                self.counts.renewals += 1;
                let (roster, clock) = (self.roster.clone(), Some(Time(self.now)));
                Reply::Renewed { epoch, roster, server: SERVER, mail: Vec::new(), clock }
            }
            Statement::Commit { write, requirements } => {
                self.counts.commits += 1;
                match requirements.check(&self.roster, SERVER) {
                    Ok(()) => Reply::Committed(write),
                    Err(_) => Reply::Refused { write, roster: self.roster.clone(), server: SERVER },
                }
            }
            Statement::ReadRoster => {
                Reply::Roster { roster: self.roster.clone(), answered: Vec::new() }
            }
            // Nobody is silent here.
            other => Reply::Failed(other),
        };
        let input = Input::Reply(reply);
        self.push(self.now + STATEMENT_US / 2, Event::Input { at: from, input });
    }
}

fn id(at: usize) -> NodeId {
    NodeId(u16::try_from(at).expect("few nodes"))
}

//! The cluster of the model.
//!
//! Time is counted in ticks, a lease is two. A pause needs no event: whatever
//! waits may wait for ever. The network is the set of all messages ever sent,
//! each of which may come never, once or often. The memory is one entry per
//! node, for there is one key.

mod events;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::database::{Database, FIRST};
use crate::setting::{Broken, Habit, Left, Setting};
use larder_coherence::{
    Config, Database as Servers, Envelope, Epoch, Input, Node, NodeId, Outcome, Output, Read,
    Reply, Rule, Rules, Slot, Statement, Time,
};

pub(crate) const STALE: &str = "no read is older than what was known when it began";
pub(crate) const ANSWERED: &str = "all writes may be answered";
pub(crate) const LEASE: u64 = 2;
const KEY: Slot = Slot(0);
const NEVER: Duration = Duration::from_secs(1_000_000);

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cluster {
    time: u64,
    primary: Database,
    deposed: Option<Database>,
    hosts: Vec<Host>,
    network: BTreeSet<Envelope>,
    readers: Vec<Reader>,
    /// The newest version that was acknowledged or returned.
    floor: usize,
    answered: u8,
    stale: bool,
    left: Left,
}

/// A process with its node, memory and connection to the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Host {
    /// `None`: crashed.
    node: Option<Node>,
    memory: Option<(usize, Epoch)>,
    /// Whether it still talks to the deposed primary.
    behind: bool,
    asked: BTreeSet<Statement>,
    replies: BTreeSet<Reply>,
    /// What a timer last saw on the clock, where nobody reads it afresh.
    clock: u64,
}

/// A client that reads, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Reader {
    Idle,
    /// It looked into the memory.
    Looked {
        floor: usize,
        entry: Option<(usize, Epoch)>,
    },
    /// It asks the database.
    Asking {
        floor: usize,
        read: Read,
    },
    /// The database answered.
    Told {
        floor: usize,
        read: Read,
        version: usize,
    },
    /// It waits for another reader's answer.
    Sharing {
        floor: usize,
        leader: usize,
    },
}

impl Setting {
    fn breaks(&self, habit: Habit) -> bool {
        self.broken == Some(Broken::Driver(habit))
    }

    fn node(&self, at: usize) -> Node {
        let when = |who: &[usize], then| if who.contains(&at) { then } else { NEVER };
        let config = Config {
            slots: 1,
            database: if self.replicated { Servers::Replicated } else { Servers::Single },
            lease: Duration::from_micros(LEASE),
            renewal: when(&self.renewing, Duration::from_micros(1)),
            fence: Duration::from_micros(self.fence),
            mail_after: when(&self.mailing, Duration::ZERO),
            evict_after: when(&self.evicting, Duration::ZERO),
            patience: NEVER,
            mails_before_passthrough: if self.stepping_aside { 1 } else { u32::MAX },
            passthrough: NEVER,
            ..Config::new(id(at))
        };
        let rules = match self.broken {
            Some(Broken::Node(rule)) => Rules::without(rule),
            Some(Broken::Driver(Habit::BlockFirst)) => Rules::without(Rule::Acknowledged),
            _ => Rules::default(),
        };
        Node::with_rules(config, rules)
    }
}

fn id(at: usize) -> NodeId {
    NodeId(u16::try_from(at).expect("few nodes"))
}

impl Cluster {
    /// All nodes have joined and know each other.
    fn new(setting: &Setting) -> Self {
        let nodes = 2 + setting.more_nodes;
        let host = |at| Host {
            node: Some(setting.node(at)),
            memory: None,
            behind: false,
            asked: BTreeSet::new(),
            replies: BTreeSet::new(),
            clock: 0,
        };
        let mut cluster = Self {
            time: 0,
            primary: Database::new(),
            deposed: None,
            hosts: (0..nodes).map(host).collect(),
            network: BTreeSet::new(),
            readers: vec![Reader::Idle; setting.readers.len()],
            floor: FIRST,
            answered: 0,
            stale: false,
            left: Left { joins: u8::MAX, ..Left::default() },
        };
        for at in 0..nodes {
            cluster.step(setting, at, Input::Wake);
            cluster.perform(setting, at, Statement::Join);
        }
        for at in 0..nodes {
            let roster = cluster.primary.perform(id(at), Statement::ReadRoster);
            cluster.step(setting, at, Input::Reply(roster.expect("the roster")));
        }
        cluster.left = setting.left.clone();
        cluster
    }

    fn node(&self, at: usize) -> Option<&Node> {
        self.hosts[at].node.as_ref()
    }

    /// Lets a node take one event, and does what it says.
    fn step(&mut self, setting: &Setting, at: usize, input: Input) {
        let time = Time(self.time);
        let Some(node) = &mut self.hosts[at].node else { return };
        for output in node.step(time, input) {
            match output {
                Output::Drop(_) => self.hosts[at].memory = None,
                // The model asks the node itself.
                Output::Publish(_) => {}
                Output::Send(envelope) => {
                    self.network.insert(envelope);
                }
                Output::Perform(statement) => {
                    if is_slow(&statement) || !self.has_left(&statement) {
                        self.hosts[at].asked.insert(statement);
                    } else {
                        self.perform(setting, at, statement);
                    }
                }
                Output::Answer(_, Outcome::Written { block, installs }) => {
                    let version = self.database(at).version_of(block);
                    for (_, token) in installs {
                        self.hosts[at].memory = Some((version, token.epoch));
                    }
                    self.answered += 1;
                    // Whoever invalidates after the commit answers only after
                    // that: until then nobody has been told of the version.
                    if !setting.breaks(Habit::BlockFirst) {
                        self.floor = self.floor.max(version);
                    }
                }
                Output::Answer(..) => {}
            }
        }
    }

    fn database(&mut self, at: usize) -> &mut Database {
        match &mut self.deposed {
            Some(deposed) if self.hosts[at].behind => deposed,
            _ => &mut self.primary,
        }
    }

    /// Whether the scope allows a statement once more.
    fn has_left(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Join => self.left.joins > 0,
            Statement::BeginEviction { .. } => self.left.evictions > 0,
            _ => true,
        }
    }

    /// Performs a statement. Where waiting for the reply makes no difference
    /// that matters, the reply comes at once.
    fn perform(&mut self, setting: &Setting, at: usize, statement: Statement) {
        self.hosts[at].asked.remove(&statement);
        match statement {
            Statement::Join => {
                self.left.joins -= 1;
                self.hosts[at].behind = false;
            }
            Statement::BeginEviction { .. } => self.left.evictions -= 1,
            _ => {}
        }
        let slow = is_commit(&statement) || matches!(statement, Statement::Renew { .. });
        let Some(reply) = self.database(at).perform(id(at), statement) else { return };
        if self.node(at).is_none() {
            // What a dead process had sent.
        } else if slow {
            self.hosts[at].replies.insert(reply);
        } else {
            self.step(setting, at, Input::Reply(reply));
        }
    }

    fn fail_over(&mut self) {
        self.left.failovers -= 1;
        self.deposed = Some(self.primary.clone().depose());
        self.primary.take_over();
        self.hosts.iter_mut().for_each(|host| host.behind = true);
    }

    /// Performs a commit of which its writer doesn't hear.
    fn lose(&mut self, at: usize, commit: Statement) {
        self.left.losses -= 1;
        self.hosts[at].asked.remove(&commit);
        self.database(at).perform(id(at), commit.clone());
        if self.node(at).is_some() {
            self.hosts[at].replies.insert(Reply::Failed(commit));
        }
    }

    fn crash(&mut self, setting: &Setting, at: usize) {
        self.left.crashes -= 1;
        let host = &mut self.hosts[at];
        host.node = None;
        host.memory = None;
        host.replies.clear();
        // A commit that was sent may still be performed.
        host.asked.retain(is_commit);
        for (reader, &on) in self.readers.iter_mut().zip(&setting.readers) {
            if on == at {
                *reader = Reader::Idle;
            }
        }
    }

    fn returns(&mut self, floor: usize, version: usize) {
        self.stale |= version < floor;
        self.floor = self.floor.max(version);
    }

    /// A reader that looked into the memory decides what that is worth.
    fn decide(&mut self, setting: &Setting, reader: usize) {
        let Reader::Looked { floor, entry } = self.readers[reader] else { return };
        let host = &self.hosts[setting.readers[reader]];
        let Some(node) = &host.node else { return };
        let now = if setting.breaks(Habit::FreshClock) { host.clock } else { self.time };
        let serves = |epoch| match setting.breaks(Habit::EntryEpoch) {
            true => node.serves(node.lease().epoch, Time(now)),
            false => node.serves(epoch, Time(now)),
        };
        match entry {
            Some((version, epoch)) if serves(epoch) => {
                self.readers[reader] = Reader::Idle;
                self.returns(floor, version);
            }
            _ => self.readers[reader] = Reader::Asking { floor, read: node.begin_read(KEY) },
        }
    }

    /// A read is back from the database.
    fn finish(&mut self, setting: &Setting, reader: usize) {
        let Reader::Told { floor, ref read, version } = self.readers[reader] else { return };
        let at = setting.readers[reader];
        let Some(node) = self.node(at) else { return };
        let mut verdict = node.finish_read(read, Time(self.time));
        verdict.share |= setting.breaks(Habit::ShareByVerdict);
        let again = node.begin_read(KEY);
        let epoch = match setting.breaks(Habit::FillByToken) {
            true => Some(node.lease().epoch),
            false => verdict.install.map(|token| token.epoch),
        };
        if let Some(epoch) = epoch {
            self.hosts[at].memory = Some((version, epoch));
        }
        self.readers[reader] = Reader::Idle;
        if verdict.answer {
            self.returns(floor, version);
        }
        for waiting in 0..self.readers.len() {
            match self.readers[waiting] {
                Reader::Sharing { floor, leader } if leader == reader && verdict.share => {
                    self.readers[waiting] = Reader::Idle;
                    self.returns(floor, version);
                }
                Reader::Sharing { floor, leader } if leader == reader => {
                    self.readers[waiting] = Reader::Asking { floor, read: again };
                }
                _ => {}
            }
        }
    }
}

fn is_commit(statement: &Statement) -> bool {
    matches!(statement, Statement::Commit { .. })
}

/// Whether a statement waits for an event of its own to be performed.
fn is_slow(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Commit { .. }
            | Statement::Renew { .. }
            | Statement::Join
            | Statement::BeginEviction { .. }
            | Statement::FinishEviction { .. }
    )
}

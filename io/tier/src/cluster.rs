//! This node in its cluster: performs what the protocol (`larder-coherence`)
//! says. It holds no entries; it says whether one may be served, whether what
//! was loaded may be kept, and when a write may commit.

mod door;
mod gate;
mod keeper;
mod peers;
mod pool;
mod report;
mod secret;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use larder_coherence::{
    Config, Envelope, Input, NodeId, Outcome, Output, Reply, Requirements, Scope as Slots, Slot,
    Statement, Time, Token, WriteId,
};
use larder_sql::{Database, DatabaseUrl, Guard};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, mpsc};

use crate::meter::Histogram;
use crate::slots::Scope;
use crate::{End, Key, Written};
pub use door::{Reader, Told};
use gate::Gate;
pub(crate) use gate::Reading;
use keeper::Keeper;
use peers::Peers;
pub(crate) use pool::Fetch;
use pool::Popularity;
pub use report::{Load, Member, Overview, Status};
pub use secret::{SECRET_MIN_BYTES, Secret};

/// How many slots. On other nodes a write drops all entries of its slot, so
/// there are many: at 1000 writes a second an entry is dropped for another
/// one's write once in 17 minutes.
const SLOTS: u32 = 1 << 20;

/// How long the database may keep a transaction of a node in a cluster that is
/// silent, and the rows it holds: for the connections of the app.
pub const IDLE_IN_TRANSACTION: Duration = keeper::IDLE_IN_TRANSACTION;

/// How a node finds its cluster.
pub struct Membership {
    /// The shared database: MariaDB, MySQL or PostgreSQL.
    pub url: DatabaseUrl,
    /// The connections to it with which the app loads and changes.
    pub database: Database,
    /// Whether standbys may take over from the primary: then reads are proven
    /// by a change of a row, which a deposed primary can't make.
    pub is_replicated: bool,
    /// Whether this node keeps entries in memory.
    pub keeps_entries: bool,
    /// This node's name for ever, which no other node has.
    pub name: String,
    /// Where other nodes reach this one: a host and a port.
    pub address: String,
    /// What all nodes know and nobody else.
    pub secret: Secret,
}

/// Why something can't be answered without the risk of an old answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// The node isn't in the cluster at the moment.
    #[error("this node is not in its cluster at the moment")]
    Out,
    /// A write wasn't done in time, and won't be.
    #[error("the other nodes or the database did not answer in time; nothing was changed")]
    NotInTime,
    /// The database went away during a write, which may have been done.
    #[error("the database went away during the change, which may have happened")]
    Unknown,
}

/// This node's name, made once and kept in its data folder, whose lock keeps
/// a second process from using it.
///
/// # Errors
/// The folder can't be written, and where.
pub fn node_name(data: &Path) -> io::Result<String> {
    let file = data.join("node");
    match std::fs::read_to_string(&file) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        _ => {
            let name = format!("node-{:016x}", getrandom::u64().map_err(io::Error::other)?);
            let told = |error| io::Error::other(format!("{}: {error}", file.display()));
            std::fs::write(&file, &name).map_err(told)?;
            Ok(name)
        }
    }
}

/// What a write is to do next.
enum Turn {
    Commit(Requirements),
    End(Outcome),
}

/// This node in its cluster.
pub struct Cluster {
    gate: Gate,
    keeper: Keeper,
    keeps_entries: bool,
    peers: Peers,
    popularity: Popularity,
    writes: Mutex<HashMap<WriteId, mpsc::UnboundedSender<Turn>>>,
    next_write: AtomicU64,
    /// Empties the memory.
    clear: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
    wake: Notify,
    /// From the beginning of a write to its commit, in nanoseconds.
    barrier: Mutex<Histogram>,
    load: report::Counters,
}

impl Cluster {
    /// Finds the cluster in its database and begins to take part. The caller
    /// holds the lock of the data folder that holds the node's name.
    ///
    /// # Errors
    /// The database can't be opened.
    pub async fn join(membership: Membership) -> larder_sql::Result<Arc<Self>> {
        let Membership { url, database, is_replicated, keeps_entries, name, address, secret } =
            membership;
        let app = is_replicated.then_some(database);
        let keeper = Keeper::open(&url, app, &name, &address).await?;
        let mut config = Config { slots: SLOTS, keeps_entries, ..Config::new(keeper.node()) };
        if is_replicated {
            config.database = larder_coherence::Database::Replicated;
        }
        let cluster = Arc::new(Self {
            gate: Gate::new(config),
            keeper,
            keeps_entries,
            peers: Peers::new(secret),
            popularity: Popularity::default(),
            writes: Mutex::default(),
            next_write: AtomicU64::new(1),
            clear: Mutex::new(None),
            wake: Notify::new(),
            barrier: Mutex::new(crate::meter::histogram()),
            load: report::Counters::default(),
        });
        tokio::spawn(drive(Arc::downgrade(&cluster)));
        Ok(cluster)
    }

    /// Which node this is.
    pub fn node(&self) -> NodeId {
        self.keeper.node()
    }

    /// The routes of the port for peers; `read` answers for entries.
    pub fn router(self: &Arc<Self>, read: Reader) -> Router {
        door::router(self.clone(), read)
    }

    /// Which start of which database server this node goes by. Two nodes that
    /// go by different ones may not tell each other what they read.
    pub fn instance(&self) -> u64 {
        self.gate.node().instance().0
    }

    /// Whether this node is in the cluster.
    pub fn is_in(&self) -> bool {
        !self.gate.is_shut() && self.gate.node().is_member()
    }

    /// Leaves the cluster: nothing is served from memory any more, and nobody
    /// waits for this node.
    pub async fn leave(&self) {
        let epoch = self.gate.shut();
        // Whoever waits for a write is told that it isn't known.
        self.writes.lock().clear();
        self.wake.notify_one();
        if let Err(error) = self.keeper.leave(epoch).await {
            tracing::warn!(%error, "the cluster was not told that this node leaves");
        }
        self.keeper.close().await;
    }

    /// What empties the memory when everything is to be forgotten.
    pub(crate) fn on_clear(&self, clear: impl Fn() + Send + Sync + 'static) {
        *self.clear.lock() = Some(Box::new(clear));
    }

    /// Forgets every entry of this node.
    pub fn forget(self: &Arc<Self>) {
        self.input(Input::Clear);
    }

    /// As [`Gate::serves`], now.
    pub(crate) fn serves(&self, group: &[u8], token: Token) -> bool {
        self.gate.serves(slot_of(group), token, now())
    }

    /// As [`Gate::begin`].
    pub(crate) fn begin(&self, group: &[u8]) -> Reading {
        self.gate.begin(slot_of(group))
    }

    /// As [`Gate::finish`], now.
    pub(crate) fn finish(&self, reading: &Reading, keep: impl FnOnce(Option<Token>)) -> bool {
        self.gate.finish(reading, now(), keep)
    }

    /// Writes: blocks `scope` on all nodes, lets `change` commit under a guard
    /// that checks it, perhaps several times until it is done, and releases.
    pub(crate) async fn write<T, F>(
        self: &Arc<Self>,
        scope: &Scope,
        mut change: impl FnMut(Option<Guard>) -> F,
    ) -> Result<T, Unserved>
    where
        F: Future<Output = Written<T>>,
    {
        let write = WriteId(self.next_write.fetch_add(1, Ordering::Relaxed));
        let (sender, mut turns) = mpsc::unbounded_channel();
        self.writes.lock().insert(write, sender);
        let began = Instant::now();
        let scope = match scope {
            Scope::Groups(groups) => {
                let slots: BTreeSet<Slot> = groups.iter().map(|group| slot_of(group)).collect();
                Slots::Slots(slots.into_iter().collect())
            }
            Scope::All => Slots::All,
        };
        self.input(Input::Write { write, scope });
        let mut result = None;
        while let Some(turn) = turns.recv().await {
            let requirements = match turn {
                Turn::Commit(requirements) => requirements,
                Turn::End(outcome) => {
                    return match outcome {
                        Outcome::Written { .. } | Outcome::Failed => {
                            result.ok_or(Unserved::Unknown)
                        }
                        Outcome::TimedOut => Err(Unserved::NotInTime),
                        Outcome::Unknown => Err(Unserved::Unknown),
                    };
                }
            };
            self.note_barrier(began.elapsed());
            let (guard, refused) = self.keeper.guard(requirements.clone());
            let written = change(Some(guard)).await;
            let reply = match written.end {
                End::Committed => Reply::Committed(write),
                End::Unchanged => refused.reply(write),
                End::Unknown(_) => {
                    Reply::Failed(Statement::Commit { write, requirements: requirements.clone() })
                }
            };
            if matches!(reply, Reply::Committed(_) | Reply::Aborted(_)) {
                self.keeper.settle(requirements.block);
            }
            result = Some(written.result);
            self.input(Input::Reply(reply));
        }
        Err(Unserved::Unknown)
    }

    fn note_barrier(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.barrier.lock().saturating_record(nanoseconds);
    }

    /// Messages that came as an answer.
    fn receive(self: &Arc<Self>, envelopes: Vec<Envelope>) {
        envelopes.into_iter().for_each(|envelope| self.input(Input::Message(envelope)));
    }

    /// Messages of a peer; what is to be said to that one at once is returned.
    fn receive_from_peer(self: &Arc<Self>, envelopes: Vec<Envelope>) -> Vec<Envelope> {
        let mut answers = Vec::new();
        for envelope in envelopes {
            let from = envelope.from;
            let mut rest = self.step(Input::Message(envelope));
            rest.retain(|output| match output {
                Output::Send(answer) if answer.to == from => {
                    answers.push(answer.clone());
                    false
                }
                _ => true,
            });
            self.carry_out(rest);
        }
        answers
    }

    fn input(self: &Arc<Self>, input: Input) {
        let outputs = self.step(input);
        self.carry_out(outputs);
    }

    fn step(&self, input: Input) -> Vec<Output> {
        let clear = || {
            if let Some(clear) = &*self.clear.lock() {
                clear();
            }
        };
        let outputs = self.gate.step(now(), input, clear);
        self.wake.notify_one();
        outputs
    }

    fn carry_out(self: &Arc<Self>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(envelope) => self.peers.send(self, envelope),
                Output::Perform(Statement::Commit { write, requirements }) => {
                    self.turn(write, Turn::Commit(requirements));
                }
                Output::Perform(statement) => self.perform(statement),
                Output::Answer(write, outcome) => {
                    self.turn(write, Turn::End(outcome));
                    self.writes.lock().remove(&write);
                }
                Output::Drop(_) | Output::Publish(_) => {}
            }
        }
    }

    fn perform(self: &Arc<Self>, statement: Statement) {
        if matches!(statement, Statement::StepAside { .. }) && self.keeps_entries {
            tracing::warn!(
                "this node keeps nothing for now: its peers can't reach it, or its clock and the \
                 database's drift apart"
            );
        }
        let cluster = self.clone();
        tokio::spawn(async move {
            let timeout = tokio::time::timeout(PATIENCE, cluster.keeper.perform(statement.clone()));
            let reply = timeout.await.unwrap_or(Some(Reply::Failed(statement)));
            if let Some(reply) = reply {
                cluster.input(Input::Reply(reply));
            }
        });
    }

    fn turn(&self, write: WriteId, turn: Turn) {
        if let Some(sender) = self.writes.lock().get(&write) {
            // Whoever waits for it is a task that runs to its end.
            let _ = sender.send(turn);
        }
    }

    fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    fn peers(&self) -> &Peers {
        &self.peers
    }
}

/// How long a statement of the protocol may take before it counts as failed:
/// as long as a lease, and then it is of no use.
const PATIENCE: Duration = Duration::from_secs(2);

/// Wakes the protocol when it wants to be, until the cluster is no more.
async fn drive(cluster: std::sync::Weak<Cluster>) {
    loop {
        let Some(strong) = cluster.upgrade() else { return };
        if strong.gate.is_shut() {
            return;
        }
        let wakes_at = strong.gate.node().wakes_at();
        let left = wakes_at.map_or(Duration::from_secs(1), |at| at.since(now()));
        if left.is_zero() {
            strong.input(Input::Wake);
            // What is performed at once must not keep others from running.
            tokio::task::yield_now().await;
            continue;
        }
        let woken = strong.wake.notified();
        let _ = tokio::time::timeout(left.min(Duration::from_secs(1)), woken).await;
    }
}

/// This machine's time since it started, suspension included.
fn now() -> Time {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Time(seconds * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000)
}

/// The slot of a group. All nodes compute it alike, whatever they run on.
fn slot_of(group: &[u8]) -> Slot {
    Slot((hash(group) % u64::from(SLOTS)) as u32)
}

/// `XXH3`, whose values are laid down for ever.
fn hash(bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(bytes)
}

impl Key {
    /// What decides who owns the key: the parts of a group are in one place.
    fn rank(&self, node: NodeId) -> u64 {
        twox_hash::XxHash3_64::oneshot_with_seed(u64::from(node.0), self.group())
    }
}

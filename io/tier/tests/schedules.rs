//! What decides whether memory may be believed, under every order of its
//! threads that a few thousand seeded schedules reach: no read returns less
//! than what was acknowledged, or returned to somebody else, before it began.
//! Each scenario has counterparts that leave out a precaution, and are caught.
//!
//! ```sh
//! LARDER_SCHEDULES=300000 LARDER_SEED=7 cargo test --workspace --test schedules
//! ```

// The very files of the tier, with other locks.
#[path = "../src/cluster/gate.rs"]
#[allow(dead_code, reason = "the tier uses the rest")]
mod gate;
#[path = "../src/slots.rs"]
#[allow(dead_code, reason = "the tier uses the rest")]
mod slots;

/// In the place of `src/sync.rs`: locks and atomics that the explorer holds.
mod sync {
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    #[derive(Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

use std::sync::Arc;

use gate::Gate;
use larder_coherence::{
    BlockId, Config, Envelope, Epoch, Floor, Input, Instance, Message, NodeId, Output, Reply,
    Roster, Scope, Slot, Statement, Time, Token, WriteId,
};
use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use slots::Slots;
use sync::{AtomicU64, Mutex, Ordering::SeqCst};

/// Schedules of each scenario unless `LARDER_SCHEDULES` says otherwise: half
/// by chance, half by priorities (Burckhardt et al., ASPLOS 2010).
const SCHEDULES: usize = 2000;
const DEPTH: usize = 4;

fn variable(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|number| number.parse().expect("a number"))
}

fn explore(scenario: impl Fn() + Copy + Send + Sync + 'static) {
    let half = variable("LARDER_SCHEDULES").unwrap_or(SCHEDULES) / 2;
    let seed = variable("LARDER_SEED").unwrap_or(1) as u64;
    let schedulers: [Box<dyn Scheduler + Send>; 2] = [
        Box::new(RandomScheduler::new_from_seed(seed, half)),
        Box::new(PctScheduler::new_from_seed(seed, DEPTH, half)),
    ];
    for scheduler in schedulers {
        let mut config = shuttle::Config::new();
        config.stack_size = 1 << 17;
        Runner::new(scheduler, config).run(scenario);
    }
}

/// A store of one key, whose versions are its values, and what is known of it.
#[derive(Default)]
struct Store {
    version: AtomicU64,
    /// The largest that was acknowledged, or returned by a read.
    floor: AtomicU64,
    /// The memory in front of it.
    memory: Mutex<Option<(Token, u64)>>,
}

impl Store {
    fn commit(&self, version: u64) {
        self.version.store(version, SeqCst);
    }

    fn acknowledge(&self, version: u64) {
        self.floor.fetch_max(version, SeqCst);
    }

    fn remembered(&self) -> Option<(Token, u64)> {
        *self.memory.lock()
    }

    /// Checks what a read returns.
    fn checked(&self, read: impl FnOnce() -> u64) {
        let floor = self.floor.load(SeqCst);
        let version = read();
        assert!(version >= floor, "an old value: {version}, but {floor} was there before");
        self.acknowledge(version);
    }
}

/// Two readers with two reads each beside one that writes.
fn beside<T: Send + Sync + 'static>(world: &Arc<T>, read: fn(&T), write: fn(&T)) {
    let reader = || {
        let world = world.clone();
        shuttle::thread::spawn(move || (0..2).for_each(|_| read(&world)))
    };
    let readers = [reader(), reader()];
    write(world);
    for reader in readers {
        reader.join().expect("a reader ends");
    }
}

const US: NodeId = NodeId(1);
const PEER: NodeId = NodeId(2);
const SERVER: Instance = Instance(7);
const SLOT: Slot = Slot(0);
const WRITE: WriteId = WriteId(1);

/// A node that has joined a cluster at time 0, with a peer or alone.
struct Node {
    gate: Gate,
    store: Store,
    clock: AtomicU64,
    peer: Epoch,
}

impl Node {
    fn joined(has_peer: bool) -> Arc<Self> {
        let mut roster = Roster::new(SERVER);
        let peer = if has_peer { roster.join(PEER, SERVER) } else { Epoch(0) };
        let epoch = roster.join(US, SERVER);
        let gate = Gate::new(Config { slots: 1, ..Config::new(US) });
        let (store, clock) = (Store::default(), AtomicU64::new(0));
        let node = Self { gate, store, clock, peer };
        node.step(Input::Wake);
        node.step(Input::Reply(Reply::Joined { epoch, roster }));
        Arc::new(node)
    }

    fn now(&self) -> Time {
        Time(self.clock.load(SeqCst))
    }

    fn step(&self, input: Input) -> Vec<Output> {
        self.gate.step(self.now(), input, || *self.store.memory.lock() = None)
    }

    fn hear(&self, message: Message) -> Vec<Output> {
        let floor = Floor { epoch: self.peer, sequence: 0 };
        self.step(Input::Message(Envelope { from: PEER, to: US, floor, message }))
    }

    /// From memory, if that may be believed at `now`.
    fn hit(&self, now: impl FnOnce() -> Time) -> Option<u64> {
        let (token, version) = self.store.remembered()?;
        self.gate.serves(SLOT, token, now()).then_some(version)
    }

    fn load(&self) -> u64 {
        let reading = self.gate.begin(SLOT);
        let version = self.store.version.load(SeqCst);
        self.gate.finish(&reading, self.now(), |token| self.keep(token, version));
        version
    }

    fn keep(&self, token: Option<Token>, version: u64) {
        if let Some(token) = token {
            *self.store.memory.lock() = Some((token, version));
        }
    }

    fn read(&self) {
        self.store.checked(|| self.hit(|| self.now()).unwrap_or_else(|| self.load()));
    }

    /// Two writes by the peer, which asks us first.
    fn written_by_the_peer(&self) {
        for version in 1..=2 {
            let block = BlockId { writer: PEER, epoch: self.peer, sequence: version };
            let scope = Scope::Slots(vec![SLOT]);
            let answers = self.hear(Message::Block { block, scope, instance: SERVER });
            let acknowledges = |output: &Output| {
                matches!(
                    output,
                    Output::Send(Envelope { message: Message::Acknowledge { .. }, .. })
                )
            };
            assert!(answers.iter().any(acknowledges));
            self.store.commit(version);
            self.store.acknowledge(version);
            self.hear(Message::Release { block });
        }
    }

    /// A write of our own, alone.
    fn written_here(&self) {
        let scope = Scope::Slots(vec![SLOT]);
        let outputs = self.step(Input::Write { write: WRITE, scope });
        let commits = |output: &Output| matches!(output, Output::Perform(Statement::Commit { .. }));
        assert!(outputs.iter().any(commits));
        self.store.commit(1);
        self.step(Input::Reply(Reply::Committed(WRITE)));
        self.store.acknowledge(1);
    }

    /// A write by a peer that couldn't reach us and waited until our lease had
    /// ended.
    fn written_after_the_lease(&self) {
        let lease = Config::new(US).lease;
        self.clock.store(Time(0).after(lease).0, SeqCst);
        self.store.commit(1);
        self.store.acknowledge(1);
    }
}

#[test]
fn a_write_of_a_peer_is_seen_by_all_who_read_after_it() {
    explore(|| beside(&Node::joined(true), Node::read, Node::written_by_the_peer));
}

#[test]
fn a_write_of_our_own_is_seen_by_all_who_read_after_it() {
    explore(|| beside(&Node::joined(false), Node::read, Node::written_here));
}

#[test]
fn nothing_is_served_after_the_lease() {
    explore(|| beside(&Node::joined(true), Node::read, Node::written_after_the_lease));
}

#[test]
#[should_panic(expected = "an old value")]
fn who_serves_without_asking_is_caught() {
    let read = |node: &Node| {
        let remembered = || node.store.remembered().map(|(_, version)| version);
        node.store.checked(|| remembered().unwrap_or_else(|| node.load()));
    };
    explore(move || beside(&Node::joined(true), read, Node::written_by_the_peer));
}

#[test]
#[should_panic(expected = "an old value")]
fn who_asks_the_store_before_it_begins_a_load_is_caught() {
    let read = |node: &Node| {
        let load = || {
            let version = node.store.version.load(SeqCst);
            let reading = node.gate.begin(SLOT);
            node.gate.finish(&reading, node.now(), |token| node.keep(token, version));
            version
        };
        node.store.checked(|| node.hit(|| node.now()).unwrap_or_else(load));
    };
    explore(move || beside(&Node::joined(true), read, Node::written_by_the_peer));
}

#[test]
#[should_panic(expected = "an old value")]
fn who_looks_at_the_clock_before_the_request_is_caught() {
    let read = |node: &Node| {
        let before = node.now();
        node.store.checked(|| node.hit(|| before).unwrap_or_else(|| node.load()));
    };
    explore(move || beside(&Node::joined(true), read, Node::written_after_the_lease));
}

/// A node that writes alone: the slots, and a part of a group.
struct Alone {
    slots: Slots,
    store: Store,
}

const GROUP: &[u8] = b"group";

impl Alone {
    fn new() -> Arc<Self> {
        Arc::new(Self { slots: Slots::new(1), store: Store::default() })
    }

    fn read(&self) {
        let slot = self.slots.of(GROUP);
        self.store.checked(|| match self.store.remembered() {
            Some((token, version)) if slot.stands(token) => version,
            _ => {
                let token = slot.token();
                let version = self.store.version.load(SeqCst);
                let keep = |token| *self.store.memory.lock() = Some((token, version));
                if let Some(token) = token {
                    slot.if_stands(token, |stands| {
                        stands.then_some(token).into_iter().for_each(keep);
                    });
                }
                version
            }
        });
    }

    fn written(&self) {
        let scope = slots::Scope::group(GROUP);
        for version in 1..=2 {
            self.slots.block(&scope);
            self.store.commit(version);
            self.slots.release(&scope);
            self.store.acknowledge(version);
        }
    }

    /// Nothing is blocked while it commits.
    fn dropped_and_then_committed(&self) {
        let scope = slots::Scope::group(GROUP);
        self.slots.block(&scope);
        self.slots.release(&scope);
        self.store.commit(1);
        self.store.acknowledge(1);
    }
}

#[test]
fn a_write_of_a_node_that_is_alone_is_seen_by_all_who_read_after_it() {
    explore(|| beside(&Alone::new(), Alone::read, Alone::written));
}

#[test]
#[should_panic(expected = "an old value")]
fn who_drops_and_then_commits_is_caught() {
    explore(|| beside(&Alone::new(), Alone::read, Alone::dropped_and_then_committed));
}

//! What decides on this node whether memory may be believed: the protocol's
//! state under its lock, and beside it what a hit looks at without a lock, the
//! lease and a count per slot. What the protocol wants dropped is dropped by
//! counting: an entry is good as long as its slot's count stands.

use std::ops::Deref;

use larder_coherence::{
    Config, Epoch, Input, Lease, Node, Output, Read, Scope, Slot, Time, Token, Word,
};

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};

/// The gate.
pub(crate) struct Gate {
    node: Mutex<Node>,
    /// The lease, for the hit path.
    word: AtomicU64,
    /// Counts what was dropped, by slot, and all of it.
    generations: Box<[AtomicU64]>,
    all: AtomicU64,
    is_shut: AtomicBool,
}

/// A load under way.
pub(crate) struct Reading {
    slot: Slot,
    read: Read,
    generation: u64,
}

impl Reading {
    pub(crate) fn may_be_kept(&self) -> bool {
        self.read.may_be_kept()
    }
}

impl Gate {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            word: AtomicU64::new(Lease::NONE.word().0),
            generations: (0..config.slots).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            is_shut: AtomicBool::new(false),
            node: Mutex::new(Node::new(config)),
        }
    }

    /// The protocol's state, to be asked.
    pub(crate) fn node(&self) -> impl Deref<Target = Node> {
        self.node.lock()
    }

    /// Lets nothing through from now on; returns the last epoch.
    pub(crate) fn shut(&self) -> Epoch {
        let node = self.node.lock();
        self.is_shut.store(true, Ordering::Release);
        self.word.store(Lease::NONE.word().0, Ordering::Release);
        node.epoch()
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Whether an entry may be served: asked after it was found, with the time
    /// read within the request that wants it.
    pub(crate) fn serves(&self, slot: Slot, token: Token, now: Time) -> bool {
        // 1. We find the entry. 2. A write blocks its slot here, counts, and
        // is committed elsewhere. 3. We look at the count, too late for 2.
        self.generation(slot) == token.generation
            && Word(self.word.load(Ordering::Acquire)).serves(token.epoch, now)
    }

    fn generation(&self, slot: Slot) -> u64 {
        // Both only grow, so equal sums are equal parts.
        self.generations[slot.0 as usize].load(Ordering::Acquire) + self.all.load(Ordering::Acquire)
    }

    /// Begins a load; what it finds is an answer only if `finish` says so.
    pub(crate) fn begin(&self, slot: Slot) -> Reading {
        let node = self.node.lock();
        Reading { slot, read: node.begin_read(slot), generation: self.generation(slot) }
    }

    /// Ends a load: `keep` is called with what to keep the result under, or
    /// with nothing if it is of use to nobody but who loaded it. Whether it is
    /// an answer for that one.
    pub(crate) fn finish(
        &self,
        reading: &Reading,
        now: Time,
        keep: impl FnOnce(Option<Token>),
    ) -> bool {
        let node = self.node.lock();
        let verdict = node.finish_read(&reading.read, now);
        let token = verdict
            .install
            .filter(|_| verdict.share && self.generation(reading.slot) == reading.generation)
            .map(|token| Token { generation: reading.generation, epoch: token.epoch });
        keep(token);
        verdict.answer
    }

    /// One step of the protocol; what concerns memory is done under its lock,
    /// the rest returned. `clear` empties the memory.
    pub(crate) fn step(&self, now: Time, input: Input, clear: impl Fn()) -> Vec<Output> {
        let mut node = self.node.lock();
        if self.is_shut() {
            return Vec::new();
        }
        let mut outputs = node.step(now, input);
        outputs.retain(|output| match output {
            Output::Drop(Scope::Slots(slots)) => {
                for slot in slots {
                    self.generations[slot.0 as usize].fetch_add(1, Ordering::AcqRel);
                }
                false
            }
            Output::Drop(Scope::All) => {
                self.all.fetch_add(1, Ordering::AcqRel);
                clear();
                false
            }
            Output::Publish(lease) => {
                self.word.store(lease.word().0, Ordering::Release);
                false
            }
            _ => true,
        });
        outputs
    }
}

//! A machine with its process: the node, its memory, its reads under way and
//! its clock. Never touches the network or the database.

use std::collections::BTreeMap;

use larder_coherence::{Epoch, Instance, Lease, Node, Read, Scope, Slot, Time, Word};

use crate::clock::Clock;
use crate::history::Request;
use crate::queue::Key;

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) clock: Clock,
    /// `None`: crashed.
    pub(crate) node: Option<Node>,
    /// Counts its processes.
    pub(crate) life: u64,
    pub(crate) paused_until: u64,
    /// Its clock doesn't stand still before that again.
    pub(crate) frozen_until: u64,
    /// Which server it talks to before `behind_until`, besides the primary.
    pub(crate) behind: usize,
    pub(crate) behind_until: u64,
    /// How many of its statements go there, per mille.
    pub(crate) behind_share: u64,
    /// What decides hits.
    pub(crate) word: Word,
    /// The server on which its epoch was given.
    pub(crate) instance: Instance,
    pub(crate) memory: BTreeMap<Key, Entry>,
    pub(crate) flights: BTreeMap<Key, Flight>,
    flown: u64,
    pub(crate) alarm: Alarm,
    /// What a timer last saw on the clock, where nobody reads it afresh.
    pub(crate) seen: Time,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) version: usize,
    pub(crate) epoch: Epoch,
}

/// A read of the database under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) read: Read,
    /// Who began it.
    pub(crate) first: Vec<Request>,
    /// Who came later.
    pub(crate) later: Vec<Request>,
}

/// When the node wants to be woken; only the alarm of the last number counts.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    pub(crate) number: u64,
    pub(crate) at: Option<Time>,
}

impl Host {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            node: None,
            life: 0,
            paused_until: 0,
            frozen_until: 0,
            behind: 0,
            behind_until: 0,
            behind_share: 0,
            word: Lease::NONE.word(),
            instance: Instance(0),
            memory: BTreeMap::new(),
            flights: BTreeMap::new(),
            flown: 0,
            alarm: Alarm::default(),
            seen: Time(0),
        }
    }

    /// A new process, which knows nothing.
    pub(crate) fn start(&mut self, node: Node) {
        self.node = Some(node);
        self.alarm.at = None;
    }

    /// Its process dies, and all it knew.
    pub(crate) fn crash(&mut self) {
        self.node = None;
        self.life += 1;
        self.paused_until = 0;
        self.word = Lease::NONE.word();
        self.memory.clear();
        self.flights.clear();
    }

    pub(crate) fn forget(&mut self, scope: &Scope, slot: impl Fn(Key) -> Slot) {
        match scope {
            Scope::All => self.memory.clear(),
            Scope::Slots(slots) => self.memory.retain(|&key, _| !slots.contains(&slot(key))),
        }
    }

    /// Begins to read a key from the database; the number of the flight.
    pub(crate) fn fly(&mut self, key: Key, read: Read, first: Vec<Request>) -> u64 {
        self.flown += 1;
        let number = self.flown;
        self.flights.insert(key, Flight { number, read, first, later: Vec::new() });
        number
    }

    /// Ends a flight, if it is that one.
    pub(crate) fn land(&mut self, key: Key, number: u64) -> Option<Flight> {
        let flight = self.flights.remove(&key)?;
        if flight.number == number {
            return Some(flight);
        }
        self.flights.insert(key, flight);
        None
    }
}

//! What is yet to happen, in the order of true time; of two things at the same
//! time the one that was known first. Does nothing itself.

use std::collections::BTreeMap;

use larder_coherence::{Input, Instance, Statement, WriteId};

use crate::history::Request;
use crate::host::Entry;

/// A key. Its slot is the rest of a division.
pub(crate) type Key = usize;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// On a node, once it isn't paused; only in that life of it, if one is named.
    On { at: usize, life: Option<u64>, what: Happening },
    /// A question arrives at the database. `mute`: who asked was told already
    /// that it failed.
    Arrive { from: usize, life: u64, question: Question, mute: bool },
    /// A client asks for something.
    Client,
    /// Something goes wrong.
    Fault,
    /// A node that crashed is started again.
    Restart(usize),
}

/// What happens on a node.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// The alarm of this number rings.
    Wake(u64),
    Input(Input),
    Read(Request),
    /// A read that found an entry looks at the clock.
    Decide(Request, Entry),
    Write(WriteId),
    /// A flight is back from the database, with a version or none.
    Loaded {
        key: Key,
        flight: u64,
        version: Option<usize>,
    },
}

/// What a node asks the database.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Statement(Statement),
    /// The version of a key, on this instance.
    Load {
        key: Key,
        flight: u64,
        instance: Instance,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    pushed: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: u64, event: Event) {
        self.pushed += 1;
        self.events.insert((at, self.pushed), event);
    }

    /// The next event, if it comes before `end`.
    pub(crate) fn pop_before(&mut self, end: u64) -> Option<(u64, Event)> {
        let next = self.events.first_entry().filter(|next| next.key().0 < end)?;
        let ((at, _), event) = next.remove_entry();
        Some((at, event))
    }
}

//! The clients: they read and write at random, and look elsewhere as soon as
//! they learn something new. What they are told goes into the history. They
//! know no more than that.

use larder_coherence::{Input, Outcome, Scope, Slot, WriteId};

use super::{Cluster, QUIET};
use crate::clock::MS;
use crate::history::Request;
use crate::host::Entry;
use crate::queue::{Event, Happening, Key};
use crate::tally::Seen;

impl Cluster {
    /// One request, and when the next one comes.
    pub(super) fn client(&mut self) {
        let at = self.dice.index(self.plan.nodes);
        if self.dice.chance(self.plan.writes_per_mille) {
            self.begin_write(at);
        } else {
            let key = self.key();
            self.begin_read(0, at, key, true);
        }
        let next = self.now + self.dice.below(2 * self.plan.request_every);
        if next < QUIET {
            self.queue.push(next, Event::Client);
        }
    }

    /// Every other request is for the same key.
    fn key(&mut self) -> Key {
        if self.dice.chance(500) { 0 } else { self.dice.index(self.plan.keys) }
    }

    fn begin_read(&mut self, after: u64, at: usize, key: Key, curious: bool) {
        let request = self.history.read(key, curious);
        self.push_on(after, at, None, Happening::Read(request));
    }

    fn begin_write(&mut self, at: usize) {
        let all = self.dice.chance(10);
        let mut keys = vec![self.key()];
        if all {
            keys = (0..self.plan.keys).collect();
        } else if self.dice.chance(150) {
            keys.push(self.dice.index(self.plan.keys));
            keys.sort_unstable();
            keys.dedup();
        }
        let write = self.history.write(keys, all);
        self.push_on(0, at, None, Happening::Write(write));
    }

    /// A node takes a write.
    pub(super) fn write(&mut self, at: usize, id: WriteId) {
        let write = self.history.taken(id, at, self.hosts[at].life);
        let mut slots: Vec<Slot> = write.keys.iter().copied().map(self.slot()).collect();
        slots.sort_unstable();
        slots.dedup();
        let scope = if write.all { Scope::All } else { Scope::Slots(slots) };
        self.tell(|| format!("{at} takes {id:?} of {:?}, {scope:?}", write.keys));
        self.step(at, Input::Write { write: id, scope });
    }

    /// A client is told what became of its write.
    pub(super) fn answered(&mut self, at: usize, id: WriteId, outcome: &Outcome) {
        self.tell(|| format!("{at} answers {id:?}: {outcome:?}"));
        self.tally.count(match outcome {
            Outcome::Written { .. } => Seen::Written,
            Outcome::Failed => Seen::Aborted,
            Outcome::TimedOut => Seen::TimedOut,
            Outcome::Unknown => Seen::Unknown,
        });
        let primary = self.servers.last().expect("there is always one");
        self.history.answered(id, outcome, primary);
        let Outcome::Written { block, installs } = outcome else { return };
        let (slot, versions) = (self.slot(), primary.versions_of(*block).to_vec());
        for (key, version) in versions {
            let token = installs.iter().find(|(installed, _)| *installed == slot(key));
            if let Some((_, token)) = token {
                self.tally.count(Seen::WrittenThrough);
                self.hosts[at].memory.insert(key, Entry { version, epoch: token.epoch });
            }
            self.look_elsewhere(key);
        }
    }

    /// A read returns.
    pub(super) fn returned(&mut self, at: usize, request: &Request, version: usize, how: Seen) {
        self.tell(|| format!("{at} returns key {} version {version}: {how:?}", request.key));
        self.tally.count(how);
        let primary = self.servers.last().expect("there is always one");
        self.history.returned(request, version, primary);
        if request.curious && self.dice.chance(200) {
            self.look_elsewhere(request.key);
        }
    }

    /// Who has just learnt something may tell others, and they look.
    fn look_elsewhere(&mut self, key: Key) {
        for at in 0..self.plan.nodes {
            if self.dice.chance(300) {
                let after = self.dice.below(2 * MS);
                self.begin_read(after, at, key, false);
            }
        }
    }

    /// A read gets no answer.
    pub(super) fn unavailable(&mut self, at: usize, request: &Request) {
        self.tell(|| format!("{at} has no answer for key {}", request.key));
        self.tally.count(Seen::Unavailable);
    }
}

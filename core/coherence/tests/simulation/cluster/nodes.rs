//! What happens on the nodes: steps and what they lead to, and reads, done as
//! the crate's documentation tells whoever drives a node. Never looks at true
//! time, but to read a node's own clock.

use larder_coherence::{Envelope, Floor, Input, Message, Node, Output, Reply, Time};

use super::Cluster;
use crate::clock::MS;
use crate::history::Request;
use crate::host::Entry;
use crate::plan::Habit;
use crate::queue::{Happening, Key, Question};
use crate::tally::Seen;

impl Cluster {
    pub(super) fn happen(&mut self, at: usize, life: Option<u64>, what: Happening) {
        let host = &self.hosts[at];
        if host.node.is_none() || life.is_some_and(|life| life != host.life) {
            return;
        }
        if self.now < host.paused_until {
            // What waited for the end of a pause goes on in any order.
            let after = host.paused_until - self.now + self.dice.below(2 * MS);
            return self.push_on(after, at, life, what);
        }
        match what {
            Happening::Wake(number) => self.wake(at, number),
            Happening::Input(input) => self.step(at, input),
            Happening::Read(request) => self.read(at, request),
            Happening::Decide(request, entry) => self.decide(at, request, entry),
            Happening::Write(write) => self.write(at, write),
            Happening::Loaded { key, flight, version } => self.loaded(at, key, flight, version),
        }
    }

    fn wake(&mut self, at: usize, number: u64) {
        let host = &mut self.hosts[at];
        host.seen = host.clock.at(self.now);
        if host.alarm.number == number {
            host.alarm.at = None;
            self.step(at, Input::Wake);
        }
    }

    /// Rings when the node wants it, or later.
    pub(super) fn set_alarm(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let wakes_at = host.node.as_ref().and_then(Node::wakes_at);
        if wakes_at == host.alarm.at {
            return;
        }
        host.alarm.at = wakes_at;
        host.alarm.number += 1;
        let Some(wakes_at) = wakes_at else { return };
        let (number, life) = (host.alarm.number, host.life);
        let latest = if self.dice.chance(50) { 100 * MS } else { MS };
        let late = self.dice.below(latest);
        let after = host.clock.when(wakes_at).saturating_sub(self.now) + 50 + late;
        self.push_on(after, at, Some(life), Happening::Wake(number));
    }

    /// Lets a node take one event, and does what it says.
    pub(super) fn step(&mut self, at: usize, input: Input) {
        let host = &mut self.hosts[at];
        if let Input::Reply(Reply::Joined { roster, .. }) = &input {
            host.instance = roster.instance;
        }
        let now = host.clock.at(self.now);
        let told = if self.trace { format!("{at} {input:?}") } else { String::new() };
        let node = host.node.as_mut().expect("it runs");
        let outputs = node.step(now, input);
        self.tell(|| format!("{told} -> {outputs:?}"));
        for output in outputs {
            self.perform(at, output);
        }
        self.set_alarm(at);
    }

    fn perform(&mut self, at: usize, output: Output) {
        match output {
            Output::Drop(scope) => {
                let slot = self.slot();
                self.hosts[at].forget(&scope, slot);
            }
            Output::Publish(lease) => self.hosts[at].word = lease.word(),
            Output::Send(envelope) => self.send(envelope),
            Output::Perform(statement) => self.ask(at, Question::Statement(statement)),
            Output::Answer(write, outcome) => self.answered(at, write, &outcome),
        }
    }

    fn send(&mut self, envelope: Envelope) {
        let (from, to) = (usize::from(envelope.from.0), usize::from(envelope.to.0));
        if self.plan.breaks(Habit::ReleaseByWriter)
            && let Message::Block { block, .. } = envelope.message
        {
            self.forge_release(to, Envelope { message: Message::Release { block }, ..envelope });
        }
        let is_cut = self.cut.get(&(from, to)).is_some_and(|&until| self.now < until);
        if is_cut || self.dice.chance(self.plan.messages_lost) {
            return self.tally.count(Seen::MessageLost);
        }
        if self.dice.chance(self.plan.messages_doubled) {
            self.tally.count(Seen::MessageDoubled);
            self.deliver(to, envelope.clone());
        }
        self.deliver(to, envelope);
    }

    fn deliver(&mut self, to: usize, envelope: Envelope) {
        let late = self.dice.chance(self.plan.messages_late);
        let after = if late {
            self.tally.count(Seen::MessageLate);
            self.dice.below(3_000 * MS)
        } else {
            100 + self.dice.below(MS)
        };
        self.push_on(after, to, None, Happening::Input(Input::Message(envelope)));
    }

    /// A node loses patience with a block, and drops it.
    fn forge_release(&mut self, to: usize, envelope: Envelope) {
        let after = self.dice.below(500 * MS);
        let floor = Floor { sequence: 0, ..envelope.floor };
        let forged = Envelope { floor, ..envelope };
        self.push_on(after, to, None, Happening::Input(Input::Message(forged)));
    }

    fn read(&mut self, at: usize, request: Request) {
        let host = &self.hosts[at];
        let life = Some(host.life);
        match host.memory.get(&request.key).copied() {
            Some(entry) if self.dice.chance(self.plan.looks_late) => {
                let after = self.dice.below(500 * MS);
                self.push_on(after, at, life, Happening::Decide(request, entry));
            }
            Some(entry) => self.decide(at, request, entry),
            None => self.miss(at, request),
        }
    }

    fn decide(&mut self, at: usize, request: Request, entry: Entry) {
        let host = &self.hosts[at];
        let now =
            if self.plan.breaks(Habit::FreshClock) { host.seen } else { host.clock.at(self.now) };
        if self.serves(at, entry, now) {
            self.returned(at, &request, entry.version, Seen::Hit);
        } else {
            self.miss(at, request);
        }
    }

    fn miss(&mut self, at: usize, request: Request) {
        let key = request.key;
        match self.hosts[at].flights.get_mut(&key) {
            Some(flight) => flight.later.push(request),
            None => self.fly(at, key, vec![request]),
        }
    }

    fn serves(&self, at: usize, entry: Entry, now: Time) -> bool {
        let host = &self.hosts[at];
        if !self.plan.breaks(Habit::EntryEpoch) {
            return host.word.serves(entry.epoch, now);
        }
        let node = host.node.as_ref().expect("it runs");
        node.serves(node.lease().epoch, now)
    }

    /// Begins to read a key from the database.
    fn fly(&mut self, at: usize, key: Key, first: Vec<Request>) {
        let slot = self.slot()(key);
        let host = &mut self.hosts[at];
        let read = host.node.as_ref().expect("it runs").begin_read(slot);
        let flight = host.fly(key, read, first);
        let instance = host.instance;
        self.ask(at, Question::Load { key, flight, instance });
    }

    /// A flight is back.
    fn loaded(&mut self, at: usize, key: Key, flight: u64, version: Option<usize>) {
        let host = &mut self.hosts[at];
        let Some(flight) = host.land(key, flight) else { return };
        let Some(version) = version else {
            for request in flight.first.iter().chain(&flight.later) {
                self.unavailable(at, request);
            }
            return;
        };
        let node = host.node.as_ref().expect("it runs");
        let now = host.clock.at(self.now);
        let verdict = node.finish_read(&flight.read, now);
        let epoch = match self.plan.breaks(Habit::FillByToken) {
            true => Some(node.lease().epoch),
            false => verdict.install.map(|token| token.epoch),
        };
        if let Some(epoch) = epoch {
            host.memory.insert(key, Entry { version, epoch });
        }
        for request in &flight.first {
            match verdict.answer {
                true => self.returned(at, request, version, Seen::Loaded),
                false => self.unavailable(at, request),
            }
        }
        if flight.later.is_empty() {
            return;
        }
        if verdict.share || self.plan.breaks(Habit::ShareByVerdict) {
            for request in &flight.later {
                self.returned(at, request, version, Seen::Shared);
            }
        } else {
            self.fly(at, key, flight.later);
        }
    }
}

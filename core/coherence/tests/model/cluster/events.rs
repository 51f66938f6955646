//! What may happen next in a cluster, and what then is.

use larder_coherence::{Envelope, Input, Message, Reply, Scope, Statement, WriteId};
use stateright::{Model, Property};

use super::{ANSWERED, Cluster, KEY, Reader, STALE, is_commit};
use crate::setting::{Habit, Setting};

/// What may happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Tick,
    FailOver,
    Crash(usize),
    Restart(usize),
    Clear(usize),
    ReadClock(usize),
    Wake(usize),
    Write(usize),
    Perform(usize, Statement),
    /// Performed, and the connection is lost before the reply.
    Lose(usize, Statement),
    /// As both: performed on the standby, which takes over before the primary
    /// shows it to anyone.
    FailOverDuring(usize, Statement),
    Reply(usize, Reply),
    Deliver(Envelope),
    /// A release that nobody sent.
    Forget(usize, Envelope),
    Look(usize),
    Decide(usize),
    Ask(usize),
    Finish(usize),
    Share(usize, usize),
}

impl Cluster {
    fn events_of_reader(&self, setting: &Setting, reader: usize, events: &mut Vec<Event>) {
        let on = setting.readers[reader];
        if self.node(on).is_none() {
            return;
        }
        match self.readers[reader] {
            Reader::Idle if self.left.reads > 0 => {
                events.push(Event::Look(reader));
                if setting.coalescing {
                    let leaders = (0..self.readers.len()).filter(|&other| {
                        setting.readers[other] == on
                            && matches!(
                                self.readers[other],
                                Reader::Asking { .. } | Reader::Told { .. }
                            )
                    });
                    events.extend(leaders.map(|leader| Event::Share(reader, leader)));
                }
            }
            Reader::Looked { .. } => events.push(Event::Decide(reader)),
            Reader::Asking { .. } => events.push(Event::Ask(reader)),
            Reader::Told { .. } => events.push(Event::Finish(reader)),
            Reader::Idle | Reader::Sharing { .. } => {}
        }
    }

    fn events_of_host(&self, setting: &Setting, at: usize, events: &mut Vec<Event>) {
        let host = &self.hosts[at];
        let allowed = host.asked.iter().filter(|statement| self.has_left(statement));
        events.extend(allowed.map(|statement| Event::Perform(at, statement.clone())));
        let Some(node) = &host.node else {
            if self.left.joins > 0 {
                events.push(Event::Restart(at));
            }
            return;
        };
        for reply in &host.replies {
            events.push(Event::Reply(at, reply.clone()));
        }
        if self.left.losses > 0 {
            let commits = host.asked.iter().filter(|asked| is_commit(asked));
            for commit in commits {
                events.push(Event::Lose(at, commit.clone()));
                if self.left.failovers > 0 {
                    events.push(Event::FailOverDuring(at, commit.clone()));
                }
            }
        }
        if self.left.crashes > 0 && setting.crashing.contains(&at) {
            events.push(Event::Crash(at));
        }
        // One at a time: with more, blocks and releases that come twice would
        // count a generation up for ever.
        if self.left.writes > 0 && setting.writers.contains(&at) && node.writes() == 0 {
            events.push(Event::Write(at));
        }
        if self.left.joins > 0 && setting.clearing.contains(&at) {
            events.push(Event::Clear(at));
        }
        if node.wakes_at().is_some_and(|wake| wake.0 <= self.time) {
            events.push(Event::Wake(at));
        }
        if setting.breaks(Habit::FreshClock) && host.clock != self.time {
            events.push(Event::ReadClock(at));
        }
    }

    /// Whether a message is on its way: where blocks come after the commit,
    /// those of a write that isn't committed aren't.
    fn travels(&self, setting: &Setting, envelope: &Envelope) -> bool {
        match envelope.message {
            Message::Block { block, .. } if setting.breaks(Habit::BlockFirst) => {
                self.primary.has_committed(block)
            }
            _ => true,
        }
    }
}

impl Model for Setting {
    type State = Cluster;
    type Action = Event;

    fn init_states(&self) -> Vec<Cluster> {
        vec![Cluster::new(self)]
    }

    fn actions(&self, cluster: &Cluster, events: &mut Vec<Event>) {
        if cluster.stale {
            return;
        }
        if cluster.time < self.ticks {
            events.push(Event::Tick);
        }
        if cluster.left.failovers > 0 {
            events.push(Event::FailOver);
        }
        (0..cluster.hosts.len()).for_each(|at| cluster.events_of_host(self, at, events));
        (0..self.readers.len()).for_each(|reader| cluster.events_of_reader(self, reader, events));
        for envelope in &cluster.network {
            if cluster.travels(self, envelope) {
                events.push(Event::Deliver(envelope.clone()));
            }
            if self.breaks(Habit::ReleaseByWriter)
                && let Message::Block { block, .. } = envelope.message
            {
                let message = Message::Release { block };
                let forged = Envelope { message, ..envelope.clone() };
                events.push(Event::Forget(usize::from(envelope.to.0), forged));
            }
        }
    }

    fn next_state(&self, last: &Cluster, event: Event) -> Option<Cluster> {
        let mut next = last.clone();
        match event {
            Event::Tick => next.time += 1,
            Event::FailOver => next.fail_over(),
            Event::Crash(at) => next.crash(self, at),
            Event::Restart(at) => {
                next.hosts[at].node = Some(self.node(at));
                next.step(self, at, Input::Wake);
            }
            Event::Clear(at) => next.step(self, at, Input::Clear),
            Event::ReadClock(at) => next.hosts[at].clock = next.time,
            Event::Wake(at) => next.step(self, at, Input::Wake),
            Event::Write(at) => {
                next.left.writes -= 1;
                let write = WriteId(u64::from(next.left.writes));
                let scope = Scope::Slots(vec![KEY]);
                next.step(self, at, Input::Write { write, scope });
            }
            Event::Perform(at, statement) => next.perform(self, at, statement),
            Event::Lose(at, commit) => next.lose(at, commit),
            Event::FailOverDuring(at, commit) => {
                let before = next.primary.clone();
                next.lose(at, commit);
                next.fail_over();
                next.deposed = Some(before.depose());
            }
            Event::Reply(at, reply) => {
                next.hosts[at].replies.remove(&reply);
                next.step(self, at, Input::Reply(reply));
            }
            Event::Deliver(envelope) | Event::Forget(_, envelope) => {
                next.step(self, usize::from(envelope.to.0), Input::Message(envelope));
            }
            Event::Look(reader) => {
                next.left.reads -= 1;
                let entry = next.hosts[self.readers[reader]].memory;
                next.readers[reader] = Reader::Looked { floor: next.floor, entry };
            }
            Event::Decide(reader) => next.decide(self, reader),
            Event::Ask(reader) => {
                let version = next.database(self.readers[reader]).version();
                if let Reader::Asking { floor, read } = next.readers[reader] {
                    next.readers[reader] = Reader::Told { floor, read, version };
                }
            }
            Event::Finish(reader) => next.finish(self, reader),
            Event::Share(reader, leader) => {
                next.left.reads -= 1;
                next.readers[reader] = Reader::Sharing { floor: next.floor, leader };
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STALE, |_, cluster: &Cluster| !cluster.stale),
            Property::sometimes(ANSWERED, |setting: &Self, cluster: &Cluster| {
                cluster.answered == setting.left.writes
            }),
        ]
    }
}

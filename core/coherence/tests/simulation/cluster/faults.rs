//! What goes wrong. Each fault ends by itself, or when all are healed. None is
//! beyond what the protocol assumes.

use larder_coherence::{Input, Instance};

use super::{Cluster, TROUBLE};
use crate::clock::{MS, SECOND};
use crate::queue::{Event, Happening};
use crate::tally::Seen;

impl Cluster {
    /// One fault, and when the next one comes.
    pub(super) fn fault(&mut self) {
        if self.fails_over_by.is_some_and(|by| self.now >= by) {
            self.fail_over();
        }
        let at = self.dice.index(self.plan.nodes);
        match self.dice.below(18) {
            0..=2 => self.pause(at),
            3 => self.freeze(at),
            4..=6 => self.crash(at),
            7 | 8 => self.cut_off(at),
            9 | 10 => self.cut_link(at),
            11 | 12 => self.cut_from_database(at),
            13 => self.strand(at),
            14 => {
                self.tally.count(Seen::Clear);
                self.push_on(0, at, None, Happening::Input(Input::Clear));
            }
            15 => self.restart_database(),
            _ => self.begin_failover(),
        }
        let next = self.now + 1 + self.dice.below(2 * self.plan.fault_every);
        if next < TROUBLE.end {
            self.queue.push(next, Event::Fault);
        }
    }

    /// Half of all pauses are longer than a lease.
    fn pause(&mut self, at: usize) {
        let ms = if self.dice.chance(500) {
            self.dice.between(2_000, 5_000)
        } else {
            self.dice.between(1, 800)
        };
        self.hold(at, ms * MS);
        self.tally.count(Seen::Pause);
    }

    /// A pause in which the clock stands still, no longer than is allowed for
    /// one lease.
    fn freeze(&mut self, at: usize) {
        if self.now < self.hosts[at].frozen_until {
            return;
        }
        let lost = self.dice.between(1, 400) * MS;
        self.hold(at, lost);
        let host = &mut self.hosts[at];
        host.clock.lose(lost);
        host.frozen_until = self.now + 6 * SECOND;
        self.tally.count(Seen::Freeze);
    }

    fn hold(&mut self, at: usize, time: u64) {
        self.tell(|| format!("{at} stands still for {} ms", time / MS));
        let host = &mut self.hosts[at];
        host.paused_until = host.paused_until.max(self.now + time);
    }

    fn crash(&mut self, at: usize) {
        if self.hosts[at].node.is_none() {
            return;
        }
        let ms = if self.dice.chance(500) { 50 } else { 4_000 };
        let back = self.now + self.dice.between(1, ms) * MS;
        self.hosts[at].crash();
        self.queue.push(back, Event::Restart(at));
        self.tally.count(Seen::Crash);
        self.tell(|| format!("{at} crashes"));
    }

    /// For how long a cut lasts.
    fn until(&mut self) -> u64 {
        self.now + self.dice.between(50, 6_000) * MS
    }

    /// No node reaches this one, or it reaches none, or both.
    fn cut_off(&mut self, at: usize) {
        let until = self.until();
        self.isolate(at, until);
        // The database may be on the other side, too.
        if self.dice.chance(300) {
            self.cut_from_database(at);
        }
    }

    pub(super) fn isolate(&mut self, at: usize, until: u64) {
        let which = self.dice.below(3);
        for other in 0..self.plan.nodes {
            if which != 1 {
                self.cut.insert((at, other), until);
            }
            if which != 2 {
                self.cut.insert((other, at), until);
            }
        }
        self.tally.count(Seen::Cut);
        self.tell(|| format!("{at} is cut off until {} ms, {which}", until / MS));
    }

    /// Two nodes don't reach each other, or one doesn't reach the other.
    fn cut_link(&mut self, at: usize) {
        let until = self.until();
        let other = (at + 1 + self.dice.index(self.plan.nodes - 1)) % self.plan.nodes;
        self.cut.insert((at, other), until);
        if self.dice.chance(500) {
            self.cut.insert((other, at), until);
        }
        self.tally.count(Seen::Cut);
        self.tell(|| format!("{at} is cut from {other}"));
    }

    fn cut_from_database(&mut self, at: usize) {
        let until = self.until();
        let which = self.dice.below(3);
        if which != 1 {
            self.cut_asking[at] = self.now..until;
        }
        if which != 2 {
            self.cut_answers[at] = self.now..until;
        }
        self.tally.count(Seen::CutFromDatabase);
        self.tell(|| format!("{at} is cut from the database, {which}"));
    }

    /// A node hears of nobody, and what the database answered before comes
    /// back long after.
    fn strand(&mut self, at: usize) {
        let until = self.now + self.dice.between(3_000, 6_000) * MS;
        self.cut_answers[at] = self.now..until;
        self.cut_asking[at] = self.now + 600 * MS..until + SECOND;
        self.isolate(at, until + SECOND);
        self.tally.count(Seen::CutFromDatabase);
    }

    /// The primary goes away and comes back as another instance.
    fn restart_database(&mut self) {
        let down_until = self.now + self.dice.below(1_000 * MS);
        let instance = Instance(self.servers.last().map_or(1, |server| server.instance().0 + 1));
        let primary = self.primary();
        primary.down_until = down_until;
        primary.begin_instance(instance);
        self.tally.count(Seen::DatabaseRestart);
        self.tell(|| format!("the database restarts as {instance:?}"));
    }

    fn begin_failover(&mut self) {
        if !self.plan.is_replicated() {
            return;
        }
        if self.dice.chance(500) {
            self.fail_over();
        } else {
            self.fails_over_by = Some(self.now + 50 * MS);
        }
    }

    /// From now on nothing goes wrong.
    pub(super) fn heal(&mut self) {
        self.fails_over_by = None;
        self.cut.clear();
        self.cut_asking.fill(0..0);
        self.cut_answers.fill(0..0);
        self.primary().down_until = 0;
        let plan = &mut self.plan;
        plan.messages_lost = 0;
        plan.messages_doubled = 0;
        plan.messages_late = 0;
        plan.statements_lost = 0;
        plan.statements_late = 0;
        plan.looks_late = 0;
        plan.changes_failed = 0;
        for at in 0..self.hosts.len() {
            self.hosts[at].paused_until = 0;
            self.hosts[at].behind_until = 0;
            self.start(at);
        }
        self.tell(|| "nothing goes wrong any more".into());
    }
}

//! Being in the cluster: join, renew, and step aside. Decides when a node may
//! answer from memory; never what it holds.

use std::time::Duration;

use crate::lease::Lease;
use crate::node::Node;
use crate::roster::Roster;
use crate::rules::Rule;
use crate::slots::Scope;
use crate::step::{Output, Statement};
use crate::{BlockId, Epoch, Instance, Time};

/// Where a node stands, as it knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Presence {
    /// Not in the cluster.
    Out { retry_at: Time },
    /// It asked to join.
    Joining { since: Time },
    /// In the cluster, and keeps entries.
    Caching,
    /// In the cluster, and keeps none.
    Passthrough { until: Time },
}

/// The next renewal of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Renewal {
    /// To be asked for.
    Due(Time),
    /// Asked for, at this time.
    Asked(Time),
}

impl Renewal {
    /// When the renewal that was answered had been asked for; `None` if the
    /// answer is to an earlier epoch's.
    pub(crate) fn answered(self, epoch: Epoch, present: Epoch) -> Option<Time> {
        match self {
            Self::Asked(asked) if epoch == present => Some(asked),
            _ => None,
        }
    }
}

/// One reading of the database's clock, and the time on ours around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sample {
    asked: Time,
    answered: Time,
    database: Time,
}

impl Sample {
    /// By how much the two clocks disagree at least about the time between
    /// two readings, whenever within its round trip each was taken.
    fn drift(self, next: Self) -> Duration {
        let shortest = next.asked.since(self.answered);
        let longest = next.answered.since(self.asked);
        let database = next.database.since(self.database);
        database.saturating_sub(longest).max(shortest.saturating_sub(database))
    }
}

impl Node {
    /// Whether the node is in the cluster, as far as it knows.
    pub(crate) fn is_in(&self) -> bool {
        matches!(self.presence, Presence::Caching | Presence::Passthrough { .. })
    }

    pub(crate) fn membership_wakes_at(&self) -> Option<Time> {
        let renewal = match self.renewal {
            Renewal::Due(at) => Some(at),
            Renewal::Asked(_) => None,
        };
        match self.presence {
            Presence::Out { retry_at } => Some(retry_at),
            Presence::Joining { .. } => None,
            Presence::Caching => renewal,
            Presence::Passthrough { until } => renewal.into_iter().chain([until]).min(),
        }
    }

    pub(crate) fn wake_membership(&mut self, now: Time, out: &mut Vec<Output>) {
        match self.presence {
            Presence::Out { retry_at: at } | Presence::Passthrough { until: at } if now >= at => {
                self.join(now, out);
            }
            Presence::Caching | Presence::Passthrough { .. } => {
                if let Renewal::Due(at) = self.renewal
                    && now >= at
                {
                    self.renewal = Renewal::Asked(now);
                    let replicated =
                        self.is_replicated() && self.rules.hold(Rule::ReplicatedRenewal);
                    let epoch = self.lease.epoch;
                    out.push(Output::Perform(Statement::Renew { epoch, replicated }));
                }
            }
            Presence::Out { .. } | Presence::Joining { .. } => {}
        }
    }

    /// Stops serving and begins a new epoch, unless that is under way.
    pub(crate) fn join(&mut self, now: Time, out: &mut Vec<Output>) {
        if matches!(self.presence, Presence::Joining { .. }) {
            return;
        }
        self.presence = Presence::Joining { since: now };
        self.lease.expiry = Time(0);
        self.sample = None;
        out.push(Output::Publish(Lease::NONE));
        out.push(Output::Perform(Statement::Join));
    }

    pub(crate) fn clear(&mut self, now: Time, out: &mut Vec<Output>) {
        // Who has stepped aside has nothing to forget, and who is about to join
        // begins with nothing.
        if self.presence == Presence::Caching {
            self.join(now, out);
        }
    }

    pub(crate) fn joined(
        &mut self,
        epoch: Epoch,
        roster: Roster,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Presence::Joining { since } = self.presence else { return };
        self.presence = Presence::Caching;
        self.lease = Lease { epoch, expiry: since.after(self.config.lease) };
        self.renewal = Renewal::Due(since.after(self.config.renewal));
        self.mails = 0;
        self.slots.reset();
        out.push(Output::Drop(Scope::All));
        out.push(Output::Publish(self.lease));
        self.adopt(roster, out);
        if !self.config.keeps_entries {
            self.step_aside(Time(u64::MAX), out);
        }
        self.resume_writes(now, out);
    }

    pub(crate) fn join_failed(&mut self, now: Time) {
        self.presence = Presence::Out { retry_at: now.after(self.config.renewal) };
    }

    pub(crate) fn renewed(
        &mut self,
        asked: Time,
        roster: Roster,
        server: Instance,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let epoch = self.lease.epoch;
        let granted = roster.instance == server
            && roster.is_registered(epoch)
            && roster.is_current(self.config.node, epoch);
        self.adopt(roster, out);
        if !granted {
            return self.join(now, out);
        }
        if !self.is_in() {
            return;
        }
        // The database may have said so long ago: the lease counts from before
        // it was asked.
        let from = if self.rules.hold(Rule::LeaseFromSending) { asked } else { now };
        self.lease.expiry = self.lease.expiry.max(from.after(self.config.lease));
        self.renewal = Renewal::Due(asked.after(self.config.renewal));
        out.push(Output::Publish(self.lease()));
    }

    pub(crate) fn renewal_failed(&mut self, epoch: Epoch, now: Time, out: &mut Vec<Output>) {
        if self.renewal.answered(epoch, self.lease.epoch).is_none() {
            return;
        }
        // Renewals are asked of the server that answered the last join. If a
        // standby has taken its place, only the next join finds that.
        if self.is_replicated() && self.is_in() && !self.lease.runs(now) {
            return self.join(now, out);
        }
        self.renewal = Renewal::Due(now.after(self.config.renewal));
    }

    /// Blocks that came by way of the database, because their writer couldn't
    /// reach this node.
    pub(crate) fn read_mail(
        &mut self,
        mail: &[(BlockId, Scope)],
        now: Time,
        out: &mut Vec<Output>,
    ) {
        if !self.is_in() {
            return;
        }
        let standing: Vec<BlockId> = mail
            .iter()
            .filter(|(block, scope)| self.block(*block, scope, out))
            .map(|&(block, _)| block)
            .collect();
        // Mail of a write that is over stays where it is, and says nothing
        // about the way to its writer now.
        self.mails = if standing.is_empty() { 0 } else { self.mails + 1 };
        if !standing.is_empty() {
            let epoch = self.lease.epoch;
            out.push(Output::Perform(Statement::AnswerMail { epoch, blocks: standing }));
        }
        if self.mails >= self.config.mails_before_passthrough {
            self.step_aside(now.after(self.config.passthrough), out);
        }
    }

    /// Stops keeping entries if a clock can't be trusted.
    pub(crate) fn compare_clocks(
        &mut self,
        asked: Time,
        answered: Time,
        database: Option<Time>,
        out: &mut Vec<Output>,
    ) {
        let Some(database) = database else { return };
        let sample = Sample { asked, answered, database };
        let before = self.sample.replace(sample);
        if before.is_some_and(|before| before.drift(sample) > self.config.drift) {
            self.step_aside(answered.after(self.config.passthrough), out);
        }
    }

    /// Stops keeping entries, and only then says so.
    fn step_aside(&mut self, until: Time, out: &mut Vec<Output>) {
        if self.presence != Presence::Caching {
            return;
        }
        self.presence = Presence::Passthrough { until };
        out.push(Output::Publish(Lease::NONE));
        out.push(Output::Drop(Scope::All));
        out.push(Output::Perform(Statement::StepAside { epoch: self.lease.epoch }));
    }

    /// Takes a roster for the newest, if it is: blocks of writers whose epoch
    /// has ended go, writes ask who is new, and waits that have no reason end.
    pub(crate) fn adopt(&mut self, roster: Roster, out: &mut Vec<Output>) {
        if roster.version < self.roster.version {
            return;
        }
        self.roster = roster;
        self.slots.release_if(|block| self.roster.has_ended(block));
        self.drop_fences();
        self.evict_unregistered(out);
        self.review_writes(out);
    }
}

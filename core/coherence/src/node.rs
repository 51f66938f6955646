//! A node: its state, what may happen to it, and when it has to be woken.
//! What each event does stands with its noun: `membership` for the lease,
//! `write` for writes, `peer` for messages, `fence` for silent nodes, `read`
//! for reads.

use std::collections::BTreeMap;

use crate::config::{Config, Database};
use crate::fence::Fence;
use crate::lease::Lease;
use crate::membership::{Presence, Renewal, Sample};
use crate::message::{Envelope, Floor, Message};
use crate::roster::Roster;
use crate::rules::Rules;
use crate::slots::Slots;
use crate::step::{Input, Output, Reply, Statement};
use crate::write::Write;
use crate::{Epoch, Instance, NodeId, Slot, Time, WriteId};

/// One node's part of the protocol. Holds no entries, keys or values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) presence: Presence,
    /// The epoch stays when the lease has ended, until the next join.
    pub(crate) lease: Lease,
    pub(crate) renewal: Renewal,
    /// How this node's clock and the database's stood at the last renewal.
    pub(crate) sample: Option<Sample>,
    /// Renewals in a row that found mail.
    pub(crate) mails: u32,
    /// The newest roster this node has seen.
    pub(crate) roster: Roster,
    pub(crate) reading_roster: bool,
    pub(crate) slots: Slots,
    /// Counts the attempts of this node's writes.
    pub(crate) sequence: u64,
    pub(crate) writes: BTreeMap<WriteId, Write>,
    pub(crate) fences: BTreeMap<NodeId, Fence>,
    /// What each peer said is over.
    pub(crate) floors: BTreeMap<NodeId, Floor>,
}

impl Node {
    /// A node that has yet to join: its first wake is due at once. The caller
    /// holds the lock of the data folder, so no earlier process of this node
    /// is alive.
    pub fn new(config: Config) -> Self {
        Self::with_rules(config, Rules::default())
    }

    /// As [`Node::new`], by these rules.
    pub fn with_rules(config: Config, rules: Rules) -> Self {
        Self {
            rules,
            presence: Presence::Out { retry_at: Time(0) },
            lease: Lease::NONE,
            renewal: Renewal::Due(Time(0)),
            sample: None,
            mails: 0,
            roster: Roster::new(Instance(0)),
            reading_roster: false,
            slots: Slots::new(config.slots),
            sequence: 0,
            writes: BTreeMap::new(),
            fences: BTreeMap::new(),
            floors: BTreeMap::new(),
            config,
        }
    }

    /// Takes one event at `now`, which never goes back.
    pub fn step(&mut self, now: Time, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Wake => {
                self.wake_membership(now, &mut out);
                self.wake_writes(now, &mut out);
                self.wake_fences(now, &mut out);
            }
            Input::Write { write, scope } => self.write(write, scope, now, &mut out),
            Input::Clear => self.clear(now, &mut out),
            Input::Message(envelope) => self.receive(envelope, now, &mut out),
            Input::Reply(reply) => self.reply(reply, now, &mut out),
        }
        out
    }

    /// When the node wants [`Input::Wake`]; it may come later.
    pub fn wakes_at(&self) -> Option<Time> {
        let membership = self.membership_wakes_at();
        let writes = self.writes.values().filter_map(|write| write.wakes_at(self.is_in())).min();
        let fences = self.fences.values().filter_map(Fence::wakes_at).min();
        [membership, writes, fences].into_iter().flatten().min()
    }

    /// The right under which this node answers from memory.
    pub fn lease(&self) -> Lease {
        match self.presence {
            Presence::Caching => self.lease,
            _ => Lease::NONE,
        }
    }

    /// Whether an entry that was loaded in `epoch` may be served at `now`,
    /// read from the clock within the request that asks.
    pub fn serves(&self, epoch: Epoch, now: Time) -> bool {
        self.lease().serves(epoch, now)
    }

    /// Which server told of the newest roster that the node has seen.
    pub fn instance(&self) -> Instance {
        self.roster.instance
    }

    /// Whether this node is in the cluster, as far as it knows.
    pub fn is_member(&self) -> bool {
        self.is_in()
    }

    /// The epoch it joined in last.
    pub fn epoch(&self) -> Epoch {
        self.lease.epoch
    }

    /// How many clients' writes are under way.
    pub fn writes(&self) -> usize {
        self.writes.len()
    }

    /// How many writes a slot has seen.
    pub fn generation(&self, slot: Slot) -> u64 {
        self.slots.generation(slot)
    }

    fn reply(&mut self, reply: Reply, now: Time, out: &mut Vec<Output>) {
        match reply {
            Reply::Joined { epoch, roster } => self.joined(epoch, roster, now, out),
            Reply::Renewed { epoch, roster, server, mail, clock } => {
                if let Some(asked) = self.renewal.answered(epoch, self.lease.epoch) {
                    self.compare_clocks(asked, now, clock, out);
                    self.renewed(asked, roster, server, now, out);
                    self.read_mail(&mail, now, out);
                }
            }
            Reply::Roster { roster, answered } => {
                self.reading_roster = false;
                for (block, node, epoch) in answered {
                    self.acknowledged(block, node, epoch, out);
                }
                self.adopt(roster, out);
            }
            Reply::EvictionBegun { node, epoch, roster } => {
                self.adopt(roster, out);
                self.eviction_begun(node, epoch, now);
            }
            Reply::Committed(write) => self.committed(write, out),
            Reply::Refused { write, roster, server } => {
                self.refused(write, roster, server, now, out);
            }
            Reply::Aborted(write) => self.aborted(write, out),
            Reply::LookedUp { write, committed } => self.looked_up(write, committed, now, out),
            Reply::Failed(statement) => self.failed(&statement, now, out),
        }
    }

    fn failed(&mut self, statement: &Statement, now: Time, out: &mut Vec<Output>) {
        match *statement {
            Statement::Join => self.join_failed(now),
            Statement::Renew { epoch, .. } => self.renewal_failed(epoch, now, out),
            Statement::ReadRoster => self.reading_roster = false,
            Statement::Commit { write, .. } => self.lost(write, now, out),
            Statement::LookUp { write, block } => self.retry_look_up(write, block, now),
            Statement::BeginEviction { node, epoch }
            | Statement::FinishEviction { node, epoch } => self.eviction_failed(node, epoch),
            // The next join or reminder does what these would have done.
            Statement::StepAside { .. } | Statement::Mail { .. } | Statement::AnswerMail { .. } => {
            }
        }
    }

    /// Asks for the roster, unless that is under way.
    pub(crate) fn read_roster(&mut self, out: &mut Vec<Output>) {
        if !self.reading_roster {
            self.reading_roster = true;
            out.push(Output::Perform(Statement::ReadRoster));
        }
    }

    pub(crate) fn send(&self, to: NodeId, message: Message, out: &mut Vec<Output>) {
        let floor = self.floor();
        out.push(Output::Send(Envelope { from: self.config.node, to, floor, message }));
    }

    pub(crate) fn is_replicated(&self) -> bool {
        self.config.database == Database::Replicated
    }
}

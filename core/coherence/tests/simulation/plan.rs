//! What a run is about: what its caller fixes, and what its seed decides before
//! the first event. Holds no state of the run.

use std::time::Duration;

use larder_coherence::{Config, Database, NodeId, Rule, Rules};

use crate::clock::MS;
use crate::dice::Dice;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// One that the node keeps.
    Node(Rule),
    /// One that whoever drives the node keeps.
    Driver(Habit),
    /// An eviction waits this long, whatever the lease.
    Fence(Duration),
}

/// What whoever drives a node is told to do, and may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Keep nothing that `finish_read` doesn't allow.
    FillByToken,
    /// Ask for a hit with the epoch of the entry.
    EntryEpoch,
    /// Read the clock within the request.
    FreshClock,
    /// Share a read's value only if `finish_read` allows it.
    ShareByVerdict,
    /// Pass on a release only if the writer sent it.
    ReleaseByWriter,
    /// With standbys, load on no server that is newer than the one on which the
    /// present epoch was given.
    NoNewerServer,
    /// With standbys, load and perform on no server that is older than that.
    NoOlderServer,
}

/// What the caller of a run fixes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setting {
    /// `None`: the seed decides.
    pub(crate) database: Option<Database>,
    pub(crate) broken: Option<Broken>,
    /// Whether to tell on stderr what happens.
    pub(crate) trace: bool,
}

/// What the seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) keys: usize,
    config: Config,
    rules: Rules,
    habit: Option<Habit>,
    /// Per mille of all messages.
    pub(crate) messages_lost: u64,
    pub(crate) messages_doubled: u64,
    pub(crate) messages_late: u64,
    /// Per mille of all statements.
    pub(crate) statements_lost: u64,
    pub(crate) statements_late: u64,
    /// Per mille of all look-ups: a thread stands still before it looks at the
    /// clock.
    pub(crate) looks_late: u64,
    /// Per mille of all changes: no such row, or out of stock.
    pub(crate) changes_failed: u64,
    /// Mean time between two faults.
    pub(crate) fault_every: u64,
    /// Mean time between two requests.
    pub(crate) request_every: u64,
    pub(crate) writes_per_mille: u64,
}

impl Plan {
    pub(crate) fn new(setting: &Setting, dice: &mut Dice) -> Self {
        let (rules, habit, fence) = match setting.broken {
            None => (Rules::default(), None, None),
            Some(Broken::Node(rule)) => (Rules::without(rule), None, None),
            Some(Broken::Driver(habit)) => (Rules::default(), Some(habit), None),
            Some(Broken::Fence(fence)) => (Rules::default(), None, Some(fence)),
        };
        let servers = [Database::Single, Database::Replicated][dice.index(2)];
        let rough = dice.chance(500);
        let per_mille = |dice: &mut Dice, most| if rough { dice.below(most) } else { 0 };
        let slots = dice.between(2, 4);
        let mut config = config(dice, u32::try_from(slots).expect("few slots"));
        config.check().expect("the protocol keeps its promise");
        config.database = setting.database.unwrap_or(servers);
        config.fence = fence.unwrap_or(config.fence);
        Self {
            nodes: 3 + dice.index(3),
            keys: usize::try_from(slots).expect("few slots") * 2,
            config,
            rules,
            habit,
            messages_lost: per_mille(dice, 200),
            messages_doubled: per_mille(dice, 200),
            messages_late: per_mille(dice, 100),
            statements_lost: per_mille(dice, 60),
            statements_late: per_mille(dice, 100),
            looks_late: 50,
            changes_failed: 10,
            fault_every: dice.between(200, 2_000) * MS,
            request_every: dice.between(8, 30) * MS,
            writes_per_mille: dice.between(30, 300),
        }
    }

    pub(crate) fn config(&self, node: NodeId) -> Config {
        Config { node, ..self.config.clone() }
    }

    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    pub(crate) fn breaks(&self, habit: Habit) -> bool {
        self.habit == Some(habit)
    }

    pub(crate) fn is_replicated(&self) -> bool {
        self.config.database == Database::Replicated
    }
}

fn config(dice: &mut Dice, slots: u32) -> Config {
    let ms = |dice: &mut Dice, least, most| Duration::from_millis(dice.between(least, most));
    let mail_after = ms(dice, 60, 300);
    Config {
        slots,
        // The shortest that is allowed, or the default.
        fence: [Duration::from_millis(2_445), Duration::from_millis(2_500)][dice.index(2)],
        mail_after,
        evict_after: mail_after * 2 + ms(dice, 0, 300),
        patience: ms(dice, 1_000, 5_000),
        mails_before_passthrough: u32::try_from(dice.between(1, 4)).expect("few"),
        passthrough: ms(dice, 500, 6_000),
        ..Config::new(NodeId(0))
    }
}

//! Which fault comes when, drawn from a seed, and how each begins and ends.
//! The draw never looks at what happens, so that a seed always gives the same
//! faults at the same times.

use std::fmt;
use std::time::Duration;

use rustix::process::Signal;

use crate::cluster::{Cluster, Side};
use crate::dice::Dice;
use crate::network::Way;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// `kill -9`, and started again at the end.
    Kill,
    /// SIGSTOP, and SIGCONT at the end.
    Pause,
    /// Packets to or from others are dropped.
    Cut(Side, Way),
    /// So many of a hundred packets get lost.
    Lose(u8),
}

/// To whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Node(usize),
    Database,
}

/// One fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// When it begins, after the beginning of the torment,
    pub(crate) at: Duration,
    /// and by how much later it did.
    pub(crate) slip: Duration,
    pub(crate) lasts: Duration,
    pub(crate) victim: Victim,
    pub(crate) deed: Deed,
}

impl Fault {
    /// The nanosecond at which it began.
    pub(crate) fn began(&self) -> u64 {
        (self.at + self.slip).as_nanos() as u64
    }

    /// When it is planned to end, after the beginning of the torment.
    pub(crate) fn end(&self) -> Duration {
        self.at + self.lasts
    }

    /// What is counted in summaries.
    pub(crate) fn sort(&self) -> String {
        let deed = match self.deed {
            Deed::Kill => "kill".into(),
            Deed::Pause => "pause".into(),
            Deed::Lose(_) => "packet loss".into(),
            Deed::Cut(side, way) => {
                let from = match side {
                    Side::Peers => "peers",
                    Side::Database => "database",
                    Side::All => "both",
                };
                let way = if way == Way::Both { "" } else { ", one way" };
                format!("cut off from {from}{way}")
            }
        };
        match self.victim {
            Victim::Node(_) => deed,
            Victim::Database => format!("{deed} of the database"),
        }
    }

    /// Makes it begin.
    pub(crate) fn begin(&self, cluster: &mut Cluster<'_>) {
        match (self.victim, self.deed) {
            (Victim::Node(node), Deed::Kill) => cluster.kill_node(node),
            (Victim::Node(node), Deed::Pause) => cluster.signal_node(node, Signal::STOP),
            (Victim::Node(node), Deed::Cut(side, way)) => cluster.cut(node, side, way),
            (Victim::Node(node), Deed::Lose(percent)) => cluster.lose(node, percent),
            (Victim::Database, Deed::Kill) => cluster.kill_database(),
            (Victim::Database, _) => cluster.signal_database(Signal::STOP),
        }
    }

    /// Makes it end.
    pub(crate) fn finish(&self, cluster: &mut Cluster<'_>) {
        match (self.victim, self.deed) {
            (Victim::Node(node), Deed::Kill) => cluster.start_node(node),
            (Victim::Node(node), Deed::Pause) => cluster.signal_node(node, Signal::CONT),
            (Victim::Node(node), Deed::Cut(..) | Deed::Lose(_)) => cluster.heal(node),
            (Victim::Database, Deed::Kill) => cluster.restart_database(),
            (Victim::Database, _) => cluster.signal_database(Signal::CONT),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, victim, deed, .. } = self;
        write!(
            out,
            "{:.1} s: {deed:?} {victim:?} for {:.1} s",
            at.as_secs_f64(),
            lasts.as_secs_f64()
        )
    }
}

/// Faults by chance, one after the other, some at the same time.
pub(crate) struct Faults {
    dice: Dice,
    has_network: bool,
    next_at: Duration,
    /// When each victim has had its rest after a fault: the nodes, and last the
    /// database.
    free_at: Vec<Duration>,
}

/// What a victim gets between the end of a fault and the next; the database
/// more, because everybody has to find it again.
const REST: Duration = Duration::from_millis(1500);
const REST_OF_DATABASE: Duration = Duration::from_secs(5);

/// The first fault comes when caches are warm.
const FIRST_AT: Duration = Duration::from_secs(2);

impl Faults {
    /// The faults of a seed for so many nodes.
    pub(crate) fn new(seed: u64, nodes: usize, has_network: bool) -> Self {
        let free_at = vec![Duration::ZERO; nodes + 1];
        Self { dice: Dice::new(seed), has_network, next_at: FIRST_AT, free_at }
    }

    fn draw_deed(&mut self, victim: Victim) -> Deed {
        let dice = &mut self.dice;
        if victim == Victim::Database || !self.has_network {
            return dice.one_of(&[Deed::Kill, Deed::Pause]);
        }
        match dice.below(10) {
            0..3 => Deed::Kill,
            3..6 => Deed::Pause,
            6 => Deed::Lose(10 + dice.below(40) as u8),
            _ => {
                let side = dice.one_of(&[Side::Peers, Side::Database, Side::All]);
                Deed::Cut(side, dice.one_of(&[Way::Both, Way::Both, Way::In, Way::Out]))
            }
        }
    }

    fn draw_length(&mut self, victim: Victim, deed: Deed) -> Duration {
        let dice = &mut self.dice;
        match (victim, deed) {
            (Victim::Database, _) => dice.millis(100, 1500),
            // Most supervisors start a program again at once.
            (Victim::Node(_), Deed::Kill) if dice.percent(60) => dice.millis(0, 100),
            (Victim::Node(_), Deed::Kill) => dice.millis(100, 4000),
            _ if dice.percent(60) => dice.millis(100, 1500),
            _ => dice.millis(1500, 6000),
        }
    }
}

impl Iterator for Faults {
    type Item = Fault;

    /// The next fault; there is always one.
    fn next(&mut self) -> Option<Fault> {
        loop {
            let at = self.next_at;
            self.next_at += self.dice.millis(400, 2200);
            let nodes = self.free_at.len() - 1;
            let victim = match self.dice.percent(12) {
                true => Victim::Database,
                false => Victim::Node(self.dice.below(nodes as u64) as usize),
            };
            let free_at = match victim {
                Victim::Node(node) => node,
                Victim::Database => nodes,
            };
            if self.free_at[free_at] > at {
                continue;
            }
            let deed = self.draw_deed(victim);
            let lasts = self.draw_length(victim, deed);
            let rest = if victim == Victim::Database { REST_OF_DATABASE } else { REST };
            self.free_at[free_at] = at + lasts + rest;
            return Some(Fault { at, slip: Duration::ZERO, lasts, victim, deed });
        }
    }
}

/// How long a leader is dead or stands still: until another one took its
/// place, which takes Patroni some 25 seconds, and as long again, in which
/// writes have to go on.
const FAILOVER: Duration = Duration::from_secs(60);

/// Failovers of a database with standbys, one after the other: every second
/// leader isn't killed, but goes on when it has been replaced.
pub(crate) fn failovers() -> impl Iterator<Item = Fault> {
    let deeds = [Deed::Kill, Deed::Pause].into_iter().cycle();
    deeds.zip(0..).map(|(deed, number): (_, u32)| Fault {
        at: FIRST_AT + (FAILOVER + REST_OF_DATABASE) * number,
        slip: Duration::ZERO,
        lasts: FAILOVER,
        victim: Victim::Database,
        deed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_of_every_sort_and_no_victim_has_two_at_once() {
        let draw = || Faults::new(7, 3, true).take(500);
        let shown = |fault: Fault| fault.to_string();
        assert!(draw().map(shown).eq(draw().map(shown)));
        let mut sorts: Vec<String> = draw().map(|fault| fault.sort()).collect();
        sorts.sort_unstable();
        sorts.dedup();
        assert_eq!(sorts.len(), 3 + 6 + 2, "{sorts:?}");
        let faults: Vec<Fault> = draw().collect();
        for (index, fault) in faults.iter().enumerate() {
            let mut later = faults[index + 1..].iter();
            let next = later.find(|other| other.victim == fault.victim);
            assert!(next.is_none_or(|next| next.at >= fault.end() + REST), "{fault}");
        }
        let on_loopback = Faults::new(7, 3, false).take(500);
        assert!(on_loopback.map(|fault| fault.deed).all(|d| matches!(d, Deed::Kill | Deed::Pause)));
    }
}

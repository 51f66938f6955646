//! What came out of a torment, in figures. Measures nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::checker::{Kind, Verdict};
use crate::faults::{Deed, Fault, Victim};
use crate::history::{DATABASE, NEVER, Operation, What};
use crate::load::Notes;

/// The figures.
#[derive(Debug)]
pub struct Summary {
    /// What was tormented.
    pub system: String,
    /// The seed of faults and load.
    pub seed: u64,
    /// What was judged.
    pub verdict: Verdict,
    /// What didn't work once everything was healed.
    pub unhealed: Vec<String>,
    /// The last words of nodes that ended by themselves, and were started again.
    pub ended: Vec<String>,
    /// How many faults of each sort.
    pub faults: BTreeMap<String, usize>,
    lasted: Duration,
    asked: u64,
    /// How many of a hundred reads a node's memory answered.
    pub hits_percent: f64,
    failures: BTreeMap<String, usize>,
    /// Of these, what failed on nodes that were well, over a database that was.
    unexcused: BTreeMap<String, usize>,
    /// From the start of a killed node's successor to its first answer.
    recoveries: Vec<Duration>,
    /// The longest time that a write took which was acknowledged in the end.
    slowest_write: Duration,
    /// In how many of a hundred tenths of a second some node answered a read,
    /// and a write.
    reads_percent: f64,
    writes_percent: f64,
    /// The longest time in which no write was acknowledged by any node.
    pub longest_without_write: Duration,
    /// The same while the database and one of the nodes were well.
    longest_unexcused: Duration,
}

impl Summary {
    pub(crate) fn new(
        system: String,
        seed: u64,
        nodes: usize,
        lasted: Duration,
        notes: &Notes,
        faults: &[(Fault, u64)],
        verdict: Verdict,
    ) -> Self {
        let unexcused = notes
            .failures
            .iter()
            .filter(|failure| is_well(failure.node.into(), (failure.start, failure.end), faults));
        let answered = notes.operations.iter().filter(|operation| operation.end != NEVER);
        let (writes_of_all, reads_of_all): (Vec<_>, Vec<_>) = answered.partition(is_write);
        let (slowest_write, longest_without_write) = stalls(&writes_of_all, lasted);
        Self {
            system,
            seed,
            verdict,
            unhealed: Vec::new(),
            ended: Vec::new(),
            faults: count(faults.iter().map(|(fault, _)| fault.sort())),
            lasted,
            asked: notes.asked,
            hits_percent: 100.0 * notes.hits as f64 / notes.reads.max(1) as f64,
            failures: count(notes.failures.iter().map(|failure| failure.sort.clone())),
            unexcused: count(unexcused.map(|failure| failure.sort.clone())),
            recoveries: recoveries(&notes.operations, faults),
            reads_percent: slots_percent(&reads_of_all, lasted),
            writes_percent: slots_percent(&writes_of_all, lasted),
            slowest_write,
            longest_without_write,
            longest_unexcused: unexcused_stall(&writes_of_all, faults, nodes, lasted),
        }
    }

    /// How many faults in all.
    #[must_use]
    pub fn fault_count(&self) -> usize {
        self.faults.values().sum()
    }
}

/// How many there are of each.
fn count(sorts: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for sort in sorts {
        *counts.entry(sort).or_default() += 1;
    }
    counts
}

/// What a node may take after a fault of its own or of the database: a lease
/// to run out, a fence, and a place among the others again.
const CONVALESCENCE: Duration = Duration::from_secs(4);

/// Whether a node and the database were well from one moment to another: no
/// fault, and none just before.
fn is_well(node: usize, (from, to): (u64, u64), faults: &[(Fault, u64)]) -> bool {
    !faults.iter().any(|(fault, ended)| {
        let concerns = [Victim::Database, Victim::Node(node)].contains(&fault.victim);
        let well_again = ended + CONVALESCENCE.as_nanos() as u64;
        concerns && from < well_again && to > fault.began()
    })
}

/// The longest time without a write while the database and always some node
/// were well, to a hundredth of a second.
fn unexcused_stall(
    writes: &[&Operation],
    faults: &[(Fault, u64)],
    nodes: usize,
    lasted: Duration,
) -> Duration {
    const SLOT: u64 = 10_000_000;
    let busy: BTreeSet<u64> = writes.iter().map(|write| write.end / SLOT).collect();
    let (mut longest, mut stall) = (0, 0);
    for slot in 0..lasted.as_nanos() as u64 / SLOT {
        let moment = (slot * SLOT, slot * SLOT + 1);
        let is_one_well = (0..nodes).any(|node| is_well(node, moment, faults));
        stall = if is_one_well && !busy.contains(&slot) { stall + 1 } else { 0 };
        longest = longest.max(stall);
    }
    Duration::from_nanos(longest * SLOT)
}

fn is_write(operation: &&Operation) -> bool {
    matches!(operation.what, What::Put { .. } | What::Delete { .. })
}

/// The slowest acknowledged write, and the longest time without one: a torment
/// in which they end for good must not look like a short one.
fn stalls(writes: &[&Operation], lasted: Duration) -> (Duration, Duration) {
    let slowest = writes.iter().map(|write| write.end - write.start).max().unwrap_or(0);
    let mut ends: Vec<u64> = writes.iter().map(|write| write.end).collect();
    ends.extend([0, lasted.as_nanos() as u64]);
    ends.sort_unstable();
    let longest = ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    (Duration::from_nanos(slowest), Duration::from_nanos(longest))
}

/// In how many of a hundred slots of a tenth of a second one of these ended.
fn slots_percent(operations: &[&Operation], lasted: Duration) -> f64 {
    const SLOT: u64 = 100_000_000;
    let slots = lasted.as_nanos() as u64 / SLOT;
    let busy: BTreeSet<u64> = operations.iter().map(|operation| operation.end / SLOT).collect();
    100.0 * busy.range(..slots).count() as f64 / slots.max(1) as f64
}

/// For each killed node the time from its start (which comes with each fault,
/// as the moment at which it had ended) to its first answer, shortest first.
/// Those are left out that another fault of the node, or one of the database,
/// held up.
fn recoveries(operations: &[Operation], faults: &[(Fault, u64)]) -> Vec<Duration> {
    let mut of_node: BTreeMap<usize, Vec<(u64, u64)>> = BTreeMap::new();
    for operation in operations {
        if operation.node != DATABASE && operation.end != NEVER {
            let answers = of_node.entry(operation.node.into()).or_default();
            answers.push((operation.start, operation.end));
        }
    }
    for answers in of_node.values_mut() {
        answers.sort_unstable();
    }
    let mut recoveries = Vec::new();
    for (fault, ended) in faults {
        let (Victim::Node(node), Deed::Kill) = (fault.victim, fault.deed) else { continue };
        let Some(answers) = of_node.get(&node) else { continue };
        let after = &answers[answers.partition_point(|&(start, _)| start < *ended)..];
        let mut first = NEVER;
        for &(start, end) in after {
            if start > first {
                break;
            }
            first = first.min(end);
        }
        let is_held_up = faults.iter().any(|(other, other_ended)| {
            let concerns = other.victim == fault.victim || other.victim == Victim::Database;
            let began = other.began();
            concerns && began < first && other_ended > ended
        });
        if first != NEVER && !is_held_up {
            recoveries.push(Duration::from_nanos(first - ended));
        }
    }
    recoveries.sort_unstable();
    recoveries
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: usize = self.failures.values().sum();
        let answered = 100.0 * (self.asked - failed as u64) as f64 / self.asked.max(1) as f64;
        let Self { system, seed, verdict, .. } = self;
        writeln!(out, "torment of {system}, LARDER_TEST_SEED={seed}, {:.1?}", self.lasted)?;
        writeln!(out, "  operations checked  {}", verdict.operations)?;
        writeln!(out, "  faults              {} {:?}", self.fault_count(), self.faults)?;
        for kind in [Kind::Stale, Kind::Lost, Kind::Doubled, Kind::Invented] {
            writeln!(out, "  {:<19} {}", kind.to_string(), verdict.count(kind))?;
        }
        writeln!(out, "  answered            {answered:.2} % of {} requests", self.asked)?;
        let (reads, writes) = (self.reads_percent, self.writes_percent);
        writeln!(
            out,
            "  some node answered  reads in {reads:.1} %, writes in {writes:.1} % of 0.1 s"
        )?;
        writeln!(out, "  reads from memory   {:.1} %", self.hits_percent)?;
        writeln!(out, "  not answered        {:?}", self.failures)?;
        writeln!(out, "  without a reason    {:?}", self.unexcused)?;
        let seconds = |duration: Option<&Duration>| duration.map_or(0.0, Duration::as_secs_f64);
        let middle = seconds(self.recoveries.get(self.recoveries.len() / 2));
        let longest = seconds(self.recoveries.last());
        writeln!(out, "  recovery after kill p50 {middle:.2} s, max {longest:.2} s")?;
        writeln!(out, "  slowest write       {:.2} s", self.slowest_write.as_secs_f64())?;
        let (longest, unexcused) = (self.longest_without_write, self.longest_unexcused);
        let (longest, unexcused) = (longest.as_secs_f64(), unexcused.as_secs_f64());
        write!(out, "  no write anywhere   {longest:.2} s, without a reason {unexcused:.2} s")?;
        for words in &self.ended {
            write!(out, "\n  a node ended: {words}")?;
        }
        for why in &self.unhealed {
            write!(out, "\n  not healed: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn answered(node: u16, start: u64, end: u64) -> Operation {
        let what = What::Delete { version: 1, done: true };
        Operation { key: 0, node, start: start * SECOND, end: end * SECOND, what }
    }

    fn fault(victim: Victim, deed: Deed, at: u64, lasts: u64) -> (Fault, u64) {
        let [begun, lasts] = [at, lasts].map(Duration::from_secs);
        (
            Fault { at: begun, slip: Duration::ZERO, lasts, victim, deed },
            (at * SECOND) + lasts.as_nanos() as u64,
        )
    }

    #[test]
    fn a_recovery_ends_with_the_first_answer_of_that_node_to_a_later_request() {
        let answers =
            [answered(1, 9, 12), answered(0, 11, 12), answered(1, 13, 19), answered(1, 14, 16)];
        let kill = fault(Victim::Node(1), Deed::Kill, 8, 2);
        assert_eq!(recoveries(&answers, &[kill]), [Duration::from_secs(6)]);
        let with_pause = [kill, fault(Victim::Database, Deed::Pause, 11, 1)];
        assert_eq!(recoveries(&answers, &with_pause), [], "the database held it up");
    }

    #[test]
    fn a_stall_counts_only_while_a_node_and_the_database_are_well() {
        let writes = [answered(0, 1, 2), answered(0, 11, 12), answered(0, 28, 29)];
        let writes: Vec<&Operation> = writes.iter().collect();
        let stall =
            |faults: &[_]| unexcused_stall(&writes, faults, 2, Duration::from_secs(30)).as_secs();
        assert_eq!(stall(&[]), 16);
        assert_eq!(
            stall(&[fault(Victim::Database, Deed::Kill, 12, 8)]),
            9,
            "until 2 s, or from 24 s"
        );
        assert_eq!(
            stall(&[fault(Victim::Node(0), Deed::Kill, 12, 8)]),
            16,
            "the other one is well"
        );
        for (lasted, longest) in [(30, 17), (60, 31)] {
            let [slowest, lasted, longest] = [1, lasted, longest].map(Duration::from_secs);
            assert_eq!(stalls(&writes, lasted), (slowest, longest));
        }
    }
}

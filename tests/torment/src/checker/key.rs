//! Judges the operations on one key, in three steps: which write made which
//! version, then all beginnings and ends in order of time against the floor,
//! then whether writes without an answer can have made the versions that
//! nobody was told of. Knows no other key.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Kind, Violation};
use crate::history::{DATABASE, NEVER, Operation, Told, What};

/// A point on the line of versions and absences.
type Place = u64;

/// The key before its first write.
const UNUSED: Place = 1;

fn present(version: u64) -> Place {
    2 * version
}

fn deleted(version: u64) -> Place {
    2 * version + 1
}

/// A write of a picture.
struct Write {
    start: u64,
    /// The version it made, once an answer or a read has told it.
    version: Option<u64>,
}

#[derive(Default)]
struct Check {
    violations: Vec<Violation>,
    /// By stamp.
    writes: HashMap<u64, Write>,
    /// The stamp of each version that is known.
    stamps: BTreeMap<u64, u64>,
    /// Versions that a later write found in its place, so never deleted.
    replaced: HashSet<u64>,
    /// What was seen, and when it was known.
    seen: Vec<(Place, u64)>,
}

/// All that is wrong with the operations on one key.
pub(super) fn check(operations: &[&Operation]) -> Vec<Violation> {
    let mut check = Check::default();
    check.learn_versions(operations);
    check.learn_deletions(operations);
    check.sweep(operations);
    check.explain_gaps();
    check.violations
}

impl Check {
    fn complain(&mut self, kind: Kind, operation: Option<&Operation>, why: String) {
        self.violations.push(Violation { kind, operation: operation.cloned(), why });
    }

    /// Which write made which version: first by the writes' answers, then by
    /// what reads returned of writes without an answer.
    fn learn_versions(&mut self, operations: &[&Operation]) {
        for operation in operations {
            let What::Put { stamp, told } = operation.what else { continue };
            let version = told.map(|told| told.version);
            self.writes.insert(stamp, Write { start: operation.start, version });
            let Some(Told { version, replaced }) = told else { continue };
            if self.stamps.insert(version, stamp).is_some() {
                let why = format!("two writes were told that they made version {version}");
                self.complain(Kind::Lost, Some(operation), why);
            }
            match replaced {
                Some(before) if before + 1 == version && before > 0 => {
                    self.replaced.insert(before);
                }
                Some(before) => {
                    let why = format!("version {version} replaced version {before}");
                    self.complain(Kind::Lost, Some(operation), why);
                }
                None => {}
            }
        }
        for operation in operations {
            let What::Found { version, stamp: Some(stamp) } = operation.what else { continue };
            let Some(write) = self.writes.get_mut(&stamp) else {
                let why = format!("nobody wrote what version {version} holds");
                self.complain(Kind::Invented, Some(operation), why);
                continue;
            };
            let made = *write.version.get_or_insert(version);
            if made != version {
                let why = format!("the write of version {made} is version {version} too");
                self.complain(Kind::Doubled, Some(operation), why);
            } else if *self.stamps.entry(version).or_insert(stamp) != stamp {
                let why = format!("version {version} holds what two writes wrote");
                self.complain(Kind::Invented, Some(operation), why);
            }
        }
    }

    fn learn_deletions(&mut self, operations: &[&Operation]) {
        let mut done = HashSet::new();
        for operation in operations {
            let What::Delete { version, done: true } = operation.what else { continue };
            if !done.insert(version) {
                let why = format!("version {version} was deleted twice");
                self.complain(Kind::Doubled, Some(operation), why);
            }
            if self.replaced.contains(&version) {
                let why = format!("version {version} was deleted, and replaced later");
                self.complain(Kind::Lost, Some(operation), why);
            }
        }
    }

    /// Walks through all beginnings and ends. At the same time beginnings come
    /// first: such operations may have overlapped.
    fn sweep(&mut self, operations: &[&Operation]) {
        let mut moments = Vec::with_capacity(2 * operations.len());
        for (index, operation) in operations.iter().enumerate() {
            moments.push((operation.start, false, index));
            if operation.end != NEVER {
                moments.push((operation.end, true, index));
            }
        }
        moments.sort_unstable();
        let mut floors = vec![0; operations.len()];
        let mut absences = BTreeSet::from([UNUSED]);
        let mut floor = 0;
        for (time, is_end, index) in moments {
            let operation = operations[index];
            if is_end {
                if let Some(place) = self.finish(operation, floors[index], &absences) {
                    self.seen.push((place, time));
                    floor = floor.max(place);
                }
            } else {
                floors[index] = floor;
                self.begin(operation, floor, &mut absences);
            }
        }
    }

    /// A write has to come after all that was known when it began.
    fn begin(&mut self, operation: &Operation, floor: Place, absences: &mut BTreeSet<Place>) {
        match operation.what {
            What::Put { stamp, .. } => {
                let version = self.writes[&stamp].version;
                if let Some(version) = version.filter(|&version| present(version) <= floor) {
                    let why = format!("a write made version {version}: {}", known(floor));
                    self.complain(Kind::Lost, Some(operation), why);
                }
            }
            What::Delete { version, done } => {
                let is_late = deleted(version) <= floor;
                if is_late && done {
                    let why = format!("version {version} was deleted: {}", known(floor));
                    self.complain(Kind::Lost, Some(operation), why);
                }
                if done || !is_late && !self.replaced.contains(&version) {
                    absences.insert(deleted(version));
                }
            }
            What::Found { .. } | What::Absent => {}
        }
    }

    /// Where an operation stands that has ended.
    fn finish(
        &mut self,
        operation: &Operation,
        floor: Place,
        absences: &BTreeSet<Place>,
    ) -> Option<Place> {
        // What the database holds in the end is all there is.
        let too_old = if operation.node == DATABASE { Kind::Lost } else { Kind::Stale };
        match operation.what {
            What::Put { told, .. } => {
                let Told { version, replaced } = told?;
                let before = if version > 1 { deleted(version - 1) } else { UNUSED };
                if replaced.is_none() && !absences.contains(&before) {
                    let why = format!("version {version} found the key free, nobody had freed it");
                    self.complain(Kind::Invented, Some(operation), why);
                }
                Some(present(version))
            }
            What::Delete { version, done } => done.then_some(deleted(version)),
            What::Found { version, .. } => {
                let place = present(version);
                if place < floor {
                    let why = format!("version {version}: {}", known(floor));
                    self.complain(too_old, Some(operation), why);
                }
                Some(place)
            }
            What::Absent => {
                let place = absences.range(floor..).next().copied();
                if place.is_none() {
                    let why = format!("absent: {}", known(floor));
                    self.complain(too_old, Some(operation), why);
                }
                place
            }
        }
    }

    /// Versions that were passed over must be of writes without an answer: a
    /// write each, begun before anybody knew that version or a later one. The
    /// earliest write for the lowest version serves if anything does.
    fn explain_gaps(&mut self) {
        self.seen.sort_unstable_by_key(|&(place, _)| std::cmp::Reverse(place));
        let mut starts: Vec<u64> = self.writes.values().filter_map(Write::spare_start).collect();
        starts.sort_unstable();
        // When it was first known that each place was reached.
        let mut reached: Vec<(Place, u64)> = Vec::with_capacity(self.seen.len());
        let mut earliest = NEVER;
        for &(place, time) in &self.seen {
            earliest = earliest.min(time);
            reached.push((place, earliest));
        }
        let highest = reached.first().map_or(0, |&(place, _)| place / 2);
        let gaps = (1..=highest).filter(|version| !self.stamps.contains_key(version));
        let mut starts = starts.into_iter();
        for version in gaps {
            let at = reached.partition_point(|&(place, _)| place >= present(version));
            let known_at = reached[at - 1].1;
            if starts.next().is_none_or(|start| start > known_at) {
                let why = format!("no write can have made version {version}");
                self.complain(Kind::Doubled, None, why);
                // One is enough: what follows would only be counted differently.
                return;
            }
        }
    }
}

impl Write {
    /// When it began, if it may have made a version that nobody was told of.
    fn spare_start(&self) -> Option<u64> {
        self.version.is_none().then_some(self.start)
    }
}

/// What a floor says.
fn known(floor: Place) -> String {
    match floor % 2 {
        0 => format!("version {} was known before", floor / 2),
        _ => format!("the deletion of version {} was known before", floor / 2),
    }
}

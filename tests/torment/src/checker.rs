//! Judges a history: was each key one register whose versions the database
//! gave? The versions say in which order the writes happened, so nothing is
//! searched: a version may be returned only if no higher one was acknowledged
//! or returned before the request began (its floor). O(n log n).
//!
//! Versions and the absences between them are places on one line: version v
//! stands at 2v, its deletion at 2v + 1, and 1 is the key before its first
//! write. An answer that says "absent" doesn't say which absence; it is taken
//! for the lowest that it can be, which forbids the least.
//!
//! Never a guess: what is reported can't be explained by any order of the
//! operations, whatever became of those without an answer. `tests.rs` compares
//! it with a search through all orders.

mod key;
#[cfg(test)]
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::history::Operation;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A read returned an older version than it had to.
    Stale,
    /// A write that was acknowledged is gone.
    Lost,
    /// One write happened twice.
    Doubled,
    /// A version or an absence that nobody wrote.
    Invented,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Stale => "stale",
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Invented => "invented",
        })
    }
}

/// One thing that no order of the operations explains.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What is wrong.
    pub kind: Kind,
    /// The operation that shows it; `None` if only all of them together do.
    pub operation: Option<Operation>,
    /// In words.
    pub why: String,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many operations were checked.
    pub operations: usize,
    /// All that is wrong.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// How many violations of this kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.violations.iter().filter(|violation| violation.kind == kind).count()
    }
}

/// Judges the operations, in whatever order they are given.
#[must_use]
pub fn check(operations: &[Operation]) -> Verdict {
    let mut keys: BTreeMap<u32, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        keys.entry(operation.key).or_default().push(operation);
    }
    let mut verdict = Verdict { operations: operations.len(), violations: Vec::new() };
    for operations in keys.values() {
        verdict.violations.append(&mut key::check(operations));
    }
    verdict
}

//! Counters, and what exactly each of them counts. They never decide anything.

use crate::{Objective, PolicyKind};

/// What a cache has done since it was built, and what it holds now.
///
/// `requests == hits + misses` in every snapshot. `items`, `weight_bytes`,
/// `capacity_bytes`, `max_items` and the counts of writes come from one
/// moment: `items == inserts - replaced - evictions - invalidations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Counted reads: `hits + misses`.
    pub requests: u64,
    /// `get` and `lookup` that found an entry.
    pub hits: u64,
    /// `get` that found none, and `lookup` that answered `Miss` or `Wait`.
    pub misses: u64,
    /// Leases handed out: the loads that callers were asked to do, by counted
    /// and uncounted lookups alike.
    pub loads: u64,
    /// Answers `Wait`, by counted and uncounted lookups alike.
    pub waits: u64,
    /// Values put in place, new or over an older one, by `insert` or by `fill`.
    pub inserts: u64,
    /// Those of `inserts` that took the place of an older value of that key.
    pub replaced: u64,
    /// Entries that the policy gave up to make room: for another entry, or
    /// for a smaller capacity.
    pub evictions: u64,
    /// Entries removed because callers said so: by `invalidate`, by `clear`,
    /// or by an `insert` whose new value was too heavy to replace them.
    pub invalidations: u64,
    /// Values that `insert` or `fill` did not keep, because even an empty
    /// cache could not have held them, or because they weigh 4 GiB or more.
    pub rejected: u64,
    /// Leases that `insert`, `invalidate` or `clear` voided.
    pub leases_voided: u64,
    /// Entries now.
    pub items: u64,
    /// Bytes that all entries weigh now.
    pub weight_bytes: u64,
    /// Capacity in bytes. While it is being lowered the old one is shown,
    /// until the entries fit the new one.
    pub capacity_bytes: u64,
    /// Bound on the entries, if any; lowered as `capacity_bytes` is.
    pub max_items: Option<u64>,
    /// The policy in charge.
    pub policy: PolicyKind,
    /// What it is to spare.
    pub objective: Objective,
}

impl Stats {
    /// The part of the requests that hit, 0 to 1; `None` before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.hits as f64 / self.requests as f64)
    }
}

/// What happened to the entries of one shard, counted under its write lock, so
/// that [`validate`](crate::Cache::validate) can hold it against the contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writes {
    pub(crate) inserts: u64,
    pub(crate) replaced: u64,
    pub(crate) evictions: u64,
    pub(crate) invalidations: u64,
    pub(crate) rejected: u64,
    pub(crate) leases_voided: u64,
}

//! What a cache is built with. It never reads files, flags or variables: the
//! applications do, and hand the values in.

use crate::{Objective, PolicyKind};

/// The settings of a cache.
///
/// Capacity, items, policy and objective can be changed later with
/// [`Cache::reconfigure`](crate::Cache::reconfigure) and
/// [`Cache::pursue`](crate::Cache::pursue); shards and seed can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The most that all entries together may weigh, in bytes, each with
    /// [`OVERHEAD_BYTES`](crate::OVERHEAD_BYTES). Default 256 000 000; any
    /// value, 0 keeps nothing.
    pub capacity_bytes: u64,
    /// The most entries, if they are to be bounded too. Default `None`; any
    /// value, 0 keeps nothing.
    pub max_items: Option<u64>,
    /// Who has to go when room is needed. Default W-TinyLFU.
    pub policy: PolicyKind,
    /// What the policy is to spare. Default [`Objective::Objects`].
    pub objective: Objective,
    /// Independently locked parts, rounded up to a power of two, at most 64.
    /// Default 16.
    /// Each has its own policy, so victims are chosen per shard; 1 gives one
    /// exact order over all entries.
    ///
    /// Choose so that a shard's share of the capacity holds many entries:
    /// with a handful of large values in many shards, where a key hashes to
    /// matters more than the policy.
    pub shards: usize,
    /// Seed of the hash and of the random policy. Default 0. Give a secret
    /// one where strangers choose the keys; give a fixed one to replay a run.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            capacity_bytes: 256_000_000,
            max_items: None,
            policy: PolicyKind::WTinyLfu,
            objective: Objective::Objects,
            shards: 16,
            seed: 0,
        }
    }
}

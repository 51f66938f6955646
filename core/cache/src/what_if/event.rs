//! What the what-if is told of a cache: what became of sampled keys, and the
//! counts of everything. It never holds a key or a value.

/// What happened to one sampled key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A counted read.
    Read {
        /// The key's hash, well mixed.
        hash: u64,
        /// What the entry weighs, in bytes, if the read hit; `None` if it
        /// missed.
        weight: Option<u32>,
        /// What loading it costs, if the read hit; else unused.
        cost: u32,
    },
    /// The load after a miss ended, or the caller wrote: also if the cache
    /// didn't keep the value because it is too heavy.
    Insert {
        /// The key's hash.
        hash: u64,
        /// What the entry weighs, in bytes.
        weight: u32,
        /// What loading it costs.
        cost: u32,
    },
    /// The caller took the entry out, or it expired; not: the policy evicted
    /// it.
    Remove {
        /// The key's hash.
        hash: u64,
    },
    /// The caller took all entries out.
    Clear,
}

/// Counts of all requests to the cache since the start, sampled or not. They
/// may only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Counted reads.
    pub requests: u64,
    /// Those that hit.
    pub hits: u64,
    /// The same in bytes, if they are counted. Without them byte ratios rest
    /// on the sample alone.
    pub bytes: Option<ByteTotals>,
    /// Reads of sampled keys that did not become events, because the queue
    /// was full.
    pub lost: u64,
}

/// Counts of bytes since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteTotals {
    /// What the entries weighed that were asked for: at a hit, or when the
    /// load after a miss ended.
    pub requested: u64,
    /// Those at a hit.
    pub hit: u64,
}

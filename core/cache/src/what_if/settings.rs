//! What the what-if is built with. It never reads files, flags or variables.

use crate::{Objective, PolicyKind};

/// What a [`WhatIf`](super::WhatIf) is built with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What the cache is there to spare. Default objects.
    pub objective: Objective,
    /// The capacity of the cache, in bytes. Default 256 000 000.
    pub capacity_bytes: u64,
    /// The policy of the cache. Default LRU.
    pub policy: PolicyKind,
    /// Seed of the random policy. Default 0.
    pub seed: u64,
    /// The most that all ghosts and counts may take, in bytes. Default
    /// 8 000 000. With less the estimates get less exact, and little is saved:
    /// ghosts grow by pages, and the first ones of all take a million.
    pub memory_bytes: usize,
    /// After how many requests one counts half. Default 1 000 000; `None`
    /// never forgets.
    pub half_life: Option<u64>,
    /// The same for [`WhatIf::standings`](super::WhatIf::standings), which the autopilot goes by.
    /// Default 200 000.
    pub recent_half_life: Option<u64>,
    /// The most that may be sampled, as a part of all keys. Default 1: all
    /// of them while the cache is small. Less bounds the work per request.
    pub max_rate: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            capacity_bytes: 256_000_000,
            policy: PolicyKind::Lru,
            seed: 0,
            memory_bytes: 8_000_000,
            half_life: Some(1_000_000),
            recent_half_life: Some(200_000),
            max_rate: 1.0,
        }
    }
}

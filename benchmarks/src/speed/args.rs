//! The command line, and what it means where nothing is said.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use larder_cache::{Config, PolicyKind};

use crate::memory::State;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Gets that all hit.
    Hits,
    /// Gets of 16 keys at once.
    Batch,
    /// Get, and insert on a miss, with 10 % forced inserts.
    Mixed,
    /// Resident bytes of an entry beyond its key and value.
    Memory,
    /// What readers notice of a switch of policy or capacity.
    Switch,
    /// What counting and marking cost a hit of ours.
    Stats,
    /// All of these.
    All,
}

impl What {
    /// The measurements this stands for.
    pub fn parts(self) -> Vec<Self> {
        match self {
            Self::All => {
                vec![Self::Hits, Self::Batch, Self::Mixed, Self::Stats, Self::Memory, Self::Switch]
            }
            one => vec![one],
        }
    }
}

/// Measures Larder's cache beside its peers, in one process and in turns.
#[derive(Debug, Parser)]
#[command(name = "speed")]
pub struct Args {
    /// What to measure.
    #[arg(value_enum, default_value_t = What::All)]
    pub what: What,
    /// Few rounds, short windows, one or two sizes: a first impression.
    #[arg(long)]
    pub quick: bool,
    /// Rounds in which every cache has its turn [default: 7; quick: 3].
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How long a turn lasts [default: 400; quick: 150].
    #[arg(long, value_name = "MS")]
    window_ms: Option<u64>,
    /// Threads to measure with [default: 1,2,4; quick: 1,2; switch: 1,2].
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    threads: Vec<NonZeroUsize>,
    /// Resident entries of hits, batch and stats [default: 200000,3000000;
    /// quick: 200000].
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    entries: Vec<u64>,
    /// Keys in the working set of mixed.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub working_set: u64,
    /// Entries that the cache has room for in mixed, in % of the working set
    /// [default: 1,5,10; quick: 5].
    #[arg(long, value_name = "P,..", value_delimiter = ',')]
    capacity_percent: Vec<f64>,
    /// Our policies [default: the default one and lru].
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    policies: Vec<PolicyKind>,
    /// Our shards [default: the cache's].
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// Only the peers whose names begin so, such as quick_cache, or none.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub peers: Vec<String>,
    /// Zipf's exponent.
    #[arg(long, value_name = "E", default_value_t = 0.99)]
    pub exponent: f64,
    /// Seed of requests and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Saves every sample in this file.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// How this program calls itself to measure the memory of one cache.
    #[arg(long, hide = true, requires = "cache")]
    pub resident: Option<State>,
    /// The cache whose memory is measured.
    #[arg(long, hide = true)]
    pub cache: Option<String>,
}

impl Args {
    /// Rounds in which every cache has its turn.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 3 } else { 7 }).max(1)
    }

    /// How long a turn lasts.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms.unwrap_or(if self.quick { 150 } else { 400 }))
    }

    /// Threads to measure speed with.
    pub fn threads(&self) -> Vec<usize> {
        self.threads_or(if self.quick { &[1, 2] } else { &[1, 2, 4] })
    }

    /// Readers while the policy is switched.
    pub fn readers(&self) -> Vec<usize> {
        self.threads_or(&[1, 2])
    }

    fn threads_or(&self, default: &[usize]) -> Vec<usize> {
        let threads: Vec<usize> = self.threads.iter().map(|n| n.get()).collect();
        given(&threads, default)
    }

    /// Resident entries where all gets hit.
    pub fn entries(&self) -> Vec<u64> {
        given(&self.entries, if self.quick { &[200_000] } else { &[200_000, 3_000_000] })
    }

    /// Entries where only one number is measured.
    pub fn one_number_of_entries(&self) -> u64 {
        self.entries.first().copied().unwrap_or(1_000_000)
    }

    /// Room in the cache, in % of the working set.
    pub fn capacity_percent(&self) -> Vec<f64> {
        given(&self.capacity_percent, if self.quick { &[5.0] } else { &[1.0, 5.0, 10.0] })
    }

    /// Our policies, each once.
    pub fn policies(&self) -> Vec<PolicyKind> {
        let mut policies = Vec::new();
        for policy in given(&self.policies, &[Config::default().policy, PolicyKind::Lru]) {
            if !policies.contains(&policy) {
                policies.push(policy);
            }
        }
        policies
    }

    /// Our settings, but for the capacity.
    pub fn config(&self, policy: PolicyKind) -> Config {
        let default = Config::default();
        Config { policy, shards: self.shards.unwrap_or(default.shards), ..default }
    }

    /// The arguments that a call of this program for one cache must repeat.
    pub fn repeated(&self) -> Vec<String> {
        let shards = self.shards.map(|shards| format!("--shards={shards}"));
        shards.into_iter().collect()
    }
}

fn given<T: Clone>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}

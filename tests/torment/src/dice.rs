//! Chance from a seed, so that a failing run can be drawn again. Never asks
//! the system for randomness, except for a new seed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder_workload::random::SplitMix64;

/// Random numbers from a seed.
#[derive(Clone, Debug)]
pub struct Dice(SplitMix64);

impl Dice {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// The seed in `LARDER_TEST_SEED`, or else a new one.
    #[must_use]
    pub fn seed() -> u64 {
        let given = std::env::var("LARDER_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        given.unwrap_or(now.as_micros() as u64 % 1_000_000_000)
    }

    /// The next number.
    pub fn throw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// One of `0..top`.
    pub fn below(&mut self, top: u64) -> u64 {
        self.throw() % top
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A time from `least` to `most` in milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

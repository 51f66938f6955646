//! The pool: how many nodes own keys, and when there should be more or fewer.
//! Decides by numbers; starts and stops nothing.

use std::fmt;

/// Who decides how many nodes own keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// People.
    #[default]
    Manual,
    /// The miss rate.
    Auto,
}

impl Mode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Auto => "auto",
        }
    }
}

/// How the pool is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolSettings {
    /// Who decides.
    pub mode: Mode,
    /// The fewest nodes, 1 or more.
    pub fewest: u16,
    /// The most nodes.
    pub most: u16,
    /// By what the size is multiplied to grow, more than 1; rounded up.
    pub expand_ratio: f64,
    /// By what the size is multiplied to shrink, between 0 and 1; rounded
    /// down.
    pub shrink_ratio: f64,
    /// Above this miss rate, 0 to 1, the pool grows.
    pub max_miss_rate: f64,
    /// Below this miss rate, 0 to 1, it shrinks.
    pub min_miss_rate: f64,
    /// How often it is decided, and over how long the miss rate is taken.
    pub interval_seconds: u32,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Manual,
            fewest: 1,
            most: 8,
            expand_ratio: 2.0,
            shrink_ratio: 0.5,
            max_miss_rate: 0.5,
            min_miss_rate: 0.1,
            interval_seconds: 60,
        }
    }
}

/// Settings that make no sense. The message is for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPool {
    /// No mode.
    #[error("The mode must be manual or auto.")]
    Mode,
    /// The bounds of the size.
    #[error("The fewest nodes must be at least 1 and at most the most nodes; 64 is the limit.")]
    Bounds,
    /// The miss rates.
    #[error("The miss rates must be 0 ≤ lowest < highest ≤ 1.")]
    MissRates,
    /// Growing.
    #[error("The expand ratio must be more than 1 and at most 64.")]
    ExpandRatio,
    /// Shrinking.
    #[error("The shrink ratio must be more than 0 and less than 1.")]
    ShrinkRatio,
    /// The interval.
    #[error("The interval must be from 5 to 3600 seconds.")]
    Interval,
    /// A size.
    #[error("The number of nodes must be from {fewest} to {most}.")]
    Size {
        /// The fewest.
        fewest: u16,
        /// The most.
        most: u16,
    },
    /// A value that is no number.
    #[error("{0} must be a number.")]
    NotANumber(&'static str),
    /// There is no pool.
    #[error(
        "This is a single node. For more, start several with --node-address over one database."
    )]
    Alone,
}

/// The most nodes a pool may be told to have.
const LIMIT: u16 = 64;

impl std::str::FromStr for Mode {
    type Err = InvalidPool;

    fn from_str(text: &str) -> Result<Self, InvalidPool> {
        [Self::Manual, Self::Auto]
            .into_iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(text.trim()))
            .ok_or(InvalidPool::Mode)
    }
}

/// What is to become of the pool, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// How many nodes it is to have.
    pub size: u16,
    /// Why, for people.
    pub reason: String,
}

impl PoolSettings {
    /// Says whether they make sense.
    ///
    /// # Errors
    /// The first that doesn't.
    pub fn check(&self) -> Result<(), InvalidPool> {
        let within = |ratio: f64, low: f64, high: f64| ratio > low && ratio < high;
        let rate = |rate: f64| (0.0..=1.0).contains(&rate);
        if self.fewest == 0 || self.fewest > self.most || self.most > LIMIT {
            Err(InvalidPool::Bounds)
        } else if !rate(self.min_miss_rate)
            || !rate(self.max_miss_rate)
            || self.min_miss_rate >= self.max_miss_rate
        {
            Err(InvalidPool::MissRates)
        } else if !within(self.expand_ratio, 1.0, f64::from(LIMIT) + 1.0) {
            Err(InvalidPool::ExpandRatio)
        } else if !within(self.shrink_ratio, 0.0, 1.0) {
            Err(InvalidPool::ShrinkRatio)
        } else if !(5..=3600).contains(&self.interval_seconds) {
            Err(InvalidPool::Interval)
        } else {
            Ok(())
        }
    }

    /// Says whether the pool may have that size.
    ///
    /// # Errors
    /// It is out of bounds.
    pub fn check_size(&self, size: u16) -> Result<(), InvalidPool> {
        let &Self { fewest, most, .. } = self;
        match (fewest..=most).contains(&size) {
            true => Ok(()),
            false => Err(InvalidPool::Size { fewest, most }),
        }
    }

    /// What a pool of `size` nodes is to become when of all reads of the last
    /// interval this share missed; `None` if there were no reads. The size
    /// stays within the bounds, so it may stay as it is.
    pub fn decide(&self, size: u16, miss_rate: Option<f64>) -> Resize {
        let Some(rate) = miss_rate else {
            return Resize { size, reason: "no reads: nothing to go by".into() };
        };
        let told = Percent(rate);
        let (wanted, why) = if rate > self.max_miss_rate {
            let grown = (f64::from(size) * self.expand_ratio).ceil();
            (grown, format!("miss rate {told} is above {}", Percent(self.max_miss_rate)))
        } else if rate < self.min_miss_rate {
            let shrunk = (f64::from(size) * self.shrink_ratio).floor();
            (shrunk, format!("miss rate {told} is below {}", Percent(self.min_miss_rate)))
        } else {
            let (low, high) = (Percent(self.min_miss_rate), Percent(self.max_miss_rate));
            (f64::from(size), format!("miss rate {told} is within {low} to {high}"))
        };
        let size = wanted.clamp(f64::from(self.fewest), f64::from(self.most)) as u16;
        let reason = match f64::from(size) == wanted {
            true => why,
            false => format!("{why}; the pool has {} to {} nodes", self.fewest, self.most),
        };
        Resize { size, reason }
    }
}

/// A share, for people.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.0 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto() -> PoolSettings {
        PoolSettings { mode: Mode::Auto, ..PoolSettings::default() }
    }

    #[test]
    fn it_grows_rounded_up_and_shrinks_rounded_down_within_the_bounds() {
        let settings = PoolSettings { expand_ratio: 1.5, ..auto() };
        for (size, rate, becomes) in [
            (1, 0.9, 2),
            (3, 0.9, 5),
            (7, 0.9, 8),
            (8, 0.9, 8),
            (5, 0.05, 2),
            (1, 0.0, 1),
            (4, 0.3, 4),
            // At the bounds nothing happens: above and below, not at.
            (4, 0.5, 4),
            (4, 0.1, 4),
        ] {
            assert_eq!(settings.decide(size, Some(rate)).size, becomes, "{size} at {rate}");
        }
    }

    #[test]
    fn without_reads_nothing_changes() {
        let resize = auto().decide(3, None);
        assert_eq!((resize.size, resize.reason.as_str()), (3, "no reads: nothing to go by"));
    }

    #[test]
    fn a_decision_says_why() {
        let reason = |size, rate| auto().decide(size, Some(rate)).reason;
        assert_eq!(reason(2, 0.75), "miss rate 75.0 % is above 50.0 %");
        assert_eq!(reason(8, 0.75), "miss rate 75.0 % is above 50.0 %; the pool has 1 to 8 nodes");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        assert_eq!(auto().check(), Ok(()));
        for (settings, why) in [
            (PoolSettings { min_miss_rate: 0.5, ..auto() }, InvalidPool::MissRates),
            (PoolSettings { max_miss_rate: 1.1, ..auto() }, InvalidPool::MissRates),
            (PoolSettings { min_miss_rate: -0.1, ..auto() }, InvalidPool::MissRates),
            (PoolSettings { max_miss_rate: f64::NAN, ..auto() }, InvalidPool::MissRates),
            (PoolSettings { expand_ratio: 1.0, ..auto() }, InvalidPool::ExpandRatio),
            (PoolSettings { expand_ratio: f64::INFINITY, ..auto() }, InvalidPool::ExpandRatio),
            (PoolSettings { shrink_ratio: 1.0, ..auto() }, InvalidPool::ShrinkRatio),
            (PoolSettings { shrink_ratio: 0.0, ..auto() }, InvalidPool::ShrinkRatio),
            (PoolSettings { fewest: 0, ..auto() }, InvalidPool::Bounds),
            (PoolSettings { fewest: 9, ..auto() }, InvalidPool::Bounds),
            (PoolSettings { interval_seconds: 0, ..auto() }, InvalidPool::Interval),
        ] {
            assert_eq!(settings.check(), Err(why), "{settings:?}");
        }
        assert_eq!(auto().check_size(9), Err(InvalidPool::Size { fewest: 1, most: 8 }));
    }
}

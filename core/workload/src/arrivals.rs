//! When requests come, in an open loop: their clients don't wait for answers.

use std::time::Duration;

use crate::random::SplitMix64;

/// How arrivals are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All the same time apart.
    Even,
    /// Independent of each other, as those of many people are: the gaps are
    /// exponential (a Poisson process).
    Poisson,
}

/// The times at which requests are meant to start, counted from the beginning.
#[derive(Clone, Debug)]
pub struct Arrivals {
    per_second: f64,
    spread: Spread,
    random: SplitMix64,
    number: u64,
    at: f64,
}

impl Arrivals {
    /// So many a second on average; `None` unless that is above 0.
    ///
    /// ```
    /// use larder_workload::arrivals::{Arrivals, Spread};
    ///
    /// let arrivals = Arrivals::new(4.0, Spread::Even, 7).expect("a rate");
    /// let times: Vec<u128> = arrivals.take(3).map(|at| at.as_millis()).collect();
    /// assert_eq!(times, [0, 250, 500]);
    /// ```
    #[must_use]
    pub fn new(per_second: f64, spread: Spread, seed: u64) -> Option<Self> {
        let is_rate = per_second > 0.0 && per_second.is_finite();
        let random = SplitMix64::new(seed);
        is_rate.then_some(Self { per_second, spread, random, number: 0, at: 0.0 })
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = match self.spread {
            // From the number, so that roundings don't add up.
            Spread::Even => self.number as f64 / self.per_second,
            Spread::Poisson => self.at,
        };
        self.number += 1;
        if self.spread == Spread::Poisson {
            self.at -= (1.0 - self.random.next_f64()).ln() / self.per_second;
        }
        Duration::try_from_secs_f64(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_arrivals_stay_on_the_beat() {
        let mut arrivals = Arrivals::new(3000.0, Spread::Even, 1).unwrap();
        assert_eq!(arrivals.nth(3_000_000).unwrap(), Duration::from_secs(1000));
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_gaps_of_their_law() {
        let times: Vec<f64> = Arrivals::new(100.0, Spread::Poisson, 1)
            .unwrap()
            .take(50_001)
            .map(|at| at.as_secs_f64())
            .collect();
        let rate = 50_000.0 / times[50_000];
        assert!((rate / 100.0 - 1.0).abs() < 0.02, "{rate}");
        let long = times.windows(2).filter(|pair| pair[1] - pair[0] > 0.01).count();
        let share = long as f64 / 50_000.0;
        assert!((share - (-1f64).exp()).abs() < 0.01, "{share}");
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Arrivals::new(rate, Spread::Even, 1).is_none());
        }
    }
}

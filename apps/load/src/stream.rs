//! The requests of a step, one after the other: the same for the same seed,
//! however many clients take them and however fast they are answered.

use std::sync::Arc;
use std::time::Duration;

use larder_workload::arrivals::Arrivals;
use larder_workload::random::{SplitMix64, mix};
use larder_workload::sizes::Sizes;
use larder_workload::trace::Trace;
use larder_workload::zipf::Zipf;

use crate::error::{Error, Result};
use crate::plan::{Pace, Ratio, Skew, Workload};

/// What one client is to ask next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// A write, or a read.
    pub is_write: bool,
    /// The key's number.
    pub key: u64,
    /// Bytes of a value that is written.
    pub size: u32,
    /// For whatever else a target draws.
    pub chance: u64,
}

/// The stream.
pub(crate) struct Stream {
    ratio: Ratio,
    keys: Keys,
    sizes: Sizes,
    random: SplitMix64,
    arrivals: Option<Arrivals>,
}

enum Keys {
    Uniform(u64),
    Zipf(Zipf),
    Trace { trace: Arc<Trace>, next: usize },
}

impl Stream {
    /// The stream of a step; `part` tells those of one run apart.
    pub(crate) fn new(workload: &Workload, ratio: Ratio, pace: Pace, part: u64) -> Result<Self> {
        let seed = mix(workload.seed ^ mix(part + 1));
        let arrivals = match pace {
            Pace::Closed => None,
            Pace::Open { per_second, spread } => {
                let arrivals = Arrivals::new(per_second, spread, mix(seed ^ 1));
                Some(arrivals.ok_or_else(|| settings("the rate must be above 0"))?)
            }
        };
        let keys = match (&workload.trace, workload.skew) {
            (Some(trace), _) if trace.requests().is_empty() => {
                return Err(settings("the trace has no requests"));
            }
            (Some(trace), _) => Keys::Trace { trace: trace.clone(), next: 0 },
            (None, Skew::Uniform) => Keys::Uniform(workload.keys),
            (None, Skew::Zipf(exponent)) => Keys::Zipf(
                Zipf::new(workload.keys, exponent)
                    .ok_or_else(|| settings("there is no such law of Zipf"))?,
            ),
        };
        let random = SplitMix64::new(seed);
        Ok(Self { ratio, keys, sizes: workload.sizes, random, arrivals })
    }

    /// The next request, and in an open loop when it is meant to start.
    pub(crate) fn next(&mut self) -> (Request, Option<Duration>) {
        let is_write = self.random.below(100) >= u64::from(self.ratio.reads);
        let (key, size) = match &mut self.keys {
            Keys::Uniform(keys) => (self.random.below(*keys), None),
            Keys::Zipf(zipf) => (zipf.draw(&mut self.random), None),
            Keys::Trace { trace, next } => {
                let request = trace.requests()[*next];
                *next = (*next + 1) % trace.requests().len();
                (u64::from(request.key), Some(request.size))
            }
        };
        let size = size.unwrap_or_else(|| self.sizes.draw(&mut self.random));
        let chance = self.random.next_u64();
        let at = self.arrivals.as_mut().and_then(Iterator::next);
        (Request { is_write, key, size, chance }, at)
    }
}

/// How large the first value of a key is.
pub(crate) fn first_size(workload: &Workload, key: u64) -> u32 {
    workload.sizes.draw(&mut SplitMix64::new(mix(workload.seed ^ mix(key))))
}

fn settings(why: &str) -> Error {
    Error::Settings(why.to_owned())
}

#[cfg(test)]
mod tests {
    use larder_workload::arrivals::Spread;

    use super::*;

    fn workload(seed: u64) -> Workload {
        let sizes = "1KB..8KB".parse().unwrap();
        Workload { seed, keys: 100, skew: Skew::Zipf(0.99), sizes, trace: None }
    }

    fn drawn(workload: &Workload, pace: Pace, part: u64) -> Vec<(Request, Option<Duration>)> {
        let mut stream = Stream::new(workload, Ratio { reads: 80 }, pace, part).unwrap();
        (0..5000).map(|_| stream.next()).collect()
    }

    #[test]
    fn a_seed_repeats_the_run_exactly_and_another_does_not() {
        let pace = Pace::Open { per_second: 100.0, spread: Spread::Poisson };
        assert_eq!(drawn(&workload(1), pace, 0), drawn(&workload(1), pace, 0));
        assert_ne!(drawn(&workload(1), pace, 0), drawn(&workload(2), pace, 0));
        assert_ne!(drawn(&workload(1), pace, 0), drawn(&workload(1), pace, 1));
    }

    #[test]
    fn the_mix_and_the_sizes_are_as_asked() {
        let requests = drawn(&workload(3), Pace::Closed, 0);
        let writes = requests.iter().filter(|(request, _)| request.is_write).count();
        assert!((850..1150).contains(&writes), "{writes}");
        assert!(requests.iter().all(|(it, at)| (1024..=8192).contains(&it.size) && at.is_none()));
        assert!(requests.iter().all(|(it, _)| it.key < 100));
    }

    #[test]
    fn a_trace_is_played_in_its_order_and_begins_anew() {
        let trace = Trace::read("a,5\nb,6\na,5\n".as_bytes()).unwrap();
        let workload = Workload { trace: Some(Arc::new(trace)), ..workload(1) };
        let played = drawn(&workload, Pace::Closed, 0);
        let begin: Vec<_> = played.iter().take(4).map(|(it, _)| (it.key, it.size)).collect();
        assert_eq!(begin, [(0, 5), (1, 6), (0, 5), (0, 5)]);
    }
}

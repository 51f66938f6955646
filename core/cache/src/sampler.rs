//! The share of what happens that is recorded for the what-if: all that
//! concerns keys whose hash falls below a threshold, and nothing of others. It
//! never waits for whoever reads it: once the queue is full it only counts.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::what_if::Event;
use std::mem;

/// The most events that wait to be taken: a third of a megabyte.
const MOST_EVENTS: usize = 16 * 1024;

#[derive(Default)]
struct Queue {
    events: Vec<Event>,
    /// Reads that found the queue full.
    lost: u64,
}

/// The recorder. At first it records nothing.
#[derive(Default)]
pub(crate) struct Sampler {
    threshold: AtomicU64,
    queue: Mutex<Queue>,
}

impl Sampler {
    /// Records `event`, given the hash to sample by, if the key is one of the
    /// sample. For all others this is a multiplication and a comparison.
    #[inline]
    pub(crate) fn record(&self, hash: u64, event: impl FnOnce(u64) -> Event) {
        let hash = mixed(hash);
        if hash < self.threshold.load(Ordering::Relaxed) {
            self.push(event(hash));
        }
    }

    /// Records what concerns all keys, if any is recorded.
    pub(crate) fn record_for_all(&self, event: Event) {
        if self.threshold.load(Ordering::Relaxed) > 0 {
            self.push(event);
        }
    }

    #[cold]
    fn push(&self, event: Event) {
        let mut queue = self.queue.lock();
        if queue.events.len() < MOST_EVENTS {
            queue.events.push(event);
        } else {
            queue.lost += u64::from(matches!(event, Event::Read { .. }));
        }
    }

    /// Keys whose hash is below this are recorded from now on; 0 is none.
    pub(crate) fn sample_below(&self, threshold: u64) {
        self.threshold.store(threshold, Ordering::Relaxed);
    }

    /// Takes what was recorded, and how many reads were lost since the start.
    pub(crate) fn take(&self, room: Vec<Event>) -> (Vec<Event>, u64) {
        debug_assert!(room.is_empty());
        let mut queue = self.queue.lock();
        (mem::replace(&mut queue.events, room), queue.lost)
    }
}

/// The hash to sample by: shards and buckets go by parts of the key's hash, of
/// which the sample must be independent. One round of MurmurHash3's finalizer.
fn mixed(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(sampler: &Sampler) -> usize {
        for number in 0..1000u64 {
            let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            sampler.record(hash, |hash| Event::Remove { hash });
        }
        sampler.take(Vec::new()).0.len()
    }

    #[test]
    fn it_records_the_share_that_is_asked_for() {
        let sampler = Sampler::default();
        assert_eq!(hashes(&sampler), 0);
        sampler.record_for_all(Event::Clear);
        assert!(sampler.take(Vec::new()).0.is_empty());
        sampler.sample_below(u64::MAX);
        assert_eq!(hashes(&sampler), 1000);
        sampler.sample_below(u64::MAX / 4);
        assert!(hashes(&sampler).abs_diff(250) < 60);
    }

    #[test]
    fn a_full_queue_counts_the_reads_it_loses() {
        let sampler = Sampler::default();
        sampler.sample_below(u64::MAX);
        for hash in 0..MOST_EVENTS as u64 + 5 {
            sampler.record(hash, |hash| Event::Read { hash, weight: None, cost: 1 });
        }
        sampler.record(7, |hash| Event::Remove { hash });
        let (events, lost) = sampler.take(Vec::new());
        assert_eq!((events.len(), lost), (MOST_EVENTS, 5));
        assert!(sampler.take(Vec::new()).0.is_empty());
    }
}

//! What a read may return: every version of each key that this client's writes
//! may have left there. It knows nothing of other clients, and of nobody's
//! clock but the order of its own events.
//!
//! A version is out of the question once a write that began after it was
//! acknowledged has been acknowledged too:
//!
//! 1. write 1 is sent and acknowledged
//! 2. write 2 is sent: 1 may still be read
//! 3. write 2 is acknowledged: who asks from here on must not get 1
//!
//! Writes that overlap may have been done in either order, so the later
//! acknowledgement says nothing about them; and a write without an answer may
//! be done at any time.

use parking_lot::Mutex;

/// The version of a key that was never written.
pub(crate) const ABSENT: u64 = 0;

/// All keys.
pub(crate) struct Versions {
    keys: Vec<Mutex<Known>>,
}

struct Known {
    issued: u64,
    /// Counts the events of this key.
    now: u64,
    possible: Vec<Possible>,
}

#[derive(Clone, Copy)]
struct Possible {
    version: u64,
    acknowledged: Option<u64>,
}

/// A write that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    key: u64,
    pub(crate) version: u64,
    began: u64,
}

/// What a read that begins now may return.
#[derive(Debug)]
pub(crate) struct Read {
    key: u64,
    possible: Vec<u64>,
    issued: u64,
}

/// What a returned version was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It may have been the newest at some moment of the read.
    Current,
    /// A newer one had been acknowledged before the read began.
    Stale,
    /// It was never written.
    Unheard,
}

impl Versions {
    pub(crate) fn new(keys: u64) -> Self {
        let known = || {
            let possible = vec![Possible { version: ABSENT, acknowledged: Some(0) }];
            Mutex::new(Known { issued: 0, now: 0, possible })
        };
        Self { keys: (0..keys).map(|_| known()).collect() }
    }

    fn of(&self, key: u64) -> &Mutex<Known> {
        &self.keys[(key % self.keys.len() as u64) as usize]
    }

    pub(crate) fn begin_write(&self, key: u64) -> Write {
        let mut known = self.of(key).lock();
        known.issued += 1;
        known.now += 1;
        let version = known.issued;
        known.possible.push(Possible { version, acknowledged: None });
        Write { key, version, began: known.now }
    }

    pub(crate) fn acknowledge(&self, write: Write) {
        let mut known = self.of(write.key).lock();
        known.now += 1;
        let now = known.now;
        known.possible.retain(|it| it.acknowledged.is_none_or(|at| at >= write.began));
        if let Some(own) = known.possible.iter_mut().find(|it| it.version == write.version) {
            own.acknowledged = Some(now);
        }
    }

    pub(crate) fn begin_read(&self, key: u64) -> Read {
        let known = self.of(key).lock();
        let possible = known.possible.iter().map(|it| it.version).collect();
        Read { key, possible, issued: known.issued }
    }

    pub(crate) fn judge(&self, read: &Read, version: u64) -> Age {
        if read.possible.contains(&version) {
            Age::Current
        } else if version <= read.issued {
            Age::Stale
        } else if version <= self.of(read.key).lock().issued {
            Age::Current
        } else {
            Age::Unheard
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overwritten_before_the_read_began_is_stale() {
        let versions = Versions::new(1);
        let first = versions.begin_write(0);
        versions.acknowledge(first);
        let second = versions.begin_write(0);
        let during = versions.begin_read(0);
        assert_eq!(versions.judge(&during, 1), Age::Current);
        assert_eq!(versions.judge(&during, 2), Age::Current);
        versions.acknowledge(second);
        // It began before the acknowledgement.
        assert_eq!(versions.judge(&during, 1), Age::Current);
        let after = versions.begin_read(0);
        assert_eq!(versions.judge(&after, 1), Age::Stale);
        assert_eq!(versions.judge(&after, ABSENT), Age::Stale);
        assert_eq!(versions.judge(&after, 2), Age::Current);
        assert_eq!(versions.judge(&after, 3), Age::Unheard);
    }

    #[test]
    fn overlapping_writes_may_have_been_done_in_either_order() {
        let versions = Versions::new(1);
        let (first, second) = (versions.begin_write(0), versions.begin_write(0));
        versions.acknowledge(second);
        versions.acknowledge(first);
        let read = versions.begin_read(0);
        assert_eq!(versions.judge(&read, 1), Age::Current);
        assert_eq!(versions.judge(&read, 2), Age::Current);
        let third = versions.begin_write(0);
        versions.acknowledge(third);
        let read = versions.begin_read(0);
        assert_eq!(versions.judge(&read, 1), Age::Stale);
        assert_eq!(versions.judge(&read, 2), Age::Stale);
    }

    #[test]
    fn a_write_without_an_answer_may_be_done_at_any_time() {
        let versions = Versions::new(1);
        let lost = versions.begin_write(0);
        let done = versions.begin_write(0);
        versions.acknowledge(done);
        let read = versions.begin_read(0);
        assert_eq!(versions.judge(&read, lost.version), Age::Current);
    }
}

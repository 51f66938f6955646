//! Seconds since the start, which entries expire by. It never asks the system:
//! a clock is given to it, and a test may move it.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use larder_clock::SharedClock;

/// A moment: seconds since two seconds before the start, so that 0 can stand
/// for never and 1 for a moment that is over.
pub(crate) type Moment = u32;

/// When what never expires does.
pub(crate) const NEVER: Moment = 0;

const OVER: Moment = 1;

/// What the first moment is.
const FIRST: i64 = 2;

/// The most seconds that count from now; more are a time of day.
const LONGEST_SECONDS: i32 = 60 * 60 * 24 * 30;

/// Marks a clock that isn't stopped.
const RUNS: i64 = i64::MIN;

/// The time of a cache.
pub(crate) struct Time {
    clock: SharedClock,
    /// In seconds since 1970, when the moment was 0.
    zero: i64,
    moved: AtomicI64,
    stopped: AtomicI64,
}

impl Time {
    pub(crate) fn new(clock: SharedClock) -> Self {
        let zero = clock.now().seconds() - FIRST;
        Self { clock, zero, moved: AtomicI64::new(0), stopped: AtomicI64::new(RUNS) }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        let stopped = self.stopped.load(Relaxed);
        let seconds = if stopped == RUNS { self.clock.now().seconds() } else { stopped };
        let since = (seconds - self.zero).saturating_add(self.moved.load(Relaxed));
        u32::try_from(since.clamp(FIRST, i64::from(u32::MAX >> 4))).unwrap_or(OVER)
    }

    /// The present time of day, in seconds since 1970.
    pub(crate) fn of_day(&self) -> i64 {
        self.zero + i64::from(self.now())
    }

    /// Seconds since the start.
    pub(crate) fn uptime(&self) -> u32 {
        self.now() - FIRST as u32
    }

    /// When something expires that a client said so of: at 0 never, at a
    /// negative number at once, up to 30 days in so many seconds, and beyond
    /// that at a time of day.
    pub(crate) fn expiry(&self, said: i32) -> Moment {
        match said {
            0 => NEVER,
            ..0 => OVER,
            1..=LONGEST_SECONDS => self.now().saturating_add(said.unsigned_abs()),
            _ => u32::try_from(i64::from(said) - self.zero).unwrap_or(OVER).max(OVER),
        }
    }

    /// Moves the clock, for tests.
    pub(crate) fn move_by(&self, seconds: i64) {
        self.moved.fetch_add(seconds, Relaxed);
    }

    /// Stops the clock, or lets it go on, for tests.
    pub(crate) fn stop(&self, stop: bool) {
        let at = if stop { self.clock.now().seconds() } else { RUNS };
        self.stopped.store(at, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use larder_clock::{ManualClock, Timestamp};

    use super::*;

    #[test]
    fn times_to_expire_are_relative_absolute_negative_or_never() {
        let day = 1_700_000_000;
        let clock = Arc::new(ManualClock::new(Timestamp(day * 1_000_000)));
        let time = Time::new(clock.clone());
        let day = day as i32;
        assert_eq!(time.now(), 2);
        assert_eq!(time.expiry(0), NEVER);
        assert_eq!(time.expiry(-1), OVER);
        assert_eq!(time.expiry(10), 12);
        assert_eq!(time.expiry(LONGEST_SECONDS), 2 + LONGEST_SECONDS as u32);
        assert_eq!(time.expiry(LONGEST_SECONDS + 1), OVER, "in February 1970");
        assert_eq!(time.expiry(day + 100), 102);
        assert_eq!(time.expiry(day - 100), OVER);
        clock.advance_seconds(5);
        assert_eq!((time.now(), time.expiry(10)), (7, 17));
        time.move_by(3);
        assert_eq!((time.now(), time.uptime()), (10, 8));
        time.stop(true);
        clock.advance_seconds(5);
        assert_eq!(time.now(), 10);
        time.stop(false);
        assert_eq!(time.now(), 15);
    }
}

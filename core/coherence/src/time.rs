//! Time as an argument. Nothing here reads a clock.

use std::time::Duration;

/// Microseconds of `CLOCK_BOOTTIME`, which goes on in suspend. Rust's
/// `Instant` stops there and must not be used for this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The point `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long before this `earlier` was; zero if it wasn't.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

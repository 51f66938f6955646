//! Clocks that are wrong: each runs at a rate and from a start of its own. No
//! clock here is the machine's.

use larder_coherence::Time;

use crate::dice::Dice;

/// A millisecond of true time, which is counted in microseconds.
pub(crate) const MS: u64 = 1_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// The most a clock may run fast or slow: the 1 % of the protocol's assumption.
const MOST_WRONG_PPM: u64 = 10_000;

#[derive(Clone, Debug)]
pub(crate) struct Clock {
    offset: u64,
    rate_ppm: i64,
    /// What it lost while its machine was frozen.
    lost: u64,
}

impl Clock {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        // The extremes are where a wait could be too short: half of all clocks.
        let rate_ppm = match dice.below(4) {
            0 => -i64::try_from(MOST_WRONG_PPM).expect("small"),
            1 => i64::try_from(MOST_WRONG_PPM).expect("small"),
            _ => i64::try_from(dice.below(2 * MOST_WRONG_PPM)).expect("small") - 10_000,
        };
        Self { offset: dice.between(100, 1_000_000) * SECOND, rate_ppm, lost: 0 }
    }

    /// What it shows.
    pub(crate) fn at(&self, now: u64) -> Time {
        let gained = i64::try_from(now).expect("short runs") * self.rate_ppm / 1_000_000;
        Time((self.offset + now - self.lost).saturating_add_signed(gained))
    }

    /// When it will show `time`, or did.
    pub(crate) fn when(&self, time: Time) -> u64 {
        let shown = u128::from((time.0 + self.lost).saturating_sub(self.offset));
        let rate = u128::from(1_000_000_u64.saturating_add_signed(self.rate_ppm));
        u64::try_from(shown * 1_000_000 / rate).expect("short runs") + 1
    }

    pub(crate) fn lose(&mut self, lost: u64) {
        self.lost += lost;
    }
}

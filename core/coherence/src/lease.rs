//! The lease: until when a node may answer from memory, and in which epoch.
//! It fits in one atomic word, so that a hit costs no lock. Never reads a clock.

use crate::{Epoch, Time};

/// Bits of a word that hold the expiry, in milliseconds since boot: 34 years.
const EXPIRY_BITS: u32 = 40;
const EXPIRY_MASK: u64 = (1 << EXPIRY_BITS) - 1;
const EPOCH_MASK: u64 = u64::MAX >> EXPIRY_BITS;

/// A right to answer from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The epoch whose entries it covers.
    pub epoch: Epoch,
    /// When it ends, on the holder's clock.
    pub expiry: Time,
}

impl Lease {
    /// No right at all.
    pub const NONE: Self = Self { epoch: Epoch(0), expiry: Time(0) };

    /// Whether it still runs at `now`, which must have been read from the
    /// clock within the request that asks.
    pub fn runs(self, now: Time) -> bool {
        now < self.expiry
    }

    /// Whether an entry that was loaded in `epoch` may be served at `now`.
    pub fn serves(self, epoch: Epoch, now: Time) -> bool {
        self.epoch == epoch && self.runs(now)
    }

    /// The lease as one word, for the hit path.
    pub fn word(self) -> Word {
        let expiry_ms = (self.expiry.0 / 1_000).min(EXPIRY_MASK);
        Word((self.epoch.0 & EPOCH_MASK) << EXPIRY_BITS | expiry_ms)
    }
}

/// A lease that fits in an `AtomicU64`: the last 24 bits of the epoch, and the
/// expiry rounded down to a millisecond. Two epochs of one node that agree in
/// those bits are 16 million joins apart, and a join drops all entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(pub u64);

impl Word {
    /// As [`Lease::serves`].
    pub fn serves(self, epoch: Epoch, now: Time) -> bool {
        self.0 >> EXPIRY_BITS == epoch.0 & EPOCH_MASK && now.0 / 1_000 < self.0 & EXPIRY_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_never_outlives_its_lease() {
        let lease = Lease { epoch: Epoch(7), expiry: Time(2_000_999) };
        for now in [0, 1_999_999, 2_000_000, 2_000_998, 2_000_999, 2_001_000].map(Time) {
            let word = lease.word().serves(Epoch(7), now);
            assert!(!word || lease.serves(Epoch(7), now), "{now:?}");
        }
        assert!(lease.word().serves(Epoch(7), Time(1_999_999)));
    }

    #[test]
    fn a_lease_covers_the_entries_of_its_epoch_only() {
        let lease = Lease { epoch: Epoch(7), expiry: Time(2_000_000) };
        assert!(!lease.serves(Epoch(6), Time(0)));
        assert!(!lease.word().serves(Epoch(6), Time(0)));
        assert!(!Lease::NONE.word().serves(Epoch(0), Time(0)));
    }
}

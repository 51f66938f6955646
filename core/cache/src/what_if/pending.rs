//! Reads that missed everywhere, until the end of the load says what they
//! weigh. Loads that never end are forgotten; it never grows.

use hashbrown::HashMap;

/// Keys of each of the two generations.
const MOST: usize = 512;

/// Reads per key, in two generations of which the older is dropped when the
/// younger is full.
#[derive(Default)]
pub(super) struct Pending {
    young: HashMap<u64, f64, foldhash::fast::FixedState>,
    old: HashMap<u64, f64, foldhash::fast::FixedState>,
}

impl Pending {
    pub(super) fn add(&mut self, key: u64) {
        if self.young.len() >= MOST {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        let before = self.old.remove(&key).unwrap_or(0.0);
        *self.young.entry(key).or_insert(0.0) += before + 1.0;
    }

    /// How many reads of the key were waiting; they no longer are.
    pub(super) fn take(&mut self, key: u64) -> f64 {
        self.young.remove(&key).or_else(|| self.old.remove(&key)).unwrap_or(0.0)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.young.allocation_size() + self.old.allocation_size()
    }
}

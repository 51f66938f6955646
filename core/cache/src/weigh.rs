//! What an entry weighs. It never asks the allocator: weights are computed,
//! so that the same entries weigh the same on every machine.

use std::sync::Arc;

use crate::policy;
use crate::processor::prefetch;
use crate::table;

/// A value that knows its size.
///
/// The answers must not change while the value is in the cache, must be cheap,
/// and must not call the cache. It keeps none of them but asks again whenever
/// it wants to know, under a lock; a weight that had changed would make its
/// sums wrong.
pub trait Weigh {
    /// The bytes this value keeps in memory beyond its own handle.
    fn weight_bytes(&self) -> u64;

    /// What loading the value again would cost, in a unit of your choice
    /// (microseconds, say): used under [`Objective::Cost`](crate::Objective)
    /// only. At least 1; `u32::MAX` is the most. Default 1.
    fn cost(&self) -> u32 {
        1
    }

    /// Begins to bring into the processor's cache what cloning the value will
    /// touch: [`Cache::get_many`](crate::Cache::get_many) calls it for all its
    /// keys before it clones the first. Default nothing; handles around an
    /// `Arc` pass it on.
    fn prefetch(&self) {}
}

/// Bytes charged for every entry beside its key and value: the slot with a
/// value handle of two words, its place in the index, the records and ghosts
/// of the hungriest policy, and what an `Arc` and the allocator add to the
/// value.
///
/// Larger handles are for [`Weigh`] to count. Leases in progress are not in it.
pub const OVERHEAD_BYTES: u64 =
    (table::BYTES_PER_ENTRY + policy::BYTES_PER_ENTRY + SHARED_VALUE_BYTES) as u64;

/// The two counts of an `Arc`.
const SHARED_VALUE_BYTES: usize = 16;

impl Weigh for [u8] {
    fn weight_bytes(&self) -> u64 {
        self.len() as u64
    }

    /// Where it begins, as most of what is cached is small.
    fn prefetch(&self) {
        prefetch(self);
    }
}

impl Weigh for str {
    fn weight_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn prefetch(&self) {
        prefetch(self);
    }
}

impl Weigh for Vec<u8> {
    fn weight_bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl Weigh for String {
    fn weight_bytes(&self) -> u64 {
        self.len() as u64
    }
}

/// Numbers live in the slot and weigh nothing more.
impl Weigh for u64 {
    fn weight_bytes(&self) -> u64 {
        0
    }
}

/// A shared value weighs in full at every entry that holds it.
impl<T: Weigh + ?Sized> Weigh for Arc<T> {
    fn weight_bytes(&self) -> u64 {
        (**self).weight_bytes()
    }

    fn cost(&self) -> u32 {
        (**self).cost()
    }

    /// The count of those who share it lies right before the value.
    fn prefetch(&self) {
        prefetch(&**self);
    }
}

/// Nothing weighs nothing; something weighs what it is.
impl<T: Weigh> Weigh for Option<T> {
    fn weight_bytes(&self) -> u64 {
        self.as_ref().map_or(0, Weigh::weight_bytes)
    }

    fn cost(&self) -> u32 {
        self.as_ref().map_or(1, Weigh::cost)
    }

    fn prefetch(&self) {
        self.as_ref().inspect(|value| value.prefetch());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes a structure that every entry pays for should notice.
    #[test]
    fn the_overhead_is_what_it_was() {
        assert_eq!(OVERHEAD_BYTES, 82);
    }

    #[test]
    fn shared_and_absent_values_weigh_what_they_are() {
        assert_eq!(vec![0; 9].weight_bytes(), 9);
        assert_eq!("grün".to_owned().weight_bytes(), 5);
        assert_eq!(Arc::<[u8]>::from(&b"abc"[..]).weight_bytes(), 3);
        assert_eq!(Some(Arc::new(vec![0; 9])).weight_bytes(), 9);
        assert_eq!(None::<Vec<u8>>.weight_bytes(), 0);
    }

    #[test]
    fn a_weight_beyond_the_range_is_none() {
        struct Endless;
        impl Weigh for Endless {
            fn weight_bytes(&self) -> u64 {
                u64::MAX
            }
        }
        assert_eq!(table::weight_of(b"key", &Endless), None);
    }
}

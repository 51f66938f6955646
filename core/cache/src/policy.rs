//! Replacement policies: who has to go when room is needed. A policy never
//! sees keys, values or locks: slots, weights and fingerprints only.
//!
//! Adding one takes a file under `policy/`, its `mod` line and its line in the
//! list below; the conformance suite runs over the whole list.

pub use sketch::Sketch;

use std::error::Error;
use std::fmt;
use std::str::FromStr;

mod clock;
mod departed;
mod fifo;
mod gdsf;
mod heap;
mod list;
mod lru;
mod random;
mod s3_fifo;
mod s3_fifo_size;
mod sieve;
mod sketch;
#[cfg(test)]
mod tests;
mod w_tinylfu;

/// The number of an entry's place in its shard.
pub(crate) type Slot = u32;

/// What the hungriest policy keeps for an entry, with its share of whatever
/// the policy remembers of others.
pub(crate) const BYTES_PER_ENTRY: usize = most_of(&[
    lru::BYTES_PER_ENTRY,
    gdsf::BYTES_PER_ENTRY,
    s3_fifo::bytes_per_entry::<s3_fifo::Even>(),
    s3_fifo::bytes_per_entry::<s3_fifo_size::Density>(),
    w_tinylfu::BYTES_PER_ENTRY,
]);

const fn most_of(numbers: &[usize]) -> usize {
    match numbers {
        [] => 0,
        [first, rest @ ..] => {
            let rest = most_of(rest);
            if *first > rest { *first } else { rest }
        }
    }
}

/// Entries in use that an eviction passes over at most, before it takes what
/// it has: readers wait meanwhile, and this many take some fifty microseconds.
/// It matters only where more entries than this were used in a row since the
/// last look at them, as after a long time without evictions.
const MOST_PASSED: usize = 512;

/// What a policy is told of an entry. It may rely on a weight and a cost that
/// fit 32 bits; entries of 4 GiB and more aren't cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// Bytes.
    pub(crate) weight: u32,
    /// What missing the entry costs, in the unit of the objective.
    pub(crate) cost: u32,
    /// 32 bits of the key's hash, to recognise a key that comes back.
    pub(crate) fingerprint: u32,
}

/// The entries of a shard, for policies that would rather ask than remember.
pub(crate) trait Items {
    /// What the policy was last told of the entry in a slot, but that the
    /// cost follows the objective of now.
    fn item(&self, slot: Slot) -> Item;

    /// The entry's weight alone, which is sooner found.
    fn weight(&self, slot: Slot) -> u32;
}

/// A replacement policy of one shard.
///
/// The entry of a slot is there before it is inserted, and until after it was
/// removed or evicted: `items` knows it.
///
/// The shard calls `hit` under its read lock, from many threads at once, and
/// all else under its write lock.
pub(crate) trait Policy: Send + Sync {
    /// A new entry is in `slot`.
    fn insert(&mut self, slot: Slot, item: Item, items: &dyn Items);

    /// The entry was used. Wait-free, and nothing moves: relaxed loads and
    /// stores of what belongs to the entry, and for exact LRU one clock.
    fn hit(&self, slot: Slot);

    /// Begins to bring nearer what a hit will touch.
    fn prefetch(&self, _slot: Slot) {}

    /// Makes room for slots up to this one, before anybody waits for it.
    fn reach(&mut self, slot: Slot);

    /// The entry goes because the caller says so: no sign of low worth.
    fn remove(&mut self, slot: Slot, items: &dyn Items);

    /// Chooses a victim and forgets it; `None` only if there are no entries.
    /// Called until then, it gives all entries, coldest first: that is how
    /// they are handed to another policy.
    fn evict(&mut self, items: &dyn Items) -> Option<Slot>;

    /// An entry comes over from another policy, which gave it up as the next
    /// coldest and had seen so many uses of it.
    fn adopt(&mut self, slot: Slot, item: Item, _uses: u32, items: &dyn Items) {
        self.insert(slot, item, items);
    }

    /// How many uses it has seen of an entry that it has just given up, as far
    /// as it counts them.
    fn uses(&self, _slot: Slot, _items: &dyn Items) -> u32 {
        1
    }

    /// The entry's weight or cost changed in place, from another weight. Most
    /// policies don't weigh.
    fn reweigh(&mut self, _slot: Slot, _old_weight: u32, _item: Item) {}

    /// All slots it ranks, in any order: for the recount in tests.
    fn ranked(&self) -> Vec<Slot>;
}

macro_rules! policies {
    ($($kind:ident: $type:path, [$name:literal $(, $alias:literal)*], $title:literal, $summary:literal;)*) => {
        /// A replacement policy, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PolicyKind {
            $(#[doc = $summary] $kind,)*
        }

        impl PolicyKind {
            /// All policies, in the order in which to offer them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The name in flags, configuration and answers; `Display` and
            /// `FromStr` use it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The name for people.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            /// One line for a settings page.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$kind => $summary,)* }
            }

            fn names(self) -> &'static [&'static str] {
                match self { $(Self::$kind => &[$name $(, $alias)*],)* }
            }

            /// A policy of this kind without entries; the seed is for those
            /// that leave anything to chance.
            pub(crate) fn build(self, seed: u64) -> AnyPolicy {
                match self { $(Self::$kind => AnyPolicy::$kind(<$type>::new(seed)),)* }
            }
        }

        /// A policy of any kind: an enum, so that a hit costs a branch rather
        /// than a call through a pointer.
        pub(crate) enum AnyPolicy {
            $($kind($type),)*
        }

        impl Policy for AnyPolicy {
            fn insert(&mut self, slot: Slot, item: Item, items: &dyn Items) {
                match self { $(Self::$kind(policy) => policy.insert(slot, item, items),)* }
            }

            #[inline(always)]
            fn hit(&self, slot: Slot) {
                match self { $(Self::$kind(policy) => policy.hit(slot),)* }
            }

            #[inline(always)]
            fn prefetch(&self, slot: Slot) {
                match self { $(Self::$kind(policy) => policy.prefetch(slot),)* }
            }

            fn reach(&mut self, slot: Slot) {
                match self { $(Self::$kind(policy) => policy.reach(slot),)* }
            }

            fn remove(&mut self, slot: Slot, items: &dyn Items) {
                match self { $(Self::$kind(policy) => policy.remove(slot, items),)* }
            }

            fn evict(&mut self, items: &dyn Items) -> Option<Slot> {
                match self { $(Self::$kind(policy) => policy.evict(items),)* }
            }

            fn adopt(&mut self, slot: Slot, item: Item, uses: u32, items: &dyn Items) {
                match self { $(Self::$kind(policy) => policy.adopt(slot, item, uses, items),)* }
            }

            fn uses(&self, slot: Slot, items: &dyn Items) -> u32 {
                match self { $(Self::$kind(policy) => policy.uses(slot, items),)* }
            }

            fn reweigh(&mut self, slot: Slot, old_weight: u32, item: Item) {
                match self { $(Self::$kind(policy) => policy.reweigh(slot, old_weight, item),)* }
            }

            fn ranked(&self) -> Vec<Slot> {
                match self { $(Self::$kind(policy) => policy.ranked(),)* }
            }
        }
    };
}

policies! {
    Lru: lru::Lru, ["lru"], "LRU", "Evicts the entry that has gone unused the longest.";
    Random: random::Random, ["random", "rr"], "Random", "Evicts any entry, by chance; no record of use is kept.";
    Fifo: fifo::Fifo, ["fifo"], "FIFO", "Evicts the entry that came first, used or not.";
    Clock: clock::Clock, ["clock"], "CLOCK", "FIFO that lets an entry go round again up to three times, once per use.";
    Sieve: sieve::Sieve, ["sieve"], "SIEVE", "Sifts out entries not used since the last pass and leaves the others where they are.";
    S3Fifo: s3_fifo::S3Fifo, ["s3-fifo", "s3fifo"], "S3-FIFO", "Tries newcomers in a small queue first, so that one-time visitors leave early.";
    S3FifoSize: s3_fifo_size::S3FifoSize, ["s3-fifo-size", "s3fifosize"], "S3-FIFO by size", "S3-FIFO that asks more uses of what costs little per byte than of the rest.";
    WTinyLfu: w_tinylfu::WTinyLfu, ["w-tinylfu", "tinylfu", "wtinylfu"], "W-TinyLFU", "Lets in only those asked for more often than those who would have to go.";
    Gdsf: gdsf::Gdsf, ["gdsf"], "GDSF", "Evicts what costs the least per byte for its uses, ageing them all the while.";
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is no policy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy {
    name: String,
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no policy is called {:?}; there are", self.name)?;
        for (number, kind) in PolicyKind::ALL.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma} {kind}")?;
        }
        Ok(())
    }
}

impl Error for UnknownPolicy {}

impl FromStr for PolicyKind {
    type Err = UnknownPolicy;

    /// Accepts the names and aliases in any case.
    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let called = |kind: &Self| kind.names().iter().any(|n| n.eq_ignore_ascii_case(name));
        let found = Self::ALL.iter().copied().find(called);
        found.ok_or_else(|| UnknownPolicy { name: name.into() })
    }
}

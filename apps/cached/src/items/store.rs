//! Putting values: `set` and its like, each in one step.

use larder_cache::Inserted;
use larder_wire::{Store, Verb};

use super::{Count, Counters, Item, Items, NEVER, Present, Value};

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    NotStored,
    Exists,
    NotFound,
    NoMemory,
}

/// What became of a value, and what is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) outcome: Outcome,
    /// The version; 0 where nothing was stored.
    pub(crate) cas: u64,
    /// The bytes that are there now, or those that were sent.
    pub(crate) len: usize,
}

impl Items {
    /// Does with a value what was asked for.
    pub(crate) fn store(
        &self,
        present: Present,
        store: &Store<'_>,
        value: Value,
        counters: &Counters,
    ) -> Stored {
        counters.add(Count::Sets, 1);
        let len = value.len();
        let item = Item::new(value, store.flags, self.time.expiry(store.expires), present.now);
        let meta = store.meta.as_ref();
        item.make_binary(meta.is_some_and(|meta| meta.is_binary));
        let cas = meta.and_then(|meta| meta.new_cas).unwrap_or_else(|| self.next_cas());
        let _lock = self.lock(&store.key);
        let decided = match store.verb {
            Verb::Set => Ok(item),
            _ => match self.peek(present, &store.key) {
                Some(old) => self.over(store, item, &old, counters),
                None => onto_nothing(store, item, self.viv_expiry(store), counters),
            },
        };
        match decided {
            Ok(item) => {
                let len = item.value.len();
                let outcome = self.put(present, &store.key, item, cas, counters);
                Stored { outcome, cas: if outcome == Outcome::Stored { cas } else { 0 }, len }
            }
            Err(outcome) => Stored { outcome, cas: 0, len },
        }
    }

    /// When something expires that `ms` appends to nothing.
    fn viv_expiry(&self, store: &Store<'_>) -> Option<u32> {
        Some(self.time.expiry(store.meta.as_ref()?.vivify?))
    }

    /// What to put in the place of `old`.
    fn over(
        &self,
        store: &Store<'_>,
        item: Item,
        old: &Item,
        counters: &Counters,
    ) -> Result<Item, Outcome> {
        let matches = store.compare == old.cas && store.compare != 0;
        match store.verb {
            Verb::Set | Verb::Replace => Ok(item),
            Verb::Add => Err(Outcome::NotStored),
            Verb::Cas if matches => {
                counters.add(Count::CasHits, 1);
                Ok(item)
            }
            Verb::Cas if may_be_stale(store) && store.compare < old.cas => {
                counters.add(Count::CasHits, 1);
                item.expire_at(old.expires());
                item.stay_stale(old);
                Ok(item)
            }
            Verb::Cas => {
                counters.add(Count::CasBad, 1);
                Err(Outcome::Exists)
            }
            Verb::Append | Verb::Prepend if store.compare != 0 && !matches => Err(Outcome::Exists),
            Verb::Append => self.joined(store, old, &[&old.value, &item.value]),
            Verb::Prepend => self.joined(store, old, &[&item.value, &old.value]),
        }
    }

    fn joined(&self, store: &Store<'_>, old: &Item, parts: &[&[u8]]) -> Result<Item, Outcome> {
        let value = parts.concat();
        if self.is_too_large(store.key.len(), value.len()) {
            return Err(Outcome::NotStored);
        }
        Ok(old.clone().holding(&value))
    }

    /// Puts an entry in place. The caller holds the key's lock.
    pub(super) fn put(
        &self,
        present: Present,
        key: &[u8],
        item: Item,
        cas: u64,
        counters: &Counters,
    ) -> Outcome {
        match self.cache.insert(key, Item { cas, epoch: present.epoch, ..item }) {
            Inserted::Stored => Outcome::Stored,
            Inserted::TooHeavy => {
                counters.add(Count::NoMemory, 1);
                Outcome::NoMemory
            }
        }
    }

    /// Keeps a value that never expires; says whether it fits.
    pub(crate) fn keep(&self, key: &[u8], value: Value) -> bool {
        let present = self.present();
        let item = Item::new(value, 0, NEVER, present.now);
        let _lock = self.lock(key);
        let item = Item { cas: self.next_cas(), epoch: present.epoch, ..item };
        self.cache.insert(key, item) == Inserted::Stored
    }
}

/// What to put where nothing is; `vivify` is when it expires if it is made by
/// appending to nothing.
fn onto_nothing(
    store: &Store<'_>,
    item: Item,
    vivify: Option<u32>,
    counters: &Counters,
) -> Result<Item, Outcome> {
    match store.verb {
        Verb::Set | Verb::Add => Ok(item),
        Verb::Append | Verb::Prepend => {
            item.expire_at(vivify.ok_or(Outcome::NotStored)?);
            Ok(item)
        }
        Verb::Replace => Err(Outcome::NotStored),
        Verb::Cas => {
            counters.add(Count::CasMisses, 1);
            Err(Outcome::NotFound)
        }
    }
}

fn may_be_stale(store: &Store<'_>) -> bool {
    store.meta.as_ref().is_some_and(|meta| meta.invalidate)
}

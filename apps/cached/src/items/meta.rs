//! What only the meta commands do: making what is missing, and marking as out
//! of date instead of dropping.

use larder_wire::Meta;

use super::{Count, Counters, Item, Items, Outcome, Present, Value};

/// What became of an entry that was to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    Done,
    NotFound,
    Exists,
    NotStored,
}

impl Items {
    /// Makes an empty entry where nothing is. The caller holds the key's lock
    /// and knows that nothing is.
    pub(crate) fn vivify(
        &self,
        present: Present,
        meta: &Meta<'_>,
        counters: &Counters,
    ) -> Option<Item> {
        let item = Item::new(Value::from([].as_slice()), 0, 0, present.now);
        item.expire_at(self.time.expiry(meta.vivify?));
        item.make_binary(meta.is_binary);
        let cas = meta.new_cas.unwrap_or_else(|| self.next_cas());
        // Who made it is the one to load it.
        item.take_token();
        let item = Item { cas, ..item };
        let outcome = self.put(present, &meta.key, item.clone(), cas, counters);
        (outcome == Outcome::Stored).then_some(item)
    }

    /// Drops an entry, or only its value, or marks it as out of date.
    pub(crate) fn delete_meta(
        &self,
        present: Present,
        meta: &Meta<'_>,
        counters: &Counters,
    ) -> Deleted {
        let _lock = self.lock(&meta.key);
        let Some(old) = self.peek(present, &meta.key) else {
            counters.add(Count::DeleteMisses, 1);
            return Deleted::NotFound;
        };
        if meta.compare.is_some_and(|compare| compare != old.cas) {
            counters.add(Count::DeleteMisses, 1);
            return Deleted::Exists;
        }
        if !meta.invalidate {
            counters.add(Count::DeleteHits, 1);
        }
        if !meta.invalidate && !meta.empties {
            self.cache.invalidate(&meta.key);
            return Deleted::Done;
        }
        let (item, cas) = self.left(present, meta, old);
        match self.put(present, &meta.key, item, cas, counters) {
            Outcome::Stored => Deleted::Done,
            _ => Deleted::NotStored,
        }
    }

    /// What is left of an entry, and its version.
    fn left(&self, present: Present, meta: &Meta<'_>, old: Item) -> (Item, u64) {
        let expires = self.time.expiry(meta.touch.unwrap_or(0));
        let mut cas = meta.new_cas.unwrap_or(old.cas);
        let mut item = old;
        if meta.empties {
            item = Item::new(Value::from([].as_slice()), meta.client_flags, expires, present.now);
            item.make_binary(meta.is_binary);
        }
        if meta.invalidate {
            if meta.touch.is_some() {
                item.expire_at(expires);
            }
            item.make_stale();
            cas = meta.new_cas.unwrap_or_else(|| self.next_cas());
        }
        (item, cas)
    }
}

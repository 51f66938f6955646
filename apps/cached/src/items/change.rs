//! Changes of what is there that bring no value: dropping it, and another time
//! to expire.

use super::{Item, Items, Present};

impl Items {
    /// Drops what is under a key; says whether there was something.
    pub(crate) fn delete(&self, present: Present, key: &[u8]) -> bool {
        let _lock = self.lock(key);
        let was_here = self.peek(present, key).is_some();
        self.cache.invalidate(key);
        was_here
    }

    /// Gives an entry another time to expire and returns it; a use of it.
    pub(crate) fn touch(&self, present: Present, key: &[u8], expires: i32) -> Option<Item> {
        let moment = self.time.expiry(expires);
        let _lock = self.lock(key);
        let mut touched = None;
        self.cache.read_many(&[key], |_, item| {
            if let Some(item) = item.filter(|item| present.has(item)) {
                item.expire_at(moment);
                item.note_use(present.now);
                touched = Some(item.clone());
            }
        });
        touched
    }
}

//! Doubly linked queues over slot numbers. They never allocate per entry: a
//! policy's queues share one array of links, since a slot is in one at a time.

use super::Slot;
use crate::growing::Growing;

/// No slot.
pub(super) const NIL: Slot = Slot::MAX;

#[derive(Clone, Copy)]
struct Link {
    newer: Slot,
    older: Slot,
}

impl Default for Link {
    fn default() -> Self {
        Self { newer: NIL, older: NIL }
    }
}

/// The links of all slots.
#[derive(Default)]
pub(super) struct Links(Growing<Link>);

/// What the links take per slot.
pub(super) const BYTES_PER_LINK: usize = size_of::<Link>();

impl Links {
    /// Makes room for slots up to this one.
    pub(super) fn reach(&mut self, slot: Slot) {
        self.0.reach(slot);
    }

    /// The slot that joined its queue right after this one.
    pub(super) fn newer(&self, slot: Slot) -> Option<Slot> {
        some(self.0[slot].newer)
    }
}

/// One queue: slots join as the newest.
pub(super) struct Queue {
    newest: Slot,
    oldest: Slot,
    len: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { newest: NIL, oldest: NIL, len: 0 }
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn oldest(&self) -> Option<Slot> {
        some(self.oldest)
    }

    /// Puts a slot, which is in no queue and which the links reach, at the
    /// newest end.
    pub(super) fn push(&mut self, links: &mut Links, slot: Slot) {
        links.0[slot] = Link { newer: NIL, older: self.newest };
        match some(self.newest) {
            Some(newest) => links.0[newest].newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        self.len += 1;
    }

    /// Takes a slot out, which must be in this queue.
    pub(super) fn remove(&mut self, links: &mut Links, slot: Slot) {
        let Link { newer, older } = links.0[slot];
        match some(newer) {
            Some(newer) => links.0[newer].older = older,
            None => self.newest = older,
        }
        match some(older) {
            Some(older) => links.0[older].newer = newer,
            None => self.oldest = newer,
        }
        self.len -= 1;
    }

    /// Takes the oldest out.
    pub(super) fn pop(&mut self, links: &mut Links) -> Option<Slot> {
        let slot = self.oldest()?;
        self.remove(links, slot);
        Some(slot)
    }

    /// All slots, oldest first.
    pub(super) fn iter(&self, links: &Links) -> impl Iterator<Item = Slot> {
        std::iter::successors(self.oldest(), |&slot| links.newer(slot))
    }
}

fn some(slot: Slot) -> Option<Slot> {
    (slot != NIL).then_some(slot)
}

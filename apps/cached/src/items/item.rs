//! An entry: a value and what is to be known of it. Readers may note that they
//! were here; all else is changed by putting another in its place.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use larder_cache::Weigh;

use super::Value;
use super::time::{Moment, NEVER};

/// What the cache's overhead has in it for a value's handle.
const HANDLE_BYTES: usize = 16;

/// It was read since it was put here.
const FETCHED: u32 = 1;
/// Somebody was told to load it again.
const TOKEN_SENT: u32 = 1 << 1;
/// It is out of date.
const STALE: u32 = 1 << 2;
/// Its key isn't text.
const BINARY: u32 = 1 << 3;
/// How far the moment is shifted to make room for the marks.
const MARKS: u32 = 4;

/// An entry. Cloning it shares the value.
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) cas: u64,
    /// The flush after which it came.
    pub(super) epoch: u32,
    pub(super) expires: AtomicU32,
    /// The moment of the last use, and the marks.
    pub(super) seen: AtomicU32,
}

impl Clone for Item {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            cas: self.cas,
            epoch: self.epoch,
            expires: AtomicU32::new(self.expires()),
            seen: AtomicU32::new(self.seen.load(Relaxed)),
        }
    }
}

impl Weigh for Item {
    fn weight_bytes(&self) -> u64 {
        (self.value.len() + size_of::<Self>() - HANDLE_BYTES) as u64
    }

    fn prefetch(&self) {
        self.value.prefetch();
    }
}

impl Item {
    /// An entry with a value that nobody else has.
    pub(super) fn new(value: Value, flags: u32, expires: Moment, now: Moment) -> Self {
        Self {
            value: value.with_flags(flags),
            cas: 0,
            epoch: 0,
            expires: AtomicU32::new(expires),
            seen: AtomicU32::new(now << MARKS),
        }
    }

    /// As it is, with other bytes.
    pub(super) fn holding(self, bytes: &[u8]) -> Self {
        let value = Value::from(bytes).with_flags(self.flags());
        Self { value, ..self }
    }

    /// What its client gave it.
    pub(crate) fn flags(&self) -> u32 {
        self.value.flags()
    }

    /// When it expires; [`NEVER`] if it doesn't.
    pub(crate) fn expires(&self) -> Moment {
        self.expires.load(Relaxed)
    }

    /// Seconds until it expires.
    pub(crate) fn ttl(&self, now: Moment) -> Option<u32> {
        let expires = self.expires();
        (expires != NEVER).then(|| expires.saturating_sub(now))
    }

    pub(super) fn is_expired(&self, now: Moment) -> bool {
        let expires = self.expires();
        expires != NEVER && expires <= now
    }

    /// Gives it another time to expire. The caller holds the key's lock.
    pub(crate) fn expire_at(&self, moment: Moment) {
        self.expires.store(moment, Relaxed);
    }

    /// Notes a use. It writes once a second, so that readers of a hot entry
    /// don't take its line of memory away from each other.
    #[inline]
    pub(crate) fn note_use(&self, now: Moment) {
        let seen = self.seen.load(Relaxed);
        if seen >> MARKS != now || seen & FETCHED == 0 {
            let noted = |seen: u32| Some(now << MARKS | seen & ((1 << MARKS) - 1) | FETCHED);
            let _ = self.seen.fetch_update(Relaxed, Relaxed, noted);
        }
    }

    /// Seconds since its last use.
    pub(crate) fn idle_seconds(&self, now: Moment) -> u32 {
        now.saturating_sub(self.seen.load(Relaxed) >> MARKS)
    }

    pub(crate) fn was_fetched(&self) -> bool {
        self.is_marked(FETCHED)
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.is_marked(STALE)
    }

    pub(crate) fn is_binary(&self) -> bool {
        self.is_marked(BINARY)
    }

    pub(crate) fn has_sent_token(&self) -> bool {
        self.is_marked(TOKEN_SENT)
    }

    /// Takes the right to load it again; false if somebody else has.
    pub(crate) fn take_token(&self) -> bool {
        self.seen.fetch_or(TOKEN_SENT, Relaxed) & TOKEN_SENT == 0
    }

    /// It is out of date, and the next to come is to load it again.
    pub(super) fn make_stale(&self) {
        let stale = |seen: u32| Some((seen | STALE) & !TOKEN_SENT);
        let _ = self.seen.fetch_update(Relaxed, Relaxed, stale);
    }

    /// It is out of date as the one before it was.
    pub(super) fn stay_stale(&self, before: &Self) {
        let sent = before.seen.load(Relaxed) & TOKEN_SENT;
        self.seen.fetch_or(STALE | sent, Relaxed);
    }

    pub(super) fn make_binary(&self, is_binary: bool) {
        if is_binary {
            self.seen.fetch_or(BINARY, Relaxed);
        }
    }

    fn is_marked(&self, mark: u32) -> bool {
        self.seen.load(Relaxed) & mark != 0
    }
}

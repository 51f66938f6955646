//! The sampler: compares entries taken at random with the store while the tier
//! is in use. It proves nothing that the protocol doesn't; it would tell when
//! an assumption of it is broken, such as a change that went past the tier.
//!
//! Source: Meta's "Cache made consistent" (2022), whose observer does the same
//! from outside.

use std::sync::atomic::{AtomicU64, Ordering};

use larder_cache::Weigh;

use crate::{Key, Outcome, Portable, Tier, Unserved};

/// What was found so far.
#[derive(Default)]
pub(crate) struct Audits {
    done: AtomicU64,
    stale: AtomicU64,
}

impl<V, E> Tier<V, E>
where
    V: Clone + Weigh + Portable + Send + Sync + 'static,
    E: Clone + From<Unserved> + Send + Sync + 'static,
{
    /// Compares some entry, chosen by a random number, with the store: `look`
    /// asks the store, and `agrees` says whether the value is of the same
    /// version as its answer. One that doesn't agree is dropped and counted.
    /// `None` if there was nothing to compare: no entry, no answer of the
    /// store, or a write of the key meanwhile.
    pub async fn audit<S, F>(
        &self,
        random: u64,
        look: impl FnOnce(Key) -> F,
        agrees: impl FnOnce(&V, &S) -> bool,
    ) -> Option<bool>
    where
        F: Future<Output = Option<S>>,
    {
        let crate::Shared { cache, coherence, audits, .. } = &*self.shared;
        let key = Key::from_bytes(cache.some_key(random)?.into())?;
        let entry = cache.peek(key.bytes())?;
        let store = look(key.clone()).await?;
        // 1. We find the entry. 2. A write drops it and commits. 3. We ask the
        // store. 4. The entry is no longer there, or another one is.
        let is_the_same = cache.peek(key.bytes())?.token == entry.token;
        let Outcome::Found(value) = entry.outcome else { return None };
        if !is_the_same || !coherence.stands(&key, entry.token) {
            return None;
        }
        let agrees = agrees(&value, &store);
        audits.done.fetch_add(1, Ordering::Relaxed);
        if !agrees {
            audits.stale.fetch_add(1, Ordering::Relaxed);
            cache.invalidate(key.bytes());
            tracing::error!(
                key = %key.group().escape_ascii(),
                "an entry in memory isn't what the store has: was the store changed by somebody \
                 else than its nodes, or a clock wrong?"
            );
        }
        Some(agrees)
    }

    /// Entries compared with the store so far, and those of them that were not
    /// what the store had.
    pub fn audits(&self) -> (u64, u64) {
        let Audits { done, stale } = &self.shared.audits;
        (done.load(Ordering::Relaxed), stale.load(Ordering::Relaxed))
    }
}

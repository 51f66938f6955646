//! The tier: a memory cache in front of a store, coherent: a read that begins
//! after a write was acknowledged never returns the older value.
//!
//! A write is *block, commit, release*: its keys are dropped from memory and
//! kept uncacheable, then the change is committed to the store, then the keys
//! may be cached again, then the caller learns that it is done. Never the
//! other way round: invalidating before the commit without the block lets a
//! reader cache the old value again, invalidating after it serves the old one.
//!
//! The tier knows nothing of what it keeps, and the store is whatever its
//! callers' futures read and write.

mod insight;
mod key;
mod meter;
mod slots;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use larder_cache::{Cache, Lease, Lookup, Weigh};
use parking_lot::Mutex;

use insight::Observer;
pub use insight::{Insight, Settings};
pub use key::Key;
pub use larder_cache::what_if::{Estimate, Ratio, Recommendation, Report, Rung};
pub use larder_cache::{Config, Decision, Objective, PolicyKind, Stats as CacheStats};
pub use meter::{Histogram, Meter, Window};
pub use slots::Scope;
use slots::{Slots, Token};

/// How often a read that waited for another one's load and was told to look
/// again does so before it loads by itself: under a storm of writes to one
/// key nobody waits for ever.
const RETRIES: usize = 4;

/// What a load found. Only what was found is kept; that there is nothing, or
/// a failure, is told to those who wait at that moment.
#[derive(Clone)]
enum Outcome<V, E> {
    Found(V),
    Absent,
    Failed(E),
}

/// An entry in memory, with the state of its slot when it was loaded.
#[derive(Clone)]
struct Entry<V, E> {
    token: Token,
    outcome: Outcome<V, E>,
}

impl<V: Weigh, E> Weigh for Entry<V, E> {
    fn weight_bytes(&self) -> u64 {
        match &self.outcome {
            Outcome::Found(value) => value.weight_bytes(),
            Outcome::Absent | Outcome::Failed(_) => 0,
        }
    }

    fn cost(&self) -> u32 {
        match &self.outcome {
            Outcome::Found(value) => value.cost(),
            Outcome::Absent | Outcome::Failed(_) => 1,
        }
    }

    fn prefetch(&self) {
        if let Outcome::Found(value) = &self.outcome {
            value.prefetch();
        }
    }
}

/// Who answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The value was in memory.
    Memory,
    /// The value came from the store, loaded by this read or one it joined.
    Store,
}

/// A value, if there is one, and where it came from.
#[derive(Clone, Debug)]
pub struct Answer<V> {
    /// `None`: the store has no such key.
    pub value: Option<V>,
    /// Who answered.
    pub source: Source,
}

/// What a change of the store came to.
pub struct Written<T> {
    /// For the caller.
    pub result: T,
    /// Resolves when it is decided whether the change happened; `None` where
    /// that is known already.
    pub settled: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// What a write is about, out of memory as long as this lives.
struct Block<V, E> {
    shared: Arc<Shared<V, E>>,
    scope: Scope,
}

impl<V, E> Block<V, E>
where
    V: Clone + Weigh,
    E: Clone,
{
    fn new(shared: Arc<Shared<V, E>>, scope: Scope) -> Self {
        shared.slots.block(&scope);
        match &scope {
            Scope::Group(group) => {
                shared.cache.invalidate(Key::new(group, b"").bytes());
            }
            Scope::All => shared.cache.clear(),
        }
        Self { shared, scope }
    }
}

impl<V, E> Drop for Block<V, E> {
    fn drop(&mut self) {
        self.shared.slots.release(&self.scope);
    }
}

/// The tier over values `V` whose loads fail with `E`. Cheap to clone.
pub struct Tier<V, E> {
    shared: Arc<Shared<V, E>>,
}

struct Shared<V, E> {
    cache: Cache<Entry<V, E>>,
    slots: Slots,
    meter: Meter,
    observer: Observer,
    /// The policy that was asked for last.
    asked: Mutex<PolicyKind>,
}

impl<V, E> Clone for Tier<V, E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<V, E> Tier<V, E>
where
    V: Clone + Weigh + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// An empty tier.
    pub fn new(config: Config) -> Self {
        let cache = Cache::new(config);
        let settings = Settings {
            capacity_bytes: config.capacity_bytes,
            policy: config.policy,
            objective: config.objective,
            autopilot: false,
        };
        let shared = Shared {
            observer: Observer::start(cache.clone(), settings),
            cache,
            slots: Slots::new(),
            meter: Meter::default(),
            asked: Mutex::new(config.policy),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads `key`: from memory, or by `load`, which reads the store. Reads
    /// of one key at one time cause one load. The load goes on when the
    /// caller goes away, because others may wait for it.
    ///
    /// # Errors
    /// What the load returned; all who waited for it get the same.
    pub async fn get<F>(&self, key: &Key, load: impl FnOnce() -> F) -> Result<Answer<V>, E>
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let start = Instant::now();
        let (outcome, source) = self.find(key, load).await;
        self.shared.meter.record(source, start.elapsed());
        match outcome {
            Outcome::Found(value) => Ok(Answer { value: Some(value), source }),
            Outcome::Absent => Ok(Answer { value: None, source }),
            Outcome::Failed(error) => Err(error),
        }
    }

    async fn find<F>(&self, key: &Key, load: impl FnOnce() -> F) -> (Outcome<V, E>, Source)
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let Shared { cache, slots, .. } = &*self.shared;
        let slot = slots.of(key.group());
        for attempt in 0..RETRIES {
            let found = match attempt {
                0 => cache.lookup(key.bytes()),
                _ => cache.lookup_again(key.bytes()),
            };
            match found {
                // A write drops the group's own entry before it commits, so
                // while that is there no commit of it can have ended since it
                // was loaded. For a part the slot tells: it is read after the
                // entry and inside this request.
                Lookup::Hit(entry) if key.is_whole() || slot.stands(entry.token) => {
                    return (entry.outcome, Source::Memory);
                }
                // A part of a group that was written since. If a newer load
                // has just replaced it, dropping that costs a miss, no more.
                Lookup::Hit(_) => {
                    cache.invalidate(key.bytes());
                }
                Lookup::Miss(lease) => {
                    let outcome = match slot.token() {
                        Some(token) => self.load_under(lease, key, token, load()).await,
                        // A write is under way: read past the memory.
                        None => {
                            drop(lease);
                            Outcome::from(load().await)
                        }
                    };
                    return (outcome, Source::Store);
                }
                Lookup::Wait(waiter) => {
                    if let Some(entry) = waiter.await {
                        return (entry.outcome, Source::Store);
                    }
                }
            }
        }
        (Outcome::from(load().await), Source::Store)
    }

    /// Loads, and keeps and shares the result if no write of the key began
    /// meanwhile. Those who wait and may have arrived after that write look
    /// again; our own caller came before the load, so for it the result is
    /// good either way.
    async fn load_under<F>(
        &self,
        lease: Lease<Entry<V, E>>,
        key: &Key,
        token: Token,
        load: F,
    ) -> Outcome<V, E>
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let (shared, group) = (self.shared.clone(), key.group().to_vec());
        let task = tokio::spawn(async move {
            let outcome = Outcome::from(load.await);
            let entry = Entry { token, outcome: outcome.clone() };
            shared.slots.of(&group).if_stands(token, move || match entry.outcome {
                Outcome::Found(_) => {
                    lease.fill(entry);
                }
                Outcome::Absent | Outcome::Failed(_) => {
                    lease.share(entry);
                }
            });
            outcome
        });
        finished(task).await
    }

    /// What is in memory under `key`, without counting a request or telling
    /// the policy.
    pub fn peek(&self, key: &Key) -> Option<V> {
        self.current(key, self.shared.cache.peek(key.bytes())?)
    }

    /// As `peek`, for many keys at once.
    pub fn peek_many(&self, keys: &[Key]) -> Vec<Option<V>> {
        let bytes: Vec<&[u8]> = keys.iter().map(Key::bytes).collect();
        let entries = self.shared.cache.peek_many(&bytes);
        keys.iter().zip(entries).map(|(key, entry)| self.current(key, entry?)).collect()
    }

    /// The value of an entry, unless its group was written since.
    fn current(&self, key: &Key, entry: Entry<V, E>) -> Option<V> {
        match entry.outcome {
            Outcome::Found(value)
                if key.is_whole() || self.shared.slots.of(key.group()).stands(entry.token) =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// Changes the store: `change` runs to its end, also when the caller goes
    /// away, while nothing in `scope` is in memory or gets there. Where the
    /// store didn't say whether the change happened, `scope` stays out of
    /// memory until that is decided; the caller doesn't wait for it.
    pub async fn write<T: Send + 'static>(
        &self,
        scope: Scope,
        change: impl Future<Output = Written<T>> + Send + 'static,
    ) -> T {
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            let block = Block::new(shared, scope);
            let Written { result, settled } = change.await;
            if let Some(settled) = settled {
                tokio::spawn(async move {
                    settled.await;
                    drop(block);
                });
            }
            result
        });
        finished(task).await
    }

    /// Empties the memory; the store stays as it is.
    pub fn clear(&self) {
        self.shared.cache.clear();
    }

    /// Sets capacity, policy, objective and autopilot, keeping what fits. The
    /// autopilot's choice stands until another policy is asked for than last
    /// time, or the autopilot is turned off.
    pub fn reconfigure(&self, settings: Settings) {
        let Shared { cache, observer, asked, .. } = &*self.shared;
        let mut asked = asked.lock();
        let config = cache.config();
        let stands = settings.autopilot && settings.policy == *asked;
        let policy = if stands { config.policy } else { settings.policy };
        *asked = settings.policy;
        cache.pursue(settings.objective);
        cache.reconfigure(settings.capacity_bytes, config.max_items, policy);
        observer.reconfigure(settings);
    }

    /// What the memory could do, as of about a second ago.
    pub fn insight(&self) -> Insight {
        self.shared.observer.latest()
    }

    /// What the memory holds and did. Its `requests` count look-ups; those of
    /// [`Tier::meter`] count reads.
    pub fn cache_stats(&self) -> CacheStats {
        self.shared.cache.stats()
    }

    /// Counts and times of reads.
    pub fn meter(&self) -> &Meter {
        &self.shared.meter
    }
}

impl<V, E> From<Result<Option<V>, E>> for Outcome<V, E> {
    fn from(result: Result<Option<V>, E>) -> Self {
        match result {
            Ok(Some(value)) => Self::Found(value),
            Ok(None) => Self::Absent,
            Err(error) => Self::Failed(error),
        }
    }
}

/// Waits for a task of our own. Its panic becomes the caller's.
async fn finished<T>(task: tokio::task::JoinHandle<T>) -> T {
    match task.await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;

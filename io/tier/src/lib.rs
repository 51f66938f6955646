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

mod audit;
mod cluster;
mod coherence;
mod insight;
mod key;
mod meter;
mod slots;
mod sync;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use larder_cache::{Cache, Lease, Lookup};
use larder_coherence::Token;
use larder_sql::{Guard, Settled};

use audit::Audits;
use cluster::Fetch;
pub use cluster::{
    Cluster, IDLE_IN_TRANSACTION, Load, Member, Membership, Overview, Reader, SECRET_MIN_BYTES,
    Secret, Status, Told, Unserved, node_name,
};
use coherence::{Coherence, Reading};
pub use insight::{Insight, Observer, Settings};
pub use key::Key;
pub use larder_cache::what_if::{Estimate, Ratio, Recommendation, Report, Rung};
pub use larder_cache::{Config, Decision, Objective, PolicyKind, Stats as CacheStats, Weigh};
pub use meter::{Histogram, Meter, Window};
pub use slots::Scope;
use slots::{SLOTS, Slots};

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

/// An entry in memory, with the state of memory when it was loaded.
#[derive(Clone)]
struct Entry<V, E> {
    token: Token,
    /// Who was asked for it.
    source: Source,
    outcome: Outcome<V, E>,
}

/// What a load came to.
struct Loaded<V, E> {
    outcome: Outcome<V, E>,
    source: Source,
    /// Whether this node is one that keeps the key.
    keep: bool,
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

/// A value that another node can be told.
pub trait Portable: Sized {
    /// The value as bytes.
    fn pack(&self) -> Bytes;

    /// The value that was packed so; `None` for bytes of another program.
    fn unpack(bytes: &Bytes) -> Option<Self>;
}

/// Who answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The value was in memory.
    Memory,
    /// The value was in the memory of the node that owns its key.
    Peer,
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
    /// Whether it happened.
    pub end: End,
}

/// What may go wrong with a change.
pub trait Unsettled {
    /// Where it isn't known whether the change happened: when it will be.
    fn settled(&self) -> Option<Settled>;
}

impl<T, E: Unsettled> From<Result<T, E>> for Written<Result<T, E>> {
    fn from(result: Result<T, E>) -> Self {
        let end = match &result {
            Ok(_) => End::Committed,
            Err(error) => match error.settled() {
                Some(settled) => End::Unknown(Box::pin(settled.wait())),
                None => End::Unchanged,
            },
        };
        Self { result, end }
    }
}

/// Whether a change happened.
pub enum End {
    /// It did.
    Committed,
    /// It did not, nor will.
    Unchanged,
    /// The store didn't say. Resolves when it is decided.
    Unknown(Pin<Box<dyn Future<Output = ()> + Send>>),
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
        if let Coherence::Alone(slots) = &shared.coherence {
            slots.block(&scope);
        }
        match &scope {
            Scope::Groups(groups) => {
                for group in groups {
                    shared.cache.invalidate(Key::new(group, b"").bytes());
                }
            }
            Scope::All => shared.cache.clear(),
        }
        Self { shared, scope }
    }
}

impl<V, E> Drop for Block<V, E> {
    fn drop(&mut self) {
        if let Coherence::Alone(slots) = &self.shared.coherence {
            slots.release(&self.scope);
        }
    }
}

/// The tier over values `V` whose loads fail with `E`. Cheap to clone.
pub struct Tier<V, E> {
    shared: Arc<Shared<V, E>>,
}

struct Shared<V, E> {
    cache: Cache<Entry<V, E>>,
    coherence: Coherence,
    meter: Meter,
    audits: Audits,
    observer: Observer<Entry<V, E>>,
}

impl<V: Portable, E> Shared<V, E> {
    /// Asks the owner of the key, if that is another node, and else the store.
    async fn ask(
        &self,
        key: &Key,
        forward: bool,
        load: impl Future<Output = Result<Option<V>, E>>,
    ) -> Loaded<V, E> {
        let fetched = match &self.coherence {
            Coherence::Clustered(cluster) if forward => cluster.fetch(key).await,
            _ => Fetch::Load,
        };
        match fetched {
            Fetch::Found { packed, is_hit, keep } if let Some(value) = V::unpack(&packed) => {
                let source = if is_hit { Source::Peer } else { Source::Store };
                Loaded { outcome: Outcome::Found(value), source, keep }
            }
            Fetch::Absent => {
                Loaded { outcome: Outcome::Absent, source: Source::Store, keep: false }
            }
            _ => Loaded { outcome: load.await.into(), source: Source::Store, keep: true },
        }
    }
}

impl<V, E> Clone for Tier<V, E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<V, E> Tier<V, E>
where
    V: Clone + Weigh + Portable + Send + Sync + 'static,
    E: Clone + From<Unserved> + Send + Sync + 'static,
{
    /// An empty tier; `cluster` if it is one of several over the same store.
    pub fn new(config: Config, cluster: Option<Arc<Cluster>>) -> Self {
        let cache = Cache::new(config);
        let settings = Settings {
            capacity_bytes: config.capacity_bytes,
            policy: config.policy,
            objective: config.objective,
            autopilot: false,
        };
        let coherence = match cluster {
            None => Coherence::Alone(Slots::new(SLOTS)),
            Some(cluster) => {
                let cache = cache.clone();
                cluster.on_clear(move || cache.clear());
                Coherence::Clustered(cluster)
            }
        };
        let shared = Shared {
            observer: Observer::start(cache.clone(), settings),
            cache,
            coherence,
            meter: Meter::default(),
            audits: Audits::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads `key`: from memory, from the memory of the node that owns it, or
    /// by `load`, which reads the store. Reads of one key at one time cause
    /// one load. The load goes on when the caller goes away, because others
    /// may wait for it.
    ///
    /// # Errors
    /// What the load returned; all who waited for it get the same. In a
    /// cluster also [`Unserved`].
    pub async fn get<F>(&self, key: &Key, load: impl FnOnce() -> F) -> Result<Answer<V>, E>
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let start = Instant::now();
        let (outcome, source) = self.find(key, true, load).await;
        self.shared.meter.record(source, start.elapsed());
        answer(outcome, source)
    }

    /// As [`Tier::get`] without counting the read: for whoever has more to
    /// fetch before it is answered, and then tells the meter.
    ///
    /// # Errors
    /// As [`Tier::get`].
    pub async fn get_uncounted<F>(
        &self,
        key: &Key,
        load: impl FnOnce() -> F,
    ) -> Result<Answer<V>, E>
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let (outcome, source) = self.find(key, true, load).await;
        answer(outcome, source)
    }

    /// Reads the store by `load`, never memory, and keeps nothing: for whoever
    /// answers for the store to others, who keep what they are told. An answer
    /// only if this node may speak for the store.
    ///
    /// # Errors
    /// As [`Tier::get`].
    pub async fn get_through<F>(&self, key: &Key, load: F) -> Result<Option<V>, E>
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let reading = self.shared.coherence.begin(key);
        let (outcome, source) = self.load_under(None, reading, key, false, load).await;
        answer(outcome, source).map(|answer| answer.value)
    }

    /// Reads `key`, which this node owns, for another node: as [`Tier::get`],
    /// but asks no third one, and isn't counted, because that one counts it.
    pub async fn get_for_peer<F>(&self, key: &Key, load: impl FnOnce() -> F) -> Told
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        match self.find(key, false, load).await {
            (Outcome::Found(value), source) => Told::Found(value.pack(), source == Source::Memory),
            (Outcome::Absent, _) => Told::Absent,
            (Outcome::Failed(_), _) => Told::Nothing,
        }
    }

    async fn find<F>(
        &self,
        key: &Key,
        forward: bool,
        load: impl FnOnce() -> F,
    ) -> (Outcome<V, E>, Source)
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let Shared { cache, coherence, .. } = &*self.shared;
        for attempt in 0..RETRIES {
            let found = match attempt {
                0 => cache.lookup(key.bytes()),
                _ => cache.lookup_again(key.bytes()),
            };
            match found {
                Lookup::Hit(entry) if coherence.stands(key, entry.token) => {
                    return (entry.outcome, Source::Memory);
                }
                // Out of date. If a newer load has just replaced it, dropping
                // that costs a miss, no more.
                Lookup::Hit(_) => {
                    cache.invalidate(key.bytes());
                }
                Lookup::Miss(lease) => {
                    let reading = coherence.begin(key);
                    // While a write is under way nobody is to wait for a load
                    // that can't be shared.
                    let lease = reading.may_be_kept().then_some(lease);
                    return self.load_under(lease, reading, key, forward, load()).await;
                }
                Lookup::Wait(waiter) => {
                    if let Some(entry) = waiter.await {
                        return (entry.outcome, entry.source);
                    }
                }
            }
        }
        let reading = coherence.begin(key);
        self.load_under(None, reading, key, forward, load()).await
    }

    /// Loads, and keeps and shares the result if no write of the key began
    /// meanwhile. Those who wait and may have arrived after that write look
    /// again.
    async fn load_under<F>(
        &self,
        lease: Option<Lease<Entry<V, E>>>,
        reading: Reading,
        key: &Key,
        forward: bool,
        load: F,
    ) -> (Outcome<V, E>, Source)
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let (shared, key) = (self.shared.clone(), key.clone());
        let task = tokio::spawn(async move {
            let Loaded { outcome, source, keep } = shared.ask(&key, forward, load).await;
            let is_answer = shared.coherence.finish(&key, &reading, |token| {
                let (Some(lease), Some(token)) = (lease, token) else { return };
                let entry = Entry { token, source, outcome: outcome.clone() };
                match entry.outcome {
                    Outcome::Found(_) if keep => {
                        lease.fill(entry);
                    }
                    _ => {
                        lease.share(entry);
                    }
                }
            });
            match is_answer {
                true => (outcome, source),
                false => (Outcome::Failed(Unserved::Out.into()), source),
            }
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
            Outcome::Found(value) if self.shared.coherence.stands(key, entry.token) => Some(value),
            _ => None,
        }
    }

    /// Changes the store: `change` runs to its end, also when the caller goes
    /// away, while nothing in `scope` is in memory or gets there, on any node.
    /// It begins its transactions with the guard it is given, and may be asked
    /// to change again where the guard refused. Where the store didn't say
    /// whether the change happened, `scope` stays out of memory until that is
    /// decided; the caller doesn't wait for it.
    ///
    /// # Errors
    /// [`Unserved`], in a cluster only.
    pub async fn write<T, F>(
        &self,
        scope: Scope,
        mut change: impl FnMut(Option<Guard>) -> F + Send + 'static,
    ) -> Result<T, Unserved>
    where
        T: Send + 'static,
        F: Future<Output = Written<T>> + Send + 'static,
    {
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            let block = Block::new(shared.clone(), scope);
            if let Coherence::Clustered(cluster) = &shared.coherence {
                return cluster.write(&block.scope, change).await;
            }
            let Written { result, end } = change(None).await;
            if let End::Unknown(settled) = end {
                tokio::spawn(async move {
                    settled.await;
                    drop(block);
                });
            }
            Ok(result)
        });
        finished(task).await
    }

    /// Empties the memory of this node; the store stays as it is.
    pub fn clear(&self) {
        match &self.shared.coherence {
            Coherence::Alone(_) => self.shared.cache.clear(),
            Coherence::Clustered(cluster) => cluster.forget(),
        }
    }

    /// The cluster this node is in.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        match &self.shared.coherence {
            Coherence::Alone(_) => None,
            Coherence::Clustered(cluster) => Some(cluster),
        }
    }

    /// Sets capacity, policy, objective and autopilot, keeping what fits. The
    /// autopilot's choice stands until another policy is asked for than last
    /// time, or the autopilot is turned off.
    pub fn reconfigure(&self, settings: Settings) {
        self.shared.observer.reconfigure(|_| settings);
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

fn answer<V, E>(outcome: Outcome<V, E>, source: Source) -> Result<Answer<V>, E> {
    match outcome {
        Outcome::Found(value) => Ok(Answer { value: Some(value), source }),
        Outcome::Absent => Ok(Answer { value: None, source }),
        Outcome::Failed(error) => Err(error),
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

//! The bytes of images on a mem-cache service, under the hash of those bytes.
//! What is there can't be out of date, and bytes that don't have the hash that
//! was asked for are not served. Which hash a key has now, this process knows.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use larder_blobs::Hash;
use larder_cache::{Cache, Config, Lookup, PolicyKind, Weigh};
use larder_tier::Source;
use larder_web::{Client, ServiceToken};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::config::MemCacheService;
use crate::error::Error;
use crate::model::Settings;

/// A service that takes longer isn't waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one that didn't answer isn't asked.
const REST: Duration = Duration::from_secs(1);

/// Hashing so many bytes takes longer than other requests should wait.
const LARGE: usize = 1 << 20;

/// The namespace of the bytes there.
const NAMESPACE: &str = "images";

/// A mem-cache service.
pub(super) struct MemCache {
    client: Client,
    url: String,
    /// Reads of the same bytes at one time are one: nothing is kept here.
    flights: Cache<Arrived>,
    /// Until when it isn't asked.
    rests_until: Mutex<Option<Instant>>,
    /// What it said of itself last.
    status: Mutex<Option<Status>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    unanswered: AtomicU64,
    wrong: AtomicU64,
}

/// What a mem-cache service says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    pub(super) items: u64,
    pub(super) size_bytes: u64,
    pub(super) capacity_bytes: u64,
    policy: String,
    /// When it began, which tells one run of it from another.
    started_at_us: i64,
    pub(super) evictions: u64,
}

impl Status {
    /// The policy in force there.
    pub(super) fn policy(&self) -> Option<PolicyKind> {
        self.policy.parse().ok()
    }
}

/// Bytes and where they came from, or why there are none.
#[derive(Clone)]
struct Arrived(Result<(Bytes, Source), Error>);

impl Weigh for Arrived {
    fn weight_bytes(&self) -> u64 {
        u64::MAX / 2
    }
}

impl MemCache {
    pub(super) fn new(service: &MemCacheService) -> Self {
        let token = match &service.token {
            Some(token) => ServiceToken::given(token),
            // It asks for none.
            None => ServiceToken::random(),
        };
        let nothing = Config { capacity_bytes: 0, ..Config::default() };
        Self {
            client: Client::new(&token),
            url: service.url.trim_end_matches('/').to_owned(),
            flights: Cache::new(nothing),
            rests_until: Mutex::default(),
            status: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// The bytes of this hash: from the service, or by `load`, which is asked
    /// once by all who read them at one time; then the service is told.
    ///
    /// # Errors
    /// What `load` fails with.
    pub(super) async fn get<F>(
        &self,
        hash: Hash,
        load: impl FnOnce() -> F,
    ) -> Result<(Bytes, Source), Error>
    where
        F: Future<Output = Result<Bytes, Error>>,
    {
        let name = hash.to_string();
        let lease = loop {
            match self.flights.lookup_again(name.as_bytes()) {
                Lookup::Hit(Arrived(arrived)) => return arrived,
                Lookup::Miss(lease) => break lease,
                Lookup::Wait(waiter) => {
                    if let Some(Arrived(arrived)) = waiter.await {
                        return arrived;
                    }
                }
            }
        };
        let arrived = match self.find(hash).await {
            Some(bytes) => Ok((bytes, Source::Memory)),
            None => load().await.map(|bytes| (bytes, Source::Store)),
        };
        if let Ok((bytes, Source::Store)) = &arrived {
            self.put(hash, bytes.clone()).await;
        }
        lease.share(Arrived(arrived.clone()));
        arrived
    }

    async fn find(&self, hash: Hash) -> Option<Bytes> {
        let (status, bytes) = self.ask(Method::GET, &path(hash), Bytes::new()).await?;
        if status != StatusCode::OK {
            return None;
        }
        if hash_of(&bytes).await? != hash {
            self.counts.wrong.fetch_add(1, Relaxed);
            tracing::warn!(%hash, service = self.url, "the mem-cache service had other bytes");
            self.remove(hash).await;
            return None;
        }
        Some(bytes)
    }

    /// Tells the service. Where it can't take them, they are read from the
    /// store again.
    pub(super) async fn put(&self, hash: Hash, bytes: Bytes) {
        self.ask(Method::PUT, &path(hash), bytes).await;
    }

    /// Tells the service that nobody needs these bytes any more.
    pub(super) async fn remove(&self, hash: Hash) {
        self.ask(Method::DELETE, &path(hash), Bytes::new()).await;
    }

    /// Empties it, as far as it answers.
    pub(super) async fn clear(&self) {
        self.ask(Method::POST, "/clear", Bytes::new()).await;
    }

    /// Puts settings in force there, now or when it is back.
    pub(super) async fn configure(&self, settings: Settings) {
        let config = serde_json::json!({
            "capacity_bytes": settings.capacity_bytes,
            "policy": settings.policy.name(),
            "objective": settings.objective.name(),
            "autopilot": settings.autopilot,
        });
        let answered = self.ask(Method::PUT, "/config", config.to_string().into()).await;
        if let Some((status, said)) = &answered
            && !status.is_success()
        {
            let said = String::from_utf8_lossy(said);
            tracing::error!(%status, %said, "the mem-cache service refuses its settings");
        }
        let mut status = self.status.lock();
        match (answered, &mut *status) {
            (Some((code, _)), Some(status)) if code.is_success() => {
                status.capacity_bytes = settings.capacity_bytes;
                settings.policy.name().clone_into(&mut status.policy);
            }
            (Some(_), _) => {}
            // The next look finds it new.
            (None, status) => *status = None,
        }
    }

    /// Asks it how it is. One that began anew, or was away when its settings
    /// were changed, gets `settings`.
    pub(super) async fn refresh(&self, settings: Settings) {
        let told = self.ask(Method::GET, "/stats", Bytes::new()).await;
        let status = told.and_then(|(_, said)| serde_json::from_slice::<Status>(&said).ok());
        let before = std::mem::replace(&mut *self.status.lock(), status.clone());
        let Some(now) = status else { return };
        if before.is_none_or(|before| now.started_at_us != before.started_at_us) {
            self.configure(settings).await;
        }
    }

    /// What it said of itself last; `None` if it didn't answer.
    pub(super) fn status(&self) -> Option<Status> {
        self.status.lock().clone()
    }

    /// Requests that it didn't answer, and answers that had other bytes than
    /// their hash says.
    pub(super) fn failures(&self) -> (u64, u64) {
        (self.counts.unanswered.load(Relaxed), self.counts.wrong.load(Relaxed))
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Option<(StatusCode, Bytes)> {
        let is_resting = self.rests_until.lock().is_some_and(|until| Instant::now() < until);
        if is_resting {
            return None;
        }
        let asked = self.client.ask(method, format!("{}{path}", self.url), HeaderMap::new(), body);
        let told = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
        // An answer of a server in trouble is none.
        let told = told.filter(|told| !told.status.is_server_error());
        let was_resting = std::mem::replace(
            &mut *self.rests_until.lock(),
            told.is_none().then(|| Instant::now() + REST),
        )
        .is_some();
        match (&told, was_resting) {
            (None, false) => {
                tracing::warn!(service = self.url, "the mem-cache service doesn't answer");
            }
            (Some(_), true) => tracing::info!(service = self.url, "the mem-cache service is back"),
            _ => {}
        }
        if told.is_none() {
            self.counts.unanswered.fetch_add(1, Relaxed);
        }
        told.map(|told| (told.status, told.body))
    }
}

/// The hash of bytes, beside the requests if there are many.
async fn hash_of(bytes: &Bytes) -> Option<Hash> {
    if bytes.len() < LARGE {
        return Some(Hash::of(bytes));
    }
    let bytes = bytes.clone();
    tokio::task::spawn_blocking(move || Hash::of(&bytes)).await.ok()
}

fn path(hash: Hash) -> String {
    format!("/cache/{NAMESPACE}/{hash}")
}

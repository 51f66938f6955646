//! The verbs of the image store: use cases and rules. Knows no SQL text and
//! no HTTP.

mod audit;
mod cluster;
mod collector;
mod mem_cache;
mod pool;
mod reading;
mod settings;
mod statistics;
mod upload;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use larder_blobs::{BlobStore, BlobsUrl, DataFolder};
use larder_clock::SharedClock;
use larder_sql::{Database, DatabaseUrl, Guard};
use larder_tier::{CacheStats, Key, Scope, Source, Tier, Written};
use larder_web::Shutdown;
use tokio::sync::{Notify, Semaphore};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::{Content, Image, ImageKey, Listing, Page, Precondition};
use crate::store::Store;
pub(crate) use collector::{ORPHAN_AGE, is_older};
use mem_cache::MemCache;
pub use pool::{Minute, Pool};
use settings::Chosen;
pub use statistics::{Statistics, Summary, View};
pub use upload::Incoming;

/// The image store. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    clock: SharedClock,
    shutdown: Shutdown,
    folder: DataFolder,
    store: Store,
    blobs: Arc<dyn BlobStore>,
    /// Whether nobody else can use the blobs: they are in the data folder,
    /// whose lock this process has.
    is_alone: bool,
    tier: Tier<Content, Error>,
    /// Who keeps the images' bytes, if this process doesn't; the tier then has
    /// what is known of them.
    mem_cache: Option<MemCache>,
    settings: Chosen,
    statistics: Statistics,
    /// Rights to decode a picture, which takes a core and much memory.
    decoders: Semaphore,
    /// Tells the collector that blobs may have lost their last image.
    released: Notify,
}

/// Content and who answered.
#[derive(Clone, Debug)]
pub struct Served {
    /// The content.
    pub content: Content,
    /// Whether memory or the store answered.
    pub source: Source,
}

impl Images {
    /// Opens the store, recovers from whatever ended the last run, and puts
    /// the saved settings of the cache in force.
    ///
    /// # Errors
    /// The folder can't be used, the database can't be opened, or an image's
    /// blob is missing, which must never be.
    pub async fn open(config: Config, clock: SharedClock, shutdown: Shutdown) -> Result<Self> {
        let path = config.data.clone();
        let folder = tokio::task::spawn_blocking(move || DataFolder::open(&path))
            .await
            .map_err(|error| Error::Damaged(error.to_string()))??;
        let here = || BlobsUrl::Files(folder.path().to_path_buf());
        let url = config.blobs.clone().unwrap_or_else(here);
        let is_alone = url == here();
        let environment = larder_blobs::process_environment;
        let blobs = larder_blobs::open(&url, folder.path(), true, &environment).await?;
        let place = url.to_string();
        let url = config.database.clone();
        let url = url.unwrap_or_else(|| DatabaseUrl::Sqlite(folder.path().join("larder.db")));
        let mut database = larder_sql::Config { url: url.clone(), readers: READERS };
        if let (DatabaseUrl::Server(server), true) = (&mut database.url, config.cluster.is_some()) {
            server.idle_in_transaction = larder_tier::IDLE_IN_TRANSACTION;
        }
        let database = Database::open(&database).await?;
        let store = Store::open(database.clone()).await?;
        if store.is_filling().await? {
            return Err(Error::Unfinished);
        }
        let identity = store.identity().await?;
        if blobs.claim(&identity).await? != identity {
            return Err(Error::OthersBlobs(place));
        }
        let settings = store.settings().await?.unwrap_or(config.defaults);
        let cluster = match &config.cluster {
            Some(cluster) => Some(cluster::join(cluster, &url, database, folder.path()).await?),
            None => None,
        };
        let mem_cache = config.mem_cache.as_ref().map(MemCache::new);
        let memory = larder_tier::Config {
            capacity_bytes: match &mem_cache {
                None => settings.capacity_bytes,
                Some(_) => DESCRIPTIONS_BYTES,
            },
            policy: settings.policy,
            objective: settings.objective,
            // One order over all images. A shard's order is only its own, and
            // with a few large images in memory the wrong one would go.
            shards: 1,
            // Strangers choose the keys: without a secret they could choose
            // ones whose hashes collide.
            seed: std::hash::RandomState::new().hash_one(0),
            ..larder_tier::Config::default()
        };
        let tier = Tier::new(memory, cluster);
        match &mem_cache {
            None => tier.reconfigure(settings),
            Some(mem_cache) => mem_cache.refresh(settings).await,
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let images = Self {
            shared: Arc::new(Shared {
                config,
                clock,
                shutdown,
                folder,
                store,
                blobs,
                is_alone,
                tier,
                mem_cache,
                settings: Chosen::new(settings),
                statistics: Statistics::default(),
                decoders: Semaphore::new(2 * cores),
                released: Notify::new(),
            }),
        };
        if is_alone {
            images.recover().await?;
        }
        Ok(images)
    }

    /// The settings it was opened with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The data folder, absolute.
    pub fn data(&self) -> &std::path::Path {
        self.shared.folder.path()
    }

    /// What is known of the image under `key`, without its bytes, and whether
    /// it is in memory.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], or the store fails.
    pub async fn describe(&self, key: &ImageKey) -> Result<(Arc<Image>, Source)> {
        if let Some(content) = self.shared.tier.peek(&tier_key(key, "")) {
            return Ok((content.image, Source::Memory));
        }
        let image = self.shared.store.image(key).await.map_err(|error| self.noted(error))?;
        Ok((Arc::new(image.ok_or(Error::NoSuchImage)?), Source::Store))
    }

    /// Whether the image under `key` is in the memory of this process.
    pub fn is_in_memory(&self, key: &ImageKey) -> bool {
        self.shared.tier.peek(&tier_key(key, "")).is_some_and(|content| content.bytes.is_some())
    }

    /// Which of these images are in the memory of this process.
    pub fn are_in_memory(&self, images: &[Image]) -> Vec<bool> {
        let keys: Vec<_> = images.iter().map(|image| tier_key(&image.key, "")).collect();
        let found = self.shared.tier.peek_many(&keys);
        let has_bytes = |content: Content| content.bytes.is_some();
        found.into_iter().map(|content| content.is_some_and(has_bytes)).collect()
    }

    /// One page of a list.
    ///
    /// # Errors
    /// The store fails.
    pub async fn list(&self, listing: Listing) -> Result<Page> {
        self.shared.store.list(listing).await.map_err(|error| self.noted(error))
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// The store fails.
    pub async fn keys(&self) -> Result<Vec<String>> {
        self.shared.store.keys().await.map_err(|error| self.noted(error))
    }

    /// How many images there are, and how many bytes they have together.
    ///
    /// # Errors
    /// The store fails.
    pub async fn totals(&self) -> Result<(u64, u64)> {
        self.shared.store.totals().await.map_err(|error| self.noted(error))
    }

    /// Deletes the image under `key`.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::PreconditionFailed`], or the store
    /// fails.
    pub async fn delete(&self, key: &ImageKey, precondition: Precondition) -> Result<()> {
        let (store, key, now) = (self.shared.store.clone(), key.clone(), self.shared.clock.now());
        let scope = Scope::group(key.as_str());
        let change = move |guard| {
            let (store, key) = (store.guarded(guard), key.clone());
            let precondition = precondition.clone();
            async move { Written::from(store.delete(&key, precondition, now).await) }
        };
        let deleted = self.write(scope, change).await?;
        self.shared.released.notify_one();
        if deleted.map_err(|error| self.noted(error))? { Ok(()) } else { Err(Error::NoSuchImage) }
    }

    /// Deletes all images; says how many there were.
    ///
    /// # Errors
    /// The store fails.
    pub async fn delete_all(&self) -> Result<u64> {
        let (store, now) = (self.shared.store.clone(), self.shared.clock.now());
        let change = move |guard| {
            let store = store.guarded(guard);
            async move { Written::from(store.delete_all(now).await) }
        };
        let deleted = self.write(Scope::All, change).await?;
        self.shared.released.notify_one();
        deleted.map_err(|error| self.noted(error))
    }

    /// Changes the store, unless it is known to be away: a change takes what
    /// it is about out of memory, which then couldn't come back.
    async fn write<T, F>(
        &self,
        scope: Scope,
        change: impl FnMut(Option<Guard>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Written<T>> + Send + 'static,
    {
        self.shared.store.check().await?;
        Ok(self.shared.tier.write(scope, change).await?)
    }

    /// Whether rows and blobs can be reached, and this node is in its cluster.
    pub async fn is_ready(&self) -> bool {
        if self.cluster().is_some_and(|cluster| !cluster.is_in()) {
            return false;
        }
        let asked = async {
            let (rows, blobs) =
                tokio::join!(self.shared.store.is_reachable(), self.shared.blobs.check());
            rows && blobs.is_ok()
        };
        tokio::time::timeout(READY_WITHIN, asked).await.unwrap_or(false)
    }

    /// What the memory holds and did, here or on the mem-cache service.
    pub fn cache_stats(&self) -> CacheStats {
        let here = self.shared.tier.cache_stats();
        let Some(mem_cache) = &self.shared.mem_cache else { return here };
        // One that doesn't answer holds nothing for us.
        let there = mem_cache.status();
        let count = |of: fn(&mem_cache::Status) -> u64| there.as_ref().map_or(0, of);
        CacheStats {
            items: count(|there| there.items),
            weight_bytes: count(|there| there.size_bytes),
            capacity_bytes: self.settings().capacity_bytes,
            policy: self.settings().policy,
            evictions: count(|there| there.evictions),
            ..here
        }
    }

    /// Requests that the mem-cache service didn't answer, and answers of it with
    /// other bytes than their hash says; `None` if there is no such service.
    pub fn mem_cache_failures(&self) -> Option<(u64, u64)> {
        self.shared.mem_cache.as_ref().map(MemCache::failures)
    }

    /// The tier, for whoever reports on it.
    pub fn tier(&self) -> &Tier<Content, Error> {
        &self.shared.tier
    }

    /// Asked when everything should end.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shared.shutdown
    }

    /// Starts the work that goes on beside the requests, until the end is
    /// asked for: statistics and the collector of blobs.
    pub fn start_background(&self) -> tokio::task::JoinSet<()> {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(statistics::sample_for_ever(self.clone()));
        tasks.spawn(collector::collect_for_ever(self.clone()));
        tasks.spawn(cluster::take_part_for_ever(self.clone()));
        tasks.spawn(audit::audit_for_ever(self.clone()));
        tasks
    }

    /// Finishes what is under way, leaves the cluster and closes the store.
    pub async fn close(&self) {
        if let Some(cluster) = self.cluster() {
            cluster.leave().await;
        }
        self.shared.store.close().await;
    }

    /// Looks at an error on its way out: one after which written data may be
    /// lost ends the process.
    fn noted(&self, error: Error) -> Error {
        if error.is_fatal() {
            self.shared.shutdown.fail(with_sources(&error));
        }
        error
    }
}

/// Memory for what is known of images whose bytes are elsewhere: about a
/// hundred thousand of them.
const DESCRIPTIONS_BYTES: u64 = 64 << 20;

/// Connections for reading: each is a file handle and a cache of pages, and
/// the disk is the limit long before their number is.
const READERS: usize = 8;

/// A store that takes longer to say that it is there is not.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// The key of an image, or of a part of it, in the tier.
fn tier_key(key: &ImageKey, part: &str) -> Key {
    Key::new(key.as_str().as_bytes(), part.as_bytes())
}

/// An error with its causes, for the log.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;

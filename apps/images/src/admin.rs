//! What an administrator does with a store as a whole: look whether it is
//! sound, back it up, restore it, move it. All but restoring goes on beside
//! servers that are running on the same store; nothing here serves requests.

mod backup;
mod files;
mod hold;
mod moving;
mod restore;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_blobs::{BlobStore, BlobsUrl};
use larder_clock::{SharedClock, SystemClock};
use larder_sql::{Database, DatabaseUrl};
use larder_tier::{Cluster, Overview};

use crate::error::Error;
use crate::store::Store;
pub use backup::{Backup, backup};
pub use moving::{Moved, Target, move_store, thaw};
pub use restore::{Restored, restore};
pub use verify::{Fate, Finding, Verified, Wrong, verify};

/// Where a store is, in the words of those who start its server.
#[derive(Clone, Debug)]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    /// Where the rows are. Default: `larder.db` in the data folder.
    pub database: Option<DatabaseUrl>,
    /// Where the blobs are. Default: files in the data folder.
    pub blobs: Option<BlobsUrl>,
}

/// Why a command didn't do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It can't be done like this; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// What it works with isn't as it should be.
    #[error("{0}")]
    Broken(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// A file failed.
    #[error("could not {operation}: {source}")]
    File {
        /// What was tried, with its object.
        operation: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Somebody asked it to end before it was done.
    #[error("interrupted before it was done")]
    Interrupted,
}

/// The result of a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// The cluster in a store's database; `None` if there has never been one.
///
/// # Errors
/// The database can't be opened.
pub async fn cluster(place: &Place) -> Result<Option<Overview>> {
    let embedded = || DatabaseUrl::Sqlite(place.data.join("larder.db"));
    let url = place.database.clone().unwrap_or_else(embedded);
    let database = Database::open_existing(&larder_sql::Config { url, readers: 1 }).await?;
    let overview = Cluster::look(&database).await;
    database.close().await;
    Ok(overview?)
}

impl From<larder_sql::Error> for Failure {
    fn from(error: larder_sql::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<larder_blobs::Error> for Failure {
    fn from(error: larder_blobs::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Failure {
    /// For `map_err`: names the operation that failed.
    fn file(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::File { operation, source }
    }
}

impl Place {
    /// Where the rows are.
    fn database(&self) -> DatabaseUrl {
        let here = || DatabaseUrl::Sqlite(self.data.join("larder.db"));
        self.database.clone().unwrap_or_else(here)
    }

    /// Where the blobs are.
    fn blobs(&self) -> BlobsUrl {
        self.blobs.clone().unwrap_or_else(|| BlobsUrl::Files(self.data.clone()))
    }
}

/// Connections for reading: a view that lasts, and a few short ones.
const READERS: usize = 4;

/// How many blobs are read or written at once.
const AT_ONCE: usize = 8;

/// How long a server's writers may leave us no turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store that others may be serving at the same time.
struct Opened {
    store: Store,
    blobs: Arc<dyn BlobStore>,
    identity: String,
    clock: SharedClock,
}

impl Opened {
    /// Opens the store at `place` as it is: makes nothing and migrates
    /// nothing, and leaves a running server's lock and files alone.
    async fn beside(place: &Place) -> Result<Self> {
        let store = rows_beside(place).await?;
        let url = place.blobs();
        if let BlobsUrl::Files(folder) = &url
            && !folder.join("blobs").is_dir()
        {
            return Err(Failure::Refused(format!(
                "there are no blobs in {}: name their place with --blobs",
                folder.display()
            )));
        }
        let identity = store.identity().await?;
        let blobs = open_blobs(&url, place, false).await?;
        if blobs.claim(&identity).await? != identity {
            return Err(Error::OthersBlobs(url.to_string()).into());
        }
        Ok(Self { store, blobs, identity, clock: Arc::new(SystemClock) })
    }
}

/// The rows of a store that others may be serving at the same time.
async fn rows_beside(place: &Place) -> Result<Store> {
    let url = place.database();
    if let DatabaseUrl::Sqlite(path) = &url
        && !path.is_file()
    {
        return Err(Failure::Refused(format!(
            "there is no database {}: name the store with --data, or --database and --blobs",
            path.display()
        )));
    }
    let config = larder_sql::Config { url, readers: READERS };
    let store = Store::open_beside(Database::open_existing(&config).await?).await?;
    if store.is_filling().await? {
        return Err(Error::Unfinished.into());
    }
    Ok(store)
}

async fn open_blobs(url: &BlobsUrl, place: &Place, is_ours: bool) -> Result<Arc<dyn BlobStore>> {
    let environment = larder_blobs::process_environment;
    Ok(larder_blobs::open(url, &place.data, is_ours, &environment).await?)
}

/// Does something again while the store says that it can't now: beside busy
/// servers a change may have to wait for its turn.
async fn patiently<T>(mut work: impl AsyncFnMut() -> Result<T, Error>) -> Result<T> {
    let since = Instant::now();
    loop {
        match work().await {
            Err(Error::Unavailable(why)) if since.elapsed() < PATIENCE => {
                tracing::debug!(%why, "trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            result => return Ok(result?),
        }
    }
}

/// Says now and then how far a long command is.
struct Progress {
    what: &'static str,
    told: Instant,
    done: u64,
}

impl Progress {
    /// How often it says so.
    const EVERY: Duration = Duration::from_secs(5);

    fn new(what: &'static str) -> Self {
        Self { what, told: Instant::now(), done: 0 }
    }

    fn add(&mut self, done: u64) {
        self.done += done;
        if self.told.elapsed() >= Self::EVERY {
            self.told = Instant::now();
            tracing::info!("{}: {} so far", self.what, self.done);
        }
    }
}

#[cfg(test)]
mod tests;

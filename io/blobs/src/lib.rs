//! Blobs: immutable bytes addressed by their hash. What arrives is spooled
//! locally, looked at, and only then put into the store, in files or in S3,
//! under a name no other blob ever had. Knows nothing of keys and rows.

mod credentials;
mod files;
mod folder;
mod id;
mod s3;
mod spool;
mod transfer;
mod url;

use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

pub use credentials::{Environment, process_environment};
pub use files::Files;
pub use folder::DataFolder;
pub use futures_util::stream::BoxStream;
pub use id::{BlobId, Hash, Hasher, NotABlobId};
pub use spool::{Leftovers, Reader, Spool, Spooled};
pub use transfer::{Condition, copy, examine};
pub use url::{BlobsUrl, NotABlobsUrl, S3Url};

/// How old a temporary file in a folder that others use too must be before
/// it can't belong to an upload under way.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 3600);

/// What can go wrong with blobs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No blob has this name (any more).
    #[error("there is no blob {0}")]
    NotFound(BlobId),
    /// The store holds other bytes under this name than were put.
    #[error("the bytes of blob {0} are not those that were stored")]
    Corrupt(BlobId),
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The system could not put written bytes on disk. They may be lost from
    /// its memory too, so trying again proves nothing: the process must stop
    /// and recover at its next start.
    #[error("could not put {what} on disk: {source}")]
    Durability {
        /// What was being made durable.
        what: String,
        /// The system's words.
        source: io::Error,
    },
    /// The store can't be reached, says nothing, or says that it can't now.
    /// It was tried several times; later it may work. A put that ended like
    /// this may have stored the blob all the same.
    #[error("could not {operation}: {reason}")]
    Unavailable {
        /// What was tried, with its object.
        operation: String,
        /// What the store did, or didn't.
        reason: String,
    },
    /// Any other failure of the file system or the store.
    #[error("could not {operation}: {source}")]
    Io {
        /// What was tried, with its object.
        operation: String,
        /// The system's or the store's words.
        source: io::Error,
    },
    /// The data folder can't be used.
    #[error("{0}")]
    Folder(String),
    /// What the store needs to know isn't there or contradicts itself. Says
    /// what and where to set it, and never a secret.
    #[error("{0}")]
    Configuration(String),
}

impl Error {
    /// For `map_err`: names the operation that failed.
    fn io(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let operation = operation.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { operation, source },
        }
    }

    /// For `map_err` after an fsync.
    fn durability(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Durability { what: what.into(), source }
    }

    /// Somebody asked for bytes that the blob doesn't have.
    fn outside(id: &BlobId, range: &Range<u64>) -> Self {
        Self::io(format!("read blob {id}"))(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the bytes {} to {} are not all in it", range.start, range.end),
        ))
    }
}

/// The result of a blob operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A future in a box, so that stores of different kinds fit one variable.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps blobs.
pub trait BlobStore: Send + Sync {
    /// Stores what was spooled under `id`, a name that [`BlobId::new`] made
    /// for its hash. When this returns, the blob survives a power cut. What
    /// fails leaves either the whole blob or none.
    fn put<'a>(&'a self, id: &'a BlobId, spooled: Spooled) -> BoxFuture<'a, Result<()>>;

    /// The whole blob.
    fn get<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<Bytes>>;

    /// The store as files of this machine, if it is that: those can be read
    /// on a thread that may block and is there already.
    fn as_files(&self) -> Option<&Files> {
        None
    }

    /// The bytes in `range`, which must lie in the blob, a piece at a time.
    /// The stream ends with an error where bytes are missing, never silently;
    /// it doesn't compare the hash, which a part of a blob can't tell.
    fn stream<'a>(
        &'a self,
        id: &'a BlobId,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes>>>>;

    /// Removes a blob; one that isn't there is no error.
    fn delete<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<()>>;

    /// The blobs whose hash begins with the byte `shard`, in order.
    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<BlobId>>>;

    /// How many bytes the blob has.
    fn size<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<u64>>;

    /// When the blob was stored, by the store's own clock: tells what nobody
    /// names any more from what nobody names yet.
    fn stored_at<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<SystemTime>>;

    /// Where an upload for this store is gathered.
    fn spool(&self) -> Spool;

    /// Marks the store as `owner`'s, unless it is somebody's already, and
    /// returns whose it is: two sets of rows over one store would take each
    /// other's blobs for left behind.
    fn claim<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<String>>;

    /// Whether the store answers now.
    fn check(&self) -> BoxFuture<'_, Result<()>>;
}

/// Opens the store at `url`. Uploads to a store elsewhere are gathered in
/// `data`, a [`DataFolder`]'s path; `is_ours` says whether this process has
/// its lock, and may remove what unfinished uploads left there. `environment`
/// tells the values of variables: [`process_environment`].
///
/// # Errors
/// The folder can't be used; there are no credentials; the bucket isn't
/// there, refuses, or doesn't answer.
pub async fn open(
    url: &BlobsUrl,
    data: &Path,
    is_ours: bool,
    environment: Environment<'_>,
) -> Result<Arc<dyn BlobStore>> {
    let data = data.to_path_buf();
    let leftovers = |is_ours| match is_ours {
        true => Leftovers::All,
        false => Leftovers::UntouchedSince(SystemTime::now() - LEFT_BEHIND),
    };
    match url {
        BlobsUrl::Files(folder) => {
            let folder = folder.clone();
            let files = blocking(move || {
                folder::make_folder(&folder)
                    .map_err(Error::io(format!("make the folder {}", folder.display())))?;
                let is_data = folder.canonicalize().ok() == data.canonicalize().ok();
                Files::open(&folder, leftovers(is_ours && is_data))
            });
            Ok(Arc::new(files.await?))
        }
        BlobsUrl::S3(location) => {
            Ok(Arc::new(s3::S3::open(location, data, leftovers(is_ours), environment).await?))
        }
    }
}

/// Runs file work on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(Error::io("finish a file operation")(io::Error::other(panic))),
    }
}

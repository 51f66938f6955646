//! Blobs: immutable bytes addressed by their hash. What arrives is spooled to
//! a local temporary file, looked at, and only then put into the store under
//! a name no other blob ever had. Knows nothing of keys and rows.

mod files;
mod folder;
mod id;
mod spool;

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;

pub use files::Files;
pub use folder::DataFolder;
pub use id::{BlobId, Hash};
pub use spool::{Spool, Spooled};

/// What can go wrong with blobs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No blob has this name (any more).
    #[error("there is no blob {0}")]
    NotFound(BlobId),
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
    /// Any other failure of the file system.
    #[error("could not {operation}: {source}")]
    Io {
        /// What was tried, with its object.
        operation: String,
        /// The system's words.
        source: io::Error,
    },
    /// The data folder can't be used.
    #[error("{0}")]
    Folder(String),
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
}

/// The result of a blob operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A future in a box, so that stores of different kinds fit one variable.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps blobs.
pub trait BlobStore: Send + Sync {
    /// Stores what was spooled. When this returns, the blob survives a power
    /// cut. Each call makes a copy of its own, also of bytes that are already
    /// there: whoever keeps the rows decides which copy stays.
    fn put(&self, spooled: Spooled) -> BoxFuture<'_, Result<BlobId>>;

    /// The whole blob.
    fn get<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<Bytes>>;

    /// Removes a blob; one that isn't there is no error.
    fn delete<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<()>>;

    /// The blobs whose hash begins with the byte `shard`, in order.
    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<BlobId>>>;
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

//! The data folder: made if needed, readable by its owner only, and used by
//! one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};

use crate::{Error, Result};

/// A data folder that this process alone uses. The lock is the system's: it
/// goes with the process, however that ends.
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it isn't there and takes its lock.
    ///
    /// # Errors
    /// [`Error::Folder`] with a sentence for the person who named the folder.
    pub fn open(path: &Path) -> Result<Self> {
        let refused = |what: &str, error: std::io::Error| {
            Error::Folder(format!("can't {what} the data folder {}: {error}", path.display()))
        };
        make_folder(path).map_err(|error| refused("make", error))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("larder.lock"))
            .map_err(|error| refused("write in", error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Error::Folder(format!(
                "another larder is running on the data folder {}: stop it first, or name another folder",
                path.display()
            ))
        })?;
        let path = path.canonicalize().map_err(|error| refused("find", error))?;
        // The folder's own name must survive a power cut too.
        if let Some(parent) = path.parent() {
            fsync_folder(parent)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// The folder's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that can still be written on the folder's disk.
    ///
    /// # Errors
    /// The system doesn't tell.
    pub fn free_bytes(&self) -> Result<u64> {
        let stat = statvfs(&self.path)
            .map_err(|error| Error::io("ask for free disk space")(error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Puts the names in a folder on disk.
pub(crate) fn fsync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::durability(format!("the folder {}", path.display())))
}

/// Makes a folder and those above it, for the owner's eyes only.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

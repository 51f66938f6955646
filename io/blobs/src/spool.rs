//! The spool: what arrives goes to a temporary file, hashed on the way, and is
//! gone again unless it is put into a store. Holds at most [`CHUNK`] bytes in
//! memory.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::{Error, Hash, Result, blocking};

/// How much is gathered before it is written: large enough that the trip to
/// a blocking thread doesn't count, small enough for hundreds of uploads at
/// once.
const CHUNK: usize = 256 * 1024;

/// Bytes that are arriving.
pub struct Spool {
    folder: PathBuf,
    gathered: Vec<Bytes>,
    gathered_len: usize,
    open: Option<Open>,
}

/// The temporary file, once there is something in it.
struct Open {
    file: File,
    path: TemporaryPath,
    hasher: blake3::Hasher,
    len: u64,
}

impl Spool {
    /// An empty spool whose file will be in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), gathered: Vec::new(), gathered_len: 0, open: None }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The disk is full or can't be written; the spool is of no more use.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered_len += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_len >= CHUNK {
            self.open = Some(self.flush().await?);
        }
        Ok(())
    }

    /// Ends the spooling.
    ///
    /// # Errors
    /// As [`Spool::write`].
    pub async fn finish(mut self) -> Result<Spooled> {
        let open = self.flush().await?;
        let hash = Hash(*open.hasher.finalize().as_bytes());
        Ok(Spooled { file: open.file, path: open.path, hash, len: open.len })
    }

    async fn flush(&mut self) -> Result<Open> {
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered_len = 0;
        let (folder, open) = (self.folder.clone(), self.open.take());
        blocking(move || {
            let mut open = match open {
                Some(open) => open,
                None => Open::create(&folder)?,
            };
            for bytes in gathered {
                open.file.write_all(&bytes).map_err(Error::io("write an upload"))?;
                open.hasher.update(&bytes);
                open.len += bytes.len() as u64;
            }
            Ok(open)
        })
        .await
    }
}

impl Open {
    fn create(folder: &Path) -> Result<Self> {
        let name = getrandom::u64().expect("the system gives random numbers");
        let path = folder.join(format!("{name:016x}"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io(format!("make a temporary file in {}", folder.display())))?;
        let path = TemporaryPath(Some(path));
        Ok(Self { file, path, hasher: blake3::Hasher::new(), len: 0 })
    }
}

/// Bytes that have arrived, in a temporary file that goes when this does.
pub struct Spooled {
    pub(crate) file: File,
    pub(crate) path: TemporaryPath,
    hash: Hash,
    len: u64,
}

impl Spooled {
    /// The hash of the bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// How many bytes.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Looks at the bytes from their beginning, on a thread that may block.
    ///
    /// # Errors
    /// The file can't be read. What `look` finds is its own matter.
    pub async fn inspect<T: Send + 'static>(
        self,
        look: impl FnOnce(&mut File, u64) -> T + Send + 'static,
    ) -> Result<(Self, T)> {
        let mut spooled = self;
        blocking(move || {
            spooled.file.seek(SeekFrom::Start(0)).map_err(Error::io("read an upload"))?;
            let seen = look(&mut spooled.file, spooled.len);
            Ok((spooled, seen))
        })
        .await
    }
}

/// A path that is unlinked when this is dropped, unless it was moved away.
pub(crate) struct TemporaryPath(Option<PathBuf>);

impl TemporaryPath {
    /// Renames the file; from then on it is no longer temporary.
    pub(crate) fn rename_to(mut self, target: &Path) -> Result<()> {
        if let Some(path) = &self.0 {
            std::fs::rename(path, target)
                .map_err(Error::io(format!("rename a file to {}", target.display())))?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        // If this fails the next start finds and removes the file.
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

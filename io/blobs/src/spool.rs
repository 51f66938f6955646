//! The spool: what arrives is hashed on the way and goes to a temporary file
//! as soon as it is more than a little, and all of it is gone again unless it
//! is put into a store. Holds at most [`CHUNK`] bytes and one write in memory,
//! and never makes a blob by itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Hash, Result, blocking};

/// How much is gathered before it is written: large enough that the trip to
/// a blocking thread doesn't count, small enough for hundreds of uploads at
/// once.
pub(crate) const CHUNK: usize = 256 * 1024;

/// Bytes that are arriving.
pub struct Spool {
    folder: Arc<Path>,
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
    /// An empty spool whose file, if it needs one, will be in `folder`.
    pub fn new(folder: impl Into<Arc<Path>>) -> Self {
        Self { folder: folder.into(), gathered: Vec::new(), gathered_len: 0, open: None }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The disk is full or can't be written; the spool is of no more use.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered_len += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_len > CHUNK {
            self.open = Some(self.flush().await?);
        }
        Ok(())
    }

    /// Ends the spooling. A little has never left the memory then, and no
    /// blocking thread was bothered: a store writes it in the same trip as it
    /// makes it durable.
    ///
    /// # Errors
    /// As [`Spool::write`].
    pub async fn finish(mut self) -> Result<Spooled> {
        if self.open.is_none() {
            let bytes = match self.gathered.as_slice() {
                [only] => only.clone(),
                pieces => pieces.concat().into(),
            };
            let hash = Hash::of(&bytes);
            let len = bytes.len() as u64;
            let reader = Reader(Source::Memory(Cursor::new(bytes)));
            return Ok(Spooled { reader, folder: self.folder, hash, len });
        }
        let open = self.flush().await?;
        let hash = Hash(*open.hasher.finalize().as_bytes());
        let reader = Reader(Source::File(open.file, open.path));
        Ok(Spooled { reader, folder: self.folder, hash, len: open.len })
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
        let (file, path) = TemporaryPath::create(folder)?;
        Ok(Self { file, path, hasher: blake3::Hasher::new(), len: 0 })
    }
}

/// Bytes that have arrived. They go when this does.
pub struct Spooled {
    reader: Reader,
    folder: Arc<Path>,
    hash: Hash,
    len: u64,
}

/// Reads what was spooled, wherever it is.
pub struct Reader(Source);

enum Source {
    /// It was little and is still in memory.
    Memory(Cursor<Bytes>),
    File(File, TemporaryPath),
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Memory(bytes) => bytes.read(buffer),
            Source::File(file, _) => file.read(buffer),
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Source::Memory(bytes) => bytes.seek(to),
            Source::File(file, _) => file.seek(to),
        }
    }
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

    /// Looks at the bytes from their beginning, on a thread that may block
    /// unless they are in memory, and few.
    ///
    /// # Errors
    /// The file can't be read. What `look` finds is its own matter.
    pub async fn inspect<T: Send + 'static>(
        self,
        look: impl FnOnce(&mut Reader, u64) -> T + Send + 'static,
    ) -> Result<(Self, T)> {
        let is_in_memory = self.in_memory().is_some();
        let mut spooled = self;
        let work = move || {
            spooled.rewind()?;
            let seen = look(&mut spooled.reader, spooled.len);
            Ok((spooled, seen))
        };
        // The trip to another thread would cost more than the look.
        if is_in_memory { work() } else { blocking(work).await }
    }

    /// All of the bytes, if they are in memory.
    pub(crate) fn in_memory(&self) -> Option<Bytes> {
        match &self.reader.0 {
            Source::Memory(bytes) => Some(bytes.get_ref().clone()),
            Source::File(..) => None,
        }
    }

    /// Back to the first byte. May block.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        self.reader.rewind().map_err(Error::io("read an upload"))
    }

    /// The next `len` bytes. May block.
    pub(crate) fn read_part(&mut self, len: u64) -> Result<Bytes> {
        let mut part = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.reader.read_exact(&mut part).map_err(Error::io("read an upload"))?;
        Ok(part.into())
    }

    /// The bytes as a temporary file in the spool's folder; writes it if they
    /// were in memory. May block.
    pub(crate) fn into_file(self) -> Result<(File, TemporaryPath)> {
        match self.reader.0 {
            Source::File(file, path) => Ok((file, path)),
            Source::Memory(bytes) => {
                let (mut file, path) = TemporaryPath::create(&self.folder)?;
                file.write_all(bytes.get_ref()).map_err(Error::io("write an upload"))?;
                Ok((file, path))
            }
        }
    }
}

/// A path that is unlinked when this is dropped, unless it was moved away.
pub(crate) struct TemporaryPath(Option<PathBuf>);

impl TemporaryPath {
    /// Makes a file in `folder` that only its owner can read.
    pub(crate) fn create(folder: &Path) -> Result<(File, Self)> {
        let name = getrandom::u64().expect("the system gives random numbers");
        let path = folder.join(format!("{name:016x}"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io(format!("make a temporary file in {}", folder.display())))?;
        Ok((file, Self(Some(path))))
    }

    /// Gives the file a second name, unless something has it.
    pub(crate) fn link_to(&self, target: &Path) -> io::Result<()> {
        match &self.0 {
            Some(path) => std::fs::hard_link(path, target),
            None => Ok(()),
        }
    }

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

/// Removes what earlier processes left in a folder for temporary files.
pub(crate) fn remove_leftovers(folder: &Path, leftovers: Leftovers) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("list leftovers"))?;
    for entry in entries.flatten() {
        let is_old = match leftovers {
            Leftovers::All => true,
            // A file that went away meanwhile was its owner's.
            Leftovers::UntouchedSince(time) => entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|modified| modified < time),
        };
        if is_old
            && let Err(error) = std::fs::remove_file(entry.path())
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(Error::io("remove a leftover")(error));
        }
    }
    Ok(())
}

/// Which temporary files nobody can still be writing.
#[derive(Debug, Clone, Copy)]
pub enum Leftovers {
    /// All: the folder is this process's alone, by the lock of its
    /// [`crate::DataFolder`].
    All,
    /// Other processes use the folder too, so only those that weren't written
    /// to since then.
    UntouchedSince(std::time::SystemTime),
}

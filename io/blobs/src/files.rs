//! Blobs as files: `blobs/ab/<hash>.<copy>`. A put is: fsync the file, rename
//! it into place, fsync the folder; leaving out any of these loses
//! acknowledged files in a power cut (measured). Never changes a file that is
//! in place.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::folder::{fsync_folder, make_folder};
use crate::spool::{CHUNK, Leftovers, TemporaryPath, remove_leftovers};
use crate::{BlobId, BlobStore, BoxFuture, Error, Result, Spool, Spooled, blocking};

/// Blobs in a folder of a file system.
#[derive(Clone)]
pub struct Files {
    root: Arc<Path>,
    temporary: Arc<Path>,
}

impl Files {
    /// Opens the store in `folder`, making it if needed, and removes those
    /// `leftovers` of unfinished uploads.
    ///
    /// # Errors
    /// The folder can't be made or written.
    pub fn open(folder: &Path, leftovers: Leftovers) -> Result<Self> {
        let (root, temporary) = (folder.join("blobs"), folder.join("tmp"));
        let made = |path: PathBuf| {
            make_folder(&path).map_err(Error::io(format!("make the folder {}", path.display())))
        };
        made(temporary.clone())?;
        // All 256 folders at once, so that no put has to make one and fsync
        // its parents.
        for shard in 0..=u8::MAX {
            made(root.join(format!("{shard:02x}")))?;
        }
        fsync_folder(&root)?;
        fsync_folder(folder)?;
        remove_leftovers(&temporary, leftovers)?;
        Ok(Self { root: root.into(), temporary: temporary.into() })
    }

    /// The whole blob, read on this thread, which may block.
    ///
    /// # Errors
    /// As [`BlobStore::get`].
    pub fn get_blocking(&self, id: &BlobId) -> Result<Bytes> {
        read_whole(&self.path(id)).map_err(failed("read", *id))
    }

    /// The store in `folder` for reading alone: makes and removes nothing.
    pub fn to_read(folder: &Path) -> Self {
        let (root, temporary) = (folder.join("blobs"), folder.join("tmp"));
        Self { root: root.into(), temporary: temporary.into() }
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.root.join(id.to_string())
    }
}

fn read_whole(path: &Path) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(len);
    file.read_to_end(&mut bytes)?;
    Ok(Bytes::from(bytes))
}

/// For `map_err`: a file that isn't there is a blob that isn't there.
fn failed(operation: &'static str, id: BlobId) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(id),
        _ => Error::io(format!("{operation} blob {id}"))(error),
    }
}

impl BlobStore for Files {
    fn put<'a>(&'a self, id: &'a BlobId, spooled: Spooled) -> BoxFuture<'a, Result<()>> {
        let (id, target) = (*id, self.path(id));
        // One trip for all of it: on a fast disk the trips would cost as much
        // as the writing.
        Box::pin(blocking(move || {
            let (file, path) = spooled.into_file()?;
            file.sync_all().map_err(Error::durability(format!("blob {id}")))?;
            path.rename_to(&target)?;
            fsync_folder(target.parent().unwrap_or(&target))
        }))
    }

    fn get<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<Bytes>> {
        let (id, files) = (*id, self.clone());
        Box::pin(blocking(move || files.get_blocking(&id)))
    }

    fn as_files(&self) -> Option<&Files> {
        Some(self)
    }

    fn stream<'a>(
        &'a self,
        id: &'a BlobId,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes>>>> {
        let (id, path) = (*id, self.path(id));
        Box::pin(async move {
            let (file, range) = blocking(move || {
                let file = File::open(&path).map_err(failed("read", id))?;
                let len = file.metadata().map_err(failed("read", id))?.len();
                if range.start > range.end || range.end > len {
                    return Err(Error::outside(&id, &range));
                }
                Ok((Arc::new(file), range))
            })
            .await?;
            Ok(stream::try_unfold(range, move |rest| {
                let file = file.clone();
                async move {
                    if rest.is_empty() {
                        return Ok(None);
                    }
                    let bytes = blocking(move || {
                        let len = (rest.end - rest.start).min(CHUNK as u64);
                        let mut bytes = vec![0; usize::try_from(len).unwrap_or(CHUNK)];
                        file.read_exact_at(&mut bytes, rest.start).map_err(failed("read", id))?;
                        Ok(Bytes::from(bytes))
                    })
                    .await?;
                    let rest = rest.start + bytes.len() as u64..rest.end;
                    Ok(Some((bytes, rest)))
                }
            })
            .boxed())
        })
    }

    fn delete<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<()>> {
        let (id, path) = (*id, self.path(id));
        Box::pin(blocking(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(format!("remove blob {id}"))(error))
            }
            _ => Ok(()),
        }))
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<BlobId>>> {
        let folder = self.root.join(format!("{shard:02x}"));
        Box::pin(blocking(move || {
            let failed = |source| Error::io(format!("list {}", folder.display()))(source);
            let mut ids = Vec::new();
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                // A file that isn't ours is left alone.
                if let Ok(id) = format!("{shard:02x}/{}", name.to_string_lossy()).parse() {
                    ids.push(id);
                }
            }
            ids.sort_unstable();
            Ok(ids)
        }))
    }

    fn size<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<u64>> {
        let (id, path) = (*id, self.path(id));
        Box::pin(blocking(move || {
            std::fs::metadata(path).map(|metadata| metadata.len()).map_err(failed("look at", id))
        }))
    }

    fn stored_at<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<SystemTime>> {
        let (id, path) = (*id, self.path(id));
        // When the last byte was written, which is a little before the put.
        Box::pin(blocking(move || {
            std::fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .map_err(failed("look at", id))
        }))
    }

    /// A spool on the store's own file system, which a rename needs.
    fn spool(&self) -> Spool {
        Spool::new(self.temporary.clone())
    }

    fn claim<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<String>> {
        let (mark, owner) = (self.root.join("owner"), owner.to_owned());
        let (root, temporary) = (self.root.clone(), self.temporary.clone());
        Box::pin(blocking(move || {
            let failed = |error| Error::io(format!("mark {}", root.display()))(error);
            // Written aside and linked: it is there whole or not at all, and
            // the first one stays.
            let (mut file, path) = TemporaryPath::create(&temporary)?;
            file.write_all(owner.as_bytes()).map_err(failed)?;
            file.sync_all().map_err(Error::durability(format!("{}", mark.display())))?;
            match path.link_to(&mark) {
                Ok(()) => fsync_folder(&root)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
            std::fs::read_to_string(&mark).map_err(failed)
        }))
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        let root = self.root.clone();
        Box::pin(blocking(move || {
            let operation = format!("look at the folder {}", root.display());
            // The last of the folders that `open` made: a disk that was
            // unmounted leaves an empty root.
            std::fs::metadata(root.join("ff")).map(drop).map_err(Error::io(operation))
        }))
    }
}

//! Blobs as files: `blobs/ab/<hash>.<copy>`. A put is: fsync the file, rename
//! it into place, fsync the folder; leaving out any of these loses
//! acknowledged files in a power cut (measured). Never changes a file that is
//! in place.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::folder::{fsync_folder, make_folder};
use crate::{BlobId, BlobStore, BoxFuture, Error, Result, Spool, Spooled, blocking};

/// Blobs in a folder of the local file system.
#[derive(Clone)]
pub struct Files {
    root: Arc<Path>,
    temporary: Arc<Path>,
}

impl Files {
    /// Opens the store in `folder`, making it if needed. What an earlier
    /// process left unfinished in its temporary folder is removed: the caller
    /// holds the lock of the [`crate::DataFolder`], so nobody else writes there.
    ///
    /// # Errors
    /// The folder can't be made or written.
    pub fn open(folder: &Path) -> Result<Self> {
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
        let leftovers = std::fs::read_dir(&temporary).map_err(Error::io("list leftovers"))?;
        for leftover in leftovers.flatten() {
            std::fs::remove_file(leftover.path()).map_err(Error::io("remove a leftover"))?;
        }
        Ok(Self { root: root.into(), temporary: temporary.into() })
    }

    /// A spool on the store's own file system, which a rename needs.
    pub fn spool(&self) -> Spool {
        Spool::new(&self.temporary)
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.root.join(id.to_string())
    }
}

impl BlobStore for Files {
    fn put(&self, spooled: Spooled) -> BoxFuture<'_, Result<BlobId>> {
        let id = BlobId::new(spooled.hash());
        let path = self.path(&id);
        Box::pin(blocking(move || {
            spooled.file.sync_all().map_err(Error::durability(format!("blob {id}")))?;
            spooled.path.rename_to(&path)?;
            fsync_folder(path.parent().unwrap_or(&path))?;
            Ok(id)
        }))
    }

    fn get<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<Bytes>> {
        let (id, path) = (*id, self.path(id));
        Box::pin(blocking(move || {
            let read = || {
                let mut file = File::open(&path)?;
                let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
                let mut bytes = Vec::with_capacity(len);
                file.read_to_end(&mut bytes)?;
                Ok(Bytes::from(bytes))
            };
            read().map_err(|error: io::Error| match error.kind() {
                io::ErrorKind::NotFound => Error::NotFound(id),
                _ => Error::io(format!("read blob {id}"))(error),
            })
        }))
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
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::DataFolder;

    async fn spooled(store: &Files, bytes: &[u8]) -> Spooled {
        let mut spool = store.spool();
        for chunk in bytes.chunks(100_000) {
            spool.write(Bytes::copy_from_slice(chunk)).await.expect("spools");
        }
        spool.finish().await.expect("finishes")
    }

    fn files_below(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).expect("lists").flatten();
        entries.map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
    }

    #[tokio::test]
    async fn what_was_put_is_got_listed_and_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Files::open(folder.path()).expect("opens");
        for len in [0, 1, 262_144, 1_000_001] {
            let bytes: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
            let arrived = spooled(&store, &bytes).await;
            assert_eq!(arrived.len(), u64::from(len));
            assert_eq!(arrived.hash().0, *blake3::hash(&bytes).as_bytes());
            let id = store.put(arrived).await.expect("puts");
            assert_eq!(store.get(&id).await.expect("gets"), bytes);
            assert_eq!(store.list(id.shard()).await.expect("lists"), [id]);

            let copy = store.put(spooled(&store, &bytes).await).await.expect("puts again");
            assert_ne!(copy, id, "each put is a copy of its own");
            store.delete(&id).await.expect("deletes");
            store.delete(&id).await.expect("deleting twice is no error");
            assert!(matches!(store.get(&id).await, Err(Error::NotFound(gone)) if gone == id));
            assert_eq!(store.get(&copy).await.expect("the copy is still there"), bytes);
            store.delete(&copy).await.expect("deletes");
        }
    }

    #[tokio::test]
    async fn a_spool_that_is_not_put_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Files::open(folder.path()).expect("opens");
        let mut unfinished = store.spool();
        unfinished.write(Bytes::from(vec![1; 300_000])).await.expect("spools");
        let arrived = spooled(&store, b"looked at and refused").await;
        let (arrived, first) = arrived
            .inspect(|file, len| {
                let mut byte = [0];
                file.read_exact(&mut byte).expect("reads");
                (byte[0], len)
            })
            .await
            .expect("inspects");
        assert_eq!(first, (b'l', 21));
        assert_eq!(files_below(folder.path()), 2);
        drop((unfinished, arrived));
        assert_eq!(files_below(folder.path()), 0);
    }

    #[tokio::test]
    async fn leftovers_are_removed_at_the_next_start_and_strangers_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Files::open(folder.path()).expect("opens"));
        std::fs::write(folder.path().join("tmp/0123456789abcdef"), "half").expect("writes");
        std::fs::write(folder.path().join("blobs/00/notes.txt"), "mine").expect("writes");
        let store = Files::open(folder.path()).expect("opens again");
        assert_eq!(store.list(0).await.expect("lists"), []);
        assert_eq!(files_below(folder.path()), 1);
    }

    #[test]
    fn a_data_folder_has_one_owner() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("deep/data");
        let first = DataFolder::open(&path).expect("opens");
        let refusal = DataFolder::open(&path).err().expect("is refused").to_string();
        assert!(refusal.contains("another larder is running on the data folder"), "{refusal}");
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(first.free_bytes().expect("tells") > 0);
        drop(first);
        DataFolder::open(&path).expect("opens once the first is gone");
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_named() {
        let parent = tempfile::tempdir().expect("a folder");
        let file = parent.path().join("file");
        std::fs::write(&file, "").expect("writes");
        let refusal = DataFolder::open(&file.join("data")).err().expect("is refused").to_string();
        assert!(refusal.starts_with("can't make the data folder"), "{refusal}");
    }
}

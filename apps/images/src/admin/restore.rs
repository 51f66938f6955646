//! A backup into an empty store of any engine. The server must not run: until
//! the last step nobody can serve what is there. Whatever breaks it off, it
//! can be run again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use larder_blobs::{BlobId, BlobStore, DataFolder, Files};
use larder_clock::{Clock, SystemClock};
use larder_sql::Database;
use larder_web::Shutdown;

use super::backup::{named, row_files};
use super::files::Reader;
use super::{AT_ONCE, Failure, Place, Progress, READERS, Result, open_blobs};
use crate::error::Error;
use crate::store::{Store, Table};

/// Rows in one transaction.
const TOGETHER: usize = 2000;

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The row file.
    pub file: PathBuf,
    /// Images that are there now.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were copied; others were there already.
    pub copied: u64,
    /// Images that the backup has no good blob for, and that were left out:
    /// key and blob.
    pub left_out: Vec<(String, String)>,
}

/// Restores the newest backup in `folder`, or the one in the row file `name`
/// there, into the empty store at `place`.
///
/// # Errors
/// The backup is damaged, the store isn't empty or can't be opened, or one
/// of them fails.
pub async fn restore(
    place: &Place,
    folder: &Path,
    name: Option<&str>,
    stop: &Shutdown,
) -> Result<Restored> {
    let file = match name {
        Some(name) => folder.join(name),
        None => row_files(folder)?.pop().ok_or_else(|| {
            Failure::Refused(format!("there is no backup in {}", folder.display()))
        })?,
    };
    // All of it is read before anything is touched.
    let known_to_be_damaged = Reader::open(&file)?.ending()?.damaged.len();
    if known_to_be_damaged > 0 {
        tracing::warn!("{known_to_be_damaged} images were damaged when the backup was made");
    }
    let identity = Reader::open(&file)?.header.identity;
    let backup = Files::to_read(folder);

    let data =
        DataFolder::open(&place.data).map_err(|error| Failure::Refused(error.to_string()))?;
    let url = place.database();
    let shown = url.to_string();
    let database = Database::open(&larder_sql::Config { url, readers: READERS }).await?;
    let store = Store::open(database).await?;
    let blobs = open_blobs(&place.blobs(), place, true).await?;
    // Blobs that were claimed by the empty rows that are here stay theirs.
    let owner = blobs.claim(&identity).await?;
    if owner != identity && owner != store.identity().await? {
        return Err(Error::OthersBlobs(place.blobs().to_string()).into());
    }
    if !store.begin_filling(&owner).await? {
        return Err(Failure::Refused(format!("{shown} has images already: name an empty store")));
    }
    let work = fill(&store, &*blobs, &backup, &file);
    let restored = tokio::select! {
        restored = work => restored,
        () = stop.asked() => Err(Failure::Interrupted),
    };
    store.close().await;
    drop(data);
    restored
}

async fn fill(
    store: &Store,
    blobs: &dyn BlobStore,
    backup: &Files,
    file: &Path,
) -> Result<Restored> {
    // What an attempt that broke off left.
    for table in Table::ALL {
        store.clear(table).await?;
    }
    let mut restored =
        Restored { file: file.to_owned(), images: 0, bytes: 0, copied: 0, left_out: Vec::new() };
    let mut progress = Progress::new("rows restored");
    let mut reader = Reader::open(file)?;
    let mut next = reader.next()?;
    while let Some((table, _)) = &next {
        let (table, mut rows) = (*table, Vec::new());
        while let Some((of, row)) = next.take_if(|(of, _)| *of == table && rows.len() < TOGETHER) {
            debug_assert_eq!(of, table);
            rows.push(row);
            next = reader.next()?;
        }
        if table == Table::Images {
            // Blobs first: a row never names what isn't there.
            let names = rows.iter().map(|row| named(row)).collect::<Result<Vec<_>>>()?;
            let distinct: BTreeSet<_> = names.iter().map(|named| named.blob).collect();
            let copies = distinct.into_iter().map(|blob| put(backup, blobs, blob));
            let mut copies = stream::iter(copies).buffer_unordered(AT_ONCE);
            let mut missing = BTreeSet::new();
            while let Some(put) = copies.try_next().await? {
                match put {
                    Put::Copied => restored.copied += 1,
                    Put::Present => {}
                    Put::Missing(blob) => drop(missing.insert(blob)),
                }
            }
            let mut names = names.into_iter();
            rows.retain(|_| {
                let lost = names.next().filter(|named| missing.contains(&named.blob));
                let is_lost = lost.is_some();
                restored.left_out.extend(lost.map(|lost| (lost.key, lost.blob.to_string())));
                !is_lost
            });
        }
        progress.add(rows.len() as u64);
        store.fill(table, rows).await?;
    }
    (restored.images, restored.bytes) = store.end_filling(SystemClock.now()).await?;
    Ok(restored)
}

enum Put {
    Copied,
    Present,
    Missing(BlobId),
}

/// Brings a blob from the backup to the store, unless it is there.
async fn put(from: &Files, to: &dyn BlobStore, blob: BlobId) -> Result<Put> {
    use larder_blobs::Condition;
    use larder_blobs::Error::{Corrupt, NotFound};
    if to.size(&blob).await.is_ok()
        && let Condition::Good(_) = larder_blobs::examine(to, &blob).await?
    {
        return Ok(Put::Present);
    }
    match larder_blobs::copy(from, to, &blob).await {
        Ok(_) => Ok(Put::Copied),
        Err(NotFound(_) | Corrupt(_)) => Ok(Put::Missing(blob)),
        Err(error) => Err(error.into()),
    }
}

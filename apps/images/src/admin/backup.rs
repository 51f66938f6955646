//! A backup of a store that is being served: all rows of one moment in one
//! file, and beside it the blobs they name, each once, however many backups
//! name it. Never changes a blob or a row file that is in place.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use larder_blobs::{BlobId, BlobStore, BlobsUrl, DataFolder, Files, Leftovers};
use larder_sql::Value;
use larder_web::Shutdown;

use super::files::{Reader, Writer};
use super::hold::Hold;
use super::{AT_ONCE, Failure, Opened, Place, Progress, Result};
use crate::store::Table;

/// Images looked at between two looks at the hold.
const TOGETHER: u64 = 256;

/// What a backup came to.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Its row file.
    pub file: PathBuf,
    /// Images in it.
    pub images: u64,
    /// Blobs that were copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Images whose blob was there already.
    pub present: u64,
    /// Images whose blob is damaged or missing in the store, so that the
    /// backup hasn't it: key and blob.
    pub damaged: Vec<(String, String)>,
    /// Older row files that were deleted.
    pub files_deleted: u64,
    /// Blobs that no row file names any more and that were deleted.
    pub blobs_deleted: u64,
}

/// Backs the store up into `folder`, and then deletes the oldest backups
/// there beyond `keep`.
///
/// # Errors
/// The store or the folder can't be opened, or fails. No row file is made
/// then, and blobs that were copied are of use to the next backup.
pub async fn backup(
    place: &Place,
    folder: &Path,
    keep: Option<usize>,
    stop: &Shutdown,
) -> Result<Backup> {
    let opened = Opened::beside(place).await?;
    refuse_own_folder(place, folder)?;
    // One backup at a time.
    let folder = DataFolder::open(folder).map_err(|error| Failure::Refused(error.to_string()))?;
    let files = Files::open(folder.path(), Leftovers::All)?;
    if files.claim(&opened.identity).await? != opened.identity {
        return Err(Failure::Refused(format!(
            "{} has the backups of another store: name another folder",
            folder.path().display()
        )));
    }
    let work = async |hold: &Hold| make(&opened, folder.path(), &files, hold).await;
    let made = opened.held("backup", stop, work).await;
    opened.store.close().await;
    let mut made = made?;
    if let Some(keep) = keep {
        delete_old(folder.path(), &files, keep.max(1), &mut made).await?;
    }
    Ok(made)
}

/// In the store's own folder, blobs that only the store names would go with
/// old backups.
fn refuse_own_folder(place: &Place, folder: &Path) -> Result<()> {
    let blobs = match place.blobs() {
        BlobsUrl::Files(blobs) => blobs.canonicalize().ok(),
        BlobsUrl::S3(_) => None,
    };
    let own = [place.data.canonicalize().ok(), blobs];
    match folder.canonicalize() {
        Ok(folder) if own.contains(&Some(folder.clone())) => Err(Failure::Refused(format!(
            "{} is the store's own folder: name another one for its backups",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

async fn make(opened: &Opened, folder: &Path, files: &Files, hold: &Hold) -> Result<Backup> {
    let started = opened.clock.now().0;
    let started = jiff::Timestamp::from_microsecond(started).unwrap_or_default();
    // A run that is run again writes the file anew.
    let (path, identity, time) =
        (folder.join("tmp").join("rows"), opened.identity.clone(), started.to_string());
    let rows = path.clone();
    let start = move |counts| Writer::create(&rows, &identity, &time, counts);
    let mut writer = opened.store.read_whole(start, Writer::row).await?;
    writer.flush()?;

    let name = format!("backup-{}.jsonl", started.strftime("%Y%m%dT%H%M%S%.6fZ"));
    let mut made = Backup {
        file: folder.join(name),
        images: 0,
        copied: 0,
        copied_bytes: 0,
        present: 0,
        damaged: Vec::new(),
        files_deleted: 0,
        blobs_deleted: 0,
    };
    let mut progress = Progress::new("images backed up");
    // The end isn't written yet, so it is read up to the number it says.
    let mut reader = Reader::open(&path)?;
    let mut left = reader.rows_of(Table::Images);
    while left > 0 {
        hold.check()?;
        // Images by blob: many may have the same.
        let mut some: BTreeMap<_, Vec<String>> = BTreeMap::new();
        let together = left.min(TOGETHER);
        for _ in 0..together {
            let Some((Table::Images, row)) = reader.next()? else {
                return Err(Failure::Broken("the row file isn't as it was written".into()));
            };
            let Named { key, blob, size } = named(&row)?;
            some.entry((blob, size)).or_default().push(key);
        }
        left -= together;
        made.images += together;
        progress.add(together);
        let copies = some.into_iter().map(|((blob, size), keys)| async move {
            Ok::<_, Failure>((copy(&*opened.blobs, files, &blob, size).await?, blob, keys))
        });
        let mut copies = stream::iter(copies).buffer_unordered(AT_ONCE);
        while let Some(copied) = copies.try_next().await? {
            let (copied, blob, keys) = copied;
            match copied {
                Copied::Present => made.present += keys.len() as u64,
                Copied::Now(bytes) => {
                    made.copied += 1;
                    made.copied_bytes += bytes;
                }
                Copied::Damaged => {
                    made.damaged.extend(keys.into_iter().map(|key| (key, blob.to_string())));
                }
            }
        }
    }
    hold.check()?;
    let damaged = made.damaged.iter().map(|(_, blob)| blob.clone()).collect();
    writer.finish(damaged, &made.file)?;
    Ok(made)
}

/// An image's key, blob and size.
pub(super) struct Named {
    pub(super) key: String,
    pub(super) blob: BlobId,
    pub(super) size: i64,
}

/// What a row of an image says of its blob.
pub(super) fn named(row: &[Value]) -> Result<Named> {
    let of = |name: &str| {
        let at = Table::Images.columns().iter().position(|column| *column == name);
        at.and_then(|at| row.get(at))
    };
    match (of("key"), of("location"), of("size")) {
        (Some(Value::Text(key)), Some(Value::Text(blob)), Some(Value::Integer(size))) => {
            let blob = blob.parse().map_err(|_| {
                Failure::Broken(format!("image {key:?} names {blob:?}, which is no blob"))
            })?;
            Ok(Named { key: key.clone(), blob, size: *size })
        }
        _ => Err(Failure::Broken("a row of an image can't be read".into())),
    }
}

enum Copied {
    Present,
    Now(u64),
    Damaged,
}

async fn copy(from: &dyn BlobStore, to: &Files, blob: &BlobId, size: i64) -> Result<Copied> {
    use larder_blobs::Error::{Corrupt, Io, NotFound};
    match to.size(blob).await {
        Ok(there) if i64::try_from(there) == Ok(size) => return Ok(Copied::Present),
        Ok(_) | Err(NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    match larder_blobs::copy(from, to, blob).await {
        Ok(bytes) => Ok(Copied::Now(bytes)),
        // One bad blob must not leave all the others without a backup.
        Err(NotFound(_) | Corrupt(_)) => Ok(Copied::Damaged),
        Err(error @ Io { .. }) => match larder_blobs::examine(from, blob).await? {
            larder_blobs::Condition::Unreadable(_) => Ok(Copied::Damaged),
            // It was the backup's folder.
            _ => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The row files in a folder, the oldest first.
pub(super) fn row_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Failure::file(format!("list {}", folder.display()))(error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("backup-") && name.ends_with(".jsonl") {
            files.push(entry.path());
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Deletes row files beyond the newest, and then blobs that no other names. A
/// row file that can't be read may name any blob, so then all stay.
async fn delete_old(folder: &Path, files: &Files, keep: usize, made: &mut Backup) -> Result<()> {
    let all = row_files(folder)?;
    let (old, kept) = all.split_at(all.len().saturating_sub(keep));
    let mut still_named = HashSet::new();
    for file in kept {
        let mut reader = Reader::open(file)?;
        while let Some((table, row)) = reader.next()? {
            if table == Table::Images {
                still_named.insert(named(&row)?.blob);
            }
        }
    }
    for file in old {
        std::fs::remove_file(file).map_err(Failure::file(format!("delete {}", file.display())))?;
        made.files_deleted += 1;
    }
    for shard in 0..=u8::MAX {
        for blob in files.list(shard).await? {
            if !still_named.contains(&blob) {
                files.delete(&blob).await?;
                made.blobs_deleted += 1;
            }
        }
    }
    Ok(())
}

//! Blobs that no image names any more: found after whatever ended an earlier
//! run, and removed while running. Removing takes three steps, so that an
//! identical upload at the same time never relies on a blob that goes: mark
//! it dying, remove it, forget its row.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use larder_blobs::{BlobId, BlobStore};

use super::{Images, Shared, with_sources};
use crate::error::{Error, Result};

/// Blobs removed between two looks at the rows.
const BATCH: u32 = 256;

/// How long the collector waits when nobody tells it of work.
const REST: Duration = Duration::from_secs(60);

/// How long it waits after a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How often it looks for orphans.
const ORPHANS_EVERY: Duration = Duration::from_secs(3600);

/// How long a blob without a row is left alone where other processes may be
/// about to commit its row: much longer than any upload takes from its blob
/// to its row.
pub(crate) const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// How long a blob that lost its last image is kept where others may still be
/// reading it, in seconds.
const READERS_FINISH: i64 = 60;

/// How long versions of deleted keys are remembered, in seconds: a day is
/// much longer than any lease on a cached value.
const TOMBSTONES_FOR: i64 = 24 * 3600;

/// Collects until the end is asked for. A failure is logged, and the next
/// round tries again.
pub(super) async fn collect_for_ever(images: Images) {
    let Shared { shutdown, released, store, clock, is_alone, .. } = &*images.shared;
    // Whoever is alone has looked at its start.
    let mut looked = is_alone.then(Instant::now);
    while !shutdown.is_asked() {
        let round = async {
            images.collect().await?;
            if looked.is_none_or(|looked| looked.elapsed() >= ORPHANS_EVERY) {
                images.find_orphans(ORPHAN_AGE).await?.log();
                looked = Some(Instant::now());
            }
            store.forget_tombstones(clock.now().minus_seconds(TOMBSTONES_FOR)).await
        };
        let rest = match round.await {
            Ok(_) => REST,
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "collecting blobs failed");
                REST_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = shutdown.asked() => {}
            _ = tokio::time::timeout(rest, released.notified()) => {}
        }
    }
}

/// What a look over all blobs found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Blobs that no row knew of and that were removed.
    orphans: usize,
    /// Blobs that an image names and that aren't there.
    missing: Vec<BlobId>,
}

impl Found {
    fn log(&self) {
        if self.orphans > 0 {
            tracing::info!(self.orphans, "removed what unfinished uploads had left");
        }
        if let Some(first) = self.missing.first() {
            let count = self.missing.len();
            tracing::error!(count, %first, "images have lost their bytes; see larder admin verify");
        }
    }
}

impl Images {
    /// Removes blobs that no image names, until there are none.
    async fn collect(&self) -> Result<()> {
        let Shared { store, blobs, mem_cache, clock, shutdown, is_alone, .. } = &*self.shared;
        // No grace on a local file system: a reader that comes too late finds
        // the new row, and an open file outlives its name.
        let grace = if *is_alone { 0 } else { READERS_FINISH };
        while !shutdown.is_asked() {
            let now = clock.now();
            let retired = store.retire_blobs(now.minus_seconds(grace), now, BATCH).await?;
            if retired.is_empty() {
                break;
            }
            for blob in &retired {
                blobs.delete(blob).await?;
                if let Some(mem_cache) = mem_cache {
                    mem_cache.remove(blob.hash).await;
                }
            }
            store.forget_blobs(retired).await?;
        }
        Ok(())
    }

    /// Removes a blob of our own whose row may or may not have been committed,
    /// once that is decided. If this fails the search for orphans finds it.
    pub(super) async fn remove_if_unknown(&self, blob: &BlobId) {
        let Shared { store, blobs, .. } = &*self.shared;
        let removed = async {
            if !store.knows_blob(blob).await? {
                blobs.delete(blob).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(error = with_sources(&error), "a blob of unknown use stays for now");
        }
    }

    /// Compares blobs and rows: removes blobs of at least this age that no row
    /// knows of, and finds rows without their blob.
    pub(super) async fn find_orphans(&self, age: Duration) -> Result<Found> {
        let Shared { store, blobs, .. } = &*self.shared;
        let mut found = Found::default();
        for shard in 0..=u8::MAX {
            // In this order: a blob that is put and named in between is not
            // among those present, so it can't be taken for an orphan; and one
            // that is missing is looked for again.
            let present: BTreeSet<BlobId> = blobs.list(shard).await?.into_iter().collect();
            let known = store.blobs_of_shard(shard).await?;
            for (blob, is_named) in &known {
                let is_missing = || async {
                    matches!(blobs.stored_at(blob).await, Err(larder_blobs::Error::NotFound(_)))
                        && store.is_named(blob).await.unwrap_or(true)
                };
                if *is_named && !present.contains(blob) && is_missing().await {
                    found.missing.push(*blob);
                }
            }
            let known: BTreeSet<BlobId> = known.into_iter().map(|(blob, _)| blob).collect();
            for orphan in present.difference(&known) {
                if age.is_zero() || is_older(&**blobs, orphan, age).await? {
                    blobs.delete(orphan).await?;
                    found.orphans += 1;
                }
            }
        }
        Ok(found)
    }

    /// Makes rows and blobs agree after whatever ended the last run: blobs
    /// without a row are removed, a row without its blob is an alarm.
    pub(super) async fn recover(&self) -> Result<()> {
        let found = self.find_orphans(Duration::ZERO).await?;
        let without_blob = self.shared.store.images_without_blob().await?;
        match found.missing.first() {
            None if without_blob.is_empty() => {
                found.log();
                Ok(())
            }
            first => Err(Error::Damaged(format!(
                "{} image(s) have lost their bytes, such as {}; restore the data folder from a \
                 backup, or see what can be saved with: larder admin verify --repair",
                found.missing.len() + without_blob.len(),
                first.map_or_else(|| format!("{:?}", without_blob[0]), ToString::to_string),
            ))),
        }
    }
}

/// Whether a blob was stored so long ago. One that is gone by now is not.
pub(crate) async fn is_older(
    blobs: &dyn BlobStore,
    blob: &BlobId,
    age: Duration,
) -> larder_blobs::Result<bool> {
    match blobs.stored_at(blob).await {
        // One from the future is young.
        Ok(stored) => Ok(stored.elapsed().is_ok_and(|elapsed| elapsed >= age)),
        Err(larder_blobs::Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

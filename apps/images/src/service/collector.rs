//! Blobs that no image names any more: found at start after whatever ended
//! the last run, and removed while running. Removing takes three steps, so
//! that an identical upload at the same time never relies on a blob that
//! goes: mark it dying, unlink it, forget its row.

use std::collections::BTreeSet;
use std::time::Duration;

use larder_blobs::{BlobId, BlobStore};

use super::{Images, Shared, with_sources};
use crate::error::{Error, Result};

/// Blobs removed between two looks at the rows.
const BATCH: u32 = 256;

/// How long the collector waits when nobody tells it of work.
const REST: Duration = Duration::from_secs(60);

/// How long versions of deleted keys are remembered, in seconds: a day is
/// much longer than any lease on a cached value.
const TOMBSTONES_FOR: i64 = 24 * 3600;

/// Collects until the end is asked for. A failure is logged, and the next
/// round tries again.
pub(super) async fn collect_for_ever(images: Images) {
    let Shared { shutdown, released, store, clock, .. } = &*images.shared;
    while !shutdown.is_asked() {
        if let Err(error) = images.collect().await {
            tracing::warn!(error = with_sources(&error), "collecting blobs failed");
        }
        let before = clock.now().minus_seconds(TOMBSTONES_FOR);
        if let Err(error) = store.forget_tombstones(before).await {
            tracing::warn!(error = with_sources(&error), "forgetting old versions failed");
        }
        tokio::select! {
            () = shutdown.asked() => {}
            _ = tokio::time::timeout(REST, released.notified()) => {}
        }
    }
}

impl Images {
    /// Removes blobs that no image names, until there are none.
    async fn collect(&self) -> Result<()> {
        let Shared { store, blobs, clock, shutdown, .. } = &*self.shared;
        while !shutdown.is_asked() {
            // No grace: a reader that comes too late finds the new row, and
            // on a local file system an open file outlives its name.
            let retired = store.retire_blobs(clock.now(), BATCH).await?;
            if retired.is_empty() {
                break;
            }
            for blob in &retired {
                blobs.delete(blob).await?;
            }
            store.forget_blobs(retired).await?;
        }
        Ok(())
    }

    /// Makes rows and blobs agree after whatever ended the last run: blobs
    /// without a row are removed, a row without its blob is an alarm.
    pub(super) async fn recover(&self) -> Result<()> {
        let Shared { store, blobs, .. } = &*self.shared;
        let (mut orphans, mut missing) = (0_usize, Vec::new());
        for shard in 0..=u8::MAX {
            let present: BTreeSet<BlobId> = blobs.list(shard).await?.into_iter().collect();
            let known = store.blobs_of_shard(shard).await?;
            for (blob, is_named) in &known {
                if *is_named && !present.contains(blob) {
                    missing.push(*blob);
                }
            }
            let known: BTreeSet<BlobId> = known.into_iter().map(|(blob, _)| blob).collect();
            for orphan in present.difference(&known) {
                blobs.delete(orphan).await?;
                orphans += 1;
            }
        }
        if orphans > 0 {
            tracing::info!(orphans, "removed what unfinished uploads had left");
        }
        let without_blob = store.images_without_blob().await?;
        match missing.first() {
            None if without_blob.is_empty() => Ok(()),
            first => Err(Error::Damaged(format!(
                "{} image(s) have lost their bytes, such as {}; restore the data folder from a \
                 backup, or the missing files from wherever they went",
                missing.len() + without_blob.len(),
                first.map_or_else(|| format!("{:?}", without_blob[0]), ToString::to_string),
            ))),
        }
    }
}

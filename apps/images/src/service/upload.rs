//! Uploads: bytes arrive in the spool, are looked at, put on disk, and only
//! then, in one transaction, become the image under their key. Whatever fails
//! before leaves the old image as it was.

use std::io::{Read, Seek};

use bytes::Bytes;
use larder_blobs::{BlobId, Spool};
use larder_picture::{Limits, Picture, ProbeError};
use larder_sql::Guard;
use larder_tier::{End, Scope, Unserved, Unsettled, Written};

use super::{Images, Shared};
use crate::error::{Error, Result};
use crate::model::{ImageKey, Precondition, Uploaded};
use crate::store::NewImage;

/// An upload that is arriving. Dropping it leaves nothing behind.
pub struct Incoming {
    spool: Spool,
    len: u64,
    limit_bytes: u64,
}

impl Incoming {
    /// Adds bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as it is, or the disk fails.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.len += bytes.len() as u64;
        if self.len > self.limit_bytes {
            return Err(Error::TooLarge { limit_bytes: self.limit_bytes });
        }
        Ok(self.spool.write(bytes).await?)
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Images {
    /// Begins an upload. `announced` is its size, where the client says it,
    /// so that one too large is refused before it is sent.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or [`Error::DiskFull`] while there is little room.
    pub fn begin_upload(&self, announced: Option<u64>) -> Result<Incoming> {
        let Shared { config, folder, blobs, .. } = &*self.shared;
        let limit_bytes = config.max_upload_bytes;
        let announced = announced.unwrap_or(0);
        if announced > limit_bytes {
            return Err(Error::TooLarge { limit_bytes });
        }
        if folder.free_bytes()? < config.min_free_bytes.saturating_add(announced) {
            return Err(Error::DiskFull);
        }
        Ok(Incoming { spool: blobs.spool(), len: 0, limit_bytes })
    }

    /// Stores what arrived under `key`. When this returns `Ok`, it survives a
    /// power cut, and every read that begins from now on returns it.
    ///
    /// # Errors
    /// It is no acceptable image, the precondition doesn't hold, or the store
    /// fails; the old image is still there then.
    pub async fn finish_upload(
        &self,
        key: ImageKey,
        incoming: Incoming,
        precondition: Precondition,
    ) -> Result<Uploaded> {
        let limits = self.shared.config.limits;
        let spooled = incoming.spool.finish().await?;
        let (spooled, picture) = spooled.inspect(move |file, len| look(file, len, &limits)).await?;
        let (picture, size) = (picture?, spooled.len());
        let location = BlobId::new(spooled.hash());
        let put = self.shared.blobs.put(&location, spooled).await;
        put.map_err(|error| self.noted(error.into()))?;

        let images = self.clone();
        let now = self.shared.clock.now();
        let scope = Scope::group(key.as_str());
        let new = NewImage { key, location, picture, size, precondition, now };
        let change = move |guard| images.clone().put_row(guard, new.clone());
        let ended = self.write(scope, change).await;
        // After a failure that leaves open whether the row is there, the blob
        // must stay until that is decided, or until the next start.
        let is_open = |error: &Error| matches!(error, Error::Unserved(Unserved::Unknown));
        let (stored, is_superfluous) = ended.unwrap_or_else(|error| {
            let is_superfluous = !is_open(&error);
            (Err(error), is_superfluous)
        });
        if is_superfluous && let Err(error) = self.shared.blobs.delete(&location).await {
            tracing::warn!(%error, "a superfluous blob stays until orphans are looked for");
        }
        if stored.as_ref().is_ok_and(|stored| stored.replaced.is_some()) {
            self.shared.released.notify_one();
        }
        stored.map_err(|error| self.noted(error))
    }

    /// Stores the row of an image whose blob is there. Beside what came of it:
    /// whether the blob isn't needed.
    async fn put_row(
        self,
        guard: Option<Guard>,
        new: NewImage,
    ) -> Written<(Result<Uploaded>, bool)> {
        let (location, is_alone) = (new.location, self.cluster().is_none());
        let stored = self.shared.store.guarded(guard).put(new).await;
        let uses_ours = stored.as_ref().is_ok_and(|stored| stored.image.location == location);
        let is_open = |error: &Error| error.is_fatal() || error.settled().is_some();
        let unknown = stored.as_ref().is_err_and(is_open);
        let Written { result, end } = Written::from(stored);
        let end = match end {
            // In a cluster it may be tried again, and then the blob is needed.
            End::Unknown(settled) if is_alone => End::Unknown(Box::pin(async move {
                settled.await;
                self.remove_if_unknown(&location).await;
            })),
            end => end,
        };
        Written { result: (result, !uses_ours && !unknown), end }
    }
}

/// Says what a file is, or why it isn't accepted.
fn look(file: &mut (impl Read + Seek), len: u64, limits: &Limits) -> Result<Picture> {
    larder_picture::probe(file, len, limits).map_err(|error| match error {
        ProbeError::Refused(refusal) => refusal.into(),
        ProbeError::Io(error) => Error::Damaged(format!("can't read an upload back: {error}")),
    })
}

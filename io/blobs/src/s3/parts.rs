//! A large blob on its way to S3, in parts that appear together or not at
//! all. Never holds more than a few parts in memory.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use object_store::{MultipartUpload, ObjectStoreExt};

use super::transport::sending_time;
use super::{Inner, PART};
use crate::{BlobId, Result, Spooled, blocking};

/// Parts under way at once, which bounds the memory of an upload.
const PARTS_AT_ONCE: usize = 2;

impl Inner {
    /// Sends a blob in parts. Whatever fails or is given up meanwhile leaves
    /// none of them.
    pub(super) async fn put_parts(&self, id: &BlobId, spooled: Spooled) -> Result<()> {
        let operation = format!("store blob {id}");
        let key = self.key(id);
        let begun = self.store.put_multipart(&key);
        let upload = self.patiently(&operation, Duration::ZERO, begun).await?;
        let mut upload = Unfinished(Some(upload));
        let mut spooled = blocking(move || {
            let mut spooled = spooled;
            spooled.rewind()?;
            Ok(spooled)
        })
        .await?;
        let mut left = spooled.len();
        let mut under_way = FuturesUnordered::new();
        while left > 0 {
            if under_way.len() == PARTS_AT_ONCE
                && let Some(sent) = under_way.next().await
            {
                sent?;
            }
            let len = left.min(PART as u64);
            let part;
            (spooled, part) = blocking(move || {
                let part = spooled.read_part(len)?;
                Ok((spooled, part))
            })
            .await?;
            left -= len;
            let sent = upload.parts().put_part(part.into());
            // The two share the line.
            let sending = sending_time(len * PARTS_AT_ONCE as u64);
            under_way.push(self.patiently(&operation, sending, sent));
        }
        while let Some(sent) = under_way.next().await {
            sent?;
        }
        drop(under_way);
        self.patiently(&operation, Duration::ZERO, upload.parts().complete()).await?;
        upload.0 = None;
        Ok(())
    }
}

/// Parts that are to become an object. If this is dropped before they have,
/// the store is told to forget them; if that fails too, they stay invisible
/// and cost room until the bucket's own rule for unfinished uploads.
struct Unfinished(Option<Box<dyn MultipartUpload>>);

impl Unfinished {
    fn parts(&mut self) -> &mut dyn MultipartUpload {
        self.0.as_deref_mut().expect("it is there until it is complete")
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(mut upload) = self.0.take() else { return };
        // In the background, since whoever waits for the upload needn't wait
        // for this, or has stopped waiting altogether.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if upload.abort().await.is_err() {
                    tracing::warn!("parts of an upload that failed stay in S3");
                }
            });
        }
    }
}

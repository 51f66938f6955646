//! Reading images and their variants: from memory, from a mem-cache service
//! where one keeps the bytes, or from the store.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use larder_blobs::{BlobId, BoxStream, Hash};
use larder_picture::Variant;
use larder_tier::{Answer, Source};

use super::mem_cache::MemCache;
use super::{Images, Served, Shared, tier_key};
use crate::error::{Error, Result};
use crate::model::{Content, Etag, Image, ImageKey};

/// How often a load starts again because the image was replaced under it.
const RELOADS: usize = 8;

/// Images from this size on are never read into memory whole, so that a few
/// of them can't take all of it: they pass through a piece at a time.
pub(super) const STREAM_FROM: u64 = 64 << 20;

/// Where only a part of an image is wanted that isn't in memory, it is
/// fetched alone from this size on.
const PARTS_FROM: u64 = 1 << 20;

/// The bytes of a variant that was just made.
type Made = Arc<OnceLock<Bytes>>;

impl Images {
    /// The image under `key` with its bytes.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], or the store fails.
    pub async fn get(&self, key: &ImageKey) -> Result<Served> {
        self.get_from(key, STREAM_FROM, |_| true).await
    }

    /// The image under `key` for a request that wants a part of it: a large
    /// one that isn't in memory stays in the store. A mem-cache service is
    /// asked for the bytes only if they are wanted once it is known what they
    /// are.
    ///
    /// # Errors
    /// As [`Images::get`].
    pub async fn get_for_part(
        &self,
        key: &ImageKey,
        is_wanted: impl Fn(&Content) -> bool,
    ) -> Result<Served> {
        self.get_from(key, PARTS_FROM, is_wanted).await
    }

    async fn get_from(
        &self,
        key: &ImageKey,
        leave_from: u64,
        is_wanted: impl Fn(&Content) -> bool,
    ) -> Result<Served> {
        let tier_key = tier_key(key, "");
        let load = || load(self.clone(), key.clone(), leave_from);
        let Some(mem_cache) = &self.shared.mem_cache else {
            return served(self.shared.tier.get(&tier_key, load).await?);
        };
        let start = Instant::now();
        let mut missing = None;
        for _ in 0..RELOADS {
            let mut served = served(self.shared.tier.get_uncounted(&tier_key, load).await?)?;
            if !is_wanted(&served.content) {
                return Ok(self.counted(start, served));
            }
            let image = served.content.image.clone();
            if served.content.elsewhere.is_none() || image.size >= leave_from {
                return Ok(self.counted(start, Served { source: Source::Store, ..served }));
            }
            let read = || async { Ok(self.shared.blobs.get(&image.location).await?) };
            match mem_cache.get(image.hash(), read).await {
                Ok((bytes, source)) => {
                    (served.content.bytes, served.source) = (Some(bytes), source);
                    return Ok(self.counted(start, served));
                }
                // A write replaced the image, and the collector removed its
                // blob, after we had looked up which it is.
                Err(Error::Blobs(error)) if is_gone(&error, &mut missing) => {}
                Err(error) => return Err(self.noted(error)),
            }
        }
        Err(Error::Damaged(format!("{key:?} was replaced {RELOADS} times while it was read")))
    }

    fn counted(&self, start: Instant, served: Served) -> Served {
        self.shared.tier.meter().record(served.source, start.elapsed());
        served
    }

    /// All bytes of a content, also of one that was left in the store.
    ///
    /// # Errors
    /// The store fails.
    pub async fn bytes(&self, content: &Content) -> Result<Bytes> {
        match &content.bytes {
            Some(bytes) => Ok(bytes.clone()),
            None => {
                let read = self.shared.blobs.get(&content.image.location).await;
                read.map_err(|error| self.noted(error.into()))
            }
        }
    }

    /// The bytes in `range` of a content that was left in the store.
    ///
    /// # Errors
    /// The store fails, now or in the stream.
    pub async fn stream(
        &self,
        content: &Content,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, larder_blobs::Result<Bytes>>> {
        let stream = self.shared.blobs.stream(&content.image.location, range).await;
        stream.map_err(|error| self.noted(error.into()))
    }

    /// A variant of the image under `key`. As with a part, a mem-cache service
    /// is asked for the bytes only if they are wanted.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], the variant can't be made, or the store fails.
    pub async fn variant(
        &self,
        key: &ImageKey,
        variant: Variant,
        is_wanted: impl Fn(&Content) -> bool,
    ) -> Result<Served> {
        if variant.is_original() {
            return self.get_from(key, STREAM_FROM, is_wanted).await;
        }
        let tier_key = tier_key(key, &variant.to_string());
        let Some(mem_cache) = &self.shared.mem_cache else {
            let load = || render(self.clone(), key.clone(), variant);
            return served(self.shared.tier.get(&tier_key, load).await?);
        };
        let start = Instant::now();
        let made = Made::default();
        let load = || render_elsewhere(self.clone(), key.clone(), variant, made.clone());
        let mut served = served(self.shared.tier.get_uncounted(&tier_key, load).await?)?;
        if !is_wanted(&served.content) {
            return Ok(self.counted(start, served));
        }
        let Some((hash, _)) = served.content.elsewhere else { return Ok(served) };
        let (bytes, source) = match made.get() {
            Some(bytes) => (bytes.clone(), Source::Store),
            None => self.made_before(mem_cache, hash, key, variant).await?,
        };
        (served.content.bytes, served.source) = (Some(bytes), source);
        Ok(self.counted(start, served))
    }

    /// The bytes of a variant: those that were made before, or made again.
    async fn made_before(
        &self,
        mem_cache: &MemCache,
        hash: Hash,
        key: &ImageKey,
        variant: Variant,
    ) -> Result<(Bytes, Source)> {
        let again = || async {
            let content = render(self.clone(), key.clone(), variant).await?;
            content.and_then(|content| content.bytes).ok_or(Error::NoSuchImage)
        };
        mem_cache.get(hash, again).await
    }
}

fn served(answer: Answer<Content>) -> Result<Served> {
    let content = answer.value.ok_or(Error::NoSuchImage)?;
    Ok(Served { content, source: answer.source })
}
/// Loads an image from the store, without its bytes if they are `leave_from`
/// or more, or more than the memory holds.
pub(super) async fn load(
    images: Images,
    key: ImageKey,
    leave_from: u64,
) -> Result<Option<Content>> {
    let Shared { store, blobs, mem_cache, .. } = &*images.shared;
    let keep_below = leave_from.min(images.settings().capacity_bytes);
    let leave_from = if mem_cache.is_some() { 0 } else { keep_below };
    let mut missing = None;
    for _ in 0..RELOADS {
        let found = match blobs.as_files().cloned() {
            // One trip for the row and the bytes.
            Some(files) => {
                let read = move |image: &Image| {
                    (image.size < leave_from).then(|| files.get_blocking(&image.location))
                };
                store.image_then(&key, read).await
            }
            None => store.image(&key).await.map(|image| image.map(|image| (image, None))),
        };
        let Some((image, bytes)) = found.map_err(|error| images.noted(error))? else {
            return Ok(None);
        };
        let bytes = match bytes {
            Some(bytes) => bytes,
            None if image.size < leave_from => blobs.get(&image.location).await,
            None => {
                let is_kept = mem_cache.is_some() && image.size < keep_below;
                let elsewhere = is_kept.then(|| (image.hash(), image.size));
                return Ok(Some(Content { elsewhere, ..Content::original(image, None) }));
            }
        };
        // 1. we read the row; 2. a write replaced it; 3. the collector removed
        // the old blob; 4. we look for it: the row tells which it is now.
        match bytes {
            Ok(bytes) if bytes.len() as u64 == image.size => {
                return Ok(Some(Content::original(image, Some(bytes))));
            }
            Ok(bytes) => {
                return Err(Error::Damaged(format!(
                    "blob {} has {} bytes, its row says {}",
                    image.location,
                    bytes.len(),
                    image.size
                )));
            }
            Err(error) if is_gone(&error, &mut missing) => {}
            Err(error) => return Err(images.noted(error.into())),
        }
    }
    Err(Error::Damaged(format!("{key:?} was replaced {RELOADS} times while it was read")))
}

/// Makes a variant from the image in memory, or from the store without
/// keeping the image: a page of thumbnails should not empty the cache.
pub(super) async fn render(
    images: Images,
    key: ImageKey,
    variant: Variant,
) -> Result<Option<Content>> {
    let source = match images.shared.tier.peek(&tier_key(&key, "")) {
        Some(content) => Some(content),
        None => load(images.clone(), key, STREAM_FROM).await?,
    };
    let Some(source) = source else { return Ok(None) };
    let (image, bytes) = (source.image.clone(), images.bytes(&source).await?);
    let closed = |_| Error::Damaged("the decoders are gone".into());
    let _permit = images.shared.decoders.acquire().await.map_err(closed)?;
    let limits = images.shared.config.limits;
    let work = move || larder_picture::render(&bytes, &variant, &limits);
    let rendered = tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Error::Damaged(format!("rendering panicked: {panic}")))??;
    let etag = Etag(format!("{}-{variant}", image.etag().0));
    Ok(Some(Content {
        image,
        format: rendered.format,
        width: rendered.width,
        height: rendered.height,
        etag,
        bytes: Some(rendered.bytes),
        elsewhere: None,
    }))
}

/// As [`render`], with the bytes for the mem-cache service and for whoever
/// made them.
async fn render_elsewhere(
    images: Images,
    key: ImageKey,
    variant: Variant,
    made: Made,
) -> Result<Option<Content>> {
    let Some(mut content) = render(images.clone(), key, variant).await? else { return Ok(None) };
    if let (Some(mem_cache), Some(bytes)) = (&images.shared.mem_cache, content.bytes.take()) {
        let hash = Hash::of(&bytes);
        content.elsewhere = Some((hash, bytes.len() as u64));
        mem_cache.put(hash, bytes.clone()).await;
        let _ = made.set(bytes);
    }
    Ok(Some(content))
}

/// Whether a blob isn't there, and it isn't the one that was missing before.
fn is_gone(error: &larder_blobs::Error, missing: &mut Option<BlobId>) -> bool {
    match error {
        larder_blobs::Error::NotFound(blob) => missing.replace(*blob) != Some(*blob),
        _ => false,
    }
}

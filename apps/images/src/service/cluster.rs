//! The image store as one of several nodes: how contents travel between them,
//! what each does for the others, and that all have the same settings. Knows
//! nothing of who is fenced when: the tier does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use larder_clock::Timestamp;
use larder_picture::Variant;
use larder_sql::{Database, DatabaseUrl};
use larder_tier::{Cluster, Key, Load, Membership, Overview, Portable, Reader, Told};
use serde::{Deserialize, Serialize};

use super::reading::{STREAM_FROM, load, render};
use super::{Images, with_sources};
use crate::config;
use crate::error::{Error, Result};
use crate::model::{Content, Etag, Image, ImageKey};

/// How often a node looks for settings that were changed at another one and
/// whether it is time to decide about the pool, and reports.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Takes part in the cluster.
pub(super) async fn join(
    config: &config::Cluster,
    url: &DatabaseUrl,
    database: Database,
    data: &Path,
) -> Result<Arc<Cluster>> {
    let membership = Membership {
        url: url.clone(),
        database,
        is_replicated: config.is_replicated,
        keeps_entries: config.keeps_entries,
        name: larder_tier::node_name(data).map_err(|error| Error::Damaged(error.to_string()))?,
        address: config.address.to_string(),
        secret: config.secret.clone(),
    };
    Ok(Cluster::join(membership).await?)
}

impl Images {
    /// The cluster this node is in.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.shared.tier.cluster()
    }

    /// This node's number; 0 if it is alone.
    pub(super) fn node(&self) -> u16 {
        self.cluster().map_or(0, |cluster| cluster.node().0)
    }

    /// The members of the cluster with their reports; `None` if there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn overview(&self) -> Result<Option<Overview>> {
        match self.cluster() {
            Some(cluster) => Ok(Some(cluster.overview().await?)),
            None => Ok(None),
        }
    }

    /// Answers the other nodes' questions for keys that this one owns.
    pub(crate) fn reader(&self) -> Reader {
        let images = self.clone();
        Arc::new(move |key| {
            let images = images.clone();
            Box::pin(async move { images.read_for_peer(&key).await })
        })
    }

    async fn read_for_peer(&self, key: &Key) -> Told {
        let named = std::str::from_utf8(key.group()).ok().and_then(|key| key.parse().ok());
        let part = std::str::from_utf8(key.part()).ok();
        let (Some(image), Some(part)): (Option<ImageKey>, _) = (named, part) else {
            return Told::Nothing;
        };
        let tier = &self.shared.tier;
        if part.is_empty() {
            return tier.get_for_peer(key, || load(self.clone(), image, STREAM_FROM)).await;
        }
        match part.parse::<Variant>() {
            Ok(variant) => tier.get_for_peer(key, || render(self.clone(), image, variant)).await,
            Err(_) => Told::Nothing,
        }
    }
}

/// Keeps to the settings that were saved last, at whichever node, decides about
/// the pool when it is its turn, and reports, until the end is asked for.
pub(super) async fn take_part_for_ever(images: Images) {
    let Some(cluster) = images.cluster().cloned() else { return };
    let shutdown = images.shared.shutdown.clone();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_owner = false;
    loop {
        tokio::select! {
            () = shutdown.asked() => return,
            _ = ticks.tick() => {}
        }
        let is_owner = cluster.is_owner();
        if was_owner && !is_owner {
            // What it held is others' to hold now.
            cluster.forget();
        }
        was_owner = is_owner;
        for (done, what) in [
            (images.follow_settings().await, "the settings can't be looked up"),
            (images.decide().await, "nothing is decided about the pool"),
        ] {
            if let Err(error) = done {
                tracing::debug!(error = with_sources(&error), what);
            }
        }
        if let Err(error) = cluster.report(images.load()).await {
            tracing::debug!(%error, "this node's report is not saved");
        }
    }
}

impl Images {
    /// What this node holds and has done.
    pub(crate) fn load(&self) -> Load {
        let stats = self.shared.tier.cache_stats();
        let total = self.shared.tier.meter().total();
        let listens = self.shared.config.cluster.as_ref().map(|cluster| cluster.listens);
        Load {
            listens: listens.map(|address| address.to_string()).unwrap_or_default(),
            items: stats.items,
            size_bytes: stats.weight_bytes,
            capacity_bytes: stats.capacity_bytes,
            requests: total.requests(),
            hits: total.hits.len(),
            at: self.shared.clock.now().seconds(),
            ..Load::default()
        }
    }
}

/// What stands before the bytes of a content on its way to another node.
#[derive(Serialize, Deserialize)]
struct Head {
    key: String,
    version: u64,
    location: String,
    format: String,
    size: u64,
    width: u32,
    height: u32,
    frames: u32,
    created_at: i64,
    updated_at: i64,
    /// The format and the sides of the bytes' picture.
    picture: (String, u32, u32),
    etag: String,
    has_bytes: bool,
}

/// The length of the head, then the head, then the bytes.
impl Portable for Content {
    fn pack(&self) -> Bytes {
        let image = &self.image;
        let head = Head {
            key: image.key.as_str().to_owned(),
            version: image.version,
            location: image.location.to_string(),
            format: image.format.name().to_owned(),
            size: image.size,
            width: image.width,
            height: image.height,
            frames: image.frames,
            created_at: image.created_at.0,
            updated_at: image.updated_at.0,
            picture: (self.format.name().to_owned(), self.width, self.height),
            etag: self.etag.0.clone(),
            has_bytes: self.bytes.is_some(),
        };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let bytes = self.bytes.as_deref().unwrap_or_default();
        let mut packed = BytesMut::with_capacity(4 + head.len() + bytes.len());
        packed.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
        packed.put_slice(&head);
        packed.put_slice(bytes);
        packed.freeze()
    }

    fn unpack(packed: &Bytes) -> Option<Self> {
        let len = u32::from_be_bytes(*packed.first_chunk()?) as usize;
        let head: Head = serde_json::from_slice(packed.get(4..4 + len)?).ok()?;
        let image = Image {
            key: head.key.parse().ok()?,
            version: head.version,
            location: head.location.parse().ok()?,
            format: head.format.parse().ok()?,
            size: head.size,
            width: head.width,
            height: head.height,
            frames: head.frames,
            created_at: Timestamp(head.created_at),
            updated_at: Timestamp(head.updated_at),
        };
        let (format, width, height) = head.picture;
        Some(Self {
            image: Arc::new(image),
            format: format.parse().ok()?,
            width,
            height,
            etag: Etag(head.etag),
            bytes: head.has_bytes.then(|| packed.slice(4 + len..)),
            elsewhere: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use larder_blobs::BlobId;

    use super::*;

    #[test]
    fn contents_arrive_as_they_were_sent() {
        let image = Image {
            key: "a/ü b".parse().expect("is a key"),
            version: 7,
            location: BlobId::new(larder_blobs::Hash::of(b"bytes")),
            format: larder_picture::Format::Gif,
            size: 5,
            width: 3,
            height: 2,
            frames: 9,
            created_at: Timestamp(1),
            updated_at: Timestamp(2),
        };
        for bytes in [Some(Bytes::from_static(b"bytes")), None] {
            let content = Content::original(image.clone(), bytes);
            let arrived = Content::unpack(&content.pack()).expect("is packed well");
            assert_eq!(arrived.image, content.image);
            assert_eq!((arrived.bytes, arrived.etag), (content.bytes, content.etag));
            assert_eq!((arrived.format, arrived.width), (content.format, content.width));
        }
        assert!(Content::unpack(&Bytes::from_static(b"\0\0\0\xffno")).is_none());
    }
}

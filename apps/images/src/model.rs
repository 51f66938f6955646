//! The nouns of the image store: validated types and their limits. Knows no
//! SQL and no HTTP.

mod key;
mod listing;
mod pool;

use bytes::Bytes;
use larder_blobs::{BlobId, Hash};
use larder_cache::Weigh;
use larder_clock::Timestamp;
use larder_picture::Format;
use std::sync::Arc;

pub use key::{ImageKey, InvalidKey};
pub use larder_console::{
    InvalidCapacity, InvalidObjective, MEGABYTE, OBJECTIVES, Settings, capacity_from_megabytes,
    machine_memory_bytes, megabytes, objective_from_name,
};
pub use listing::{Cursor, Listing, PAGE_LIMIT, Page, Sort};
pub use pool::{InvalidPool, Mode, PoolSettings};

/// What is known of a stored image; its bytes are elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The key it is stored under.
    pub key: ImageKey,
    /// 1 for the first image under this key, one more at each replacement.
    pub version: u64,
    /// The blob that holds its bytes.
    pub location: BlobId,
    /// Its type, by content.
    pub format: Format,
    /// Its size in bytes.
    pub size: u64,
    /// Pixels across as displayed; 0 for a drawing that doesn't say.
    pub width: u32,
    /// Pixels down as displayed; 0 for a drawing that doesn't say.
    pub height: u32,
    /// Frames: 1 unless it is animated.
    pub frames: u32,
    /// When the key was first used.
    pub created_at: Timestamp,
    /// When this version came.
    pub updated_at: Timestamp,
}

impl Image {
    /// The hash of its bytes.
    pub fn hash(&self) -> Hash {
        self.location.hash
    }

    /// Names these very bytes under this key, for HTTP caches.
    pub fn etag(&self) -> Etag {
        Etag(format!("{}-{}", &self.hash().to_string()[..16], self.version))
    }
}

/// An entity tag without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(pub String);

/// What must hold for a change to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// `If-None-Match: *`: nothing is stored under the key.
    Absent,
    /// `If-Match: *`: something is stored under the key.
    Present,
    /// `If-Match`: the stored image has one of these tags.
    Matches(Vec<Etag>),
}

impl Precondition {
    /// Whether it holds for what is stored.
    pub fn holds(&self, stored: Option<&Image>) -> bool {
        match self {
            Self::None => true,
            Self::Absent => stored.is_none(),
            Self::Present => stored.is_some(),
            Self::Matches(tags) => stored.is_some_and(|image| tags.contains(&image.etag())),
        }
    }
}

/// Bytes to serve, with the image they are of: the image itself or a variant.
#[derive(Clone, Debug)]
pub struct Content {
    /// The image.
    pub image: Arc<Image>,
    /// The type of the bytes.
    pub format: Format,
    /// Pixels across of the bytes' picture.
    pub width: u32,
    /// Pixels down of the bytes' picture.
    pub height: u32,
    /// Names the bytes for HTTP caches.
    pub etag: Etag,
    /// The bytes; `None` for those that were left in the store, because they
    /// are too many for the memory or only a part of them is wanted.
    pub bytes: Option<Bytes>,
    /// The hash and the number of the bytes where a mem-cache service is to
    /// keep them.
    pub elsewhere: Option<(Hash, u64)>,
}

impl Content {
    /// The image itself.
    pub fn original(image: Image, bytes: Option<Bytes>) -> Self {
        Self {
            format: image.format,
            width: image.width,
            height: image.height,
            etag: image.etag(),
            image: Arc::new(image),
            bytes,
            elsewhere: None,
        }
    }

    /// How many bytes.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        match (&self.bytes, self.elsewhere) {
            (Some(bytes), _) => bytes.len() as u64,
            (None, Some((_, len))) => len,
            (None, None) => self.image.size,
        }
    }
}

impl Weigh for Content {
    fn weight_bytes(&self) -> u64 {
        let bytes = match (&self.bytes, self.elsewhere) {
            (Some(bytes), _) => bytes.len(),
            (None, Some(_)) => 0,
            // More than any capacity: without its bytes it is of no use there.
            (None, None) => return u64::MAX / 2,
        };
        // The key stands in the image a second time.
        let fixed = size_of::<Self>() + size_of::<Image>() + self.etag.0.len();
        (bytes + fixed + self.image.key.as_str().len()) as u64
    }
}

/// What an upload did.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The image as it is stored now.
    pub image: Image,
    /// The version it replaced, if the key was in use.
    pub replaced: Option<u64>,
}

//! What can go wrong in the image store, in its own words.

use std::sync::Arc;

use larder_picture::{BadVariant, Refusal, RenderError};
use larder_sql::Settled;
use larder_tier::Unserved;

use crate::model::{InvalidCapacity, InvalidKey, InvalidPool, megabytes};

/// Why the image store didn't do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is stored under the key.
    #[error("Unknown key.")]
    NoSuchImage,
    /// The key is no key.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
    /// The file isn't an image that can be stored.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file is larger than allowed.
    #[error("The file is larger than {} MB, the most that is accepted.", megabytes(*limit_bytes))]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The upload broke off.
    #[error("The upload broke off before the whole file had arrived; nothing was changed.")]
    BrokeOff,
    /// The client sends too slowly.
    #[error("The upload came too slowly and was given up; nothing was changed.")]
    TooSlow,
    /// A form can't be understood.
    #[error("{0}")]
    BadForm(String),
    /// The precondition of a change didn't hold.
    #[error("The image under this key is not the one the request expects; nothing was changed.")]
    PreconditionFailed,
    /// The variant asked for makes no sense.
    #[error(transparent)]
    BadVariant(#[from] BadVariant),
    /// The variant can't be made.
    #[error(transparent)]
    NotRendered(#[from] RenderError),
    /// A capacity is refused.
    #[error(transparent)]
    InvalidCapacity(#[from] InvalidCapacity),
    /// Settings of the pool are refused.
    #[error(transparent)]
    InvalidPool(InvalidPool),
    /// The disk is nearly full.
    #[error("The disk has too little room left for uploads; nothing was changed.")]
    DiskFull,
    /// The store doesn't answer now.
    #[error("The store is not available")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The store went away while it made a change.
    #[error(
        "The store went away while it made the change, which may have happened: look before you \
         repeat it"
    )]
    Unknown(#[source] Arc<larder_sql::Error>),
    /// This node of a cluster can't answer without the risk of an old answer.
    #[error("{}.", sentence(*.0))]
    Unserved(#[from] Unserved),
    /// The store takes no changes.
    #[error(
        "The store takes no changes at present: it is being moved to another place. Nothing was \
         changed."
    )]
    Frozen,
    /// A failure of rows.
    #[error("the database failed")]
    Rows(#[source] Arc<larder_sql::Error>),
    /// A failure of blobs.
    #[error("the blob store failed")]
    Blobs(#[source] Arc<larder_blobs::Error>),
    /// The blobs belong to other rows.
    #[error(
        "the blobs in {0} belong to another database, and would be taken for left behind: name \
         that database, or another place for the blobs"
    )]
    OthersBlobs(String),
    /// The tables aren't those of this program.
    #[error("{}", other_version(*found, *known))]
    OtherVersion {
        /// Their version; 0 if there are none.
        found: u32,
        /// The version this program works with.
        known: u32,
    },
    /// Somebody began to fill the store and broke off.
    #[error(
        "a restore or a copy into this store has not been finished: run it again, then start the \
         server"
    )]
    Unfinished,
    /// A row names a blob that isn't there or isn't what it should be.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// The result of asking the image store for something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<larder_sql::Error> for Error {
    fn from(error: larder_sql::Error) -> Self {
        match error {
            larder_sql::Error::DiskFull => Self::DiskFull,
            larder_sql::Error::Unavailable(_) => Self::Unavailable(Arc::new(error)),
            larder_sql::Error::Unknown { .. } => Self::Unknown(Arc::new(error)),
            error => Self::Rows(Arc::new(error)),
        }
    }
}

impl From<larder_blobs::Error> for Error {
    fn from(error: larder_blobs::Error) -> Self {
        match error {
            larder_blobs::Error::DiskFull => Self::DiskFull,
            larder_blobs::Error::Unavailable { .. } => Self::Unavailable(Arc::new(error)),
            error => Self::Blobs(Arc::new(error)),
        }
    }
}

fn sentence(why: Unserved) -> String {
    let text = why.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn other_version(found: u32, known: u32) -> String {
    match found {
        0 => "this database holds no image store yet: start the server on it first, or name \
              another database"
            .into(),
        _ if found < known => format!(
            "the tables are at version {found}, and this program works with version {known}: \
             start the server of this program on them first, which brings them up to date"
        ),
        _ => format!(
            "the tables are at version {found}, and this program works with version {known}: use \
             the larder that serves them"
        ),
    }
}

impl Error {
    /// Whether written data may be lost, so that the process must stop.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Rows(error) => matches!(**error, larder_sql::Error::Durability(_)),
            Self::Blobs(error) => matches!(**error, larder_blobs::Error::Durability { .. }),
            _ => false,
        }
    }
}

impl larder_tier::Unsettled for Error {
    fn settled(&self) -> Option<Settled> {
        match self {
            Self::Unknown(error) => error.settled(),
            _ => None,
        }
    }
}

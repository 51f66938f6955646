//! What clients did and were told, with the time before each request and the
//! time after its answer, both of one clock. Judges nothing.

/// The node of an operation that was no request but a look into the database.
pub const DATABASE: u16 = u16::MAX;

/// The end of an operation whose outcome nobody was told: it may still happen
/// at any time.
pub const NEVER: u64 = u64::MAX;

/// One operation on one key. Reads that weren't answered are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which key.
    pub key: u32,
    /// The node that was asked.
    pub node: u16,
    /// Nanoseconds, before the request was sent.
    pub start: u64,
    /// Nanoseconds, after the whole answer was read; the highest number if none was.
    pub end: u64,
    /// What it was.
    pub what: What,
}

/// What an operation asked for and what the answer told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Stores a picture whose stamp no other picture has.
    Put {
        /// The picture's stamp.
        stamp: u64,
        /// What the answer told; `None` if it isn't known whether it happened.
        told: Option<Told>,
    },
    /// Deletes the picture if it has this version.
    Delete {
        /// The version that the request named.
        version: u64,
        /// Whether it is known to have happened; otherwise it may have.
        done: bool,
    },
    /// Read a picture.
    Found {
        /// Its version.
        version: u64,
        /// Its stamp; `None` if the answer had no bytes.
        stamp: Option<u64>,
    },
    /// Read that there is none.
    Absent,
}

/// The answer to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The version it made.
    pub version: u64,
    /// The version it replaced; `None` if the key was free.
    pub replaced: Option<u64>,
}

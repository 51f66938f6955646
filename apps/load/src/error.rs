//! What can go wrong with a run as a whole. What goes wrong with a request is
//! no error but a count.

use std::path::PathBuf;

/// A run can't begin, or can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target doesn't answer, or not as such a target does.
    #[error("{target}: {why}")]
    Target {
        /// Which.
        target: String,
        /// What it did.
        why: String,
    },
    /// The address is none.
    #[error("{address}: {why}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file or folder can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file isn't what it should be.
    #[error("{path}: {why}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A graph can't be drawn.
    #[error("the graph {name} can't be drawn: {why}")]
    Graph {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// The settings make no sense together.
    #[error("{0}")]
    Settings(String),
}

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the file a failure is about.
pub(crate) fn at(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::File { path: path.to_owned(), source }
}

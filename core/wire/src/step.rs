//! From bytes to commands, one line at a time, and from bytes to the block of
//! data that may follow. It keeps nothing between calls: whoever has too few
//! bytes calls again with more, from the same start.

use memchr::memchr;

use crate::{Command, MAX_KEYS_LINE_BYTES, MAX_LINE_BYTES, Store, text};

/// What the next line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// It isn't complete.
    More,
    /// A command that ends with its line.
    Command {
        /// The command.
        command: Command<'a>,
        /// The bytes of the line.
        used: usize,
    },
    /// A command that a [`block`] follows.
    Store {
        /// The command.
        store: Store<'a>,
        /// The bytes of the line.
        used: usize,
    },
    /// None.
    Bad {
        /// What to answer, without the line end.
        error: &'static str,
        /// The bytes of the line.
        used: usize,
        /// How many bytes after the line belong to it and mean nothing.
        skip: usize,
        /// No answer is wanted.
        quiet: bool,
    },
    /// Nothing that a client of this protocol would send: hang up.
    Close,
}

/// What a line is, without its length.
pub(crate) enum Line<'a> {
    Command(Command<'a>),
    Store(Store<'a>),
    Bad { error: &'static str, skip: usize, quiet: bool },
    Close,
}

impl Line<'_> {
    pub(crate) fn bad(error: &'static str) -> Self {
        Self::Bad { error, skip: 0, quiet: false }
    }
}

/// What a command line that isn't one is answered.
pub(crate) const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";

/// The shortest line there is, with its end.
const MIN_LINE_BYTES: usize = 4;

/// Reads the line at the start of `bytes`.
#[must_use]
pub fn step(bytes: &[u8]) -> Step<'_> {
    let Some(end) = memchr(b'\n', bytes) else {
        // With the two bytes that end it, it would be too long.
        return if bytes.len() > longest(bytes) + 1 { Step::Close } else { Step::More };
    };
    let used = end + 1;
    if used > longest(bytes) + 2 {
        return Step::Close;
    }
    if used < MIN_LINE_BYTES {
        return Step::Bad { error: BAD_FORMAT, used, skip: 0, quiet: false };
    }
    let line = &bytes[..end];
    match text::read(line.strip_suffix(b"\r").unwrap_or(line)) {
        Line::Command(command) => Step::Command { command, used },
        Line::Store(store) => Step::Store { store, used },
        Line::Bad { error, skip, quiet } => Step::Bad { error, used, skip, quiet },
        Line::Close => Step::Close,
    }
}

/// How long a line may be that begins so.
fn longest(bytes: &[u8]) -> usize {
    let asks_for_keys = |start: &[u8]| bytes.starts_with(start);
    if [&b"get "[..], b"gets ", b"gat ", b"gats "].into_iter().any(asks_for_keys) {
        MAX_KEYS_LINE_BYTES
    } else {
        MAX_LINE_BYTES
    }
}

/// What follows a command that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block<'a> {
    /// So many bytes are missing.
    More(usize),
    /// The data; two more bytes end the block.
    Value(&'a [u8]),
    /// It doesn't end where it should; it takes as many bytes all the same.
    Bad,
}

/// Reads the block of `len` bytes, and two that end it, at the start of `bytes`.
#[must_use]
#[inline]
pub fn block(bytes: &[u8], len: usize) -> Block<'_> {
    match bytes.get(len..len + 2) {
        Some(b"\r\n") => Block::Value(&bytes[..len]),
        Some(_) => Block::Bad,
        None => Block::More(len + 2 - bytes.len()),
    }
}

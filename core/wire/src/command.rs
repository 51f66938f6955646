//! The commands. They say what a client asked for and decide nothing.

use std::borrow::Cow;

use crate::Words;

/// A command that no data follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `get`, `gets`.
    Get(Get<'a>),
    /// `gat`, `gats`: with a new time to expire.
    GetAndTouch(i32, Get<'a>),
    /// `delete`.
    Delete {
        /// Of what.
        key: &'a [u8],
        /// No answer is wanted.
        quiet: bool,
    },
    /// `incr`, `decr`.
    Delta {
        /// Of what.
        key: &'a [u8],
        /// By how much.
        delta: u64,
        /// `incr`.
        up: bool,
        /// No answer is wanted.
        quiet: bool,
    },
    /// `touch`.
    Touch {
        /// Of what.
        key: &'a [u8],
        /// The new time to expire.
        expires: i32,
        /// No answer is wanted.
        quiet: bool,
    },
    /// `mg`.
    MetaGet(Meta<'a>),
    /// `md`.
    MetaDelete(Meta<'a>),
    /// `ma`.
    MetaDelta(Meta<'a>),
    /// `me`: the key, and whether it is one in base64 that was decoded.
    MetaDebug(Cow<'a, [u8]>),
    /// `mn`.
    MetaNoop,
    /// `flush_all`, in so many seconds.
    FlushAll {
        /// Seconds, or a time of day in seconds since 1970.
        delay: i32,
        /// No answer is wanted.
        quiet: bool,
    },
    /// `stats` and what it is about.
    Stats(Words<'a>),
    /// `version`.
    Version,
    /// `verbosity`.
    Verbosity {
        /// No answer is wanted.
        quiet: bool,
    },
    /// `cache_memlimit`: the capacity in megabytes, if that is a number.
    MemoryLimit(Option<u32>),
    /// `shutdown` and how.
    Shutdown(Words<'a>),
    /// `debugtime` and by how much, or whether to stop or go on.
    DebugTime(Words<'a>),
    /// What only says something about the inside of the reference: `slabs`,
    /// `lru`, `lru_crawler`, `watch`, `extstore`, by name.
    Inside(&'a [u8], Words<'a>),
    /// `quit`.
    Quit,
}

/// Keys to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Get<'a> {
    /// The keys, each short enough; at least one.
    pub keys: Words<'a>,
    /// Whether their versions are wanted.
    pub with_cas: bool,
}

/// What to do with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Keep it.
    Set,
    /// Keep it if there is nothing.
    Add,
    /// Keep it if there is something.
    Replace,
    /// Put it behind what there is.
    Append,
    /// Put it before what there is.
    Prepend,
    /// Keep it if what there is has the version.
    Cas,
}

/// A command that a block of data follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// What to do.
    pub verb: Verb,
    /// Under what.
    pub key: Cow<'a, [u8]>,
    /// The client's own.
    pub flags: u32,
    /// When it expires: see [`Meta::touch`].
    pub expires: i32,
    /// The bytes of the block, without its line end.
    pub len: usize,
    /// The version that there has to be; 0 is none.
    pub compare: u64,
    /// No answer is wanted where nothing is wrong.
    pub quiet: bool,
    /// What `ms` alone has.
    pub meta: Option<MetaStore<'a>>,
}

/// What `ms` has beyond `set` and its like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaStore<'a> {
    /// The flags as they were sent, for the answer.
    pub flags: Cow<'a, [u8]>,
    /// The version to give.
    pub new_cas: Option<u64>,
    /// Keep an older version too, as a stale one.
    pub invalidate: bool,
    /// Append to nothing, and when it then expires.
    pub vivify: Option<i32>,
    /// The key was sent in base64.
    pub is_binary: bool,
}

impl Store<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Store<'static> {
        let meta =
            self.meta.map(|meta| MetaStore { flags: Cow::Owned(meta.flags.into_owned()), ..meta });
        Store { key: Cow::Owned(self.key.into_owned()), meta, ..self }
    }
}

/// A meta command's key and flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta<'a> {
    /// Of what; decoded if it came in base64.
    pub key: Cow<'a, [u8]>,
    /// The flags as they were sent, for the answer.
    pub flags: Words<'a>,
    /// `b`: the key was sent in base64.
    pub is_binary: bool,
    /// `u`: this is no use of the entry.
    pub unused: bool,
    /// `N`: make what is missing, and when it then expires.
    pub vivify: Option<i32>,
    /// `T`: a new time to expire. 0 is never, a negative one at once, up to 30
    /// days in so many seconds, beyond that a time of day.
    pub touch: Option<i32>,
    /// `R`: recache what expires sooner than this.
    pub recache: Option<i32>,
    /// `v`: the value is wanted.
    pub wants_value: bool,
    /// `q`: no answer is wanted where all is as usual.
    pub quiet: bool,
    /// `x`: drop the value, keep the entry.
    pub empties: bool,
    /// `I`: it is out of date.
    pub invalidate: bool,
    /// `F`: the client's own.
    pub client_flags: u32,
    /// `C`: the version that there has to be.
    pub compare: Option<u64>,
    /// `E`: the version to give.
    pub new_cas: Option<u64>,
    /// `M`: a letter.
    pub mode: Option<u8>,
    /// `J`: what to begin to count with.
    pub initial: u64,
    /// `D`: by how much to count.
    pub delta: u64,
}

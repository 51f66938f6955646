//! What a run of the model is about: who does what, how much may happen, and
//! which rule is left out.

use larder_coherence::Rule;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// One that the node keeps.
    Node(Rule),
    /// One that whoever drives the node keeps.
    Driver(Habit),
}

/// What whoever drives a node is told to do, and may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Keep nothing that `finish_read` doesn't allow.
    FillByToken,
    /// Ask for a hit with the epoch of the entry.
    EntryEpoch,
    /// Read the clock within the request.
    FreshClock,
    /// Share a read's value only if `finish_read` allows it.
    ShareByVerdict,
    /// Send the blocks before the commit, not after it.
    BlockFirst,
    /// Pass on a release only if the writer sent it.
    ReleaseByWriter,
}

/// A scope. Nodes are counted from 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    /// How many nodes there are beside the first two.
    pub(crate) more_nodes: usize,
    /// Each may have one read under way.
    pub(crate) readers: Vec<usize>,
    pub(crate) writers: Vec<usize>,
    pub(crate) crashing: Vec<usize>,
    pub(crate) renewing: Vec<usize>,
    /// Who may begin a new epoch for no reason.
    pub(crate) clearing: Vec<usize>,
    /// Who evicts silent nodes.
    pub(crate) evicting: Vec<usize>,
    /// Whose blocks go by way of the database too.
    pub(crate) mailing: Vec<usize>,
    /// Whether a node that finds mail keeps no more entries.
    pub(crate) stepping_aside: bool,
    pub(crate) left: Left,
    /// When time ends.
    pub(crate) ticks: u64,
    /// How many ticks an eviction waits.
    pub(crate) fence: u64,
    /// Whether the database has a standby.
    pub(crate) replicated: bool,
    /// Whether reads may share the one under way.
    pub(crate) coalescing: bool,
    pub(crate) broken: Option<Broken>,
}

/// What may still happen so many times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) reads: u8,
    pub(crate) writes: u8,
    pub(crate) crashes: u8,
    pub(crate) joins: u8,
    pub(crate) evictions: u8,
    pub(crate) failovers: u8,
    /// Replies to commits that are lost.
    pub(crate) losses: u8,
}

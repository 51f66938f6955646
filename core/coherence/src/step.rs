//! What goes into a node and what comes out of it. Everything that comes out
//! is to be done in its order, and before the lock on the node is let go where
//! it concerns memory: [`Output::Drop`] and [`Output::Publish`].

use crate::message::Envelope;
use crate::requirements::Requirements;
use crate::roster::Roster;
use crate::{BlockId, Epoch, Instance, Lease, NodeId, Scope, Slot, Time, Token, WriteId};

/// What may happen to a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The time that [`Node::wakes_at`](crate::Node::wakes_at) named has come,
    /// or passed.
    Wake,
    /// A client wants to write.
    Write {
        /// The caller's number for it, not in use.
        write: WriteId,
        /// What it is about.
        scope: Scope,
    },
    /// Forget every entry, by beginning a new epoch.
    Clear,
    /// A message came from a peer.
    Message(Envelope),
    /// The database answered. Each statement is answered once.
    Reply(Reply),
}

/// What a node wants to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Drop the entries of this scope from memory.
    Drop(Scope),
    /// From now on hits are decided by this lease.
    Publish(Lease),
    /// Send to a peer, without waiting.
    Send(Envelope),
    /// Ask the database, without waiting, on the primary.
    Perform(Statement),
    /// Tell the client of a write what became of it.
    Answer(WriteId, Outcome),
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was committed by this attempt. What it wrote may be put in memory
    /// under these tokens, at once; the keys of other slots may not.
    Written {
        /// The attempt.
        block: BlockId,
        /// For each slot that allows it, under what to keep the new value.
        installs: Vec<(Slot, Token)>,
    },
    /// It wasn't done: the change itself failed, as the caller knows.
    Failed,
    /// It wasn't done in time, nor will be: 503.
    TimedOut,
    /// The database didn't say, and can't be asked: 503. It may have been done.
    Unknown,
}

/// A request to the database. All go to the primary. With standbys, none but
/// [`Statement::Join`] may go to a server older than the one that answered the
/// last join, whose connections are closed then: a deposed primary may not show
/// a commit that was done, and [`Statement::LookUp`] would deny it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement {
    /// [`Roster::join`], then [`Reply::Joined`].
    Join,
    /// Read the roster and this node's mail, then [`Reply::Renewed`].
    Renew {
        /// The epoch to renew.
        epoch: Epoch,
        /// Also change the node's row, replicated synchronously: a deposed
        /// primary can't.
        replicated: bool,
    },
    /// [`Roster::step_aside`], then [`Reply::Roster`].
    StepAside {
        /// The node's epoch.
        epoch: Epoch,
    },
    /// Read the roster, and which mail of this node was answered, then
    /// [`Reply::Roster`].
    ReadRoster,
    /// Check the requirements and change the rows, in one transaction, then
    /// [`Reply::Committed`], [`Reply::Refused`] or [`Reply::Aborted`].
    Commit {
        /// The write whose change it is.
        write: WriteId,
        /// What must hold.
        requirements: Requirements,
    },
    /// Find out whether this attempt was committed, then [`Reply::LookedUp`].
    LookUp {
        /// Whose attempt it was.
        write: WriteId,
        /// Which attempt.
        block: BlockId,
    },
    /// Leave a block for a node that doesn't answer, and wake it; no reply.
    Mail {
        /// For whom.
        to: NodeId,
        /// The attempt that blocks.
        block: BlockId,
        /// What it is about.
        scope: Scope,
    },
    /// Mark mail as answered in this epoch, row by row: a mark "up to here"
    /// would cover rows of transactions that commit later; no reply.
    AnswerMail {
        /// This node's epoch.
        epoch: Epoch,
        /// The blocks that stand.
        blocks: Vec<BlockId>,
    },
    /// [`Roster::begin_eviction`], then [`Reply::EvictionBegun`].
    BeginEviction {
        /// Who is silent.
        node: NodeId,
        /// In which epoch.
        epoch: Epoch,
    },
    /// [`Roster::finish_eviction`], then [`Reply::Roster`].
    FinishEviction {
        /// Who was silent.
        node: NodeId,
        /// In which epoch.
        epoch: Epoch,
    },
}

/// What the database said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// The node is in the cluster.
    Joined {
        /// Its new epoch.
        epoch: Epoch,
        /// The roster right after.
        roster: Roster,
    },
    /// The roster says whether the lease is renewed.
    Renewed {
        /// The epoch that was to be renewed.
        epoch: Epoch,
        /// The roster.
        roster: Roster,
        /// The server's own identity, whatever the roster says.
        server: Instance,
        /// Blocks left for this node.
        mail: Vec<(BlockId, Scope)>,
        /// The database's clock, to compare with ours.
        clock: Option<Time>,
    },
    /// The roster, after some statement.
    Roster {
        /// The roster.
        roster: Roster,
        /// Answers to mail of this node: which block stands where, in which
        /// epoch.
        answered: Vec<(BlockId, NodeId, Epoch)>,
    },
    /// The eviction began, unless the roster shows that it had no reason to.
    EvictionBegun {
        /// Who is evicted.
        node: NodeId,
        /// In which epoch.
        epoch: Epoch,
        /// The roster right after.
        roster: Roster,
    },
    /// The write was committed.
    Committed(WriteId),
    /// A requirement doesn't hold; nothing was changed.
    Refused {
        /// Which write.
        write: WriteId,
        /// The roster that refused it.
        roster: Roster,
        /// The server's own identity.
        server: Instance,
    },
    /// The change failed by itself; nothing was changed.
    Aborted(WriteId),
    /// Whether the attempt was committed.
    LookedUp {
        /// Whose attempt it was.
        write: WriteId,
        /// Whether it was.
        committed: bool,
    },
    /// Nobody knows whether this was done, or it wasn't.
    Failed(Statement),
}

//! The names the protocol uses for nodes, epochs, slots and writes. Plain
//! numbers; what they stand for is the caller's matter.

use serde::{Deserialize, Serialize};

/// A node of the cluster, the same across restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u16);

/// One stay of a node in the cluster: given by the database when it joins,
/// unique and increasing over all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// One start of one database server on one timeline. It changes at a failover
/// and at a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instance(pub u64);

/// A share of the keys: a hash of the key modulo [`Config::slots`](crate::Config::slots).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot(pub u32);

/// A write that a client asked for, as the caller numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteId(pub u64);

/// One attempt of a write, unique for ever. It names the blocks the attempt
/// puts up, and stands in the database beside what the attempt committed, so
/// that an attempt of unknown outcome can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId {
    /// Who writes.
    pub writer: NodeId,
    /// The writer's epoch when the attempt began.
    pub epoch: Epoch,
    /// Counts the writer's attempts.
    pub sequence: u64,
}

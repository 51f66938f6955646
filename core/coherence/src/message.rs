//! What nodes tell each other. Messages may be lost, doubled, late and out of
//! order: each is good whenever it arrives. Never a key or a value.

use serde::{Deserialize, Serialize};

use crate::{BlockId, Epoch, Instance, NodeId, Scope};

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sends it.
    pub from: NodeId,
    /// Who is to get it.
    pub to: NodeId,
    /// Up to where the sender's writes are over; heals a lost release.
    pub floor: Floor,
    /// What it says.
    pub message: Message,
}

/// The sender's blocks of `epoch` with a sequence below this are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Floor {
    /// The epoch of the blocks.
    pub epoch: Epoch,
    /// The first sequence that may not be over.
    pub sequence: u64,
}

impl Floor {
    /// Whether a block of the node whose floor this is is over.
    pub(crate) fn is_above(self, block: BlockId) -> bool {
        self.epoch == block.epoch && block.sequence < self.sequence
    }

    /// Whether a message that asks for this block comes too late to be of use.
    pub(crate) fn is_past(self, block: BlockId) -> bool {
        self.epoch > block.epoch || self.is_above(block)
    }
}

/// What a node tells another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Drop these keys and keep them out until the release.
    Block {
        /// The attempt that blocks.
        block: BlockId,
        /// What it is about.
        scope: Scope,
        /// The instance of the database that the writer joined on.
        instance: Instance,
    },
    /// The block stands.
    Acknowledge {
        /// Which.
        block: BlockId,
        /// The epoch of the node where it stands.
        epoch: Epoch,
    },
    /// The block is over.
    Release {
        /// Which.
        block: BlockId,
    },
}

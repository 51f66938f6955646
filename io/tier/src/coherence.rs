//! Whether memory may be believed: by this node's own slots where it is the
//! only writer, by the protocol where it is one of several. Holds no entries.

use std::sync::Arc;

use larder_coherence::Token;

use crate::Key;
use crate::cluster::{self, Cluster};
use crate::slots::Slots;

/// Who says what may be served and kept.
pub(crate) enum Coherence {
    /// This node writes alone.
    Alone(Slots),
    /// It is one of several.
    Clustered(Arc<Cluster>),
}

/// A load under way.
pub(crate) enum Reading {
    /// `None` while a write is under way.
    Alone(Option<Token>),
    Clustered(cluster::Reading),
}

impl Reading {
    /// Whether there is any chance that what is loaded may be kept or shared.
    pub(crate) fn may_be_kept(&self) -> bool {
        match self {
            Self::Alone(token) => token.is_some(),
            Self::Clustered(reading) => reading.may_be_kept(),
        }
    }
}

impl Coherence {
    /// Whether an entry may be served that was loaded in this state of memory:
    /// asked after it was found, and within the request that wants it.
    pub(crate) fn stands(&self, key: &Key, token: Token) -> bool {
        match self {
            // A write drops the group's own entry before it commits, so while
            // that is there no commit of it can have ended since it was
            // loaded. For a part the slot tells.
            Self::Alone(slots) => key.is_whole() || slots.of(key.group()).stands(token),
            Self::Clustered(cluster) => cluster.serves(key.group(), token),
        }
    }

    /// Begins a load.
    pub(crate) fn begin(&self, key: &Key) -> Reading {
        match self {
            Self::Alone(slots) => Reading::Alone(slots.of(key.group()).token()),
            Self::Clustered(cluster) => Reading::Clustered(cluster.begin(key.group())),
        }
    }

    /// Ends a load: `keep` is called with what to keep the result under, or
    /// with nothing if a write may have made it old for others, and lets no
    /// write begin meanwhile. Whether it is an answer for who loaded it: that
    /// one came before the load, so for it the result is good either way,
    /// unless nobody knows which database told it.
    pub(crate) fn finish(
        &self,
        key: &Key,
        reading: &Reading,
        keep: impl FnOnce(Option<Token>),
    ) -> bool {
        match (self, reading) {
            (Self::Alone(slots), Reading::Alone(Some(token))) => {
                let slot = slots.of(key.group());
                slot.if_stands(*token, |stands| keep(stands.then_some(*token)));
                true
            }
            (Self::Clustered(cluster), Reading::Clustered(reading)) => {
                cluster.finish(reading, keep)
            }
            _ => {
                keep(None);
                true
            }
        }
    }
}

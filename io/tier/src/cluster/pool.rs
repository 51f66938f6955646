//! The pool: each key has an owner among the active nodes, to which the others
//! forward their reads, so that the nodes' memories add up. Who owns what is
//! of no weight for coherence: every node's memory is coherent for every key.
//!
//! Source: Thaler and Ravishankar, "Using name-based mappings to increase hit
//! rates", IEEE/ACM ToN 6(1), 1998 (rendezvous hashing): the owner is the node
//! with the highest rank for the key, so a change of the pool moves only the
//! keys of the nodes that came or went.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use larder_cache::Sketch;
use larder_coherence::{NodeId, Standing};
use parking_lot::Mutex;

use super::keeper::Directory;
use super::peers::Fetched;
use super::{Cluster, hash};
use crate::Key;

/// Keys among which a popular one stands out.
const KEYS: usize = 1 << 15;

/// How often a key that others own is asked for, of late, before this node
/// keeps it too.
const POPULAR: u8 = 8;

/// How often keys were asked for that others own.
#[derive(Default)]
pub(super) struct Popularity(Mutex<Sketch>);

impl Popularity {
    /// Counts a request; whether the key is one to keep.
    fn note(&self, key: &Key) -> bool {
        let fingerprint = hash(key.bytes()) as u32;
        let mut sketch = self.0.lock();
        sketch.fit(KEYS);
        sketch.add(fingerprint, 1);
        sketch.count(fingerprint) >= POPULAR
    }
}

/// What became of a read that may be another node's.
pub(crate) enum Fetch {
    /// It is this node's, or the owner doesn't answer: ask the store.
    Load,
    /// The owner has no such key.
    Absent,
    /// The owner's value.
    Found {
        /// As it was packed.
        packed: Bytes,
        /// Whether the owner had it in memory.
        is_hit: bool,
        /// Whether this node is to keep it too.
        keep: bool,
    },
}

impl Directory {
    /// The nodes that own keys, in order of their numbers.
    pub(super) fn owners(&self) -> impl Iterator<Item = NodeId> {
        self.caching().take(if self.active == 0 { usize::MAX } else { self.active })
    }

    /// The nodes that could.
    fn caching(&self) -> impl Iterator<Item = NodeId> {
        let members = self.roster.members.iter();
        members.filter(|(_, member)| member.standing == Standing::Caching).map(|(&node, _)| node)
    }

    /// The owner of a key and where it listens; `None` if there is none.
    fn owner(&self, key: &Key) -> Option<(NodeId, &str)> {
        let owner = self.owners().max_by_key(|&node| (key.rank(node), node))?;
        Some((owner, self.addresses.get(&owner)?))
    }
}

impl Cluster {
    /// How many nodes own keys, and how many could.
    pub fn pool_size(&self) -> (u16, u16) {
        let directory = self.keeper.directory();
        let members = directory.caching().count();
        let count = |count| u16::try_from(count).unwrap_or(u16::MAX);
        (count(directory.owners().count()), count(members))
    }

    /// How many nodes are to own keys; 0 for all that there are.
    pub fn wanted(&self) -> u16 {
        u16::try_from(self.keeper.directory().active).unwrap_or(u16::MAX)
    }

    /// Where the nodes that could own keys listen for each other.
    pub fn members(&self) -> Vec<String> {
        let directory = self.keeper.directory();
        directory.caching().filter_map(|node| directory.addresses.get(&node).cloned()).collect()
    }

    /// Whether this node owns keys.
    pub fn is_owner(&self) -> bool {
        let (directory, node) = (self.keeper.directory(), self.node());
        directory.owners().any(|owner| owner == node)
    }

    /// Asks the owner of a key, if that is another node.
    pub(crate) async fn fetch(&self, key: &Key) -> Fetch {
        let directory = self.keeper.directory();
        let Some((owner, address)) = directory.owner(key) else { return Fetch::Load };
        if owner == self.node() {
            return Fetch::Load;
        }
        self.load.forwards.fetch_add(1, Ordering::Relaxed);
        match self.peers.fetch(owner, address, key.bytes()).await {
            Fetched::Nothing => {
                self.load.unanswered.fetch_add(1, Ordering::Relaxed);
                Fetch::Load
            }
            Fetched::Absent => Fetch::Absent,
            Fetched::Found(packed, is_hit) => {
                Fetch::Found { packed, is_hit, keep: self.popularity.note(key) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use larder_coherence::Instance;

    use super::*;

    fn directory(nodes: u16, active: usize) -> Directory {
        let mut directory = Directory { active, ..Directory::default() };
        for node in (1..=nodes).map(NodeId) {
            directory.roster.join(node, Instance(0));
            directory.addresses.insert(node, format!("node-{}", node.0));
        }
        directory
    }

    fn owner(directory: &Directory, number: u32) -> NodeId {
        let key = Key::new(&number.to_be_bytes(), b"");
        directory.owner(&key).expect("there are nodes").0
    }

    #[test]
    fn keys_are_spread_evenly_and_a_new_node_takes_only_its_share() {
        let (four, five) = (directory(4, 0), directory(5, 0));
        let mut moved = 0;
        let mut owned = [0; 5];
        for number in 0..10_000 {
            let (before, after) = (owner(&four, number), owner(&five, number));
            owned[usize::from(after.0) - 1] += 1;
            if before != after {
                assert_eq!(after, NodeId(5), "a key moves to the new node only");
                moved += 1;
            }
        }
        assert!((1_800..2_200).contains(&moved), "{moved}");
        assert!(owned.iter().all(|owned| (1_800..2_200).contains(owned)), "{owned:?}");
    }

    #[test]
    fn only_active_nodes_own_keys() {
        let two = directory(5, 2);
        assert!((0..1_000).all(|number| owner(&two, number).0 <= 2));
        assert_eq!(two.owners().count(), 2);
    }

    #[test]
    fn nodes_that_keep_nothing_own_nothing() {
        let mut two = directory(2, 0);
        two.roster.step_aside(NodeId(1), two.roster.members[&NodeId(1)].epoch);
        assert!((0..100).all(|number| owner(&two, number) == NodeId(2)));
    }

    #[test]
    fn a_key_that_is_asked_for_often_is_kept() {
        let popularity = Popularity::default();
        let key = Key::new(b"hot", b"");
        let kept: Vec<bool> = (0..10).map(|_| popularity.note(&key)).collect();
        assert!(!kept[0] && kept[9]);
        let cold = (0..1_000_u32).filter(|n| popularity.note(&Key::new(&n.to_be_bytes(), b"")));
        assert_eq!(cold.count(), 0);
    }
}

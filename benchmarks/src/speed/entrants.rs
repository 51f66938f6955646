//! Who is measured: one line per cache. It never measures.

use std::sync::Arc;

use foyer_memory::{LruConfig, S3FifoConfig};
use moka::policy::EvictionPolicy;

use crate::args::Args;
use crate::keys::{Key, Streams};
use crate::larder::{GetMany, Larder, Peek, Read, ReadMany, Single};
use crate::peers::{Foyer, Moka, Quick};
use crate::window::{Loaded, Turn};

/// The peer that ratios are taken to.
pub const REFERENCE: &str = "quick_cache";

/// What a cache must be able to do to be measured.
pub trait Contender: Send + Sync + 'static {
    type Key: Key;

    /// The mark in the value under a key.
    fn get(&self, key: &Self::Key) -> Option<u64>;

    /// Looks keys up at once, for caches that can.
    fn get_batch<const N: usize>(
        &self,
        keys: &[Self::Key; N],
        mut found: impl FnMut(usize, Option<u64>),
    ) {
        for (index, key) in keys.iter().enumerate() {
            found(index, self.get(key));
        }
    }

    /// Puts in place a new value with the key's mark.
    fn insert(&self, key: &Self::Key);

    /// Does the work it has put off.
    fn settle(&self) {}

    /// How many entries it holds.
    fn entries(&self) -> u64;
}

/// A cache by name, and how to build it with room for a number of entries.
pub struct Entrant {
    pub name: String,
    build: Box<dyn Fn(u64, Arc<Streams>) -> Box<dyn Turn>>,
}

impl Entrant {
    fn new<C: Contender>(name: impl Into<String>, build: impl Fn(u64) -> C + 'static) -> Self {
        Self {
            name: name.into(),
            build: Box::new(move |entries, streams| Box::new(Loaded::new(build(entries), streams))),
        }
    }

    /// The cache, empty.
    pub fn build(&self, entries: u64, streams: &Arc<Streams>) -> Box<dyn Turn> {
        (self.build)(entries, Arc::clone(streams))
    }
}

/// 16 bytes, the same for all who take bytes.
type Wide = [u8; 16];
/// 8 bytes, for those who take only bytes.
type Narrow = [u8; 8];
type Bytes = Arc<[u8]>;

/// All, with keys of 16 bytes and values of 64 bytes in an `Arc`.
pub fn all(args: &Args) -> Vec<Entrant> {
    let mut entrants = ours::<Single>(args, "");
    entrants.extend(chosen(
        args,
        vec![
            Entrant::new(REFERENCE, Quick::<Wide, Bytes>::new),
            Entrant::new("quick_cache u64 keys", Quick::<u64, Bytes>::new),
            Entrant::new("moka", |n| Moka::<Wide, Bytes>::new(n, EvictionPolicy::tiny_lfu())),
            Entrant::new("moka LRU", |n| Moka::<Wide, Bytes>::new(n, EvictionPolicy::lru())),
            Entrant::new("foyer LRU", |n| Foyer::<Wide, Bytes>::new(n, LruConfig::default())),
            Entrant::new("foyer S3-FIFO", |n| {
                Foyer::<Wide, Bytes>::new(n, S3FifoConfig::default())
            }),
        ],
    ));
    entrants
}

/// The forms of reading many, beside gets one by one.
pub fn batches(args: &Args) -> Vec<Entrant> {
    let mut entrants = ours::<GetMany>(args, " get_many");
    entrants.extend(ours::<ReadMany>(args, " read_many"));
    entrants.extend(ours::<Single>(args, " 16 gets"));
    let quick = Entrant::new(REFERENCE, Quick::<Wide, Bytes>::new);
    let numbers = Entrant::new("quick_cache u64 keys", Quick::<u64, Bytes>::new);
    entrants.extend(chosen(args, vec![quick, numbers]));
    entrants
}

/// Ours with and without counting hits and marking uses.
pub fn counting(args: &Args) -> Vec<Entrant> {
    let mut entrants = ours::<Single>(args, " get");
    entrants.extend(ours::<Peek>(args, " peek"));
    entrants
}

/// All, with keys and values of 8 bytes: numbers, for those who take them.
pub fn numbers(args: &Args) -> Vec<Entrant> {
    let ours = args.policies().into_iter().map(|policy| {
        let config = args.config(policy);
        Entrant::new(format!("larder {policy}"), move |n| {
            Larder::<Narrow, u64, Single>::new(n, config)
        })
    });
    let mut entrants: Vec<Entrant> = ours.collect();
    entrants.extend(chosen(
        args,
        vec![
            Entrant::new(REFERENCE, Quick::<u64, u64>::new),
            Entrant::new("moka", |n| Moka::<u64, u64>::new(n, EvictionPolicy::tiny_lfu())),
            Entrant::new("moka LRU", |n| Moka::<u64, u64>::new(n, EvictionPolicy::lru())),
            Entrant::new("foyer LRU", |n| Foyer::<u64, u64>::new(n, LruConfig::default())),
            Entrant::new("foyer S3-FIFO", |n| Foyer::<u64, u64>::new(n, S3FifoConfig::default())),
        ],
    ));
    entrants
}

fn ours<R: Read<Bytes>>(args: &Args, form: &str) -> Vec<Entrant> {
    let entrant = |policy| {
        let config = args.config(policy);
        Entrant::new(format!("larder {policy}{form}"), move |n| {
            Larder::<Wide, Bytes, R>::new(n, config)
        })
    };
    args.policies().into_iter().map(entrant).collect()
}

/// Those of the peers that the command line asks for.
fn chosen(args: &Args, mut peers: Vec<Entrant>) -> Vec<Entrant> {
    let wanted = |name: &str| {
        let name = name.to_lowercase();
        args.peers.iter().any(|wish| name.starts_with(&wish.to_lowercase()))
    };
    peers.retain(|peer| args.peers.is_empty() || wanted(&peer.name));
    peers
}

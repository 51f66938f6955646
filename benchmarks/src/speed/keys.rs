//! Keys and values, and the streams of requests: drawn before anything is
//! measured, so that drawing costs no cache anything.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use larder_workload::random::{SplitMix64, mix};
use larder_workload::zipf::Zipf;

/// Requests that a thread makes between two looks at the clock; a multiple of
/// a batch, and of the ten requests of which one is an insert.
pub const CHUNK: usize = 960;

/// Requests in a stream: 67 MB of keys, of which a window uses a part.
const CHUNKS: usize = 4369;

/// A key as requests carry it.
pub trait Key: Copy + Send + Sync + 'static {
    /// The form in which a cache keeps it.
    type Owned: Borrow<Self::Lent> + Hash + Eq + Send + Sync + 'static;
    /// The form in which it is looked up.
    type Lent: Hash + Eq + ?Sized;
    /// The bytes a byte weigher charges.
    const BYTES: u64;

    /// The key of a number: of neighbours, nothing alike.
    fn of(number: u64) -> Self;
    fn lent(&self) -> &Self::Lent;
    fn owned(&self) -> Self::Owned;
    /// What the value under this key must be found to hold.
    fn mark(&self) -> u64;
    fn stream(streams: &Streams) -> &[Self];
}

fn first_eight(bytes: &[u8]) -> u64 {
    let (first, _) = bytes.split_first_chunk().expect("no key or value is shorter than eight");
    u64::from_le_bytes(*first)
}

impl Key for [u8; 16] {
    type Owned = Box<[u8]>;
    type Lent = [u8];
    const BYTES: u64 = 16;

    fn of(number: u64) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&mix(number).to_le_bytes());
        key[8..].copy_from_slice(&mix(!number).to_le_bytes());
        key
    }

    fn lent(&self) -> &[u8] {
        self
    }

    fn owned(&self) -> Box<[u8]> {
        Box::from(&self[..])
    }

    fn mark(&self) -> u64 {
        first_eight(self)
    }

    fn stream(streams: &Streams) -> &[Self] {
        streams.wide.get_or_init(|| streams.keys())
    }
}

impl Key for [u8; 8] {
    type Owned = Box<[u8]>;
    type Lent = [u8];
    const BYTES: u64 = 8;

    fn of(number: u64) -> Self {
        mix(number).to_le_bytes()
    }

    fn lent(&self) -> &[u8] {
        self
    }

    fn owned(&self) -> Box<[u8]> {
        Box::from(&self[..])
    }

    fn mark(&self) -> u64 {
        first_eight(self)
    }

    fn stream(streams: &Streams) -> &[Self] {
        streams.narrow.get_or_init(|| streams.keys())
    }
}

impl Key for u64 {
    type Owned = Self;
    type Lent = Self;
    const BYTES: u64 = 8;

    fn of(number: u64) -> Self {
        mix(number)
    }

    fn lent(&self) -> &Self {
        self
    }

    fn owned(&self) -> Self {
        *self
    }

    fn mark(&self) -> u64 {
        *self
    }

    fn stream(streams: &Streams) -> &[Self] {
        streams.numbers.get_or_init(|| streams.keys())
    }
}

/// A value that says under which key it was put.
pub trait Value: Clone + Send + Sync + 'static {
    /// The bytes a byte weigher charges.
    const BYTES: u64;

    fn marked(mark: u64) -> Self;
    fn mark(&self) -> u64;
}

/// 64 bytes in one allocation of their own.
impl Value for Arc<[u8]> {
    const BYTES: u64 = 64;

    fn marked(mark: u64) -> Self {
        let mut bytes = [0x5a; 64];
        bytes[..8].copy_from_slice(&mark.to_le_bytes());
        Arc::from(&bytes[..])
    }

    fn mark(&self) -> u64 {
        first_eight(self)
    }
}

impl Value for u64 {
    const BYTES: u64 = 8;

    fn marked(mark: u64) -> Self {
        mark
    }

    fn mark(&self) -> u64 {
        *self
    }
}

/// One stream of requests in every form of key that somebody asks for.
pub struct Streams {
    numbers_drawn: Vec<u32>,
    wide: OnceLock<Vec<[u8; 16]>>,
    narrow: OnceLock<Vec<[u8; 8]>>,
    numbers: OnceLock<Vec<u64>>,
}

impl Streams {
    /// Draws requests by Zipf's law over the numbers 0 to `items`.
    pub fn draw(items: u64, exponent: f64, seed: u64) -> Result<Arc<Self>, String> {
        let wrong = || format!("there is no Zipf law over {items} keys with exponent {exponent}");
        u32::try_from(items).map_err(|_| wrong())?;
        let zipf = Zipf::new(items, exponent).ok_or_else(wrong)?;
        let mut random = SplitMix64::new(seed);
        let drawn = (0..CHUNK * CHUNKS).map(|_| zipf.draw(&mut random) as u32);
        Ok(Self::of(drawn.collect()))
    }

    /// A stream of no requests.
    pub fn empty() -> Arc<Self> {
        Self::of(Vec::new())
    }

    fn of(numbers_drawn: Vec<u32>) -> Arc<Self> {
        Arc::new(Self {
            numbers_drawn,
            wide: OnceLock::new(),
            narrow: OnceLock::new(),
            numbers: OnceLock::new(),
        })
    }

    fn keys<K: Key>(&self) -> Vec<K> {
        self.numbers_drawn.iter().map(|&number| K::of(u64::from(number))).collect()
    }
}

/// All numbers below `items` by chance, so that what is asked for most doesn't
/// lie side by side in a cache's memory.
pub fn shuffled(items: u64, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..items as u32).collect();
    SplitMix64::new(!seed).shuffle(&mut order);
    order
}

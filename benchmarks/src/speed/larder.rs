//! Our cache, and the forms in which it can be read.

use std::marker::PhantomData;

use larder_cache::{Cache, Config, Weigh};

use crate::entrants::Contender;
use crate::keys::{Key, Value};

/// A form of reading. Each is a type, so that a read pays for no choice.
pub trait Read<V>: Send + Sync + 'static {
    fn get(cache: &Cache<V>, key: &[u8]) -> Option<V>;
    /// Looks keys up at once and gives each answer's mark.
    fn batch(cache: &Cache<V>, keys: &[&[u8]], found: impl FnMut(usize, Option<u64>));
}

/// `get`, key by key.
pub struct Single;

/// Many values at once, each cloned.
pub struct GetMany;

/// Many values at once, each lent to a closure.
pub struct ReadMany;

/// `peek`: counts nothing and marks no use, so the difference to [`Single`] is
/// the most that counters and policy can cost a hit.
pub struct Peek;

impl<V: Value + Weigh> Read<V> for Single {
    fn get(cache: &Cache<V>, key: &[u8]) -> Option<V> {
        cache.get(key)
    }

    fn batch(cache: &Cache<V>, keys: &[&[u8]], found: impl FnMut(usize, Option<u64>)) {
        one_by_one(cache, keys, found);
    }
}

impl<V: Value + Weigh> Read<V> for GetMany {
    fn get(cache: &Cache<V>, key: &[u8]) -> Option<V> {
        cache.get(key)
    }

    fn batch(cache: &Cache<V>, keys: &[&[u8]], mut found: impl FnMut(usize, Option<u64>)) {
        for (index, value) in cache.get_many(keys).into_iter().enumerate() {
            found(index, value.map(|value| value.mark()));
        }
    }
}

impl<V: Value + Weigh> Read<V> for ReadMany {
    fn get(cache: &Cache<V>, key: &[u8]) -> Option<V> {
        cache.get(key)
    }

    fn batch(cache: &Cache<V>, keys: &[&[u8]], mut found: impl FnMut(usize, Option<u64>)) {
        cache.read_many(keys, |index, value| found(index, value.map(Value::mark)));
    }
}

impl<V: Value + Weigh> Read<V> for Peek {
    fn get(cache: &Cache<V>, key: &[u8]) -> Option<V> {
        cache.peek(key)
    }

    fn batch(cache: &Cache<V>, keys: &[&[u8]], found: impl FnMut(usize, Option<u64>)) {
        one_by_one(cache, keys, found);
    }
}

fn one_by_one<V: Value + Weigh>(
    cache: &Cache<V>,
    keys: &[&[u8]],
    mut found: impl FnMut(usize, Option<u64>),
) {
    for (index, key) in keys.iter().enumerate() {
        found(index, cache.get(key).map(|value| value.mark()));
    }
}

/// Our cache, read in one of the forms.
pub struct Larder<K, V, R> {
    cache: Cache<V>,
    form: PhantomData<(K, R)>,
}

impl<K: Key<Lent = [u8]>, V: Value + Weigh, R> Larder<K, V, R> {
    /// With room for a number of entries, by the weight it charges itself.
    pub fn new(entries: u64, config: Config) -> Self {
        let weight = Cache::weight_of(K::of(0).lent(), &V::marked(0));
        let config = Config { capacity_bytes: entries * weight, ..config };
        Self { cache: Cache::new(config), form: PhantomData }
    }
}

impl<K: Key<Lent = [u8]>, V: Value + Weigh, R: Read<V>> Contender for Larder<K, V, R> {
    type Key = K;

    fn get(&self, key: &K) -> Option<u64> {
        R::get(&self.cache, key.lent()).map(|value| value.mark())
    }

    fn get_batch<const N: usize>(&self, keys: &[K; N], found: impl FnMut(usize, Option<u64>)) {
        let lent: [&[u8]; N] = keys.each_ref().map(Key::lent);
        R::batch(&self.cache, &lent, found);
    }

    fn insert(&self, key: &K) {
        self.cache.insert(key.lent(), V::marked(key.mark()));
    }

    fn entries(&self) -> u64 {
        self.cache.stats().items
    }
}

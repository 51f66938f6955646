//! Making room: the way in for values, and the way out for victims. It never
//! holds two shard locks, and lets go of its lock before it drops a victim.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Engine, Shard, shard_seed, void};
use crate::budget::Room;
use crate::flight::Flight;
use crate::table::Entry;
use crate::{PolicyKind, Weigh};

/// What became of a value given to [`Engine::store`].
pub(crate) enum Stored {
    Installed,
    TooHeavy,
    Voided,
}

impl<V> Engine<V> {
    pub(crate) fn reconfigure(
        &self,
        capacity_bytes: u64,
        max_items: Option<u64>,
        policy: PolicyKind,
    ) {
        // Declared before the gate, so that they are dropped after it: a
        // destructor may call `reconfigure` too.
        let mut victims = Vec::new();
        let gate = self.gate.lock();
        if mem::replace(&mut *self.policy.write(), policy) != policy {
            for (number, shard) in self.shards.iter().enumerate() {
                let seed = shard_seed(self.seed, number);
                shard.table.write().switch(policy, seed);
            }
        }
        self.budget.limit(capacity_bytes, max_items);
        while self.budget.is_over() {
            victims.extend(self.evict_elsewhere(None));
        }
        drop(gate);
    }

    /// Evicts one entry from a shard other than `home`; `None` if there is
    /// none. The caller holds no shard lock.
    ///
    /// Shards take turns, but one that holds less than the mean is passed
    /// over at first: else a thinly filled shard would lose an entry for every
    /// one that others lose, and in the end only full shards would cache.
    fn evict_elsewhere(&self, home: Option<usize>) -> Option<Entry<V>> {
        let count = self.shards.len();
        let mean = self.budget.level().used_bytes / count as u64;
        let start = self.cursor.fetch_add(1, Ordering::Relaxed);
        for least in [mean.max(1), 1] {
            for step in 0..count {
                let number = (start + step) & (count - 1);
                let shard = &self.shards[number];
                if Some(number) == home || shard.weight.load(Ordering::Relaxed) < least {
                    continue;
                }
                let mut table = shard.table.write();
                if let Some(victim) = table.evict() {
                    self.gone(shard, &victim);
                    shard.counters.evictions.add(1);
                    return Some(victim);
                }
            }
        }
        None
    }
}

impl<V: Clone + Weigh> Engine<V> {
    /// Puts a value in place, for its lease (`flight`) or for a caller, who
    /// needs none and voids the one that exists.
    ///
    /// 1. Under the home shard's lock: is the lease still good, and does the
    ///    budget have room? Then the entry goes in under that same lock, so
    ///    that no invalidation and no other entry can come between.
    /// 2. If there is no room: evict one from the home shard, and ask again.
    /// 3. If the home shard has none to give, or little in proportion: let go
    ///    of the lock, evict one from another shard, and begin again at 1,
    ///    because anything may have happened in the meantime.
    pub(crate) fn store(
        &self,
        key: &[u8],
        hash: u64,
        value: V,
        weight: u64,
        flight: Option<&Arc<Flight<V>>>,
    ) -> Stored {
        let home = self.home(hash);
        let shard = &self.shards[home];
        let counters = &shard.counters;
        // Declared before the lock, so that they are dropped after it.
        let mut victims: Vec<Entry<V>> = Vec::new();
        let mut others_are_empty = false;
        loop {
            let mut table = shard.table.write();
            if flight.is_some_and(|flight| !table.holds(flight)) {
                return Stored::Voided;
            }
            let slot = table.find(hash, key);
            let old_weight = slot.map(|slot| table.entry(slot).weight);
            let room = loop {
                match self.budget.exchange(old_weight, weight) {
                    Room::Full if others_are_empty || self.should_give(shard) => {}
                    room => break room,
                }
                let victim = match slot {
                    None => table.evict(),
                    Some(slot) if table.len() > 1 => table.evict_other(slot),
                    Some(_) => None,
                };
                let Some(victim) = victim else {
                    break Room::Full;
                };
                self.gone(shard, &victim);
                counters.evictions.add(1);
                victims.push(victim);
            };
            let (stored, old) = match room {
                Room::Full => {
                    drop(table);
                    victims.clear();
                    let victim = self.evict_elsewhere(Some(home));
                    others_are_empty = victim.is_none();
                    continue;
                }
                Room::Never => {
                    counters.rejected.add(1);
                    // The older value must not outlive the newer one's arrival.
                    let old = slot.map(|slot| self.remove(shard, &mut table, slot).value);
                    (Stored::TooHeavy, old)
                }
                Room::Granted => {
                    counters.inserts.add(1);
                    counters.replaced.add(u64::from(slot.is_some()));
                    shard.weight.fetch_sub(old_weight.unwrap_or(0), Ordering::Relaxed);
                    shard.weight.fetch_add(weight, Ordering::Relaxed);
                    let old = if let Some(slot) = slot {
                        Some(table.replace(slot, value, weight))
                    } else {
                        let key = key.into();
                        table.add(Entry { hash, weight, key, value });
                        None
                    };
                    (Stored::Installed, old)
                }
            };
            let ended = if flight.is_some() {
                table.ground(hash, key)
            } else {
                void(shard, &mut table, hash, key)
            };
            drop(table);
            // A lease ends its own flight, with the value.
            if let (None, Some(voided)) = (flight, ended) {
                voided.abandon();
            }
            drop(old);
            return stored;
        }
    }

    /// Whether the home shard gives the next victim: if it holds at least half
    /// of the mean. Staying at home spares a second lock; the bound keeps a
    /// shard that holds next to nothing from losing even that.
    fn should_give(&self, shard: &Shard<V>) -> bool {
        let share = shard.weight.load(Ordering::Relaxed);
        let mean = self.budget.level().used_bytes / self.shards.len() as u64;
        share >= mean / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::table::weight_of;

    const SHARDS: usize = 8;

    /// Keys that belong to one shard, all of one length.
    fn keys(engine: &Engine<u64>, shard: usize) -> impl Iterator<Item = [u8; 8]> {
        let all = (0u64..).map(u64::to_be_bytes);
        all.filter(move |key| engine.home(engine.hash(key)) == shard)
    }

    fn engine(entries: u64) -> Engine<u64> {
        Engine::new(Config {
            capacity_bytes: entries * weight_of(&[0; 8], &0),
            shards: SHARDS,
            ..Config::default()
        })
    }

    fn fill(engine: &Engine<u64>, shard: usize, count: usize) {
        for key in keys(engine, shard).take(count) {
            let hash = engine.hash(&key);
            engine.store(&key, hash, 0, weight_of(&key, &0), None);
        }
        engine.validate();
    }

    fn held(engine: &Engine<u64>) -> Vec<usize> {
        let shards = engine.shards.iter();
        shards.map(|shard| shard.table.read().len()).collect()
    }

    #[test]
    fn a_thin_shard_grows_at_the_cost_of_the_fat_one() {
        let engine = engine(800);
        fill(&engine, 0, 800);
        fill(&engine, 1, 200);
        // From half of the mean on it pays for itself.
        assert_eq!(held(&engine), [750, 50, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn those_below_the_mean_are_spared_by_the_others() {
        let engine = engine(800);
        for shard in 1..7 {
            fill(&engine, shard, 60);
        }
        fill(&engine, 0, 440);
        fill(&engine, 7, 40);
        assert_eq!(held(&engine), [400, 60, 60, 60, 60, 60, 60, 40]);
    }

    #[test]
    fn the_last_bytes_are_found_wherever_they_are() {
        let engine = engine(800);
        (0..SHARDS).for_each(|shard| fill(&engine, shard, 100));
        let key = [9; 8];
        let giant = engine.budget.level().capacity_bytes;
        let stored = engine.store(&key, engine.hash(&key), 0, giant, None);
        assert!(matches!(stored, Stored::Installed));
        assert_eq!(held(&engine).iter().sum::<usize>(), 1);
    }
}

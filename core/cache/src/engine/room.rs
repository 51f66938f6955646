//! Making room: the way in for values, and the way out for victims. It never
//! holds two shard locks, and lets go of its lock before it drops a victim.

use std::sync::Arc;

use super::{Engine, void};
use crate::Weigh;
use crate::budget::Amount;
use crate::flight::Flight;
use crate::policy::{Item, Slot};
use crate::sync::atomic::Ordering;
use crate::table::{Entry, Table, weight_of};
use crate::what_if::Event;

/// What became of a value given to [`Engine::store`].
pub(crate) enum Stored {
    Installed,
    TooHeavy,
    Voided,
}

/// Whether there is room for an entry in its shard.
enum Room {
    Found,
    /// Not unless another shard gives some.
    Elsewhere,
}

impl<V: Weigh> Engine<V> {
    /// Evicts one entry from a shard other than `home`; `None` if there is
    /// none, and then no other shard holds anything. The caller holds no shard
    /// lock.
    ///
    /// Shards take turns, but one that holds less than the mean is passed
    /// over at first: else a thinly filled shard would lose an entry for every
    /// one that others lose, and in the end only full shards would cache.
    pub(super) fn evict_elsewhere(&self, home: Option<usize>) -> Option<Entry<V>> {
        let count = self.shards.len();
        let mean = self.budget.mean_bytes();
        let start = self.cursor.fetch_add(1, Ordering::Relaxed);
        for least in [mean.max(1), 0] {
            for step in 0..count {
                let number = (start + step) & (count - 1);
                let shard = &self.shards[number];
                if Some(number) == home || shard.weight.load(Ordering::Relaxed) < least {
                    continue;
                }
                let mut table = self.edit(shard);
                let victim = evict(&mut table, None);
                // Credit too: it is room that nobody uses.
                self.release(&mut table, Amount::default());
                shard.weight.store(table.used.bytes, Ordering::Relaxed);
                if victim.is_some() {
                    return victim;
                }
            }
        }
        None
    }

    /// Whether the home shard gives the next victim: if it holds at least half
    /// of the mean. Staying at home spares a second lock; the bound keeps a
    /// shard that holds next to nothing from losing even that.
    fn should_give(&self, table: &Table<V>) -> bool {
        table.used.bytes >= self.budget.mean_bytes() / 2
    }

    /// Finds room for `need` in a shard, evicting all but `spared` if need be.
    fn make_room(
        &self,
        table: &mut Table<V>,
        need: Amount,
        spared: Option<Slot>,
        others_are_empty: bool,
        victims: &mut Victims<V>,
    ) -> Room {
        loop {
            let missing = (table.held - table.used).short_of(need);
            if missing == Amount::default() {
                return Room::Found;
            }
            if let Some(taken) = self.budget.take(missing) {
                table.held += taken;
                return Room::Found;
            }
            if !others_are_empty && !self.should_give(table) {
                return Room::Elsewhere;
            }
            match evict(table, spared) {
                Some(victim) => victims.push(victim),
                None => return Room::Elsewhere,
            }
        }
    }
}

/// Evicts one entry, but not the spared one, which is about to be replaced;
/// `None` if there is no other.
fn evict<V: Weigh>(table: &mut Table<V>, spared: Option<Slot>) -> Option<Entry<V>> {
    let mut slot = table.choose()?;
    let was_named = spared.filter(|&spared| spared == slot);
    if let Some(spared) = was_named {
        let other = table.choose();
        // It joins anew, after the choice: a policy that would rather lose the
        // newcomer could name it for ever.
        table.rank(spared, table.item(spared));
        slot = other?;
    }
    table.writes.evictions += 1;
    Some(table.vacate(slot))
}

/// Entries that were evicted, until the lock is gone: mostly one.
struct Victims<V> {
    first: Option<Entry<V>>,
    more: Vec<Entry<V>>,
}

impl<V> Victims<V> {
    fn push(&mut self, victim: Entry<V>) {
        match self.first {
            None => self.first = Some(victim),
            Some(_) => self.more.push(victim),
        }
    }
}

impl<V: Clone + Weigh> Engine<V> {
    /// Puts a value in place, for its lease (`flight`) or for a caller, who
    /// needs none and voids the one that exists.
    ///
    /// 1. Under the home shard's lock: is the lease still good, and is there
    ///    room? Then the entry goes in under that same lock, so that no
    ///    invalidation and no other entry can come between.
    /// 2. If there is no room: evict one from the home shard, and ask again.
    /// 3. If the home shard has none to give, or little in proportion: let go
    ///    of the lock, evict one from another shard, and begin again at 1,
    ///    because anything may have happened in the meantime.
    pub(crate) fn store(
        &self,
        key: &[u8],
        hash: u64,
        value: V,
        flight: Option<&Arc<Flight<V>>>,
    ) -> Stored {
        let home = self.home(hash);
        let shard = &self.shards[home];
        let weight = weight_of(key, &value);
        if let Some(weight) = weight {
            let cost = value.cost();
            self.sampler.record(hash, |hash| Event::Insert { hash, weight, cost });
        }
        // Declared before the lock, so that they are dropped after it.
        let mut victims = Victims { first: None, more: Vec::new() };
        let mut others_are_empty = false;
        loop {
            let mut guard = self.edit(shard);
            let table = &mut *guard;
            if flight.is_some_and(|flight| !table.holds(flight)) {
                return Stored::Voided;
            }
            let slot = table.slot(hash, key);
            let (stored, old) = match weight.filter(|&weight| self.budget.allows(weight.into())) {
                None => {
                    table.writes.rejected += 1;
                    // The older value must not outlive the newer one's arrival.
                    table.writes.invalidations += u64::from(slot.is_some());
                    let old = slot.map(|slot| table.take(slot).value);
                    (Stored::TooHeavy, old)
                }
                Some(weight) => {
                    let cost = table.objective.cost(weight, value.cost());
                    let item = Item { weight, cost, fingerprint: hash as u32 };
                    let need = match slot {
                        None => Amount::one(weight.into()),
                        Some(slot) => {
                            let more = weight.saturating_sub(table.entry(slot).weight());
                            Amount { bytes: more.into(), items: 0 }
                        }
                    };
                    match self.make_room(table, need, slot, others_are_empty, &mut victims) {
                        Room::Elsewhere => {
                            self.settle(shard, table);
                            drop(guard);
                            let victim = self.evict_elsewhere(Some(home));
                            others_are_empty = victim.is_none();
                            continue;
                        }
                        Room::Found => {}
                    }
                    table.writes.inserts += 1;
                    table.writes.replaced += u64::from(slot.is_some());
                    let old = if let Some(slot) = slot {
                        Some(table.replace(slot, value, item))
                    } else {
                        let entry = Entry { key: key.into(), value };
                        table.add(hash, entry, item);
                        None
                    };
                    (Stored::Installed, old)
                }
            };
            let ended = match flight {
                Some(_) => table.ground(hash, key),
                None => void(table, hash, key),
            };
            self.settle(shard, table);
            drop(guard);
            // A lease ends its own flight, with the value.
            if let (None, Some(voided)) = (flight, ended) {
                voided.abandon();
            }
            drop(old);
            return stored;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    const SHARDS: usize = 8;

    fn weight() -> u64 {
        weight_of(&[0; 8], &Vec::new()).expect("weighs little").into()
    }

    /// Keys that belong to one shard, all of one length.
    fn keys(engine: &Engine<Vec<u8>>, shard: usize) -> impl Iterator<Item = [u8; 8]> {
        let all = (0u64..).map(u64::to_be_bytes);
        all.filter(move |key| engine.home(engine.hash(key)) == shard)
    }

    fn engine(entries: u64) -> Engine<Vec<u8>> {
        Engine::new(Config {
            capacity_bytes: entries * weight(),
            shards: SHARDS,
            ..Config::default()
        })
    }

    fn fill(engine: &Engine<Vec<u8>>, shard: usize, count: usize) {
        for key in keys(engine, shard).take(count) {
            let hash = engine.hash(&key);
            engine.store(&key, hash, Vec::new(), None);
        }
        engine.validate();
    }

    fn held(engine: &Engine<Vec<u8>>) -> Vec<usize> {
        let shards = engine.shards.iter();
        shards.map(|shard| engine.look(shard).len()).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn a_thin_shard_grows_at_the_cost_of_the_fat_one() {
        let engine = engine(800);
        fill(&engine, 0, 800);
        fill(&engine, 1, 200);
        // From half of the mean on it pays for itself.
        assert_eq!(held(&engine), [750, 50, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri too long")]
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
    #[cfg_attr(miri, ignore = "takes Miri too long")]
    fn the_last_bytes_are_found_wherever_they_are() {
        let engine = engine(800);
        (0..SHARDS).for_each(|shard| fill(&engine, shard, 100));
        let key = [9; 8];
        let giant = vec![0; (799 * weight()) as usize];
        let stored = engine.store(&key, engine.hash(&key), giant, None);
        assert!(matches!(stored, Stored::Installed));
        assert_eq!(held(&engine).iter().sum::<usize>(), 1);
    }
}

//! A model of W-TinyLFU that counts every key by itself.

use std::collections::HashMap;

use super::Model;
use super::plain::Ghosts;
use crate::policy::{Item, Slot};

#[derive(Clone, Copy)]
struct Record {
    slot: Slot,
    weight: u32,
    cost: u32,
    key: u32,
    uses: u8,
}

fn bytes(records: &[Record]) -> u64 {
    records.iter().map(|record| u64::from(record.weight)).sum()
}

/// The three parts, with the rules that `w_tinylfu.rs` states.
pub(super) struct WTinyLfu {
    window: Vec<Record>,
    probation: Vec<Record>,
    protected: Vec<Record>,
    counts: HashMap<u32, u8>,
    counted: u64,
    freed: u64,
    share: f64,
    left_window: Ghosts,
    left_main: Ghosts,
}

impl Default for WTinyLfu {
    fn default() -> Self {
        Self {
            window: Vec::new(),
            probation: Vec::new(),
            protected: Vec::new(),
            counts: HashMap::new(),
            counted: 0,
            freed: 0,
            share: 0.1,
            left_window: Ghosts::default(),
            left_main: Ghosts::default(),
        }
    }
}

impl WTinyLfu {
    fn record(&mut self, slot: Slot) -> &mut Record {
        let parts = [&mut self.window, &mut self.probation, &mut self.protected];
        let found = parts.into_iter().flatten().find(|record| record.slot == slot);
        found.expect("the test names slots in use")
    }

    fn asked(&mut self, key: u32, times: u8) {
        let count = self.counts.entry(key).or_default();
        let raised = 15.min(*count + times);
        self.counted += u64::from(raised - *count);
        *count = raised;
        // The test has fewer than 64 entries.
        if times > 0 && self.counted >= 640 {
            self.counts.values_mut().for_each(|count| *count /= 2);
            self.counted /= 2;
        }
    }

    /// The record with its uses counted, and whether there were any.
    fn count(&mut self, record: Record) -> (Record, bool) {
        self.asked(record.key, record.uses);
        (Record { uses: 0, ..record }, record.uses > 0)
    }

    fn value(&self, record: Record) -> u64 {
        u64::from(self.counts[&record.key]) * u64::from(record.cost)
    }

    fn main(&self) -> u64 {
        bytes(&self.probation) + bytes(&self.protected)
    }

    fn window_share(&self) -> u64 {
        ((bytes(&self.window) + self.main() + self.freed) as f64 * self.share) as u64
    }

    fn room(&self) -> u64 {
        let held = bytes(&self.window) + self.main() + self.freed;
        (held - self.window_share()).saturating_sub(self.main())
    }

    fn demote(&mut self) {
        let oldest = self.protected.remove(0);
        let (oldest, was_used) = self.count(oldest);
        if was_used { &mut self.protected } else { &mut self.probation }.push(oldest);
    }

    /// Sees to it that the place in probation holds one that wasn't used.
    fn settle(&mut self, place: usize) -> Option<Record> {
        loop {
            if place == self.probation.len() {
                if self.protected.is_empty() {
                    return None;
                }
                self.demote();
                continue;
            }
            let (record, was_used) = self.count(self.probation[place]);
            self.probation[place] = record;
            if !was_used {
                return Some(record);
            }
            self.probation.remove(place);
            self.protected.push(record);
            while bytes(&self.protected) as f64 > self.main() as f64 * 0.8 {
                self.demote();
            }
        }
    }

    fn is_worth_room(&mut self, candidate: Record) -> bool {
        let mut room = self.room();
        let mut lost = 0;
        for place in 0.. {
            if room >= u64::from(candidate.weight) {
                break;
            }
            let Some(victim) = self.settle(place) else {
                break;
            };
            lost += self.value(victim);
            if lost >= self.value(candidate) {
                return false;
            }
            room += u64::from(victim.weight);
        }
        true
    }
}

impl Model for WTinyLfu {
    fn insert(&mut self, slot: Slot, Item { weight, cost, fingerprint: key }: Item) {
        self.window.push(Record { slot, weight, cost, key, uses: 0 });
        self.freed = 0;
        self.asked(key, 1);
        if self.left_window.take(key) {
            self.share = (self.share + 2.0 / 128.0).min(0.8);
        }
        if self.left_main.take(key) {
            self.share = (self.share - 2.0 / 128.0).max(0.05);
        }
        for _ in 0..2 {
            if self.window.first().is_some_and(|oldest| u64::from(oldest.weight) <= self.room()) {
                let oldest = self.window.remove(0);
                let (oldest, was_used) = self.count(oldest);
                if was_used { &mut self.window } else { &mut self.probation }.push(oldest);
            } else {
                break;
            }
        }
    }

    fn hit(&mut self, slot: Slot) {
        let record = self.record(slot);
        record.uses = 15.min(record.uses + 1);
    }

    fn remove(&mut self, slot: Slot) {
        let record = *self.record(slot);
        self.count(record);
        for part in [&mut self.window, &mut self.probation, &mut self.protected] {
            part.retain(|record| record.slot != slot);
        }
    }

    fn evict(&mut self) -> Option<Slot> {
        let entries = self.window.len() + self.probation.len() + self.protected.len();
        let most = entries.div_ceil(16);
        while let Some(&candidate) = self.window.first() {
            if bytes(&self.window) + self.freed < self.window_share() && self.main() > 0 {
                break;
            }
            let (candidate, was_used) = self.count(candidate);
            self.window[0] = candidate;
            if was_used {
                self.window.rotate_left(1);
                continue;
            }
            let is_worth_room = self.is_worth_room(candidate);
            self.window.remove(0);
            if !is_worth_room {
                self.left_window.add(candidate.key, most);
                self.freed += u64::from(candidate.weight);
                return Some(candidate.slot);
            }
            self.probation.push(candidate);
        }
        let victim = self.settle(0)?;
        self.probation.remove(0);
        self.left_main.add(victim.key, most);
        self.freed += u64::from(victim.weight);
        Some(victim.slot)
    }

    fn reweigh(&mut self, slot: Slot, Item { weight, cost, .. }: Item) {
        let record = self.record(slot);
        (record.weight, record.cost) = (weight, cost);
    }
}

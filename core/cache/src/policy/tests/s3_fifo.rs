//! A model of S3-FIFO, plain and by size.

use super::Model;
use super::plain::Ghosts;
use crate::policy::{Item, Slot};

#[derive(Clone, Copy)]
struct Record {
    slot: Slot,
    weight: u32,
    cost: u32,
    fingerprint: u32,
    uses: u8,
}

/// What a set of records costs or weighs.
fn sum(records: &[Record], of: fn(&Record) -> u32) -> f64 {
    records.iter().map(|record| f64::from(of(record))).sum()
}

/// Algorithm 1 of the S3-FIFO paper, with the deviations that `s3_fifo.rs`
/// names, and the price by `s3_fifo_size.rs` if asked for.
#[derive(Default)]
pub(super) struct S3Fifo {
    is_by_size: bool,
    small: Vec<Record>,
    main: Vec<Record>,
    ghosts: Ghosts,
    mean_departed: Option<f64>,
}

impl S3Fifo {
    pub(super) fn by_size() -> Self {
        Self { is_by_size: true, ..Self::default() }
    }

    fn all(&self) -> Vec<Record> {
        self.small.iter().chain(&self.main).copied().collect()
    }

    fn record(&mut self, slot: Slot) -> &mut Record {
        let mut records = self.small.iter_mut().chain(&mut self.main);
        let found = records.find(|record| record.slot == slot);
        found.expect("the test names slots in use")
    }

    fn remember(&mut self, record: Record) {
        let all = self.all();
        let weight = f64::from(record.weight);
        let mean = self.mean_departed.unwrap_or(weight);
        let mean = mean + (weight - mean) / 256.0;
        let (held, entries) = (sum(&all, |record| record.weight), all.len() as f64);
        let most = (held * 0.9 / mean).clamp(entries * 0.5, entries * 1.2);
        self.mean_departed = Some(mean);
        self.ghosts.add(record.fingerprint, most.ceil() as usize);
    }

    /// How many times the mean weight per cost the record takes.
    fn dearness(&self, record: Record) -> f64 {
        let all = self.all();
        let own = f64::from(record.cost) * sum(&all, |record| record.weight);
        let mean = f64::from(record.weight) * sum(&all, |record| record.cost);
        if self.is_by_size && own != mean { mean / own } else { 1.0 }
    }
}

impl Model for S3Fifo {
    fn insert(&mut self, slot: Slot, Item { weight, cost, fingerprint }: Item) {
        let record = Record { slot, weight, cost, fingerprint, uses: 0 };
        self.small.push(record);
        if self.ghosts.take(fingerprint) && self.dearness(record) < 10.0 {
            self.small.pop();
            self.main.push(record);
        }
    }

    fn hit(&mut self, slot: Slot) {
        let record = self.record(slot);
        record.uses = 127.min(record.uses + 1);
    }

    fn remove(&mut self, slot: Slot) {
        self.small.retain(|record| record.slot != slot);
        self.main.retain(|record| record.slot != slot);
    }

    fn evict(&mut self) -> Option<Slot> {
        loop {
            let small = sum(&self.small, |record| record.weight) as u64;
            let held = sum(&self.all(), |record| record.weight) as u64;
            if self.main.is_empty() || small > held / 10 {
                let record = *self.small.first()?;
                if f64::from(record.uses) >= (2.0 * self.dearness(record)).round().min(127.0) {
                    self.small.remove(0);
                    self.main.push(Record { uses: 0, ..record });
                    continue;
                }
                self.remember(record);
                self.small.remove(0);
                return Some(record.slot);
            }
            let record = self.main[0];
            let price = self.dearness(record).round().clamp(1.0, 127.0) as u8;
            self.main.remove(0);
            if record.uses < price {
                return Some(record.slot);
            }
            let uses = record.uses.min(price.saturating_mul(3)) - price;
            self.main.push(Record { uses, ..record });
        }
    }

    fn reweigh(&mut self, slot: Slot, Item { weight, cost, .. }: Item) {
        let record = self.record(slot);
        (record.weight, record.cost) = (weight, cost);
    }
}

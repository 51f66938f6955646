//! Feeds a what-if as an engine does, with a ghost for the cache.

use larder_cache::Ghost;
use larder_cache::what_if::{ByteTotals, Event, Settings, Totals, WhatIf};

use crate::meter::Meter;

/// Events handed over at once.
const BATCH: usize = 512;

/// A cache, its what-if, and what lies between.
pub struct Feed {
    pub what_if: WhatIf,
    pub cache: Ghost,
    pub totals: Totals,
    /// What the what-if takes.
    pub meter: Meter,
    pub events_seen: u64,
    events: Vec<Event>,
    threshold: u64,
}

impl Feed {
    pub fn new(settings: Settings) -> Self {
        let Settings { policy, objective, capacity_bytes, .. } = settings;
        let mut meter = Meter::default();
        let what_if = meter.watch(|| WhatIf::new(settings));
        Self {
            cache: Ghost::new(policy, objective, capacity_bytes, 1),
            events: Vec::with_capacity(BATCH + 1),
            threshold: what_if.threshold(),
            what_if,
            totals: Totals { bytes: Some(ByteTotals::default()), ..Totals::default() },
            meter,
            events_seen: 0,
        }
    }

    /// A read through the cache.
    pub fn request(&mut self, hash: u64, weight: u32) {
        let held = self.cache.hit(hash);
        self.totals.requests += 1;
        self.totals.hits += u64::from(held.is_some());
        let bytes = self.totals.bytes.get_or_insert_default();
        bytes.requested += u64::from(weight);
        bytes.hit += u64::from(held.map_or(0, |_| weight));
        if hash < self.threshold {
            self.events.push(Event::Read { hash, weight: held.map(|_| weight), cost: 1 });
        }
        if held != Some(weight) {
            self.cache.insert(hash, weight, 1);
            if hash < self.threshold {
                self.events.push(Event::Insert { hash, weight, cost: 1 });
            }
        }
        if self.events.len() >= BATCH {
            self.flush();
        }
    }

    /// Ends a period.
    pub fn step(&mut self) {
        self.flush();
        self.meter.watch(|| self.what_if.step(Some(self.totals)));
    }

    fn flush(&mut self) {
        self.meter.watch(|| self.what_if.observe(&self.events));
        self.events_seen += self.events.len() as u64;
        self.events.clear();
        self.threshold = self.what_if.threshold();
    }
}

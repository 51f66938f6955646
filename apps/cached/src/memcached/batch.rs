//! Reads that came together are looked up together: a look-up is mostly waiting
//! for memory, and the waits of a batch overlap.

use std::borrow::Cow;

use larder_wire::{Get, Meta, reply};

use super::meta;
use super::output::Output;
use super::worker::Worker;
use crate::items::{BATCH, Count, Item, Present};

/// What is asked of one key.
enum Ask<'a> {
    /// `get`, `gets`, or one of several keys of theirs.
    Get { key: &'a [u8], with_cas: bool, is_last: bool },
    /// `mg` that changes nothing.
    Meta(Meta<'a>),
}

impl Ask<'_> {
    fn key(&self) -> &[u8] {
        match self {
            Self::Get { key, .. } => key,
            Self::Meta(Meta { key: Cow::Borrowed(key), .. }) => key,
            Self::Meta(Meta { key: Cow::Owned(key), .. }) => key,
        }
    }
}

/// Reads that wait for others to join them.
pub(super) struct Batch<'a> {
    worker: &'a Worker,
    /// Asked of the clock once for all that came together.
    present: Option<Present>,
    asks: Vec<Ask<'a>>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(worker: &'a Worker) -> Self {
        Self { worker, present: None, asks: Vec::new() }
    }

    /// The present of what came together.
    pub(super) fn present(&mut self) -> Present {
        *self.present.get_or_insert_with(|| self.worker.items.present())
    }

    /// Something may have moved the clock or flushed the cache.
    pub(super) fn forget_present(&mut self) {
        self.present = None;
    }

    /// Takes keys until the output is full; returns those that are left.
    pub(super) fn get(&mut self, get: Get<'a>, output: &mut Output) -> Option<Get<'a>> {
        let mut rest = get.keys;
        let mut key = rest.next();
        while let Some(this) = key {
            let before = rest;
            key = rest.next();
            let is_last = key.is_none();
            self.add(Ask::Get { key: this, with_cas: get.with_cas, is_last }, output);
            if !is_last && self.asks.is_empty() && output.is_full() {
                return Some(Get { keys: before, ..get });
            }
        }
        None
    }

    pub(super) fn meta(&mut self, meta: Meta<'a>, output: &mut Output) {
        self.add(Ask::Meta(meta), output);
    }

    #[inline]
    fn add(&mut self, ask: Ask<'a>, output: &mut Output) {
        self.asks.push(ask);
        if self.asks.len() == BATCH {
            self.flush(output);
        }
    }

    /// Looks up what waits and answers it.
    pub(super) fn flush(&mut self, output: &mut Output) {
        if self.asks.is_empty() {
            return;
        }
        let present = self.present();
        let mut keys: [&[u8]; BATCH] = [&[]; BATCH];
        for (key, ask) in keys.iter_mut().zip(&self.asks) {
            *key = ask.key();
        }
        let counters = &self.worker.counters;
        let mut hits = 0;
        let keys = &keys[..self.asks.len()];
        self.worker.items.read(present, keys, counters, |place, item| {
            hits += u64::from(item.is_some());
            match &self.asks[place] {
                Ask::Get { key, with_cas, is_last } => {
                    answer(output, key, *with_cas, *is_last, item, present);
                }
                Ask::Meta(meta) => meta::answer_get(output, meta, item, present),
            }
        });
        counters.add(Count::Gets, keys.len() as u64);
        counters.add(Count::GetHits, hits);
        counters.add(Count::GetMisses, keys.len() as u64 - hits);
        self.asks.clear();
    }
}

#[inline]
fn answer(
    output: &mut Output,
    key: &[u8],
    with_cas: bool,
    is_last: bool,
    item: Option<&Item>,
    present: Present,
) {
    if let Some(item) = item {
        item.note_use(present.now);
        let cas = with_cas.then_some(item.cas);
        value(output, key, item, cas);
    }
    if is_last {
        output.bytes.extend_from_slice(reply::END);
    }
}

/// `VALUE` and the value.
pub(super) fn value(output: &mut Output, key: &[u8], item: &Item, cas: Option<u64>) {
    reply::value_line(&mut output.bytes, key, item.flags(), item.value.len(), cas);
    output.value(&item.value);
    output.bytes.extend_from_slice(reply::LINE_END);
}

//! What the connections of one thread share. Nothing in it is locked, for
//! nobody else has it.

use std::cell::RefCell;
use std::sync::Arc;

use super::Shared;
use crate::items::{Counters, Items};

/// The size of a buffer for what a client sends. Measured: in half of it a batch
/// with values of 10 KB takes up to a quarter longer. What is here of a larger value
/// when its command is read has to be copied, so it isn't more.
pub(super) const BUFFER_BYTES: usize = 32 * 1024;

/// Buffers that wait for a connection.
const SPARE_BUFFERS: usize = 64;

/// A thread that serves connections.
pub(super) struct Worker {
    pub(super) items: Arc<Items>,
    pub(super) shared: Arc<Shared>,
    pub(super) counters: Arc<Counters>,
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Worker {
    pub(super) fn new(items: Arc<Items>, shared: Arc<Shared>) -> Self {
        let counters = items.counters.join();
        Self { items, shared, counters, spare: RefCell::default() }
    }

    /// An empty buffer.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// Takes a buffer back that holds nothing.
    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if buffer.capacity() >= BUFFER_BYTES
            && buffer.capacity() <= 4 * BUFFER_BYTES
            && spare.len() < SPARE_BUFFERS
        {
            spare.push(buffer);
        }
    }
}

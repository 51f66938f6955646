//! Answers on their way out: small ones in one buffer, large values where they
//! are, all of them in one vectored write. It never copies a large value.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use super::transport::Transport;
use crate::items::Value;

/// Values from this size on aren't copied. Measured: below, the copy costs
/// less than a slice more in the write.
const LARGE_BYTES: usize = 4096;

/// With so much to send, no further commands are carried out before it is
/// sent: who doesn't read isn't read from.
const FULL_BYTES: usize = 256 * 1024;

/// Slices in one write.
const SLICES: usize = 64;

/// A buffer that grew beyond this isn't kept.
const KEPT_BYTES: usize = 64 * 1024;

/// Answers that aren't sent yet.
#[derive(Default)]
pub(super) struct Output {
    /// The answers but for large values.
    pub(super) bytes: Vec<u8>,
    /// Large values, and up to where in `bytes` they come after.
    values: Vec<(usize, Value)>,
    values_bytes: usize,
    sent: usize,
}

impl Output {
    /// Puts a value behind what there is.
    #[inline]
    pub(super) fn value(&mut self, value: &Value) {
        if value.len() < LARGE_BYTES {
            self.bytes.extend_from_slice(value);
        } else {
            self.values_bytes += value.len();
            self.values.push((self.bytes.len(), value.clone()));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= FULL_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.bytes.len() + self.values_bytes
    }

    /// Sends everything; how many bytes.
    pub(super) async fn send(&mut self, transport: &mut impl Transport) -> io::Result<u64> {
        let len = self.len();
        while self.sent < len {
            self.sent += poll_fn(|context| self.poll_send(context, transport)).await?;
        }
        poll_fn(|context| transport.poll_flush(context)).await?;
        self.clear();
        Ok(len as u64)
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        transport: &mut impl Transport,
    ) -> Poll<io::Result<usize>> {
        let written = if self.values.is_empty() {
            ready!(transport.poll_write(context, &[IoSlice::new(&self.bytes[self.sent..])]))?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.fill(&mut slices);
            ready!(transport.poll_write(context, &slices[..count]))?
        };
        match written {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => Poll::Ready(Ok(written)),
        }
    }

    /// The slices that aren't sent, as many as fit; how many.
    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let (mut start, mut skip, mut count) = (0, self.sent, 0);
        let end = (self.bytes.len(), None);
        let values = self.values.iter().map(|(at, value)| (*at, Some(value)));
        for (at, value) in values.chain([end]) {
            let value = value.map_or(&[][..], |value| value);
            for part in [&self.bytes[start..at], value] {
                let skipped = skip.min(part.len());
                skip -= skipped;
                if skipped < part.len() && count < SLICES {
                    slices[count] = IoSlice::new(&part[skipped..]);
                    count += 1;
                }
            }
            start = at;
            if count == SLICES {
                break;
            }
        }
        count
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.values.clear();
        self.values_bytes = 0;
        self.sent = 0;
    }

    /// Takes the buffer out, for others to use.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        self.values = Vec::new();
        let buffer = std::mem::take(&mut self.bytes);
        if buffer.capacity() <= KEPT_BYTES { buffer } else { Vec::new() }
    }
}

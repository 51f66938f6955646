//! The file under a walk: bytes in order through one small buffer, with a
//! position that can't leave the file. Running out of bytes is the refusal
//! "truncated", so no walk has to test for it.

use std::io::{Read, Seek, SeekFrom};

use crate::format::Format;
use crate::refusal::{ProbeError, Refusal};

const BUFFER_BYTES: usize = 32 * 1024;

/// A file and a position in it.
pub(super) struct Source<'a, R> {
    reader: &'a mut R,
    /// Where the reader stands.
    reader_at: u64,
    len: u64,
    at: u64,
    buffer: Box<[u8]>,
    /// The part of the file that `buffer[..held]` holds starts here.
    from: u64,
    held: usize,
    format: Format,
}

impl<'a, R: Read + Seek> Source<'a, R> {
    /// The first `len` bytes of the file, or all where it is shorter.
    pub(super) fn new(reader: &'a mut R, len: u64) -> Result<Self, ProbeError> {
        // Skipping must not get past the real end, so the end is looked up.
        let end = reader.seek(SeekFrom::End(0))?;
        Ok(Self {
            reader,
            reader_at: end,
            len: len.min(end),
            at: 0,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            from: 0,
            held: 0,
            format: Format::Jpeg,
        })
    }

    /// Names the format that refusals speak of.
    pub(super) fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn remaining(&self) -> u64 {
        self.len - self.at
    }

    pub(super) fn damaged<T>(&self, reason: &'static str) -> Result<T, ProbeError> {
        let format = self.format;
        Err(Refusal::Damaged { format, reason }.into())
    }

    pub(super) fn truncated<T>(&self) -> Result<T, ProbeError> {
        let (format, at) = (self.format, self.len);
        Err(Refusal::Truncated { format, at }.into())
    }

    /// The bytes from here on, as many as the buffer holds; empty at the end.
    pub(super) fn peek(&mut self) -> Result<&[u8], ProbeError> {
        self.fill(BUFFER_BYTES)?;
        Ok(self.window())
    }

    /// What the buffer holds from here on.
    fn window(&self) -> &[u8] {
        let start = usize::try_from(self.at - self.from).unwrap_or(usize::MAX);
        self.buffer[..self.held].get(start..).unwrap_or(&[])
    }

    /// Makes the window `want` bytes long, or as long as the file allows.
    fn fill(&mut self, want: usize) -> Result<(), ProbeError> {
        let held_to = self.from + self.held as u64;
        if self.at < self.from || self.at >= held_to {
            self.held = 0;
        } else if held_to - self.at >= want as u64 {
            return Ok(());
        } else {
            let start = usize::try_from(self.at - self.from).unwrap_or(self.held);
            self.buffer.copy_within(start..self.held, 0);
            self.held -= start;
        }
        self.from = self.at;
        let next = self.from + self.held as u64;
        if self.reader_at != next {
            self.reader.seek(SeekFrom::Start(next))?;
            self.reader_at = next;
        }
        while self.held < want && self.reader_at < self.len {
            let left = usize::try_from(self.len - self.reader_at).unwrap_or(usize::MAX);
            let room = (self.buffer.len() - self.held).min(left);
            let buffer = &mut self.buffer[self.held..self.held + room];
            let read = match self.reader.read(buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if read == 0 {
                // Somebody shortened the file meanwhile.
                self.len = self.reader_at;
            }
            self.held += read;
            self.reader_at += read as u64;
        }
        Ok(())
    }

    /// The next `N` bytes, at most the buffer's size.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ProbeError> {
        self.fill(N)?;
        match self.window().first_chunk::<N>() {
            Some(bytes) => {
                let bytes = *bytes;
                self.at += N as u64;
                Ok(bytes)
            }
            None => self.truncated(),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, ProbeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Moves on over `count` bytes, all of them in the file.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), ProbeError> {
        if count > self.remaining() {
            return self.truncated();
        }
        self.at += count;
        Ok(())
    }

    /// Shows the next `count` bytes to `see`, piece by piece.
    pub(super) fn each_piece(
        &mut self,
        count: u64,
        mut see: impl FnMut(&[u8]),
    ) -> Result<(), ProbeError> {
        let mut left = count;
        while left > 0 {
            self.fill(1)?;
            let window = self.window();
            if window.is_empty() {
                return self.truncated();
            }
            let size = window.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            see(&window[..size]);
            self.at += size as u64;
            left -= size as u64;
        }
        Ok(())
    }

    /// Moves on to the next byte of this value, and over it.
    pub(super) fn skip_past(&mut self, byte: u8) -> Result<(), ProbeError> {
        loop {
            self.fill(1)?;
            let window = self.window();
            if window.is_empty() {
                return self.truncated();
            }
            match window.iter().position(|&found| found == byte) {
                Some(index) => {
                    self.at += index as u64 + 1;
                    return Ok(());
                }
                None => self.at += window.len() as u64,
            }
        }
    }

    /// The next `count` bytes. The caller bounds `count`; memory grows with
    /// what the file really holds.
    pub(super) fn vec(&mut self, count: u64) -> Result<Vec<u8>, ProbeError> {
        if count > self.remaining() {
            return self.truncated();
        }
        let mut bytes = Vec::new();
        self.each_piece(count, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }
}

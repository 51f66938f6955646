//! Reading the boxes and numbers of ISO base media metadata that is already
//! in memory. Running out of bytes is `None`, never a panic.

/// Bytes in order.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// A big-endian number of this many bytes; 0 for no bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Option<u64> {
        let bytes = self.take(bytes)?;
        Some(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.number(4)?).ok()
    }

    /// An item's number: two bytes, or four in the boxes' newer versions.
    pub(super) fn item(&mut self, wide: bool) -> Option<u32> {
        if wide { self.u32() } else { self.u16().map(u32::from) }
    }
}

/// The boxes inside a box: each one's name, its body, and where the body
/// begins. A broken one ends the list with `None` inside.
pub(super) struct Boxes<'a> {
    bytes: Bytes<'a>,
    len: usize,
}

/// A box.
pub(super) struct Box<'a> {
    pub(super) kind: [u8; 4],
    pub(super) body: &'a [u8],
    /// Where the body begins in the enclosing body.
    pub(super) at: usize,
}

impl<'a> Boxes<'a> {
    pub(super) fn over(body: &'a [u8]) -> Self {
        Self { bytes: Bytes::new(body), len: body.len() }
    }

    fn read(&mut self) -> Option<Box<'a>> {
        let start = self.len - self.bytes.rest().len();
        let size = self.bytes.u32()?;
        let kind = *self.bytes.take(4)?.first_chunk()?;
        let mut header = 8;
        let size = match size {
            0 => self.len - start,
            1 => {
                header = 16;
                usize::try_from(self.bytes.number(8)?).ok()?
            }
            size => usize::try_from(size).ok()?,
        };
        let body = self.bytes.take(size.checked_sub(header)?)?;
        let at = start + header;
        Some(Box { kind, body, at })
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Option<Box<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.rest().is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_none() {
            self.bytes = Bytes::new(&[]);
        }
        Some(read)
    }
}

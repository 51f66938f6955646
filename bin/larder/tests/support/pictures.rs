//! Photos that carry a stamp: no two stamps have the same bytes, so what comes
//! back tells which upload it was, and a torn or mixed one is none.

use larder_picture::Format;
use larder_picture::samples::{photo, photo_of_about};

/// Photos of several sizes to put stamps into.
pub(crate) struct Photos(Vec<Vec<u8>>);

impl Photos {
    /// From one packet up to more than the spool gathers before it writes.
    pub(crate) fn develop() -> Self {
        Self([2_500, 20_000, 300_000].map(|bytes| photo_of_about(bytes, bytes as u64)).to_vec())
    }

    /// Photos that were made elsewhere.
    pub(crate) fn of(photos: Vec<Vec<u8>>) -> Self {
        Self(photos)
    }

    /// A photo with a stamp; mostly small ones.
    pub(crate) fn stamped(&self, dice: usize, stamp: &str) -> Vec<u8> {
        let size = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2][dice % 10];
        stamped(&self.0[size], stamp)
    }
}

/// A small photo with a stamp.
pub(crate) fn small(stamp: &str) -> Vec<u8> {
    stamped(&photo(Format::Jpeg, 48, 32, 7), stamp)
}

/// Puts a stamp into a JPEG: a comment segment behind its first marker.
fn stamped(jpeg: &[u8], stamp: &str) -> Vec<u8> {
    let (start, rest) = jpeg.split_at(2);
    let len = u16::try_from(stamp.len() + 2).expect("a stamp is short");
    let mut file = Vec::with_capacity(jpeg.len() + stamp.len() + 4);
    file.extend_from_slice(start);
    file.extend_from_slice(&[0xff, 0xfe]);
    file.extend_from_slice(&len.to_be_bytes());
    file.extend_from_slice(stamp.as_bytes());
    file.extend_from_slice(rest);
    file
}

/// A PNG that says it has this size and holds a few bytes of pixels.
pub(crate) fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    for (kind, data) in
        [(b"IHDR", &header[..]), (b"IDAT", b"x\x9c\x03\0\0\0\0\x01"), (b"IEND", b"")]
    {
        let len = u32::try_from(data.len()).expect("a chunk is short");
        file.extend_from_slice(&len.to_be_bytes());
        file.extend_from_slice(kind);
        file.extend_from_slice(data);
        file.extend_from_slice(&crc32(&[kind, data].concat()).to_be_bytes());
    }
    file
}

/// The check sum of PNG chunks, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(!0, byte)
}

/// A GIF of one pixel with this many frames.
pub(crate) fn gif_of_frames(frames: usize) -> Vec<u8> {
    let mut file = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    for _ in 0..frames {
        file.extend_from_slice(b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0");
    }
    file.push(b';');
    file
}

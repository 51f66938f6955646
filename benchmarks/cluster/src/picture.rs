//! PNG files of noise, stored without compression, so that their sizes are
//! what was asked for. The same seed gives the same bytes.

use larder_workload::random::SplitMix64;

/// Signature, chunks and the rest of a file beside its rows.
const OVERHEAD_BYTES: usize = 8 + 25 + 12 + 6 + 5 + 12;

/// A square RGB picture in a file of about `bytes` bytes.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let side = (1_u32..)
        .take_while(|&side| rows_bytes(side) + OVERHEAD_BYTES <= bytes)
        .last()
        .expect("a file holds a pixel");
    let mut random = SplitMix64::new(seed);
    let mut rows = Vec::with_capacity(rows_bytes(side));
    for _ in 0..side {
        // No filter.
        rows.push(0);
        rows.extend((0..side * 3).map(|_| random.next_u64() as u8));
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let sides = [side.to_be_bytes(), side.to_be_bytes()].concat();
    // Eight bits each of red, green and blue.
    chunk(&mut file, b"IHDR", &[&sides[..], &[8, 2, 0, 0, 0]].concat());
    chunk(&mut file, b"IDAT", &stored(&rows));
    chunk(&mut file, b"IEND", b"");
    file
}

fn rows_bytes(side: u32) -> usize {
    (side * (side * 3 + 1)) as usize
}

/// A zlib stream (RFC 1950) of stored blocks.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("a block is that short");
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend_from_slice(&(b << 16 | a).to_be_bytes());
    stream
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("a chunk is short");
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(kind);
    file.extend_from_slice(data);
    file.extend_from_slice(&check_sum(kind.iter().chain(data)).to_be_bytes());
}

/// CRC-32, bit by bit.
fn check_sum<'b>(bytes: impl Iterator<Item = &'b u8>) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
    !bytes.fold(!0, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), |sum, _| step(sum)))
}

//! Small real pictures (PNG) that carry a stamp: what comes back tells which
//! write it was, and a torn or mixed one is none of them.

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Where the stamp is: behind the signature, the header chunk, and the length,
/// name and keyword of the text chunk.
const STAMP_AT: usize = 8 + 25 + 8 + KEYWORD.len();

const KEYWORD: &[u8] = b"Comment\0";

/// The picture with this stamp.
pub(crate) fn stamped(stamp: u64) -> Vec<u8> {
    let side: u8 = if stamp.is_multiple_of(8) { 48 } else { 8 };
    let header =
        [&u32::from(side).to_be_bytes()[..], &u32::from(side).to_be_bytes(), &[8, 0, 0, 0, 0]];
    let text = [KEYWORD, format!("{stamp:016x}").as_bytes()].concat();
    // Each row: no filter, then grey pixels.
    let row = [&[0][..], &stamp.to_le_bytes().repeat(usize::from(side) / 8)].concat();
    let pixels = row.repeat(side.into());
    let mut file = SIGNATURE.to_vec();
    for (name, data) in [
        (b"IHDR", header.concat()),
        (b"tEXt", text),
        (b"IDAT", stored(&pixels)),
        (b"IEND", Vec::new()),
    ] {
        let named = [&name[..], &data].concat();
        file.extend_from_slice(&(data.len() as u32).to_be_bytes());
        file.extend_from_slice(&named);
        file.extend_from_slice(&crc32(&named).to_be_bytes());
    }
    file
}

/// The stamp of a picture, if it is whole.
pub(crate) fn stamp_of(file: &[u8]) -> Option<u64> {
    let digits = file.get(STAMP_AT..STAMP_AT + 16)?;
    let stamp = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    (stamped(stamp) == file).then_some(stamp)
}

/// A zlib stream of one block that isn't compressed.
fn stored(data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).expect("the pictures are small");
    let head = [0x78, 0x01, 1];
    let (mut low, mut high) = (1u32, 0u32);
    for &byte in data {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let sum = (high << 16 | low).to_be_bytes();
    [&head[..], &len.to_le_bytes(), &(!len).to_le_bytes(), data, &sum].concat()
}

/// The check sum of PNG chunks, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(!0, byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_tells_its_stamp_only_while_it_is_whole() {
        for stamp in [0, 7, 8, u64::MAX] {
            let mut file = stamped(stamp);
            assert_eq!(stamp_of(&file), Some(stamp));
            let middle = file.len() / 2;
            file[middle] ^= 1;
            assert_eq!(stamp_of(&file), None);
            assert_eq!(stamp_of(&file[..middle]), None);
        }
        assert_eq!(stamp_of(b""), None);
    }
}

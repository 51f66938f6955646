//! The one thing wanted of EXIF: which way up the picture is. Never an error:
//! metadata that can't be read says nothing.

/// EXIF larger than this is not looked into.
pub(super) const MAX_BYTES: u64 = 65_536;

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation 1..=8 from a TIFF block, with or without EXIF's own
/// prefix; 1 where there is none.
pub(super) fn orientation(block: &[u8]) -> u8 {
    let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    find(tiff).filter(|o| (1..=8).contains(o)).unwrap_or(1)
}

fn find(tiff: &[u8]) -> Option<u8> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let bytes = *tiff.get(4..)?.first_chunk()?;
    let directory =
        usize::try_from(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
            .ok()?;
    let entries = directory.checked_add(2)?;
    for index in 0..usize::from(u16_at(directory)?) {
        let entry = entries.checked_add(index * 12)?;
        if u16_at(entry)? == ORIENTATION && u16_at(entry + 2)? == SHORT {
            return u8::try_from(u16_at(entry + 8)?).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::orientation;

    #[test]
    fn both_byte_orders_are_read_and_nonsense_is_upright() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
        assert_eq!(orientation(little), 6);
        assert_eq!(orientation(big), 8);
        for cut in 0..20 {
            assert_eq!(orientation(&little[..cut.min(18)]), 1);
        }
        let mut nine = *little;
        nine[18] = 9;
        assert_eq!(orientation(&nine), 1);
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), 1);
    }
}

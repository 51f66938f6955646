//! The walk over a JPEG: segment by segment, and through the coded data of
//! every scan up to the end marker. Never decodes Huffman codes.

use std::io::{Read, Seek};

use super::source::Source;
use super::{Picture, exif};
use crate::format::Format;
use crate::limits::Limits;
use crate::refusal::ProbeError;

/// A decoder may go over the whole picture once per scan, so a small file
/// with thousands of scans would keep it busy for minutes. Cameras and
/// encoders write about ten.
const MAX_SCANS: u32 = 100;

pub(super) fn walk<R: Read + Seek>(
    source: &mut Source<'_, R>,
    limits: &Limits,
) -> Result<Picture, ProbeError> {
    let mut size = None;
    let mut orientation = None;
    let mut scans = 0;
    source.skip(2)?;
    let mut marker = next_marker(source)?;
    loop {
        match marker {
            0xd9 => break,
            // A lone restart or TEM marker has no length.
            0x01 | 0xd0..=0xd7 => {}
            0x00 | 0xd8 => return source.damaged("a marker is where none may be"),
            _ => {
                let length = u64::from(u16::from_be_bytes(source.array()?));
                let Some(mut left) = length.checked_sub(2) else {
                    return source.damaged("a segment's length is too small");
                };
                if is_frame(marker) {
                    if size.is_some() {
                        return source.damaged("it has two frame headers");
                    }
                    if left < 6 {
                        return source.damaged("the frame header is too short");
                    }
                    size = Some(frame(source, limits)?);
                    left -= 6;
                } else if marker == 0xe1 && left >= 6 && orientation.is_none() {
                    // At most 64 KiB, by the segment's own 16-bit length.
                    let block = source.vec(left)?;
                    left = 0;
                    if block.starts_with(b"Exif\0\0") {
                        orientation = Some(exif::orientation(&block));
                    }
                }
                source.skip(left)?;
                if marker == 0xda {
                    if size.is_none() {
                        return source.damaged("pixels come before the frame header");
                    }
                    scans += 1;
                    if scans > MAX_SCANS {
                        return source.damaged("it has more than 100 scans");
                    }
                    marker = skip_coded(source)?;
                    continue;
                }
            }
        }
        marker = next_marker(source)?;
    }
    match size {
        Some(size) if scans > 0 => {
            let orientation = orientation.unwrap_or(1);
            Ok(Picture::stored(Format::Jpeg, size, 1, orientation))
        }
        _ => source.damaged("it ends without any pixels"),
    }
}

/// Whether the marker starts a frame header: all SOF kinds.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Reads precision, height, width and component count.
fn frame<R: Read + Seek>(
    source: &mut Source<'_, R>,
    limits: &Limits,
) -> Result<(u32, u32), ProbeError> {
    let [_precision, h1, h0, w1, w0, components] = source.array()?;
    let height = u32::from(u16::from_be_bytes([h1, h0]));
    let width = u32::from(u16::from_be_bytes([w1, w0]));
    if height == 0 {
        return source.damaged("its header gives no height");
    }
    if width == 0 || components == 0 {
        return source.damaged("its header gives no width or no colours");
    }
    limits.check_frame(width, height)?;
    Ok((width, height))
}

/// The marker that has to be here, after any number of fill bytes.
fn next_marker<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<u8, ProbeError> {
    if source.byte()? != 0xff {
        return source.damaged("a marker is missing");
    }
    loop {
        let marker = source.byte()?;
        if marker != 0xff {
            return Ok(marker);
        }
    }
}

/// Goes over coded data to the first marker that does not belong to it.
fn skip_coded<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<u8, ProbeError> {
    loop {
        source.skip_past(0xff)?;
        let mut marker = source.byte()?;
        while marker == 0xff {
            marker = source.byte()?;
        }
        // 00 stands for a data byte FF, D0..=D7 restart the decoder.
        if !matches!(marker, 0x00 | 0xd0..=0xd7) {
            return Ok(marker);
        }
    }
}

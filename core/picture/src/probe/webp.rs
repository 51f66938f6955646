//! The walk over a WebP: every chunk of the RIFF, and the picture headers in
//! them. Never decodes VP8.

use std::io::{Read, Seek};

use super::source::Source;
use super::{Picture, exif};
use crate::format::Format;
use crate::limits::Limits;
use crate::refusal::ProbeError;

type Size = (u32, u32);

pub(super) fn walk<R: Read + Seek>(
    source: &mut Source<'_, R>,
    limits: &Limits,
) -> Result<Picture, ProbeError> {
    source.skip(4)?;
    let end = 8 + u64::from(u32::from_le_bytes(source.array()?));
    source.skip(4)?;
    if end > source.len() {
        return source.truncated();
    }
    let mut canvas: Option<Size> = None;
    let mut animated = false;
    let mut still: Option<Size> = None;
    let mut frames = 0;
    let mut orientation = None;
    let mut first = true;
    while source.at() < end {
        let (kind, body_end, next) = chunk(source, end)?;
        match &kind {
            b"VP8X" if first => {
                let header: [u8; 10] = inside(source, body_end)?;
                let width = u24(header[4], header[5], header[6]) + 1;
                let height = u24(header[7], header[8], header[9]) + 1;
                limits.check_frame(width, height)?;
                animated = header[0] & 2 != 0;
                canvas = Some((width, height));
            }
            b"VP8 " | b"VP8L" if still.is_none() && !animated => {
                let size = bitstream(source, &kind, body_end)?;
                limits.check_frame(size.0, size.1)?;
                if canvas.is_some_and(|canvas| canvas != size) {
                    return source.damaged("its two headers give different sizes");
                }
                still = Some(size);
            }
            b"ANMF" if animated => {
                let (width, height) = canvas.unwrap_or_default();
                frames += 1;
                limits.check_frames(width, height, frames)?;
                frame(source, body_end, (width, height))?;
            }
            b"EXIF" if orientation.is_none() => {
                let length = body_end - source.at();
                if length <= exif::MAX_BYTES {
                    orientation = Some(exif::orientation(&source.vec(length)?));
                }
            }
            _ => {}
        }
        if first && canvas.is_none() && still.is_none() {
            return source.damaged("its header chunk is missing");
        }
        first = false;
        source.skip(next - source.at())?;
    }
    let size = if animated { canvas } else { still };
    match size {
        Some(size) if !animated || frames > 0 => {
            Ok(Picture::stored(Format::Webp, size, frames.max(1), orientation.unwrap_or(1)))
        }
        _ => source.damaged("it ends without any pixels"),
    }
}

/// A chunk's name, where its body ends, and where the next one begins.
fn chunk<R: Read + Seek>(
    source: &mut Source<'_, R>,
    end: u64,
) -> Result<([u8; 4], u64, u64), ProbeError> {
    if end - source.at() < 8 {
        return source.damaged("a chunk does not fit into the picture");
    }
    let kind = source.array()?;
    let length = u64::from(u32::from_le_bytes(source.array()?));
    let body_end = source.at() + length;
    if body_end > end {
        return source.damaged("a chunk does not fit into the picture");
    }
    // Some encoders leave out the padding of the very last chunk.
    Ok((kind, body_end, (body_end + (length & 1)).min(end)))
}

/// The next `N` bytes, which must lie before `end`.
fn inside<R: Read + Seek, const N: usize>(
    source: &mut Source<'_, R>,
    end: u64,
) -> Result<[u8; N], ProbeError> {
    if end - source.at() < N as u64 {
        return source.damaged("a chunk is too short");
    }
    source.array()
}

/// The size that a VP8 or VP8L bitstream gives for itself.
fn bitstream<R: Read + Seek>(
    source: &mut Source<'_, R>,
    kind: &[u8; 4],
    end: u64,
) -> Result<Size, ProbeError> {
    if kind == b"VP8L" {
        let [mark, a, b, c, d] = inside(source, end)?;
        let bits = u32::from_le_bytes([a, b, c, d]);
        if mark != 0x2f || bits >> 29 != 0 {
            return source.damaged("its lossless data has no valid start");
        }
        return Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
    }
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = inside(source, end)? else {
        return source.damaged("its lossy data has no valid start");
    };
    // The two high bits of each ask for upscaling, which WebP does not use.
    let width = u32::from(u16::from_le_bytes([w0, w1]) & 0x3fff);
    let height = u32::from(u16::from_le_bytes([h0, h1]) & 0x3fff);
    if tag & 1 != 0 || width == 0 || height == 0 {
        return source.damaged("its lossy data has no valid start");
    }
    Ok((width, height))
}

/// One frame of an animation: inside the canvas, with pixels of the size it
/// says.
fn frame<R: Read + Seek>(
    source: &mut Source<'_, R>,
    end: u64,
    canvas: Size,
) -> Result<(), ProbeError> {
    let header: [u8; 16] = inside(source, end)?;
    let left = u24(header[0], header[1], header[2]) * 2;
    let top = u24(header[3], header[4], header[5]) * 2;
    let width = u24(header[6], header[7], header[8]) + 1;
    let height = u24(header[9], header[10], header[11]) + 1;
    if left + width > canvas.0 || top + height > canvas.1 {
        return source.damaged("a frame lies outside the picture");
    }
    while source.at() < end {
        let (kind, body_end, next) = chunk(source, end)?;
        if matches!(&kind, b"VP8 " | b"VP8L") {
            if bitstream(source, &kind, body_end)? != (width, height) {
                return source.damaged("a frame's two headers give different sizes");
            }
            return Ok(());
        }
        source.skip(next - source.at())?;
    }
    source.damaged("a frame has no pixels")
}

fn u24(low: u8, middle: u8, high: u8) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

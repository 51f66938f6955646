//! The walk over a PNG: every chunk with its check sum, up to the end chunk.
//! Never inflates.

use std::io::{Read, Seek};

use super::source::Source;
use super::{Picture, exif};
use crate::format::Format;
use crate::limits::Limits;
use crate::refusal::ProbeError;

#[derive(Default)]
struct Seen {
    size: Option<(u32, u32)>,
    palette_needed: bool,
    palette: bool,
    data: bool,
    /// From `acTL`.
    frames: Option<u32>,
    frame_headers: u32,
    orientation: Option<u8>,
}

pub(super) fn walk<R: Read + Seek>(
    source: &mut Source<'_, R>,
    limits: &Limits,
) -> Result<Picture, ProbeError> {
    source.skip(8)?;
    let mut seen = Seen::default();
    let mut kept = Vec::new();
    loop {
        let length = u64::from(u32::from_be_bytes(source.array()?));
        let kind: [u8; 4] = source.array()?;
        if length > 0x7fff_ffff || !kind.iter().all(u8::is_ascii_alphabetic) {
            return source.damaged("a chunk's header makes no sense");
        }
        let keep = match &kind {
            b"IHDR" | b"acTL" | b"fcTL" => 32,
            b"eXIf" => exif::MAX_BYTES,
            _ => 0,
        };
        let mut sum = crc32fast::Hasher::new();
        sum.update(&kind);
        kept.clear();
        if length > source.remaining() {
            return source.truncated();
        }
        source.each_piece(length, |piece| {
            sum.update(piece);
            if length <= keep {
                kept.extend_from_slice(piece);
            }
        })?;
        if u32::from_be_bytes(source.array()?) != sum.finalize() {
            return source.damaged("a check sum is wrong");
        }
        if seen.size.is_none() && &kind != b"IHDR" {
            return source.damaged("its header chunk is missing");
        }
        match &kind {
            b"IHDR" => header(source, &kept, &mut seen, limits)?,
            b"PLTE" => seen.palette = true,
            b"IDAT" => {
                if seen.palette_needed && !seen.palette {
                    return source.damaged("its palette is missing");
                }
                seen.data = true;
            }
            b"acTL" if !seen.data => animation(source, &kept, &mut seen, limits)?,
            b"fcTL" => frame(source, &kept, &mut seen, limits)?,
            b"eXIf" => seen.orientation = seen.orientation.or(Some(exif::orientation(&kept))),
            b"IEND" => break,
            _ => {}
        }
    }
    let (Some(size), true) = (seen.size, seen.data) else {
        return source.damaged("it ends without any pixels");
    };
    if seen.frames.is_some_and(|frames| frames != seen.frame_headers) {
        return source.damaged("it does not have as many frames as it says");
    }
    let frames = seen.frames.unwrap_or(1);
    let orientation = seen.orientation.unwrap_or(1);
    Ok(Picture::stored(Format::Png, size, frames, orientation))
}

fn header<R: Read + Seek>(
    source: &Source<'_, R>,
    chunk: &[u8],
    seen: &mut Seen,
    limits: &Limits,
) -> Result<(), ProbeError> {
    let (None, &[w3, w2, w1, w0, h3, h2, h1, h0, depth, colour, 0, 0, interlace]) =
        (seen.size, chunk)
    else {
        return source.damaged("its header chunk makes no sense");
    };
    let width = u32::from_be_bytes([w3, w2, w1, w0]);
    let height = u32::from_be_bytes([h3, h2, h1, h0]);
    let depths: &[u8] = match colour {
        0 => &[1, 2, 4, 8, 16],
        3 => &[1, 2, 4, 8],
        2 | 4 | 6 => &[8, 16],
        _ => &[],
    };
    let sides = 1..=0x7fff_ffff;
    if !sides.contains(&width) || !sides.contains(&height) {
        return source.damaged("its header gives no width or no height");
    }
    if !depths.contains(&depth) || interlace > 1 {
        return source.damaged("its header chunk makes no sense");
    }
    limits.check_frame(width, height)?;
    seen.palette_needed = colour == 3;
    seen.size = Some((width, height));
    Ok(())
}

fn animation<R: Read + Seek>(
    source: &Source<'_, R>,
    chunk: &[u8],
    seen: &mut Seen,
    limits: &Limits,
) -> Result<(), ProbeError> {
    let (None, &[f3, f2, f1, f0, _, _, _, _]) = (seen.frames, chunk) else {
        return source.damaged("its animation header makes no sense");
    };
    let frames = u32::from_be_bytes([f3, f2, f1, f0]);
    if frames == 0 {
        return source.damaged("its animation has no frames");
    }
    let (width, height) = seen.size.unwrap_or_default();
    limits.check_frames(width, height, frames)?;
    seen.frames = Some(frames);
    Ok(())
}

fn frame<R: Read + Seek>(
    source: &Source<'_, R>,
    chunk: &[u8],
    seen: &mut Seen,
    limits: &Limits,
) -> Result<(), ProbeError> {
    let field = |at: usize| {
        let bytes = chunk.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(u64::MAX, |bytes| u64::from(u32::from_be_bytes(*bytes)))
    };
    let (width, height) = seen.size.unwrap_or_default();
    let inside = chunk.len() == 26
        && (1..=u64::from(width)).contains(&field(4))
        && (1..=u64::from(height)).contains(&field(8))
        && field(4).saturating_add(field(12)) <= u64::from(width)
        && field(8).saturating_add(field(16)) <= u64::from(height);
    if !inside {
        return source.damaged("a frame lies outside the picture");
    }
    seen.frame_headers += 1;
    limits.check_frames(width, height, seen.frame_headers)?;
    Ok(())
}

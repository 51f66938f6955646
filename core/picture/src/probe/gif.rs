//! The walk over a GIF: every block up to the trailer. Never decodes LZW.

use std::io::{Read, Seek};

use super::Picture;
use super::source::Source;
use crate::format::Format;
use crate::limits::Limits;
use crate::refusal::ProbeError;

pub(super) fn walk<R: Read + Seek>(
    source: &mut Source<'_, R>,
    limits: &Limits,
) -> Result<Picture, ProbeError> {
    source.skip(6)?;
    let [w0, w1, h0, h1, flags, _background, _aspect] = source.array()?;
    let width = u32::from(u16::from_le_bytes([w0, w1]));
    let height = u32::from(u16::from_le_bytes([h0, h1]));
    if width == 0 || height == 0 {
        return source.damaged("its header gives no width or no height");
    }
    limits.check_frame(width, height)?;
    source.skip(palette_bytes(flags))?;

    let mut frames = 0;
    loop {
        match source.byte()? {
            b'!' => {
                source.skip(1)?;
                skip_blocks(source)?;
            }
            b',' => {
                frames += 1;
                limits.check_frames(width, height, frames)?;
                let [_, _, _, _, fw0, fw1, fh0, fh1, flags] = source.array()?;
                // A decoder may hold the frame before it clips it.
                limits.check_frame(
                    u32::from(u16::from_le_bytes([fw0, fw1])),
                    u32::from(u16::from_le_bytes([fh0, fh1])),
                )?;
                source.skip(palette_bytes(flags))?;
                if !(1..=11).contains(&source.byte()?) {
                    return source.damaged("a frame's code size makes no sense");
                }
                skip_blocks(source)?;
            }
            b';' => break,
            _ => return source.damaged("a block is of no known kind"),
        }
    }
    if frames == 0 {
        return source.damaged("it ends without any pixels");
    }
    Ok(Picture::stored(Format::Gif, (width, height), frames, 1))
}

fn palette_bytes(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Goes over length-led blocks up to the empty one.
fn skip_blocks<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<(), ProbeError> {
    loop {
        match source.byte()? {
            0 => return Ok(()),
            length => source.skip(u64::from(length))?,
        }
    }
}

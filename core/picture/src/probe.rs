//! What an uploaded file is, decided by walking its structure from the first
//! byte to the end of the picture. Never trusts a name or a header of the
//! request, never decodes pixels, never allocates by a length in the file.
//!
//! Each walk takes time in proportion to the file at most, and a fixed amount
//! of memory: one 32 KiB buffer, plus at most 64 KiB of EXIF or 1 MiB of AVIF
//! metadata.
//!
//! # Two files in one
//!
//! A file that is a whole picture and something else besides is accepted as
//! that picture, since bytes after the picture's end are ignored: a JPEG, PNG,
//! GIF or WebP followed by a ZIP, scripts in a comment or metadata block. It is
//! served inert: under the type found here, with `nosniff` and a sandboxing
//! policy, so nothing but a picture can come of it. Refused is what only begins
//! like a picture (`GIF89a/*<script>`), since the walk does not get to an end;
//! AVIF followed by anything but further boxes; and SVG followed by anything
//! but comments.

mod avif;
mod exif;
mod gif;
mod jpeg;
mod png;
mod source;
mod svg;
mod unknown;
mod webp;

use std::io::{Read, Seek};

use crate::format::Format;
use crate::limits::Limits;
use crate::refusal::{ProbeError, Refusal};
pub(crate) use avif::{Extents, still};
use source::Source;

/// What a file is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// The format.
    pub format: Format,
    /// Pixels across, as displayed: after `orientation` was applied. 0 for an
    /// SVG that does not say.
    pub width: u32,
    /// Pixels down, as displayed.
    pub height: u32,
    /// Frames; 1 for a still picture.
    pub frames: u32,
    /// How the stored pixels become the displayed ones, in EXIF's numbers,
    /// 1..=8, where 1 is "as they are". From EXIF in JPEG, PNG and WebP, from
    /// the `irot` and `imir` properties in AVIF.
    pub orientation: u8,
}

impl Picture {
    /// A picture from its size as stored.
    fn stored(format: Format, (width, height): (u32, u32), frames: u32, orientation: u8) -> Self {
        let (width, height) = if orientation >= 5 { (height, width) } else { (width, height) };
        Self { format, width, height, frames, orientation }
    }

    /// Whether it has more than one frame.
    #[must_use]
    pub const fn is_animated(&self) -> bool {
        self.frames > 1
    }
}

/// Says what the file of `len` bytes is, and refuses it where it is no
/// picture, not a whole one, or beyond the limits.
///
/// Reads from the reader's start, wherever it stands; leaves it anywhere. A
/// buffered reader gains nothing. Bytes after `len` are not read.
///
/// What is checked: the structure, up to the end of the picture. A file cut
/// short anywhere is refused; a flipped bit inside compressed pixels is found
/// in PNG only, which carries check sums. The limits hold for raster formats;
/// an SVG has no pixels of its own.
///
/// # Errors
///
/// [`ProbeError::Refused`] with a sentence for the user, or [`ProbeError::Io`].
pub fn probe<R: Read + Seek>(
    reader: &mut R,
    len: u64,
    limits: &Limits,
) -> Result<Picture, ProbeError> {
    let mut source = Source::new(reader, len)?;
    let head = source.peek()?;
    if head.is_empty() {
        return Err(Refusal::Empty.into());
    }
    let Some(format) = sniff(head) else {
        let found = unknown::describe(head);
        return Err(Refusal::UnknownType { found }.into());
    };
    source.set_format(format);
    match format {
        Format::Jpeg => jpeg::walk(&mut source, limits),
        Format::Png => png::walk(&mut source, limits),
        Format::Gif => gif::walk(&mut source, limits),
        Format::Webp => webp::walk(&mut source, limits),
        Format::Avif => avif::walk(&mut source, limits),
        Format::Svg if limits.allow_svg => svg::walk(&mut source),
        Format::Svg => Err(Refusal::SvgNotAllowed.into()),
    }
}

/// The format a file begins as.
fn sniff(head: &[u8]) -> Option<Format> {
    if head.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(Format::Jpeg)
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Format::Png)
    } else if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
        Some(Format::Gif)
    } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        Some(Format::Webp)
    } else if avif::begins(head) {
        Some(Format::Avif)
    } else if svg::begins(head) {
        Some(Format::Svg)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;

//! The walk over an AVIF: the boxes up to the end of the file, and where the
//! metadata says the pixels lie. Never decodes AV1.

mod boxes;
mod meta;

use std::io::{Read, Seek};

use super::Picture;
use super::source::Source;
use crate::format::Format;
use crate::limits::Limits;
use crate::refusal::{ProbeError, Refusal};
use boxes::{Boxes, Bytes};
pub(crate) use meta::Extents;
use meta::Still;

/// Metadata larger than this is refused: it holds a few hundred bytes, and
/// with a colour profile inside, a few thousand.
const MAX_METADATA_BYTES: u64 = 1 << 20;

/// Whether the head is that of an AVIF: a file type box with a brand of ours.
pub(super) fn begins(head: &[u8]) -> bool {
    let Some((size, rest)) = head.split_first_chunk::<4>() else {
        return false;
    };
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    let Some(body) = rest.strip_prefix(b"ftyp") else {
        return false;
    };
    let brands = &body[..body.len().min(size.saturating_sub(8))];
    // The second word is a version, not a brand.
    let mut brands = brands.chunks(4).enumerate().filter(|(index, _)| *index != 1);
    brands.any(|(_, brand)| matches!(brand, b"avif" | b"avis"))
}

pub(super) fn walk<R: Read + Seek>(
    source: &mut Source<'_, R>,
    limits: &Limits,
) -> Result<Picture, ProbeError> {
    let (container, len) = container(source)?;
    let (size, orientation) = match (&container.still, &container.sequence) {
        (Some(still), _) => ((still.width, still.height), still.orientation),
        (None, Some(sequence)) => ((sequence.width, sequence.height), 1),
        (None, None) => return source.damaged("it ends without any pixels"),
    };
    if size.0 == 0 || size.1 == 0 {
        return source.damaged("its header gives no width or no height");
    }
    limits.check_frame(size.0, size.1)?;
    let mut frames = 1;
    if let Some(sequence) = &container.sequence {
        limits.check_frame(sequence.width, sequence.height)?;
        frames = sequence.frames.max(1);
        if sequence.needs > len {
            return source.truncated();
        }
    }
    limits.check_frames(size.0, size.1, frames)?;
    if container.still.is_some_and(|still| still.needs > len) {
        return source.truncated();
    }
    Ok(Picture::stored(Format::Avif, size, frames, orientation))
}

/// What `render` needs of a file that the walk has accepted: where the still
/// picture's pixels lie. None for a sequence without one.
pub(crate) fn still(file: &[u8]) -> Result<Option<Still>, Refusal> {
    let mut reader = std::io::Cursor::new(file);
    let parsed = Source::new(&mut reader, file.len() as u64).and_then(|mut source| {
        source.set_format(Format::Avif);
        container(&mut source)
    });
    match parsed {
        Ok((container, _)) => Ok(container.still),
        Err(ProbeError::Refused(refusal)) => Err(refusal),
        // Memory can't fail to be read.
        Err(ProbeError::Io(_)) => Ok(None),
    }
}

#[derive(Default)]
struct Container {
    still: Option<Still>,
    sequence: Option<meta::Sequence>,
}

/// Goes over the outermost boxes; also gives the file's length.
fn container<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<(Container, u64), ProbeError> {
    let mut container = Container::default();
    while source.remaining() > 0 {
        let start = source.at();
        let mut size = u64::from(u32::from_be_bytes(source.array()?));
        let kind: [u8; 4] = source.array()?;
        if size == 1 {
            size = u64::from_be_bytes(source.array()?);
        } else if size == 0 {
            size = source.len() - start;
        }
        let Some(body) = size.checked_sub(source.at() - start) else {
            return source.damaged("a box is smaller than its own header");
        };
        if !kind.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return source.damaged("a box has no valid name");
        }
        if !matches!(&kind, b"meta" | b"moov") {
            source.skip(body)?;
            continue;
        }
        if body > MAX_METADATA_BYTES {
            return source.damaged("its metadata is larger than 1 MiB");
        }
        let at = source.at();
        let bytes = source.vec(body)?;
        let read = if &kind == b"meta" {
            meta::still(&bytes, at).map(|still| {
                if container.still.is_none() {
                    container.still = still;
                }
            })
        } else {
            meta::sequence(Boxes::over(&bytes)).map(|sequence| container.sequence = sequence)
        };
        if read.is_none() {
            return source.damaged("its metadata contradicts itself");
        }
    }
    Ok((container, source.len()))
}

/// The body of a box that begins with a version and flags.
fn full<'a>(body: &'a [u8]) -> Option<(u8, u32, Bytes<'a>)> {
    let mut bytes = Bytes::new(body);
    let word = bytes.u32()?;
    Some(((word >> 24) as u8, word & 0x00ff_ffff, bytes))
}

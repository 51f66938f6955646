//! What an AVIF's metadata says: the still picture's size, way up and place
//! in the file, and an image sequence's frames. `None` is a contradiction.

use super::boxes::{Boxes, Bytes};
use super::full;

/// Where an item's bytes lie in the file: offset and length, in order.
pub(crate) type Extents = Vec<(u64, u64)>;

/// More pieces than any encoder makes; a fragmented item is one or two.
const MAX_EXTENTS: usize = 4096;

/// The still picture of an AVIF.
#[derive(Debug, Default)]
pub(crate) struct Still {
    /// Pixels across, as stored.
    pub(crate) width: u32,
    /// Pixels down, as stored.
    pub(crate) height: u32,
    /// As EXIF numbers it.
    pub(crate) orientation: u8,
    /// Whether the item is AV1 data itself, not a grid of other items.
    pub(crate) is_av1: bool,
    /// The AV1 data.
    pub(crate) colour: Extents,
    /// The AV1 data of the transparency, where there is one.
    pub(crate) alpha: Option<Extents>,
    /// Whether the colours are already multiplied with the transparency.
    pub(crate) premultiplied: bool,
    /// From a `colr` box: matrix coefficients and full range.
    pub(crate) nclx: Option<(u16, bool)>,
    /// The file has to be this long to hold every item.
    pub(crate) needs: u64,
}

/// The frames of an image sequence.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frames: u32,
    /// The file is longer than this.
    pub(crate) needs: u64,
}

/// Reads the body of a `meta` box that begins at `at` in the file. The inner
/// `None` is metadata without a picture in it.
#[allow(clippy::option_option)]
pub(super) fn still(body: &[u8], at: u64) -> Option<Option<Still>> {
    let (_, _, bytes) = full(body)?;
    let [mut pitm, mut iloc, mut iinf, mut iprp, mut iref] = [None; 5];
    let mut idat = (0, 0);
    for inner in Boxes::over(bytes.rest()) {
        let inner = inner?;
        match &inner.kind {
            b"pitm" => pitm = Some(inner.body),
            b"iloc" => iloc = Some(inner.body),
            b"iinf" => iinf = Some(inner.body),
            b"iprp" => iprp = Some(inner.body),
            b"iref" => iref = Some(inner.body),
            b"idat" => idat = (at + 4 + inner.at as u64, inner.body.len() as u64),
            _ => {}
        }
    }
    let (Some(pitm), Some(iloc), Some(iprp)) = (pitm, iloc, iprp) else {
        return Some(None);
    };
    let (version, _, mut bytes) = full(pitm)?;
    let primary = bytes.item(version > 0)?;

    let mut still = Still::default();
    properties(iprp, primary, &mut still)?;
    still.is_av1 = match iinf {
        Some(iinf) => is_av1(iinf, primary)?,
        None => false,
    };
    let mut alpha = None;
    if let Some(iref) = iref {
        for candidate in auxiliaries(iref, primary)? {
            if is_alpha(iprp, candidate)? {
                alpha = Some(candidate);
                break;
            }
        }
        still.premultiplied = alpha.is_some() && refers(iref, b"prem", primary)?;
    }
    locations(iloc, primary, alpha, idat, &mut still)?;
    if still.colour.is_empty() {
        return None;
    }
    Some(Some(still))
}

/// Calls `see` with each property that belongs to `item`.
fn each_property<'a>(
    iprp: &'a [u8],
    item: u32,
    mut see: impl FnMut(&[u8; 4], &'a [u8]) -> Option<()>,
) -> Option<()> {
    let mut all = Vec::new();
    let mut links = Vec::new();
    for inner in Boxes::over(iprp) {
        let inner = inner?;
        match &inner.kind {
            b"ipco" if all.is_empty() => all = Boxes::over(inner.body).collect::<Option<_>>()?,
            b"ipma" => links.push(inner.body),
            _ => {}
        }
    }
    for body in links {
        let (version, flags, mut bytes) = full(body)?;
        for _ in 0..bytes.u32()? {
            let owner = bytes.item(version > 0)?;
            for _ in 0..bytes.u8()? {
                let index = if flags & 1 == 0 {
                    u16::from(bytes.u8()? & 0x7f)
                } else {
                    bytes.u16()? & 0x7fff
                };
                // Index 0 is "no property".
                if owner == item && index > 0 {
                    let property = all.get(usize::from(index) - 1)?;
                    see(&property.kind, property.body)?;
                }
            }
        }
    }
    Some(())
}

fn properties(iprp: &[u8], item: u32, still: &mut Still) -> Option<()> {
    let mut turns = 0;
    let mut mirror = None;
    each_property(iprp, item, |kind, body| {
        let mut bytes = Bytes::new(body);
        match kind {
            b"ispe" => {
                bytes.u32()?;
                (still.width, still.height) = (bytes.u32()?, bytes.u32()?);
            }
            b"irot" => turns = bytes.u8()? & 3,
            b"imir" => mirror = Some(bytes.u8()? & 1),
            b"colr" if body.starts_with(b"nclx") => {
                bytes.take(8)?;
                let matrix = bytes.u16()?;
                still.nclx = Some((matrix, bytes.u8()? & 0x80 != 0));
            }
            _ => {}
        }
        Some(())
    })?;
    // Quarter turns against the clock, then a mirroring: 0 swaps top and
    // bottom, 1 left and right.
    still.orientation = match (turns, mirror) {
        (0, None) => 1,
        (0, Some(0)) | (2, Some(1)) => 4,
        (0, Some(_)) | (2, Some(_)) => 2,
        (1, None) => 8,
        (1, Some(0)) | (3, Some(1)) => 5,
        (1, Some(_)) | (3, Some(_)) => 7,
        (2, None) => 3,
        _ => 6,
    };
    Some(())
}

fn is_alpha(iprp: &[u8], item: u32) -> Option<bool> {
    let mut found = false;
    each_property(iprp, item, |kind, body| {
        let name = body.get(4..).unwrap_or_default();
        found |= kind == b"auxC"
            && (name.starts_with(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
                || name.starts_with(b"urn:mpeg:hevc:2015:auxid:1"));
        Some(())
    })?;
    Some(found)
}

fn is_av1(iinf: &[u8], item: u32) -> Option<bool> {
    let (version, _, mut bytes) = full(iinf)?;
    bytes.item(version > 0)?;
    for inner in Boxes::over(bytes.rest()) {
        let inner = inner?;
        if &inner.kind == b"infe" {
            let (version, _, mut bytes) = full(inner.body)?;
            if version >= 2 && bytes.item(version > 2)? == item {
                bytes.u16()?;
                return Some(bytes.take(4)? == b"av01");
            }
        }
    }
    Some(false)
}

/// The items that say they are auxiliary to `item`, few of them.
fn auxiliaries(iref: &[u8], item: u32) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    each_reference(iref, |kind, from, to| {
        if kind == b"auxl" && to == item && found.len() < 4 {
            found.push(from);
        }
    })?;
    Some(found)
}

fn refers(iref: &[u8], wanted: &[u8; 4], item: u32) -> Option<bool> {
    let mut found = false;
    each_reference(iref, |kind, from, _| found |= kind == wanted && from == item)?;
    Some(found)
}

fn each_reference(iref: &[u8], mut see: impl FnMut(&[u8; 4], u32, u32)) -> Option<()> {
    let (version, _, bytes) = full(iref)?;
    for inner in Boxes::over(bytes.rest()) {
        let inner = inner?;
        let mut bytes = Bytes::new(inner.body);
        let from = bytes.item(version > 0)?;
        for _ in 0..bytes.u16()? {
            see(&inner.kind, from, bytes.item(version > 0)?);
        }
    }
    Some(())
}

/// Reads where every item lies; keeps the two wanted ones.
fn locations(
    iloc: &[u8],
    primary: u32,
    alpha: Option<u32>,
    idat: (u64, u64),
    still: &mut Still,
) -> Option<()> {
    let (version, _, mut bytes) = full(iloc)?;
    let sizes = bytes.u16()?;
    let [offset_size, length_size, base_size, index_size] =
        [12, 8, 4, 0].map(|shift| usize::from(sizes >> shift & 15));
    let index_size = if version == 0 { 0 } else { index_size };
    for size in [offset_size, length_size, base_size, index_size] {
        if !matches!(size, 0 | 4 | 8) {
            return None;
        }
    }
    for _ in 0..bytes.item(version > 1)? {
        let item = bytes.item(version > 1)?;
        let method = if version == 0 { 0 } else { bytes.u16()? & 15 };
        // Bytes in another file, or made from other items.
        if bytes.u16()? != 0 || method > 1 {
            return None;
        }
        let base = bytes.number(base_size)?;
        let count = usize::from(bytes.u16()?);
        // Without lengths every further piece would be the same whole file.
        if count > MAX_EXTENTS || (length_size == 0 && count > 1) {
            return None;
        }
        let mut extents = Extents::new();
        for _ in 0..count {
            bytes.number(index_size)?;
            let offset = base.checked_add(bytes.number(offset_size)?)?;
            let length = bytes.number(length_size)?;
            let start = if method == 1 {
                if offset.checked_add(length)? > idat.1 {
                    return None;
                }
                offset + idat.0
            } else {
                offset
            };
            // A length of 0 is "to the end": at least one byte.
            still.needs = still.needs.max(start.checked_add(length.max(1))?);
            extents.push((start, length));
        }
        if item == primary {
            still.colour = extents;
        } else if Some(item) == alpha {
            still.alpha = Some(extents);
        }
    }
    Some(())
}

/// Finds the first track with pictures in a `moov` box. The inner `None` is a
/// film without one.
#[allow(clippy::option_option)]
pub(super) fn sequence(moov: Boxes<'_>) -> Option<Option<Sequence>> {
    for track in moov {
        let track = track?;
        if &track.kind != b"trak" {
            continue;
        }
        let mut found = Sequence { width: 0, height: 0, frames: 0, needs: 0 };
        if track_pictures(track.body, &mut found, 0)? {
            return Some(Some(found));
        }
    }
    Some(None)
}

/// Reads one track; whether it holds pictures.
fn track_pictures(body: &[u8], found: &mut Sequence, depth: u32) -> Option<bool> {
    let mut pictures = false;
    for inner in Boxes::over(body) {
        let inner = inner?;
        match &inner.kind {
            b"mdia" | b"minf" | b"stbl" if depth < 3 => {
                pictures |= track_pictures(inner.body, found, depth + 1)?;
            }
            // Width and height end the box, as 16.16 fixed point.
            b"tkhd" => {
                let mut bytes = Bytes::new(inner.body.get(inner.body.len().checked_sub(8)?..)?);
                (found.width, found.height) = (bytes.u32()? >> 16, bytes.u32()? >> 16);
            }
            b"hdlr" => {
                let (_, _, mut bytes) = full(inner.body)?;
                bytes.u32()?;
                pictures |= matches!(bytes.take(4)?, b"pict" | b"vide");
            }
            b"stsz" => {
                let (_, _, mut bytes) = full(inner.body)?;
                bytes.u32()?;
                found.frames = bytes.u32()?;
            }
            b"stco" | b"co64" => {
                let (_, _, mut bytes) = full(inner.body)?;
                let size = if &inner.kind == b"stco" { 4 } else { 8 };
                for _ in 0..bytes.u32()? {
                    let chunk = bytes.number(size)?.checked_add(1)?;
                    found.needs = found.needs.max(chunk);
                }
            }
            _ => {}
        }
    }
    Some(pictures)
}

//! From an AVIF to RGB or RGBA: the AV1 decoder's planes and their colours.
//! Draws the still picture only; never a sequence, never a grid of tiles.

mod colour;

use image::{DynamicImage, RgbImage, RgbaImage};
use re_rav1d::dav1d::{Decoder, Picture, Settings};

use super::RenderError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::{Extents, still};

pub(super) fn decode(file: &[u8], limits: &Limits) -> Result<DynamicImage, RenderError> {
    let format = Format::Avif;
    let damaged = || RenderError::Damaged { format };
    let unsupported = |reason| RenderError::Unsupported { format, reason };
    let still = still(file)?.ok_or_else(|| unsupported("it is a film without a still picture"))?;
    if !still.is_av1 {
        return Err(unsupported("it is put together from several pictures"));
    }
    let data = gather(file, &still.colour).ok_or_else(damaged)?;
    let colour = frame(data, limits).ok_or_else(damaged)?;
    let (width, height) = (still.width, still.height);
    if (colour.width(), colour.height()) != (width, height) {
        return Err(damaged());
    }
    let rgb = colour::rgb(&colour, still.nclx)
        .ok_or_else(|| unsupported("its colour coding is not known here"))?;
    let Some(alpha) = &still.alpha else {
        return RgbImage::from_raw(width, height, rgb).map(Into::into).ok_or_else(damaged);
    };
    let data = gather(file, alpha).ok_or_else(damaged)?;
    let alpha = frame(data, limits).ok_or_else(damaged)?;
    if (alpha.width(), alpha.height()) != (width, height) {
        return Err(damaged());
    }
    let rgba = colour::with_alpha(&rgb, &alpha, still.premultiplied);
    RgbaImage::from_raw(width, height, rgba).map(Into::into).ok_or_else(damaged)
}

/// The item's bytes in one piece. A piece of length 0 goes on to the file's
/// end. Pieces that add up to more than the file overlap: refused, since a
/// small file could stand for gigabytes.
fn gather(file: &[u8], extents: &Extents) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    for &(start, length) in extents {
        let from = file.get(usize::try_from(start).ok()?..)?;
        let piece = match length {
            0 => from,
            length => from.get(..usize::try_from(length).ok()?)?,
        };
        if data.len() + piece.len() > file.len() {
            return None;
        }
        data.extend_from_slice(piece);
    }
    Some(data)
}

/// Decodes the first frame.
fn frame(data: Vec<u8>, limits: &Limits) -> Option<Picture> {
    if data.is_empty() {
        return None;
    }
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    // The AV1 data may say another size than the metadata that was checked.
    settings.set_frame_size_limit(u32::try_from(limits.max_pixels).unwrap_or(u32::MAX));
    let mut decoder = Decoder::with_settings(&settings).ok()?;
    let mut sent = decoder.send_data(data, None, None, None);
    // Every round that gives no picture must have taken in more data, of
    // which a still picture has few units; the count is a last resort.
    for _ in 0..64 {
        match decoder.get_picture() {
            Ok(picture) => return Some(picture),
            Err(error) if error.is_again() => match sent {
                Ok(()) => return None,
                Err(error) if error.is_again() => sent = decoder.send_pending_data(),
                Err(_) => return None,
            },
            Err(_) => return None,
        }
    }
    None
}

//! From a picture file to RGB or RGBA of 8 bits, as stored, not yet turned.
//! Called only with files that `probe` has accepted; sets the decoders' own
//! limits all the same.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder};

use super::{RenderError, avif};
use crate::format::Format;
use crate::limits::Limits;

/// The widest pixel a decoder makes: four channels of 16 bits.
const MAX_PIXEL_BYTES: u64 = 8;

/// What a decoder may use beside the pixels themselves.
const WORKING_BYTES: u64 = 16 << 20;

pub(super) fn decode(
    file: &[u8],
    format: Format,
    limits: &Limits,
) -> Result<DynamicImage, RenderError> {
    let damaged = RenderError::Damaged { format };
    let reader = Cursor::new(file);
    let pixels = match format {
        Format::Jpeg => JpegDecoder::new(reader).and_then(|d| read(d, limits)),
        Format::Png => PngDecoder::new(reader).and_then(|d| read(d, limits)),
        Format::Gif => GifDecoder::new(reader).and_then(|d| read(d, limits)),
        Format::Webp => WebPDecoder::new(reader).and_then(|d| read(d, limits)),
        Format::Avif => return avif::decode(file, limits),
        Format::Svg => {
            return Err(RenderError::Unsupported {
                format,
                reason: "an SVG is drawn by the browser, at any size",
            });
        }
    };
    let pixels = pixels.map_err(|_| damaged)?;
    Ok(if pixels.color().has_alpha() {
        pixels.into_rgba8().into()
    } else {
        pixels.into_rgb8().into()
    })
}

fn read(mut decoder: impl ImageDecoder, limits: &Limits) -> image::ImageResult<DynamicImage> {
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.max_side);
    bounds.max_image_height = Some(limits.max_side);
    let pixels = limits.max_pixels.saturating_mul(MAX_PIXEL_BYTES);
    bounds.max_alloc = Some(pixels.saturating_add(WORKING_BYTES));
    decoder.set_limits(bounds)?;
    DynamicImage::from_decoder(decoder)
}

//! Smaller copies of a picture: decode, resize, turn upright, encode. Blocks
//! for as long as the pixels take; never starts a thread, never bounds how
//! many copies are made at once, and keeps nothing of the source but its
//! pixels: no EXIF, no colour profile, no comment.
//!
//! Colours are taken as sRGB, 16 bits become 8, and of an animation the first
//! frame is drawn (of an APNG, the picture shown where animation is not
//! supported). Memory: up to 12 bytes per pixel of the source, at the default
//! limit 480 MB for a 16-bit PNG and 160 MB for a JPEG; so the caller bounds
//! how many run at once.
//!
//! Milliseconds on one core with `examples/measure.rs`, from 12 megapixels to
//! 400 x 300 unless it says otherwise; AV1 without assembly, which would need
//! nasm to build:
//!
//! | source | to JPEG | to PNG | to WebP | to AVIF |
//! |---|---|---|---|---|
//! | JPEG, 2.6 MB | 103 | 132 | 103 | 274 |
//! | PNG, 22 MB | 154 | 192 | 155 | 325 |
//! | GIF, 6.8 MB | 230 | 267 | 232 | 392 |
//! | WebP, 1.0 MB | 370 | 405 | 372 | 536 |
//! | AVIF, 0.8 MB | 761 | 779 | 758 | 927 |
//! | JPEG, 1600 x 1200, as large | 47 (352 KB) | 445 (1.6 MB) | 84 (181 KB) | 1700 (144 KB) |
//!
//! WebP by method 1 saves 18 ms of the last row's 84 and costs a tenth more
//! bytes; PNG by the fast compression saves 390 ms and doubles the bytes.
//!
//! The AV1 decoder's panics would end the process, since it passes through a
//! C entrance. Some 14,000 scrambled files (`examples/scramble.rs`) made
//! it do no such thing; who wants no such risk does not let AVIF
//! in.

mod avif;
mod decode;
mod encode;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use fast_image_resize::images::Image;
use fast_image_resize::pixels::{U8x3, U8x4};
use fast_image_resize::{PixelTrait, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, RgbaImage};

use crate::format::Format;
use crate::limits::Limits;
use crate::probe::probe;
use crate::refusal::{ProbeError, Refusal};
use crate::variant::{Plan, Variant};
#[cfg(any(test, feature = "samples"))]
pub(crate) use encode::encode;

/// A rendered copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The whole file.
    pub bytes: Bytes,
    /// What it is encoded as.
    pub format: Format,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Why a copy could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The source is no acceptable picture.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The source can be stored, but Larder cannot draw it.
    #[error("No other sizes can be made of this {format} picture: {reason}.")]
    Unsupported {
        /// The source's format.
        format: Format,
        /// What cannot be drawn, as a clause without a full stop.
        reason: &'static str,
    },
    /// The source's structure is sound, its pixels are not.
    #[error("The {format} picture is damaged: its pixels can't be decoded.")]
    Damaged {
        /// The source's format.
        format: Format,
    },
    /// The encoder failed; the source is not to blame.
    #[error("The copy could not be encoded as {format}.")]
    Encode {
        /// What it was to become.
        format: Format,
    },
}

/// Renders a copy of `source`, a whole picture file. Blocks: call it where
/// that is allowed, few at once.
///
/// The source is probed first, so a picture beyond the limits is refused
/// before any of it is decoded.
///
/// # Errors
///
/// See [`RenderError`]; a source that [`probe`](crate::probe()) accepts can
/// still turn out damaged here.
pub fn render(source: &[u8], variant: &Variant, limits: &Limits) -> Result<Rendered, RenderError> {
    let mut reader = std::io::Cursor::new(source);
    let picture = match probe(&mut reader, source.len() as u64, limits) {
        Ok(picture) => picture,
        Err(ProbeError::Refused(refusal)) => return Err(refusal.into()),
        // Memory can't fail to be read.
        Err(ProbeError::Io(_)) => return Err(Refusal::Empty.into()),
    };
    let format = picture.format;
    let damaged = RenderError::Damaged { format };
    // Decoders of hostile bytes have panicked before; one bad picture must
    // not take more down than its own copy.
    let decode = AssertUnwindSafe(|| decode::decode(source, format, limits));
    let pixels = catch_unwind(decode).map_err(|_| damaged.clone())??;

    let sideways = picture.orientation >= 5;
    let stored =
        if sideways { (picture.height, picture.width) } else { (picture.width, picture.height) };
    if (pixels.width(), pixels.height()) != stored {
        return Err(damaged);
    }
    let plan = variant.plan(picture.width, picture.height);
    // Turning the small copy is cheaper than turning the source.
    let plan = if sideways { plan.transposed() } else { plan };
    let mut copy = resize(pixels, plan).ok_or(damaged)?;
    if let Some(orientation) = Orientation::from_exif(picture.orientation) {
        copy.apply_orientation(orientation);
    }
    let encoding = variant.encoding_for(format);
    let (width, height) = (copy.width(), copy.height());
    let bytes =
        encode::encode(copy, encoding).ok_or(RenderError::Encode { format: encoding.format() })?;
    Ok(Rendered { bytes: Bytes::from(bytes), format: encoding.format(), width, height })
}

/// Cuts and scales. `pixels` is RGB or RGBA of 8 bits.
fn resize(pixels: DynamicImage, plan: Plan) -> Option<DynamicImage> {
    let (width, height) = (pixels.width(), pixels.height());
    if (plan.width, plan.height) == (width, height) {
        return Some(pixels);
    }
    Some(match pixels {
        DynamicImage::ImageRgba8(pixels) => {
            let bytes = resize_as::<U8x4>(pixels.into_raw(), (width, height), plan)?;
            RgbaImage::from_raw(plan.width, plan.height, bytes)?.into()
        }
        other => {
            let bytes = resize_as::<U8x3>(other.into_rgb8().into_raw(), (width, height), plan)?;
            RgbImage::from_raw(plan.width, plan.height, bytes)?.into()
        }
    })
}

/// The resizer's own entrance, by pixel kind at run time, would compile all
/// of its thirteen kinds into this crate: two minutes instead of seconds.
fn resize_as<P: PixelTrait>(
    bytes: Vec<u8>,
    (width, height): (u32, u32),
    plan: Plan,
) -> Option<Vec<u8>> {
    let source = Image::from_vec_u8(width, height, bytes, P::pixel_type()).ok()?;
    let mut copy = Image::new(plan.width, plan.height, P::pixel_type());
    let options = ResizeOptions::new().crop(
        f64::from(plan.left),
        f64::from(plan.top),
        f64::from(plan.crop_width),
        f64::from(plan.crop_height),
    );
    let from = source.typed_image::<P>()?;
    let mut to = copy.typed_image_mut::<P>()?;
    Resizer::new().resize_typed(&from, &mut to, &options).ok()?;
    Some(copy.into_vec())
}

#[cfg(test)]
mod tests;

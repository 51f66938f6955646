//! Deterministic pictures for tests and demonstrations: skies, hills and
//! grain in every raster format. Never part of a server: only behind the
//! feature `samples`, and panics on sizes no encoder takes.

mod animated;
mod scene;

use image::codecs::gif::GifEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageEncoder, RgbImage};

use crate::format::Format;
use crate::variant::Encoding;
pub use animated::animation;
#[cfg(test)]
pub(crate) use animated::{chunk, riff};
pub use scene::{cut_out, scene};

/// Quality of JPEG samples; the encoder's default chroma, as from a camera.
const CAMERA_QUALITY: u8 = 90;

/// A picture file of a landscape; the same arguments give the same bytes.
/// AVIF takes about 0.2 s a megapixel when optimised; an SVG is a drawing of
/// a sun.
///
/// # Panics
///
/// On sides of 0, or beyond what the format can hold (65,535; WebP 16,383).
#[must_use]
pub fn photo(format: Format, width: u32, height: u32, seed: u64) -> Vec<u8> {
    let pixels = || scene(width, height, seed);
    match format {
        Format::Jpeg => jpeg(&pixels(), CAMERA_QUALITY, None),
        Format::Png => png(&pixels().into()),
        Format::Gif => gif(&[pixels()]),
        Format::Webp => written(pixels().into(), Encoding::Webp),
        Format::Avif => written(pixels().into(), Encoding::Avif),
        Format::Svg => svg(width, height, seed),
    }
}

/// A JPEG of about `bytes` bytes, within a third, from 2 KB to 8 MB and
/// beyond, in the shape 4:3. Made up to three times over to get there.
#[must_use]
pub fn photo_of_about(bytes: usize, seed: u64) -> Vec<u8> {
    // Large ones are saved with less loss, so they need not be huge pictures.
    let quality = if bytes < 100_000 { CAMERA_QUALITY } else { 98 };
    let mut pixels = bytes as f64;
    let mut file = Vec::new();
    for _ in 0..3 {
        let width = (pixels * 4.0 / 3.0).sqrt().round().max(16.0);
        let landscape = scene(width as u32, (width * 0.75) as u32, seed);
        file = jpeg(&landscape, quality, None);
        // Tables and headers, whatever the size.
        let fixed = 600.0;
        let ratio = (bytes as f64 - fixed).max(1.0) / (file.len() as f64 - fixed).max(1.0);
        if (0.85..1.15).contains(&ratio) {
            break;
        }
        pixels *= ratio;
    }
    file
}

/// A JPEG that is displayed at `width` x `height`, stored as EXIF's
/// `orientation` 1..=8 says.
#[must_use]
pub fn photo_with_orientation(width: u32, height: u32, orientation: u8, seed: u64) -> Vec<u8> {
    let mut pixels = DynamicImage::from(scene(width, height, seed));
    // The way back: quarter turns swap, everything else undoes itself.
    let back = match orientation {
        6 => 8,
        8 => 6,
        other => other,
    };
    if let Some(back) = image::metadata::Orientation::from_exif(back) {
        pixels.apply_orientation(back);
    }
    jpeg(&pixels.into_rgb8(), CAMERA_QUALITY, Some(orientation))
}

/// A picture file of a round shape on a transparent ground; JPEG has none.
#[must_use]
pub fn transparent(encoding: Encoding, width: u32, height: u32, seed: u64) -> Vec<u8> {
    written(cut_out(width, height, seed).into(), encoding)
}

/// A TIFF block with nothing but an orientation.
pub(crate) fn tiff(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

fn written(pixels: DynamicImage, encoding: Encoding) -> Vec<u8> {
    crate::render::encode(pixels, encoding).expect("a sample's size suits its format")
}

fn jpeg(pixels: &RgbImage, quality: u8, orientation: Option<u8>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    if let Some(orientation) = orientation {
        let mut block = b"Exif\0\0".to_vec();
        block.extend(tiff(orientation));
        encoder.add_app_segment(1, block).expect("a small block fits a segment");
    }
    let side = |side| u16::try_from(side).expect("a JPEG's sides fit 16 bits");
    let (width, height) = (side(pixels.width()), side(pixels.height()));
    encoder
        .encode(pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .expect("memory takes every byte");
    file
}

fn png(pixels: &DynamicImage) -> Vec<u8> {
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(pixels.as_bytes(), pixels.width(), pixels.height(), pixels.color().into())
        .expect("memory takes every byte");
    file
}

fn gif(frames: &[RgbImage]) -> Vec<u8> {
    let mut file = Vec::new();
    // 30 is the fastest palette search; these need no better.
    let mut encoder = GifEncoder::new_with_speed(&mut file, 30);
    for frame in frames {
        let frame = DynamicImage::from(frame.clone()).into_rgba8();
        encoder.encode_frame(image::Frame::new(frame)).expect("a GIF's sides fit 16 bits");
    }
    drop(encoder);
    file
}

fn svg(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let hue = seed % 360;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n  \
         <circle cx=\"50%\" cy=\"50%\" r=\"30%\" fill=\"hsl({hue} 80% 50%)\"/>\n</svg>\n"
    )
    .into_bytes()
}

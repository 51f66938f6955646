//! From RGB or RGBA of 8 bits to a picture file. Never writes metadata.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageEncoder, RgbImage};
use jpeg_encoder::{ColorType, SamplingFactor};
use ravif::{Img, RGBA8};

use crate::variant::Encoding;

/// Of 100. Where a photo still looks untouched at its own size.
const JPEG_QUALITY: u8 = 82;
/// Of 100; looks like JPEG at 82, in about half the bytes.
const WEBP_QUALITY: f32 = 80.0;
/// 0 to 6, from fast to small; see the table in `render`.
const WEBP_METHOD: i32 = 2;
/// Of 100; ravif's scale is its own.
const AVIF_QUALITY: f32 = 70.0;
/// 1 to 10, from small to fast; 9 and below take several times as long.
const AVIF_SPEED: u8 = 10;

/// The file, or none where the encoder failed.
pub(crate) fn encode(pixels: DynamicImage, encoding: Encoding) -> Option<Vec<u8>> {
    let pixels = without_idle_alpha(pixels);
    match encoding {
        Encoding::Jpeg => jpeg(&on_white(pixels)),
        Encoding::Png => png(&pixels),
        Encoding::Webp => webp(&pixels),
        Encoding::Avif => avif(&pixels),
    }
}

/// Drops a transparency that nothing uses: every GIF decodes with one.
fn without_idle_alpha(pixels: DynamicImage) -> DynamicImage {
    match &pixels {
        DynamicImage::ImageRgba8(rgba) if rgba.pixels().all(|pixel| pixel.0[3] == 255) => {
            pixels.into_rgb8().into()
        }
        _ => pixels,
    }
}

fn on_white(pixels: DynamicImage) -> RgbImage {
    let DynamicImage::ImageRgba8(rgba) = pixels else {
        return pixels.into_rgb8();
    };
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0.map(u32::from);
        // A weighted mean of two bytes is a byte.
        to.0 = [r, g, b].map(|c| ((c * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    rgb
}

fn jpeg(rgb: &RgbImage) -> Option<Vec<u8>> {
    let (width, height) = (u16::try_from(rgb.width()).ok()?, u16::try_from(rgb.height()).ok()?);
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, JPEG_QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(rgb, width, height, ColorType::Rgb).ok()?;
    Some(file)
}

fn png(pixels: &DynamicImage) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Adaptive);
    encoder
        .write_image(pixels.as_bytes(), pixels.width(), pixels.height(), pixels.color().into())
        .ok()?;
    Some(file)
}

fn webp(pixels: &DynamicImage) -> Option<Vec<u8>> {
    let mut config = webp::WebPConfig::new().ok()?;
    config.quality = WEBP_QUALITY;
    config.method = WEBP_METHOD;
    let encoder = match pixels {
        DynamicImage::ImageRgba8(rgba) => {
            webp::Encoder::from_rgba(rgba, rgba.width(), rgba.height())
        }
        DynamicImage::ImageRgb8(rgb) => webp::Encoder::from_rgb(rgb, rgb.width(), rgb.height()),
        _ => return None,
    };
    Some(encoder.encode_advanced(&config).ok()?.to_vec())
}

fn avif(pixels: &DynamicImage) -> Option<Vec<u8>> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let encoder = ravif::Encoder::new()
        .with_quality(AVIF_QUALITY)
        .with_alpha_quality(AVIF_QUALITY)
        .with_speed(AVIF_SPEED)
        .with_bit_depth(ravif::BitDepth::Eight)
        .with_num_threads(Some(1));
    // Through RGBA even where nothing is transparent, which ravif finds out
    // by itself: its RGB entrance is inlined, and would compile the whole
    // AV1 encoder into this crate, half a minute at a time.
    let pixels: Vec<RGBA8> = match pixels {
        DynamicImage::ImageRgba8(rgba) => rgba.pixels().map(|p| RGBA8::from(p.0)).collect(),
        DynamicImage::ImageRgb8(rgb) => {
            rgb.pixels().map(|p| RGBA8::new(p.0[0], p.0[1], p.0[2], 255)).collect()
        }
        _ => return None,
    };
    let encoded = encoder.encode_rgba(Img::new(&pixels, width, height));
    Some(encoded.ok()?.avif_file)
}

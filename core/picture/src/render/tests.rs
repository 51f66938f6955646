//! Every source in every encoding, the way up, transparency, and sources
//! that must not be drawn.

use super::*;
use crate::samples;
use crate::variant::{Encoding, Fit};

const SOURCES: [Format; 5] = [Format::Jpeg, Format::Png, Format::Gif, Format::Webp, Format::Avif];

fn variant(width: u32, height: u32, fit: Fit, encoding: Encoding) -> Variant {
    Variant { width: Some(width), height: Some(height), fit, encoding: Some(encoding) }
}

fn rendered(source: &[u8], variant: &Variant) -> Rendered {
    match render(source, variant, &Limits::default()) {
        Ok(copy) => copy,
        Err(error) => panic!("{variant}: {error}"),
    }
}

/// The pixels that a copy shows.
fn shown(file: &[u8], format: Format) -> DynamicImage {
    decode::decode(file, format, &Limits::default()).expect("a whole picture")
}

/// The mean difference of two pictures' colours, in steps of 255.
fn apart(a: &DynamicImage, b: &DynamicImage) -> f64 {
    let (a, b) = (a.to_rgb8(), b.to_rgb8());
    assert_eq!(a.dimensions(), b.dimensions());
    let steps: u64 = iter_pairs(&a, &b).map(|(a, b)| u64::from(a.abs_diff(b))).sum();
    steps as f64 / a.len() as f64
}

fn iter_pairs<'a>(a: &'a RgbImage, b: &'a RgbImage) -> impl Iterator<Item = (u8, u8)> + 'a {
    a.iter().copied().zip(b.iter().copied())
}

#[test]
fn every_source_becomes_every_encoding() {
    let reference = shown(&samples::photo(Format::Png, 120, 90, 3), Format::Png);
    for format in SOURCES {
        let source = samples::photo(format, 120, 90, 3);
        // The palette of a GIF is the coarsest of the losses.
        let lossy = if format == Format::Gif { 14.0 } else { 7.0 };
        let difference = apart(&shown(&source, format), &reference);
        assert!(difference < lossy, "{format} source: {difference}");
        for encoding in Encoding::ALL {
            let copy = rendered(&source, &variant(40, 40, Fit::Contain, encoding));
            assert_eq!((copy.width, copy.height), (40, 30));
            assert_eq!(copy.format, encoding.format());
            let mut reader = std::io::Cursor::new(&copy.bytes);
            let picture = probe(&mut reader, copy.bytes.len() as u64, &Limits::default())
                .expect("a copy is a picture");
            assert_eq!(picture.format, copy.format);
            assert_eq!((picture.width, picture.height), (40, 30));
            assert_eq!((picture.orientation, picture.frames), (1, 1));

            let small = reference.thumbnail_exact(40, 30);
            let difference = apart(&shown(&copy.bytes, copy.format), &small);
            assert!(difference < lossy + 3.0, "{format} to {encoding:?}: {difference}");
        }
    }
}

#[test]
fn a_copy_keeps_the_sources_encoding_where_none_is_asked_for() {
    for format in SOURCES {
        let small = Variant { width: Some(16), ..Variant::default() };
        let copy = rendered(&samples::photo(format, 40, 30, 1), &small);
        let expected = if format == Format::Gif { Format::Png } else { format };
        assert_eq!((copy.format, copy.width, copy.height), (expected, 16, 12));
    }
}

#[test]
fn cover_cuts_the_middle_out() {
    // Red, green and blue thirds: the middle is green.
    let thirds = RgbImage::from_fn(90, 30, |x, _| {
        let mut pixel = [0; 3];
        pixel[x as usize / 30] = 255;
        image::Rgb(pixel)
    });
    let source = encode::encode(thirds.into(), Encoding::Png).expect("encodes");
    let copy = rendered(&source, &variant(10, 10, Fit::Cover, Encoding::Png));
    let pixels = shown(&copy.bytes, Format::Png).into_rgb8();
    assert_eq!(pixels.dimensions(), (10, 10));
    assert_eq!(pixels.get_pixel(5, 5).0, [0, 255, 0]);
    // The filter looks a little beyond the cut.
    assert!(pixels.get_pixel(0, 0).0[1] > 230);
}

#[test]
fn every_orientation_is_turned_upright() {
    let upright = shown(&samples::photo_with_orientation(96, 64, 1, 5), Format::Jpeg);
    let small = upright.thumbnail_exact(48, 32);
    for orientation in 1..=8 {
        let source = samples::photo_with_orientation(96, 64, orientation, 5);
        let copy = rendered(&source, &variant(48, 48, Fit::Contain, Encoding::Png));
        assert_eq!((copy.width, copy.height), (48, 32), "{orientation}");
        let difference = apart(&shown(&copy.bytes, Format::Png), &small);
        assert!(difference < 5.0, "orientation {orientation}: {difference}");
        let square = rendered(&source, &variant(30, 30, Fit::Cover, Encoding::Png));
        assert_eq!((square.width, square.height), (30, 30));
    }
}

#[test]
fn transparency_is_kept_or_laid_on_white() {
    for from in [Encoding::Png, Encoding::Webp, Encoding::Avif] {
        let source = samples::transparent(from, 64, 64, 2);
        for to in Encoding::ALL {
            let copy = rendered(&source, &variant(32, 32, Fit::Contain, to));
            let pixels = shown(&copy.bytes, copy.format);
            let corner = pixels.to_rgba8().get_pixel(0, 0).0;
            let middle = pixels.to_rgba8().get_pixel(16, 16).0;
            assert!(middle[3] > 250, "{from:?} to {to:?}: {middle:?}");
            if to == Encoding::Jpeg {
                assert!(corner.iter().all(|c| *c > 230), "{from:?}: {corner:?}");
            } else {
                assert!(corner[3] < 5, "{from:?} to {to:?}: {corner:?}");
            }
        }
    }
}

#[test]
fn an_animation_gives_its_first_frame() {
    for format in [Format::Gif, Format::Png, Format::Webp] {
        let moving = samples::animation(format, 48, 32, 3, 4);
        let wide = DynamicImage::from(samples::scene(96, 32, 4));
        let first = wide.crop_imm(0, 0, 48, 32);
        let copy = rendered(&moving, &variant(48, 32, Fit::Contain, Encoding::Png));
        let difference = apart(&shown(&copy.bytes, Format::Png), &first);
        assert!(difference < 14.0, "{format}: {difference}");
    }
}

#[test]
fn thin_and_tiny_sources_have_copies() {
    for (width, height) in [(1, 1), (1, 200), (200, 1), (2, 3), (17, 16)] {
        for format in SOURCES {
            let source = samples::photo(format, width, height, 1);
            for fit in [Fit::Contain, Fit::Cover] {
                for encoding in Encoding::ALL {
                    let asked = variant(15, 10, fit, encoding);
                    let copy = rendered(&source, &asked);
                    assert_eq!((copy.width, copy.height), asked.size(width, height));
                }
            }
        }
    }
}

#[test]
fn sixteen_bits_and_grey_are_drawn() {
    let deep = image::ImageBuffer::from_fn(20, 10, |x, _| image::Luma([x as u16 * 3000]));
    let mut source = std::io::Cursor::new(Vec::new());
    DynamicImage::ImageLuma16(deep)
        .write_to(&mut source, image::ImageFormat::Png)
        .expect("encodes");
    let asked = variant(20, 10, Fit::Contain, Encoding::Png);
    let copy = rendered(source.get_ref(), &asked);
    let pixels = shown(&copy.bytes, Format::Png).into_rgb8();
    assert_eq!(pixels.get_pixel(10, 5).0, [117; 3]);
}

#[test]
fn a_copy_carries_no_metadata() {
    let source = samples::photo_with_orientation(64, 48, 6, 1);
    for encoding in Encoding::ALL {
        let copy = rendered(&source, &variant(32, 32, Fit::Contain, encoding));
        let holds = |mark: &[u8]| copy.bytes.windows(mark.len()).any(|w| w == mark);
        assert!(!holds(b"Exif") && !holds(b"EXIF") && !holds(b"eXIf"));
    }
}

#[test]
fn what_probe_refuses_is_not_drawn() {
    let limits = Limits { max_pixels: 40 * 30 - 1, ..Limits::default() };
    for format in SOURCES {
        let source = samples::photo(format, 40, 30, 1);
        let outcome = render(&source, &Variant::default(), &limits);
        let refused = matches!(outcome, Err(RenderError::Refused(Refusal::TooManyPixels { .. })));
        assert!(refused, "{format}: {outcome:?}");
        let cut = &source[..source.len() - 1];
        let outcome = render(cut, &Variant::default(), &Limits::default());
        assert!(matches!(outcome, Err(RenderError::Refused(_))), "{format}");
    }
    let outcome = render(b"<svg/>", &Variant::default(), &Limits::default());
    let refused = Err(RenderError::Refused(Refusal::SvgNotAllowed));
    assert_eq!(outcome, refused);
    let limits = Limits { allow_svg: true, ..Limits::default() };
    let outcome = render(b"<svg/>", &Variant::default(), &limits);
    assert!(matches!(outcome, Err(RenderError::Unsupported { .. })));
}

#[test]
fn scrambled_pixels_are_refused_or_drawn_but_never_panic() {
    let mut dice = 1_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as usize % sides
    };
    for format in SOURCES {
        let source = samples::photo(format, 48, 32, 9);
        for _ in 0..60 {
            let mut file = source.clone();
            for _ in 0..=roll(4) {
                let at = roll(file.len());
                file[at] = roll(256) as u8;
            }
            let asked = variant(16, 16, Fit::Cover, Encoding::Jpeg);
            let _ = render(&file, &asked, &Limits::default());
        }
    }
}

#[test]
fn samples_come_in_every_size() {
    for bytes in [2_000, 20_000, 200_000, 2_000_000] {
        let made = samples::photo_of_about(bytes, 3).len();
        let third = bytes / 3;
        assert!((bytes - third..bytes + third).contains(&made), "{bytes}: {made}");
    }
    let again = samples::photo(Format::Jpeg, 64, 64, 8);
    assert_eq!(samples::photo(Format::Jpeg, 64, 64, 8), again);
    assert_ne!(samples::photo(Format::Jpeg, 64, 64, 9), again);
}

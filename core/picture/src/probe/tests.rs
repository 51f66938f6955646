//! What is accepted, what is refused, and that no file, however cut or
//! scrambled, is more than refused.

mod bombs;
mod strangers;

use std::io::Cursor;

use super::*;
use crate::samples;
use crate::variant::Encoding;

const RASTER: [Format; 5] = [Format::Jpeg, Format::Png, Format::Gif, Format::Webp, Format::Avif];

fn drawings() -> Limits {
    Limits { allow_svg: true, ..Limits::default() }
}

fn probed(file: &[u8]) -> Result<Picture, Refusal> {
    probed_within(file, &drawings())
}

fn probed_within(file: &[u8], limits: &Limits) -> Result<Picture, Refusal> {
    match probe(&mut Cursor::new(file), file.len() as u64, limits) {
        Ok(picture) => Ok(picture),
        Err(ProbeError::Refused(refusal)) => Err(refusal),
        Err(ProbeError::Io(error)) => panic!("memory failed to be read: {error}"),
    }
}

fn upright(format: Format, width: u32, height: u32, frames: u32) -> Picture {
    Picture { format, width, height, frames, orientation: 1 }
}

/// One file of every kind, with what it is.
fn every_kind() -> Vec<(&'static str, Vec<u8>, Picture)> {
    let mut kinds = Vec::new();
    for format in Format::ALL {
        let file = samples::photo(format, 60, 45, 7);
        kinds.push((format.title(), file, upright(format, 60, 45, 1)));
    }
    for format in [Format::Gif, Format::Png, Format::Webp] {
        let file = samples::animation(format, 31, 17, 4, 7);
        kinds.push(("animation", file, upright(format, 31, 17, 4)));
    }
    for encoding in [Encoding::Png, Encoding::Webp, Encoding::Avif] {
        let file = samples::transparent(encoding, 33, 21, 7);
        kinds.push(("transparent", file, upright(encoding.format(), 33, 21, 1)));
    }
    let turned = Picture { orientation: 6, ..upright(Format::Jpeg, 60, 45, 1) };
    kinds.push(("turned", samples::photo_with_orientation(60, 45, 6, 7), turned));
    kinds.push(("progressive", progressive(), upright(Format::Jpeg, 50, 40, 1)));
    kinds.push(("lossless", lossless_webp(), upright(Format::Webp, 40, 30, 1)));
    kinds.push(("sequence", sequence(), upright(Format::Avif, 64, 48, 9)));
    kinds
}

fn progressive() -> Vec<u8> {
    let pixels = samples::scene(50, 40, 7);
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 80);
    encoder.set_progressive(true);
    encoder.set_restart_interval(3);
    let colour = jpeg_encoder::ColorType::Rgb;
    encoder.encode(&pixels, 50, 40, colour).expect("encodes");
    file
}

fn lossless_webp() -> Vec<u8> {
    let pixels = samples::scene(40, 30, 7);
    ::webp::Encoder::from_rgb(&pixels, 40, 30).encode_lossless().to_vec()
}

fn iso_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let size = u32::try_from(body.len() + 8).expect("small");
    [&size.to_be_bytes(), &kind[..], &body].concat()
}

/// An image sequence without pixels that mean anything.
fn sequence() -> Vec<u8> {
    let fixed = |n: u32| (n << 16).to_be_bytes();
    let movie = |chunk: u32| {
        let tkhd = iso_box(b"tkhd", &[&[0; 76], &fixed(64), &fixed(48)]);
        let hdlr = iso_box(b"hdlr", &[&[0; 8], b"pict", &[0; 13]]);
        let stsz = iso_box(b"stsz", &[&[0; 4], &[0, 0, 0, 10], &[0, 0, 0, 9]]);
        let stco = iso_box(b"stco", &[&[0; 4], &[0, 0, 0, 1], &chunk.to_be_bytes()]);
        let minf = iso_box(b"minf", &[&iso_box(b"stbl", &[&stsz, &stco])]);
        let mdia = iso_box(b"mdia", &[&hdlr, &minf]);
        iso_box(b"moov", &[&iso_box(b"trak", &[&tkhd, &mdia])])
    };
    let ftyp = iso_box(b"ftyp", &[b"avis\0\0\0\0avismsf1"]);
    let start = ftyp.len() + movie(0).len() + 8;
    let moov = movie(u32::try_from(start).expect("small"));
    [ftyp, moov, iso_box(b"mdat", &[&[7; 90]])].concat()
}

#[test]
fn every_kind_of_file_is_known_by_its_content() {
    for (kind, file, expected) in every_kind() {
        assert_eq!(probed(&file), Ok(expected), "{kind}");
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for (kind, file, expected) in every_kind() {
        for cut in 0..file.len() {
            // Without its last line feed an SVG is whole.
            if expected.format == Format::Svg && cut + 1 == file.len() {
                continue;
            }
            let refusal = probed(&file[..cut]).expect_err("a cut file");
            let begun = cut > 32 || (cut > 12 && expected.format != Format::Avif);
            if begun && expected.format != Format::Svg {
                let format = expected.format;
                let at = cut as u64;
                assert_eq!(refusal, Refusal::Truncated { format, at }, "{kind} at {cut}");
            }
        }
    }
}

#[test]
fn the_given_length_is_the_end() {
    for format in RASTER {
        let file = samples::photo(format, 40, 30, 1);
        let mut reader = Cursor::new(&file);
        reader.set_position(9);
        let len = file.len() as u64;
        assert!(probe(&mut reader, len, &drawings()).is_ok(), "{format}");
        assert!(probe(&mut reader, len - 1, &drawings()).is_err(), "{format}");
        // A length that promises more than there is.
        assert!(probe(&mut reader, len + 9, &drawings()).is_ok(), "{format}");
    }
}

#[test]
fn bytes_after_the_picture_are_ignored_or_refused_as_written() {
    for format in RASTER {
        let mut file = samples::photo(format, 40, 30, 1);
        file.extend(b"PK\x03\x04 and <script>alert(1)</script>");
        let whole = probed(&file);
        match format {
            Format::Avif => assert!(whole.is_err()),
            _ => assert_eq!(whole, Ok(upright(format, 40, 30, 1))),
        }
    }
}

#[test]
fn a_reader_that_fails_is_not_the_files_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk gone"))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(100)
        }
    }
    let outcome = probe(&mut Broken, 100, &Limits::default());
    assert!(matches!(outcome, Err(ProbeError::Io(_))));
}

#[test]
fn orientation_swaps_the_sides_in_every_format_that_has_one() {
    for orientation in 1..=8 {
        let jpeg = samples::photo_with_orientation(60, 40, orientation, 1);
        let block = samples::tiff(orientation);

        let still = samples::photo(Format::Png, 60, 40, 1);
        let mut png = still[..33].to_vec();
        samples::chunk(&mut png, *b"eXIf", &block);
        png.extend(&still[33..]);

        let still = samples::photo(Format::Webp, 60, 40, 1);
        let mut body = b"WEBP".to_vec();
        samples::riff(&mut body, *b"VP8X", &[8, 0, 0, 0, 59, 0, 0, 39, 0, 0]);
        body.extend(&still[12..]);
        samples::riff(&mut body, *b"EXIF", &block);
        let mut webp = Vec::new();
        samples::riff(&mut webp, *b"RIFF", &body);

        let stored = if orientation < 5 { (60, 40) } else { (40, 60) };
        for (file, shown) in [(jpeg, (60, 40)), (png, stored), (webp, stored)] {
            let picture = probed(&file).expect("a whole picture");
            assert_eq!(picture.orientation, orientation);
            assert_eq!((picture.width, picture.height), shown, "{picture:?}");
        }
    }
}

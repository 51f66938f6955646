//! Small files that stand for huge pictures, and files that try to keep the
//! walk busy.

use super::*;

fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    samples::chunk(&mut file, *b"IHDR", &[&size[..], &[8, 6, 0, 0, 0]].concat());
    file
}

fn patched(format: Format, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = samples::photo(format, 40, 30, 1);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn huge_sides_are_refused_from_the_header_alone() {
    let (width, height, limit) = (50_000, 50_000, 16_384);
    let too_long = Err(Refusal::SideTooLong { width, height, limit });
    assert_eq!(probed(&png_header(50_000, 50_000)), too_long);
    let gif = patched(Format::Gif, 6, &[0x50, 0xc3, 0x50, 0xc3]);
    assert_eq!(probed(&gif[..13]), too_long);
    let jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08\xc3\x50\xc3\x50\x01\x01\x11\0";
    assert_eq!(probed(jpeg), too_long);
    let mut webp = samples::animation(Format::Webp, 31, 17, 4, 1);
    webp[24..30].copy_from_slice(&[0x4f, 0xc3, 0, 0x4f, 0xc3, 0]);
    assert_eq!(probed(&webp), too_long);
    let mut avif = samples::photo(Format::Avif, 40, 30, 1);
    let ispe = avif.windows(4).position(|window| window == b"ispe").expect("a size");
    avif[ispe + 8..ispe + 16].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    assert_eq!(probed(&avif), too_long);
}

#[test]
fn forty_megapixels_are_the_most() {
    let refused = probed(&png_header(10_000, 4001));
    assert!(matches!(refused, Err(Refusal::TooManyPixels { .. })));
    let passed = probed(&png_header(10_000, 4000));
    assert!(matches!(passed, Err(Refusal::Truncated { .. })));
    let odd = probed(&png_header(0, 4000));
    assert!(matches!(odd, Err(Refusal::Damaged { .. })));
}

#[test]
fn a_gif_of_a_hundred_thousand_frames_is_refused() {
    let mut file = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    for _ in 0..100_000 {
        file.extend(b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0");
    }
    file.push(b';');
    assert_eq!(probed(&file), Err(Refusal::TooManyFrames { limit: 500 }));
}

#[test]
fn animations_are_counted_in_every_format() {
    for format in [Format::Gif, Format::Png, Format::Webp] {
        let file = samples::animation(format, 30, 20, 5, 1);
        let few = Limits { max_frames: 4, ..Limits::default() };
        let refused = probed_within(&file, &few);
        assert_eq!(refused, Err(Refusal::TooManyFrames { limit: 4 }));
        let limit = 30 * 20 * 5 - 1;
        let small = Limits { max_total_pixels: limit, ..Limits::default() };
        let refused = probed_within(&file, &small);
        assert_eq!(refused, Err(Refusal::TooManyPixelsInAll { limit }));
    }
    // What an APNG's header claims is enough.
    let mut claim = png_header(100, 100);
    samples::chunk(&mut claim, *b"acTL", &[0, 1, 0x86, 0xa0, 0, 0, 0, 0]);
    assert_eq!(probed(&claim), Err(Refusal::TooManyFrames { limit: 500 }));
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let file = samples::photo(Format::Jpeg, 16, 16, 1);
    let scan = file.windows(2).position(|window| window == [0xff, 0xda]).expect("a scan");
    let mut many = file[..file.len() - 2].to_vec();
    for _ in 0..200 {
        many.extend(&file[scan..file.len() - 2]);
    }
    many.extend([0xff, 0xd9]);
    assert!(matches!(probed(&many), Err(Refusal::Damaged { .. })));
}

#[test]
fn a_webp_whose_pixels_are_larger_than_it_says_is_refused() {
    let mut file = samples::animation(Format::Webp, 31, 17, 2, 1);
    let frame =
        file.windows(3).position(|window| window == [0x9d, 0x01, 0x2a]).expect("a key frame");
    file[frame + 3..frame + 7].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    assert!(matches!(probed(&file), Err(Refusal::Damaged { .. })));
}

#[test]
fn avif_lengths_that_promise_gigabytes_cost_nothing() {
    for kind in [b"meta", b"moov"] {
        let ftyp = iso_box(b"ftyp", &[b"avif\0\0\0\0avif"]);
        let huge = [&[0xff, 0xff, 0xff, 0xf0], &kind[..], &[0; 100]].concat();
        let refused = probed(&[ftyp, huge].concat());
        assert!(refused.is_err(), "{refused:?}");
    }
}

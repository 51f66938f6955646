//! Files that are no pictures, or pretend to be, and random ones.

use proptest::prelude::*;

use super::*;

fn unknown(file: &[u8]) -> &'static str {
    match probed(file) {
        Err(Refusal::UnknownType { found }) => found,
        other => panic!("not refused as unknown: {other:?}"),
    }
}

#[test]
fn strangers_are_named() {
    let table: [(&[u8], &str); 17] = [
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04\x14\0", "a ZIP archive or an Office document"),
        (b"\x7fELF\x02\x01", "a program for Linux"),
        (b"MZ\x90\0", "a program for Windows"),
        (b"#!/bin/sh\necho", "a script"),
        (b"\n <!DOCTYPE HTML><p>", "HTML text"),
        (b"<script>alert(1)</script>", "HTML text"),
        (b"<!-- x --><html><svg></svg>", "HTML text"),
        (b"<?xml version='1.0'?><rss/>", "XML text"),
        (b"{\"a\": 1}", "JSON text"),
        ("gr\u{fc}\u{df}e".as_bytes(), "plain text"),
        (b"push graphic-context\nviewbox", "an MVG drawing"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "an MP4 video"),
        (b"II*\0\x08\0\0\0", "a TIFF or camera raw picture"),
        (b"\x01\x02\x03\x04", "data of an unknown kind"),
        (b"\xff\xfe<\0s\0v\0g\0", "data of an unknown kind"),
    ];
    for (file, found) in table {
        assert_eq!(unknown(file), found);
    }
    assert_eq!(probed(b""), Err(Refusal::Empty));
}

#[test]
fn refusals_are_sentences_that_say_what_is_accepted() {
    let refusals = [probed(b""), probed(b"%PDF-1.7"), probed_within(b"<svg/>", &Limits::default())];
    for refusal in refusals {
        let sentence = refusal.expect_err("refused").to_string();
        assert!(sentence.contains("JPEG, PNG, GIF, WebP"), "{sentence}");
        assert!(sentence.ends_with('.'), "{sentence}");
    }
}

#[test]
fn what_only_begins_like_a_picture_is_refused() {
    let table: [&[u8]; 9] = [
        b"GIF89a/*\0\xff*/=1;<script>alert(document.domain)</script>",
        b"GIF89a<svg onload=alert(1)>",
        b"\xff\xd8\xff\xe0<html><script>alert(1)</script></html>",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\0\x01\0\0\xff\xd9",
        b"\x89PNG\r\n\x1a\n<html>",
        b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82",
        b"RIFF\x04\0\0\0WEBP",
        b"\0\0\0\x10ftypavif\0\0\0\0",
    ];
    for file in table {
        let refused = probed(file);
        assert!(refused.is_err(), "{}", file.escape_ascii());
    }
}

#[test]
fn a_wrong_check_sum_in_a_png_is_found() {
    let mut file = samples::photo(Format::Png, 40, 30, 1);
    let middle = file.len() / 2;
    file[middle] ^= 1;
    assert!(matches!(probed(&file), Err(Refusal::Damaged { .. })));
}

#[test]
fn svg_is_refused_unless_allowed_however_it_is_dressed() {
    let table: [(&[u8], (u32, u32)); 7] = [
        (b"<svg/>", (0, 0)),
        (b"<svg width='12' height=\"7.2px\"/>", (12, 8)),
        (b"\xef\xbb\xbf \n<svg viewBox='0 0 24,48'></svg>\n", (24, 48)),
        (b"<svg width='50%' viewBox='-1 -1 9 8'><a b='>'/></svg>", (9, 8)),
        (b"<?xml version='1.0'?><!-- <b> --><svg><!-- </svg> --></svg><!-- -->", (0, 0)),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><svg></svg>", (0, 0)),
        (b"<svg><style><![CDATA[ a > b { } ]]></style><svg></svg></svg>", (0, 0)),
    ];
    for (file, (width, height)) in table {
        let expected = upright(Format::Svg, width, height, 1);
        assert_eq!(probed(file), Ok(expected), "{}", file.escape_ascii());
        let refused = probed_within(file, &Limits::default());
        assert_eq!(refused, Err(Refusal::SvgNotAllowed));
        let end = file.trim_ascii_end().len();
        for cut in 0..end {
            let whole_already = file[..cut].ends_with(b"</svg>") && file[cut..].starts_with(b"<!");
            let refused = probed(&file[..cut]).is_err();
            assert!(refused || whole_already, "{}", file[..cut].escape_ascii());
        }
    }
    let refused: [&[u8]; 6] = [
        b"<svg></svg><script>alert(1)</script>",
        b"<svg></svg>text",
        b"<svg>\xff\xfe</svg>",
        b"<svg>\0</svg>",
        b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>",
        b"<svg><a></svg>",
    ];
    for file in refused {
        assert!(probed(file).is_err(), "{}", file.escape_ascii());
    }
}

fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        b"".to_vec(),
        b"\xff\xd8\xff".to_vec(),
        b"\x89PNG\r\n\x1a\n".to_vec(),
        b"GIF89a".to_vec(),
        b"RIFF\xff\0\0\0WEBPVP8X".to_vec(),
        b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\0\xf0meta".to_vec(),
        b"<svg".to_vec(),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(
        head in beginnings(),
        tail in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let file = [head, tail].concat();
        let _ = probed(&file);
        let _ = still(&file);
    }

    #[test]
    fn scrambled_pictures_never_panic_nor_pass_the_limits(
        kind in 0..15_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        moved in any::<bool>(),
    ) {
        thread_local! {
            static KINDS: Vec<(&'static str, Vec<u8>, Picture)> = every_kind();
        }
        let mut file = KINDS.with(|kinds| kinds[kind % kinds.len()].1.clone());
        for (index, byte) in changes {
            // Headers are at the front, and worth most of the scrambling.
            let reach = if byte % 2 == 0 { file.len() } else { file.len().min(300) };
            let at = index.index(reach);
            file[at] = byte;
        }
        if moved {
            file.rotate_left(cut.index(16));
        }
        let _ = still(&file);
        if let Ok(picture) = probed(&file)
            && picture.format != Format::Svg
        {
            let limits = Limits::default();
            prop_assert!(picture.width.max(picture.height) <= limits.max_side);
            prop_assert!(picture.width > 0 && picture.height > 0 && picture.frames > 0);
            prop_assert!(picture.frames <= limits.max_frames);
        }
    }
}

//! Samples that move, put together from still ones.

use image::RgbImage;

use super::{gif, png, scene, written};
use crate::format::Format;
use crate::variant::Encoding;

/// An animation of a GIF, PNG or WebP: the same landscape, panning.
///
/// # Panics
///
/// On other formats, without frames, and on sizes that [`super::photo`]
/// refuses.
#[must_use]
pub fn animation(format: Format, width: u32, height: u32, frames: u32, seed: u64) -> Vec<u8> {
    assert!(frames > 0, "an animation has frames");
    let wide = scene(width * 2, height, seed);
    let frames: Vec<RgbImage> = (0..frames)
        .map(|i| {
            let left = width * i / frames;
            image::imageops::crop_imm(&wide, left, 0, width, height).to_image()
        })
        .collect();
    match format {
        Format::Gif => gif(&frames),
        Format::Png => apng(&frames, width, height),
        Format::Webp => webp(&frames, width, height),
        other => panic!("no animated {other} samples"),
    }
}

/// Every frame's own PNG, its data chunks renamed and numbered.
fn apng(frames: &[RgbImage], width: u32, height: u32) -> Vec<u8> {
    let count = u32::try_from(frames.len()).expect("frames fit 32 bits");
    let mut file = Vec::new();
    let mut numbers = 0_u32..;
    let mut number = || numbers.next().expect("few chunks").to_be_bytes();
    for (index, frame) in frames.iter().enumerate() {
        let still = png(&frame.clone().into());
        if index == 0 {
            // Signature and header chunk: 8 and 25 bytes.
            file.extend(&still[..33]);
            chunk(&mut file, *b"acTL", &[count.to_be_bytes(), [0; 4]].concat());
        }
        let size = [width, height, 0, 0].map(u32::to_be_bytes).concat();
        let timing = [0, 1, 0, 10, 0, 0];
        chunk(&mut file, *b"fcTL", &[&number(), &size[..], &timing].concat());
        let mut rest = &still[33..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (kind, body) = (&after[..4], &after[4..4 + length]);
            rest = &after[8 + length..];
            match kind {
                b"IDAT" if index == 0 => chunk(&mut file, *b"IDAT", body),
                b"IDAT" => chunk(&mut file, *b"fdAT", &[&number(), body].concat()),
                _ => {}
            }
        }
    }
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// Appends a PNG chunk with its check sum.
pub(crate) fn chunk(file: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    let length = u32::try_from(body.len()).expect("a chunk's length fits 32 bits");
    file.extend(length.to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(body);
    let sum = crc32fast::hash(&file[start..]);
    file.extend(sum.to_be_bytes());
}

/// The bitstream of every frame's own WebP, in a frame chunk.
fn webp(frames: &[RgbImage], width: u32, height: u32) -> Vec<u8> {
    let u24 = |n: u32| n.to_le_bytes()[..3].to_vec();
    let size = [u24(width - 1), u24(height - 1)].concat();
    let mut body = b"WEBP".to_vec();
    riff(&mut body, *b"VP8X", &[&[2, 0, 0, 0], &size[..]].concat());
    riff(&mut body, *b"ANIM", &[0, 0, 0, 0, 0, 0]);
    for frame in frames {
        let still = written(frame.clone().into(), Encoding::Webp);
        let head = [&[0; 6], &size[..], &u24(100), &[0]].concat();
        riff(&mut body, *b"ANMF", &[&head, &still[12..]].concat());
    }
    let mut file = Vec::new();
    riff(&mut file, *b"RIFF", &body);
    file
}

/// Appends a RIFF chunk with its padding.
pub(crate) fn riff(file: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    let length = u32::try_from(body.len()).expect("a chunk's length fits 32 bits");
    file.extend(kind);
    file.extend(length.to_le_bytes());
    file.extend(body);
    if body.len() % 2 == 1 {
        file.push(0);
    }
}

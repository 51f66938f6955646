//! Measures what the module docs of `render` say, on one core:
//! `cargo run --release -p larder-picture --features samples --example measure`.
#![allow(clippy::print_stdout)]

use std::io::Cursor;
use std::time::{Duration, Instant};

use larder_picture::{Encoding, Fit, Format, Limits, Variant, probe, render, samples};

fn main() {
    let limits = Limits::default();
    println!("12-megapixel source: probe, copy of 400 x 300 as each encoding");
    for format in [Format::Jpeg, Format::Png, Format::Gif, Format::Webp, Format::Avif] {
        let file = samples::photo(format, 4000, 3000, 1);
        let probed = best(|| {
            let _ = probe(&mut Cursor::new(&file), file.len() as u64, &limits);
        });
        print!("{format:5} {:8} bytes, probe {probed:8.2?}", file.len());
        for encoding in Encoding::ALL {
            print!("; {}", copy(&file, 400, 300, encoding));
        }
        println!();
    }
    println!("1600 x 1200 JPEG, same size");
    let file = samples::photo(Format::Jpeg, 1600, 1200, 1);
    for encoding in Encoding::ALL {
        println!("{}", copy(&file, 1600, 1200, encoding));
    }
}

fn copy(file: &[u8], width: u32, height: u32, encoding: Encoding) -> String {
    let variant = Variant {
        width: Some(width),
        height: Some(height),
        fit: Fit::Contain,
        encoding: Some(encoding),
    };
    let mut size = 0;
    let took = best(|| {
        size = render(file, &variant, &Limits::default()).map_or(0, |copy| copy.bytes.len());
    });
    format!("{} {took:.1?} {size} bytes", encoding.format())
}

fn best(mut run: impl FnMut()) -> Duration {
    let once = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..3).map(|_| once(&mut run)).min().unwrap_or_default()
}

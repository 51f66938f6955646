//! Renders scrambled pictures until told otherwise: a poor man's fuzzer for
//! the decoders, which must refuse or draw, and never end the process.
//! `cargo run --release -p larder-picture --features samples --example scramble -- avif 10000 1`
#![allow(clippy::print_stdout)]

use larder_picture::{Encoding, Format, Limits, Variant, render, samples};

fn main() {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().unwrap_or_default();
    let format: Format = word().parse().unwrap_or(Format::Avif);
    let rounds: u64 = word().parse().unwrap_or(1000);
    let mut dice: u64 = word().parse().unwrap_or(1);
    println!("{rounds} rounds of {format} from seed {dice}");
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as usize % sides
    };
    let mut sources: Vec<Vec<u8>> = [(48, 32), (65, 63), (200, 120)]
        .map(|(width, height)| samples::photo(format, width, height, 9))
        .into();
    if format == Format::Avif {
        sources.push(samples::transparent(Encoding::Avif, 50, 40, 9));
    }
    let variant = Variant { width: Some(16), encoding: Some(Encoding::Jpeg), ..Variant::default() };
    let (mut drawn, mut refused) = (0, 0);
    for _ in 0..rounds {
        let mut file = sources[roll(sources.len())].clone();
        for _ in 0..=roll(12) {
            let at = roll(file.len());
            file[at] = roll(256) as u8;
        }
        match render(&file, &variant, &Limits::default()) {
            Ok(_) => drawn += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{drawn} drawn, {refused} refused");
}

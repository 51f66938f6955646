//! The pixels of a sample: sky, sun, hills and grain, from a seed.

use image::{Rgb, RgbImage, Rgba, RgbaImage};

/// A landscape. Compresses like a photo: smooth ground, edges, some grain.
#[must_use]
pub fn scene(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut dice = Dice(seed);
    let sky = [dice.up_to(0.5), 0.4 + dice.up_to(0.3), 0.7 + dice.up_to(0.3)];
    let sun = (0.15 + dice.up_to(0.7), 0.1 + dice.up_to(0.3));
    let hills: [Hill; 4] = std::array::from_fn(|depth| Hill {
        base: 0.45 + 0.13 * depth as f32,
        waves: std::array::from_fn(|octave| {
            let pace = (2 << octave) as f32;
            (pace + dice.up_to(pace), dice.up_to(6.3), 0.1 / pace)
        }),
        colour: [
            0.15 + dice.up_to(0.2),
            0.25 + dice.up_to(0.35) - 0.05 * depth as f32,
            0.1 + dice.up_to(0.2),
        ],
    });
    let lines: Vec<[f32; 4]> = (0..width)
        .map(|x| {
            let x = x as f32 / width as f32;
            std::array::from_fn(|i| hills[i].line(x))
        })
        .collect();
    let shape = width as f32 / height as f32;
    RgbImage::from_fn(width, height, |x, y| {
        let line = &lines[x as usize];
        let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
        let front = (0..4).rev().find(|&i| v > line[i]);
        let (colour, roughness) = match front {
            Some(i) => {
                let fade = 0.6 + 0.4 * (1.0 - (v - line[i]) * 2.0).max(0.0);
                (hills[i].colour.map(|c| c * fade), 0.10)
            }
            None => {
                let apart = ((u - sun.0) * shape).hypot(v - sun.1);
                let glow = (1.0 - apart * 2.5).max(0.0).powi(2);
                let disc = if apart < 0.06 { 1.0 } else { 0.0 };
                (sky.map(|c| c * (0.6 + 0.6 * v) + glow * 0.5 + disc), 0.02)
            }
        };
        let grain = (noise(seed, x, y) - 0.5) * roughness;
        Rgb(colour.map(|c| ((c + grain) * 255.0).clamp(0.0, 255.0) as u8))
    })
}

/// A landscape seen through a round hole with a soft rim, on transparency.
#[must_use]
pub fn cut_out(width: u32, height: u32, seed: u64) -> RgbaImage {
    let ground = scene(width, height, seed);
    RgbaImage::from_fn(width, height, |x, y| {
        let Rgb([r, g, b]) = *ground.get_pixel(x, y);
        let u = (x as f32 + 0.5) / width as f32 - 0.5;
        let v = (y as f32 + 0.5) / height as f32 - 0.5;
        let inside = (0.45 - u.hypot(v)) * 10.0;
        Rgba([r, g, b, (inside * 255.0).clamp(0.0, 255.0) as u8])
    })
}

struct Hill {
    base: f32,
    /// Waves over the width, phase, height.
    waves: [(f32, f32, f32); 5],
    colour: [f32; 3],
}

impl Hill {
    fn line(&self, x: f32) -> f32 {
        let wave = |(pace, phase, height): &(f32, f32, f32)| (x * pace + phase).sin() * height;
        self.base + self.waves.iter().map(wave).sum::<f32>()
    }
}

/// Random numbers: SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, top: f32) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // 24 bits are what f32 holds.
        (mix(self.0) >> 40) as f32 / (1 << 24) as f32 * top
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A fixed random number in 0..1 for each place.
fn noise(seed: u64, x: u32, y: u32) -> f32 {
    let place = u64::from(x) << 32 | u64::from(y);
    (mix(place ^ seed.rotate_left(17)) >> 40) as f32 / (1 << 24) as f32
}

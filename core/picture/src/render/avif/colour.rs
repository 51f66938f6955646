//! From the planes of an AV1 frame to RGB: 8, 10 and 12 bits, every chroma
//! layout, full and limited range, the matrices in use. Chroma is not
//! interpolated, since copies are mostly scaled down; wide gamuts and HDR
//! curves are taken as sRGB.

use re_rav1d::dav1d::pixel::{MatrixCoefficients, YUVRange};
use re_rav1d::dav1d::{Picture, PixelLayout, PlanarImageComponent, Plane};

/// Fraction bits of the colour arithmetic: 12-bit samples times the largest
/// factor still fit into `i32`.
const SHIFT: u32 = 16;

/// One plane's samples.
struct Samples {
    bytes: Plane,
    stride: usize,
    /// Samples of more than 8 bits take two bytes, in the machine's order.
    wide: bool,
}

impl Samples {
    fn of(picture: &Picture, component: PlanarImageComponent) -> Self {
        Self {
            stride: picture.stride(component) as usize,
            wide: picture.bit_depth() > 8,
            bytes: picture.plane(component),
        }
    }

    /// The samples of one row, by column.
    fn row(&self, y: usize) -> impl Fn(usize) -> i32 {
        let row = self.bytes.get(y * self.stride..).unwrap_or_default();
        let wide = self.wide;
        move |x| {
            if wide {
                let pair = row.get(x * 2..).and_then(<[u8]>::first_chunk);
                i32::from(pair.map_or(0, |pair| u16::from_ne_bytes(*pair)))
            } else {
                i32::from(row.get(x).copied().unwrap_or(0))
            }
        }
    }
}

/// How samples become 8 bits: `(sample - zero) * factor >> SHIFT`.
struct Scale {
    black: i32,
    luma: f64,
    chroma: f64,
    middle: i32,
}

impl Scale {
    fn of(depth: u32, full: bool) -> Self {
        let unit = f64::from(1 << (depth - 8));
        let top = f64::from((1 << depth) - 1);
        let (black, luma, chroma) = if full {
            (0, 255.0 / top, 255.0 / top)
        } else {
            (16 << (depth - 8), 255.0 / (219.0 * unit), 255.0 / (224.0 * unit))
        };
        Self { black, luma, chroma, middle: 1 << (depth - 1) }
    }
}

fn depth(picture: &Picture) -> u32 {
    picture.bits_per_component().map_or(8, |bits| match bits.0 {
        10 => 10,
        12 => 12,
        _ => 8,
    })
}

fn fixed(factor: f64) -> i32 {
    (factor * f64::from(1 << SHIFT)).round() as i32
}

fn byte(fixed: i32) -> u8 {
    // Clamped, so the cast keeps it.
    ((fixed + (1 << (SHIFT - 1))) >> SHIFT).clamp(0, 255) as u8
}

/// The colours as RGB of 8 bits, or none for a coding not known here.
pub(super) fn rgb(picture: &Picture, nclx: Option<(u16, bool)>) -> Option<Vec<u8>> {
    let full = nclx.map_or(picture.color_range() == YUVRange::Full, |(_, full)| full);
    let depth = depth(picture);
    let scale = Scale::of(depth, full);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let layout = picture.pixel_layout();
    let luma_plane = Samples::of(picture, PlanarImageComponent::Y);
    let luma = fixed(scale.luma);
    let mut rgb = Vec::with_capacity(width * height * 3);
    if layout == PixelLayout::I400 {
        for y in 0..height {
            let row = luma_plane.row(y);
            for x in 0..width {
                rgb.extend([byte((row(x) - scale.black) * luma); 3]);
            }
        }
        return Some(rgb);
    }
    let blue_plane = Samples::of(picture, PlanarImageComponent::U);
    let red_plane = Samples::of(picture, PlanarImageComponent::V);
    let (across, down) = match layout {
        PixelLayout::I420 => (1, 1),
        PixelLayout::I422 => (1, 0),
        _ => (0, 0),
    };
    let weights = weights(picture, nclx.map(|(matrix, _)| matrix))?;
    // The chroma factors of the usual matrices, from the weights of red and
    // blue in the luma (H.273, equations 38 to 40).
    let factors = weights.map(|(kr, kb)| {
        let kg = 1.0 - kr - kb;
        [2.0 * (1.0 - kr), 2.0 * (1.0 - kb) * kb / kg, 2.0 * (1.0 - kr) * kr / kg, 2.0 * (1.0 - kb)]
            .map(|factor| fixed(factor * scale.chroma))
    });
    for y in 0..height {
        let [ly, lu, lv] = [luma_plane.row(y), blue_plane.row(y >> down), red_plane.row(y >> down)];
        for x in 0..width {
            let (u, v) = (lu(x >> across), lv(x >> across));
            let l = (ly(x) - scale.black) * luma;
            rgb.extend(match factors {
                Some([rv, gu, gv, bu]) => {
                    let (u, v) = (u - scale.middle, v - scale.middle);
                    [byte(l + v * rv), byte(l - u * gu - v * gv), byte(l + u * bu)]
                }
                // Identity: the planes are green, blue and red.
                None => [byte((v - scale.black) * luma), byte(l), byte((u - scale.black) * luma)],
            });
        }
    }
    Some(rgb)
}

/// The weights of red and blue; the inner none is "no matrix". The outer one
/// is a matrix not known here.
#[allow(clippy::option_option)]
fn weights(picture: &Picture, nclx: Option<u16>) -> Option<Option<(f64, f64)>> {
    const BT601: Option<(f64, f64)> = Some((0.299, 0.114));
    const BT709: Option<(f64, f64)> = Some((0.2126, 0.0722));
    const BT2020: Option<(f64, f64)> = Some((0.2627, 0.0593));
    let matrix = nclx.unwrap_or(match picture.matrix_coefficients() {
        MatrixCoefficients::Identity => 0,
        MatrixCoefficients::BT709 => 1,
        MatrixCoefficients::Unspecified => 2,
        MatrixCoefficients::BT470BG | MatrixCoefficients::ST170M => 6,
        MatrixCoefficients::BT2020NonConstantLuminance => 9,
        _ => u16::MAX,
    });
    match matrix {
        0 if picture.pixel_layout() == PixelLayout::I444 => Some(None),
        1 => Some(BT709),
        // Unspecified: MIAF says BT.601.
        2 | 5 | 6 => Some(BT601),
        9 => Some(BT2020),
        _ => None,
    }
}

/// RGB with the luma of `alpha`, which has the same size, as transparency.
pub(super) fn with_alpha(rgb: &[u8], alpha: &Picture, premultiplied: bool) -> Vec<u8> {
    let scale = Scale::of(depth(alpha), alpha.color_range() == YUVRange::Full);
    let luma = fixed(scale.luma);
    let plane = Samples::of(alpha, PlanarImageComponent::Y);
    let mut rgba = Vec::with_capacity(rgb.len() / 3 * 4);
    let mut colours = rgb.chunks_exact(3);
    for y in 0..alpha.height() as usize {
        let row = plane.row(y);
        for (x, colour) in colours.by_ref().take(alpha.width() as usize).enumerate() {
            let alpha = byte((row(x) - scale.black) * luma);
            for &channel in colour {
                rgba.push(match alpha {
                    1..=254 if premultiplied => {
                        let restored = u32::from(channel) * 255 / u32::from(alpha);
                        restored.min(255) as u8
                    }
                    _ => channel,
                });
            }
            rgba.push(alpha);
        }
    }
    rgba
}

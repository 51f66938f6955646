//! What graphs are drawn on, by plotters: SVG whose colours follow the viewer's
//! light or dark setting, and PNG with a font of its own. It doesn't know what
//! is drawn.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::error::{Error, Result};

/// Roboto, cut down to Latin letters; see `assets/README.md`.
const FONT: &[u8] = include_bytes!("../../assets/Roboto-Latin.ttf");
pub(super) const FAMILY: &str = "sans-serif";

const WIDTH: u32 = 800;
const HEIGHT: u32 = 460;

/// PNG files have twice the pixels, and are drawn with four times as many,
/// because plotters' bitmaps have hard edges.
const PNG_SCALE: u32 = 2;
const SUPERSAMPLED: u32 = 2;

/// The colours that the dark style replaces, as they stand in the SVG.
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);
pub(super) const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6a);
pub(super) const GRID: RGBColor = RGBColor(0xe3, 0xe7, 0xeb);

/// Strong enough on white, and on black.
pub(super) const LINES: [RGBColor; 8] = [
    RGBColor(0x2f, 0x7d, 0xe1),
    RGBColor(0xe8, 0x75, 0x1a),
    RGBColor(0x1f, 0xa3, 0x74),
    RGBColor(0xa3, 0x5b, 0xe0),
    RGBColor(0xdc, 0x45, 0x52),
    RGBColor(0x14, 0x9e, 0xb5),
    RGBColor(0xb9, 0x8a, 0x0b),
    RGBColor(0x7d, 0x87, 0x92),
];

const STYLE: &str = "<style>@media (prefers-color-scheme:dark){\
.chart [fill=\"#FFFFFF\"]{fill:#12161c}.chart [stroke=\"#FFFFFF\"]{stroke:#12161c}\
.chart [fill=\"#1B1F24\"]{fill:#e8ecf0}.chart [stroke=\"#1B1F24\"]{stroke:#e8ecf0}\
.chart [fill=\"#57606A\"]{fill:#a3adb8}.chart [stroke=\"#57606A\"]{stroke:#a3adb8}\
.chart [stroke=\"#E3E7EB\"]{stroke:#2a313a}}\
.chart text{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}</style>";

/// Something that can be drawn.
pub(crate) trait Drawing {
    /// The name of its files.
    fn name(&self) -> &str;

    /// What is written above it.
    fn title(&self) -> &str;

    /// Draws it; lengths are pixels times `factor`.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, factor: f64) -> Result<()>;

    /// What went wrong, with its name.
    fn failed(&self, error: impl std::fmt::Display) -> Error {
        Error::Graph { name: self.name().to_owned(), why: error.to_string() }
    }

    /// As SVG.
    fn svg(&self) -> Result<String> {
        with_font();
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
            self.draw(&area, 1.0)?;
        }
        // plotters names neither style nor role.
        let head =
            format!("<svg class=\"chart\" role=\"img\" aria-label=\"{}\"", text(self.title()));
        let svg = svg.replacen("<svg", &head, 1);
        let end = svg.find("<svg").and_then(|from| Some(from + svg[from..].find('>')? + 1));
        let (head, rest) = svg.split_at(end.unwrap_or(0));
        Ok(format!("{head}{STYLE}{rest}"))
    }

    /// As PNG.
    fn png(&self) -> Result<Vec<u8>> {
        with_font();
        let factor = PNG_SCALE * SUPERSAMPLED;
        let (width, height) = (WIDTH * factor, HEIGHT * factor);
        let mut pixels = vec![0; (width * height * 3) as usize];
        {
            let bitmap = BitMapBackend::with_buffer(&mut pixels, (width, height));
            self.draw(&bitmap.into_drawing_area(), f64::from(factor))?;
        }
        let small = halve(&pixels, width as usize, height as usize);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width / SUPERSAMPLED, height / SUPERSAMPLED);
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut to| to.write_image_data(&small));
        written.map_err(|error| self.failed(error))?;
        Ok(file)
    }
}

/// Every four pixels become one.
fn halve(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut small = Vec::with_capacity(pixels.len() / 4);
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            for colour in 0..3 {
                let at = |x: usize, y: usize| u16::from(pixels[(y * width + x) * 3 + colour]);
                let sum = at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1);
                small.push((sum / 4) as u8);
            }
        }
    }
    small
}

fn with_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A damaged font would leave the graphs without words, and a test fail.
        let _ = register_font(FAMILY, FontStyle::Normal, FONT);
    });
}

fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

//! Which smaller copy of a picture is wanted: its box, its fit, its encoding,
//! and the arithmetic from a source's size to the copy's. Never touches a
//! pixel.

use std::fmt;
use std::str::FromStr;

use crate::format::Format;

/// The longest side of any rendered copy. A wanted side may not be larger,
/// and a copy without a wanted size is scaled down to fit.
pub const MAX_OUTPUT_SIDE: u32 = 4096;

/// How a picture fills the wanted box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fit {
    /// All of the picture is shown, inside the box; never enlarged.
    #[default]
    Contain,
    /// The box's shape is filled and what sticks out is cut off, evenly on
    /// both sides. Where the source is smaller than the box, the copy has the
    /// box's shape at the largest size that enlarges nothing.
    Cover,
}

/// What a copy is encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// JPEG; transparency is laid on white.
    Jpeg,
    /// PNG, without loss.
    Png,
    /// WebP, lossy.
    Webp,
    /// AVIF, lossy; by far the slowest to make.
    Avif,
}

impl Encoding {
    /// Every encoding, in a stable order.
    pub const ALL: [Self; 4] = [Self::Jpeg, Self::Png, Self::Webp, Self::Avif];

    /// The format of the copy.
    #[must_use]
    pub const fn format(self) -> Format {
        match self {
            Self::Jpeg => Format::Jpeg,
            Self::Png => Format::Png,
            Self::Webp => Format::Webp,
            Self::Avif => Format::Avif,
        }
    }
}

/// Which copy of a picture is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Variant {
    /// The box's width in pixels, 1..=[`MAX_OUTPUT_SIDE`]; free where none.
    pub width: Option<u32>,
    /// The box's height in pixels, 1..=[`MAX_OUTPUT_SIDE`]; free where none.
    pub height: Option<u32>,
    /// How the picture fills the box.
    pub fit: Fit,
    /// What to encode as; where none, see [`Variant::encoding_for`].
    pub encoding: Option<Encoding>,
}

/// A query parameter that names no variant. The message is for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadVariant {
    /// `w` is not a number in range.
    #[error("The parameter w must be a whole number of pixels from 1 to {MAX_OUTPUT_SIDE}.")]
    Width,
    /// `h` is not a number in range.
    #[error("The parameter h must be a whole number of pixels from 1 to {MAX_OUTPUT_SIDE}.")]
    Height,
    /// `fit` is no known word.
    #[error("The parameter fit must be contain or cover.")]
    Fit,
    /// `format` is nothing that can be written.
    #[error("The parameter format must be jpeg, png, webp or avif.")]
    Format,
}

impl Variant {
    /// Reads the values of the query parameters `w`, `h`, `fit` and `format`.
    /// An absent one is `None`; an empty one is an error. Two requests for
    /// the same copy give equal variants: with one side free, cover is
    /// contain.
    pub fn parse(
        w: Option<&str>,
        h: Option<&str>,
        fit: Option<&str>,
        format: Option<&str>,
    ) -> Result<Self, BadVariant> {
        let width = w.map(|value| side(value).ok_or(BadVariant::Width)).transpose()?;
        let height = h.map(|value| side(value).ok_or(BadVariant::Height)).transpose()?;
        let fit = match fit {
            None | Some("contain") => Fit::Contain,
            Some("cover") if width.is_some() && height.is_some() => Fit::Cover,
            Some("cover") => Fit::Contain,
            Some(_) => return Err(BadVariant::Fit),
        };
        let encoding = match format {
            None => None,
            Some("jpeg" | "jpg") => Some(Encoding::Jpeg),
            Some("png") => Some(Encoding::Png),
            Some("webp") => Some(Encoding::Webp),
            Some("avif") => Some(Encoding::Avif),
            Some(_) => return Err(BadVariant::Format),
        };
        Ok(Self { width, height, fit, encoding })
    }

    /// Whether nothing is asked for, so the source itself is the answer.
    #[must_use]
    pub const fn is_original(&self) -> bool {
        self.width.is_none() && self.height.is_none() && self.encoding.is_none()
    }

    /// What a copy of a source of this format is encoded as: as asked, else
    /// as the source, else (GIF) PNG.
    #[must_use]
    pub const fn encoding_for(&self, source: Format) -> Encoding {
        match (self.encoding, source) {
            (Some(encoding), _) => encoding,
            (None, Format::Jpeg) => Encoding::Jpeg,
            (None, Format::Webp) => Encoding::Webp,
            (None, Format::Avif) => Encoding::Avif,
            (None, Format::Png | Format::Gif | Format::Svg) => Encoding::Png,
        }
    }

    /// The copy's width and height, from a source's as displayed.
    #[must_use]
    pub fn size(&self, width: u32, height: u32) -> (u32, u32) {
        let plan = self.plan(width, height);
        (plan.width, plan.height)
    }

    /// Which part of a source of this size becomes a copy of which size.
    pub(crate) fn plan(&self, width: u32, height: u32) -> Plan {
        let (width, height) = (width.max(1), height.max(1));
        match (self.fit, self.width, self.height) {
            (Fit::Cover, Some(w), Some(h)) => cover(width, height, w.max(1), h.max(1)),
            (_, w, h) => {
                let w = w.map_or(MAX_OUTPUT_SIDE, |w| w.clamp(1, MAX_OUTPUT_SIDE));
                let h = h.map_or(MAX_OUTPUT_SIDE, |h| h.clamp(1, MAX_OUTPUT_SIDE));
                contain(width, height, w, h)
            }
        }
    }
}

/// The short form that stands for this variant in a cache key, such as
/// `400x300-cover-webp` or `400x_-contain-auto`: letters, digits, `-`, `_`.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (side, end) in [(self.width, "x"), (self.height, "-")] {
            match side {
                Some(side) => write!(f, "{side}{end}")?,
                None => write!(f, "_{end}")?,
            }
        }
        f.write_str(match self.fit {
            Fit::Contain => "contain-",
            Fit::Cover => "cover-",
        })?;
        f.write_str(self.encoding.map_or("auto", |e| e.format().name()))
    }
}

impl FromStr for Variant {
    type Err = BadVariant;

    /// Reads the short form.
    fn from_str(text: &str) -> Result<Self, BadVariant> {
        let (width, rest) = text.split_once('x').ok_or(BadVariant::Width)?;
        let mut rest = rest.split('-');
        let height = rest.next().ok_or(BadVariant::Height)?;
        let (fit, format) = (rest.next().ok_or(BadVariant::Fit)?, rest.next());
        let format = format.ok_or(BadVariant::Format)?;
        let given = |value, free| (value != free).then_some(value);
        Self::parse(given(width, "_"), given(height, "_"), Some(fit), given(format, "auto"))
    }
}

/// A rectangle of the source, and the size it is drawn at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) crop_width: u32,
    pub(crate) crop_height: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Plan {
    /// The same plan for a source lying on its side.
    pub(crate) const fn transposed(self) -> Self {
        Self {
            left: self.top,
            top: self.left,
            crop_width: self.crop_height,
            crop_height: self.crop_width,
            width: self.height,
            height: self.width,
        }
    }
}

/// A side's length, or none where it is not digits in range.
fn side(value: &str) -> Option<u32> {
    // `parse` alone would let "+5" through, a second spelling of one copy.
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let side = digits.then(|| value.parse().ok()).flatten()?;
    (1..=MAX_OUTPUT_SIDE).contains(&side).then_some(side)
}

/// `length * by / of`, to the nearest, at least 1. A quotient of two sides
/// never leaves `u32` where the result is at most one of them.
fn scaled(length: u32, by: u32, of: u32) -> u32 {
    let (length, by, of) = (u64::from(length), u64::from(by), u64::from(of));
    u32::try_from(((length * by + of / 2) / of).max(1)).unwrap_or(u32::MAX)
}

fn contain(width: u32, height: u32, w: u32, h: u32) -> Plan {
    let (out_width, out_height) = if width <= w && height <= h {
        (width, height)
    } else if u64::from(width) * u64::from(h) >= u64::from(height) * u64::from(w) {
        // The picture is wider in shape than the box, so the width binds.
        (w, scaled(height, w, width))
    } else {
        (scaled(width, h, height), h)
    };
    Plan {
        left: 0,
        top: 0,
        crop_width: width,
        crop_height: height,
        width: out_width,
        height: out_height,
    }
}

fn cover(width: u32, height: u32, w: u32, h: u32) -> Plan {
    let wider = u64::from(width) * u64::from(h) >= u64::from(height) * u64::from(w);
    let (crop_width, crop_height) = if wider {
        (scaled(height, w, h).min(width), height)
    } else {
        (width, scaled(width, h, w).min(height))
    };
    let (out_width, out_height) =
        if crop_width < w || crop_height < h { (crop_width, crop_height) } else { (w, h) };
    Plan {
        left: (width - crop_width) / 2,
        top: (height - crop_height) / 2,
        crop_width,
        crop_height,
        width: out_width,
        height: out_height,
    }
}

#[cfg(test)]
mod tests;

//! The kinds of picture Larder knows, and their names in MIME types, file
//! names and messages. Never guesses: `probe` decides what a file is.

use std::fmt;
use std::str::FromStr;

/// A kind of picture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// JPEG, every coding process.
    Jpeg,
    /// PNG, animated (APNG) or not.
    Png,
    /// GIF, animated or not.
    Gif,
    /// WebP: lossy, lossless or animated.
    Webp,
    /// AVIF: a still picture or a sequence.
    Avif,
    /// SVG: a drawing in XML, which can carry scripts.
    Svg,
}

/// A name that is no picture format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a picture format; known are jpeg, png, gif, webp, avif and svg")]
pub struct UnknownFormat;

impl Format {
    /// Every format, in a stable order.
    pub const ALL: [Self; 6] =
        [Self::Jpeg, Self::Png, Self::Gif, Self::Webp, Self::Avif, Self::Svg];

    /// The MIME type to serve it under.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Svg => "image/svg+xml",
        }
    }

    /// The file name's ending, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Svg => "svg",
        }
    }

    /// The name people use.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Webp => "WebP",
            Self::Avif => "AVIF",
            Self::Svg => "SVG",
        }
    }

    /// The one lower-case word that [`FromStr`] reads back.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            other => other.extension(),
        }
    }

    /// The format of exactly this MIME type; parameters are not accepted.
    #[must_use]
    pub fn from_mime(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.mime().eq_ignore_ascii_case(mime))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| {
                format.name().eq_ignore_ascii_case(name)
                    || format.extension().eq_ignore_ascii_case(name)
            })
            .ok_or(UnknownFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_read_back_from_each_of_its_names() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
            assert_eq!(format.extension().parse(), Ok(format));
            assert_eq!(format.title().parse(), Ok(format));
            assert_eq!(Format::from_mime(format.mime()), Some(format));
        }
        assert_eq!("jpeg".parse(), Ok(Format::Jpeg));
        assert_eq!("JPG".parse(), Ok(Format::Jpeg));
        assert_eq!("bmp".parse::<Format>(), Err(UnknownFormat));
        assert_eq!(Format::from_mime("text/html"), None);
    }
}

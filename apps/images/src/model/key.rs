//! The key of an image, its limits, and its place in URLs. Never part of a
//! file name.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest key, in bytes of UTF-8.
const LONGEST: usize = 512;

/// What stands for itself in the path of a URL; the rest is percent-encoded.
const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A key: 1 to 512 bytes of UTF-8 without control characters. Compared byte
/// for byte: no case folding, trimming or normalisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageKey(String);

/// Why a text is no key. The message is for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There is nothing.
    #[error("The key is empty. Give the image a key of 1 to {LONGEST} bytes.")]
    Empty,
    /// It is longer than allowed.
    #[error("The key is {0} bytes long; at most {LONGEST} are allowed.")]
    TooLong(usize),
    /// It holds a control character.
    #[error("The key has a control character (U+{0:04X}) at byte {1}; all others are allowed.")]
    Control(u32, usize),
    /// It isn't UTF-8.
    #[error("The key is not UTF-8 text.")]
    NotUtf8,
}

impl ImageKey {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path at which the image is served, percent-encoded.
    pub fn url(&self) -> String {
        let encoded = utf8_percent_encode(&self.0, IN_PATH).to_string();
        // Browsers resolve `.` and `..`, also when they are encoded, and
        // `/meta` at the end names the image's description, so keys with
        // such segments are sent with their slashes encoded, or in the query.
        if matches!(self.0.as_str(), "." | "..") {
            return format!("/image?key={encoded}");
        }
        let ambiguous =
            self.0.split('/').any(|part| matches!(part, "." | "..")) || self.0.ends_with("/meta");
        if ambiguous {
            return format!("/images/{}", encoded.replace('/', "%2F"));
        }
        format!("/images/{encoded}")
    }

    /// Reads a key from a URL's path or query, percent-decoding it.
    ///
    /// # Errors
    /// The decoded text is no key.
    pub fn from_url(encoded: &str) -> Result<Self, InvalidKey> {
        percent_encoding::percent_decode_str(encoded)
            .decode_utf8()
            .map_err(|_| InvalidKey::NotUtf8)?
            .parse()
    }
}

impl FromStr for ImageKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if text.is_empty() {
            return Err(InvalidKey::Empty);
        }
        if text.len() > LONGEST {
            return Err(InvalidKey::TooLong(text.len()));
        }
        match text.char_indices().find(|(_, character)| character.is_control()) {
            Some((at, character)) => Err(InvalidKey::Control(character.into(), at)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_kind_come_back_from_their_url() {
        let long = "🦀".repeat(128);
        for key in [
            "a",
            "a b",
            "a/b/c",
            "/",
            "//",
            "a/",
            "../../etc/passwd",
            ".",
            "..",
            "a/./b",
            "a/meta",
            "<b>\"'&",
            "é",
            "e\u{301}",
            "日本語",
            "🦀",
            "100%",
            "%2F",
            "a?b#c",
            "a+b",
            "\\..\\x",
            "\u{202e}gnp.exe",
            long.as_str(),
        ] {
            let parsed: ImageKey = key.parse().expect(key);
            let url = parsed.url();
            let encoded = url
                .strip_prefix("/images/")
                .or_else(|| url.strip_prefix("/image?key="))
                .expect("one of two forms");
            assert_eq!(ImageKey::from_url(encoded), Ok(parsed), "{url}");
            assert!(!encoded.contains("/../") && !encoded.ends_with("/meta"), "{url}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_why() {
        assert_eq!("".parse::<ImageKey>(), Err(InvalidKey::Empty));
        assert_eq!("x".repeat(513).parse::<ImageKey>(), Err(InvalidKey::TooLong(513)));
        assert_eq!("é".repeat(257).parse::<ImageKey>(), Err(InvalidKey::TooLong(514)));
        for (key, code, at) in
            [("a\0", 0, 1), ("\r\n", 13, 0), ("ab\u{7f}", 127, 2), ("\u{85}", 0x85, 0)]
        {
            assert_eq!(key.parse::<ImageKey>(), Err(InvalidKey::Control(code, at)));
        }
        assert_eq!(ImageKey::from_url("%ff"), Err(InvalidKey::NotUtf8));
        assert_eq!(ImageKey::from_url("%00"), Err(InvalidKey::Control(0, 0)));
        // An overlong encoding of a slash.
        assert_eq!(ImageKey::from_url("..%c0%af"), Err(InvalidKey::NotUtf8));
    }
}

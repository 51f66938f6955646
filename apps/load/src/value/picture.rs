//! Pictures with room for a stamp: PNG in a private chunk behind the header,
//! JPEG in a comment behind its first marker. They stay pictures that every
//! decoder shows. It never decodes one.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;

use super::STAMP_BYTES;
use crate::error::{Error, Result, at};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Signature and header chunk.
const PNG_HEAD: usize = 33;
/// Ancillary, private, and not to be copied by who changes the picture.
const CHUNK: &[u8; 4] = b"ldRV";
const JPEG: &[u8] = b"\xff\xd8";
const COMMENT: &[u8] = b"\xff\xfe";

/// A picture, parted where the stamp goes in.
#[derive(Clone, Debug)]
pub struct Picture {
    head: Vec<u8>,
    is_png: bool,
    tail: Vec<u8>,
}

impl Picture {
    /// Parts a file; `None` if it is neither PNG nor JPEG.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<Self> {
        let (is_png, place) = match file {
            file if file.starts_with(PNG) && file.len() > PNG_HEAD => (true, PNG_HEAD),
            file if file.starts_with(JPEG) => (false, JPEG.len()),
            _ => return None,
        };
        let (head, tail) = file.split_at(place);
        Some(Self { head: head.to_vec(), is_png, tail: tail.to_vec() })
    }

    /// The bytes beside stamp and body.
    pub(crate) fn overhead(&self) -> usize {
        self.head.len() + self.tail.len() + if self.is_png { 12 } else { 4 }
    }

    /// The file with stamp and body; `stamp` writes the stamp at its place.
    pub(crate) fn with(&self, stamp: impl FnOnce(&mut [u8], usize), body: &[u8]) -> Bytes {
        let mut file = Vec::with_capacity(self.overhead() + STAMP_BYTES + body.len());
        file.extend_from_slice(&self.head);
        let len = STAMP_BYTES + body.len();
        if self.is_png {
            file.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
            file.extend_from_slice(CHUNK);
        } else {
            // A comment counts its own two bytes of length.
            file.extend_from_slice(COMMENT);
            file.extend_from_slice(&u16::try_from(len + 2).unwrap_or(u16::MAX).to_be_bytes());
        }
        let place = file.len();
        file.resize(place + STAMP_BYTES, 0);
        file.extend_from_slice(body);
        let end = file.len();
        file.extend_from_slice(if self.is_png { &[0; 4] } else { &[] });
        file.extend_from_slice(&self.tail);
        stamp(&mut file, place);
        if self.is_png {
            let crc = crc32fast::hash(&file[place - 4..end]);
            file[end..end + 4].copy_from_slice(&crc.to_be_bytes());
        }
        file.into()
    }
}

/// Where the stamp of a file would be.
pub(crate) fn stamp_at(file: &[u8]) -> usize {
    if file.starts_with(PNG) {
        PNG_HEAD + 8
    } else if file.starts_with(JPEG) {
        JPEG.len() + 4
    } else {
        0
    }
}

/// The range that a PNG file seals its chunk with, which the stamp's sum leaves
/// out because it depends on it; empty at the end of the file for others.
pub(crate) fn seal(file: &[u8], stamp: usize) -> (usize, usize) {
    let len = || {
        let field = file.get(PNG_HEAD..PNG_HEAD + 4)?;
        Some(u32::from_be_bytes(field.try_into().ok()?) as usize)
    };
    let end = file.starts_with(PNG).then(len).flatten().map(|len| stamp + len);
    match end.filter(|&end| end >= stamp + STAMP_BYTES && end + 4 <= file.len()) {
        Some(end) => (end, end + 4),
        None => (file.len(), file.len()),
    }
}

/// Whether the chunk's seal is right.
pub(crate) fn is_sealed(file: &[u8], stamp: usize) -> bool {
    let (until, from) = seal(file, stamp);
    until == from || crc32fast::hash(&file[stamp - 4..until]).to_be_bytes() == file[until..from]
}

/// A small picture to put bodies of any size into.
pub(crate) fn blank() -> &'static Picture {
    static BLANK: OnceLock<Picture> = OnceLock::new();
    BLANK.get_or_init(|| {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 16, 16);
        encoder.set_color(png::ColorType::Grayscale);
        let pixels: Vec<u8> = (0..=255).collect();
        let written = encoder.write_header().and_then(|mut to| to.write_image_data(&pixels));
        written.expect("a picture of 256 grey pixels is written to memory");
        Picture::of(&file).expect("it is a PNG file")
    })
}

/// The PNG and JPEG files of a folder, by name.
///
/// # Errors
/// The folder can't be read, or has none.
pub fn read_folder(folder: &Path) -> Result<Vec<Picture>> {
    let entries = std::fs::read_dir(folder).map_err(at(folder))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let files = paths.iter().filter(|path| path.is_file());
    let pictures: Vec<Picture> =
        files.filter_map(|path| Picture::of(&std::fs::read(path).ok()?)).collect();
    if pictures.is_empty() {
        let why = "there is no PNG or JPEG file in it".to_owned();
        return Err(Error::Content { path: folder.to_owned(), why });
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Form, Stamp, Values};

    #[test]
    fn a_stamped_png_is_still_read_by_a_decoder() {
        let value = Values::new(1, 1, Form::Png, Vec::new()).make(3, 4, 5000);
        let mut reader = png::Decoder::new(std::io::Cursor::new(&value[..])).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn real_pictures_carry_the_stamp_and_keep_the_rest() {
        let jpeg = [JPEG, b"\xff\xdb the rest of it"].concat();
        let picture = Picture::of(&jpeg).unwrap();
        let values = Values::new(1, 1, Form::Png, vec![picture]);
        let value = values.make(3, 4, 0);
        assert!(value.starts_with(JPEG) && value.ends_with(b"the rest of it"));
        assert_eq!(values.read(&value), Ok(Stamp { key: 3, version: 4 }));
        let last = value.len() - 1;
        let mut torn = value.to_vec();
        torn[last] ^= 1;
        assert!(values.read(&torn).is_err());
        assert!(Picture::of(b"GIF89a").is_none());
    }
}

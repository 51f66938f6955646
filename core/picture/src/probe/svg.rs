//! The walk over an SVG: well-formed enough that its end is known, and UTF-8
//! throughout. Never looks for scripts: where SVG is allowed at all, it is
//! served so that none can run.

use std::io::{Read, Seek};

use super::Picture;
use super::source::Source;
use crate::format::Format;
use crate::refusal::ProbeError;

/// How much of the root element is kept to find the size in it.
const MAX_ROOT_BYTES: usize = 8 * 1024;

/// Whether the head is XML whose root element is `svg`.
pub(super) fn begins(head: &[u8]) -> bool {
    let mut rest = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    loop {
        rest = rest.trim_ascii_start();
        let end: &[u8] = if rest.starts_with(b"<?") {
            b"?>"
        } else if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"<!DOCTYPE") {
            // An internal subset stays in the way, and is refused by the walk.
            if rest.len() >= 13 && rest[9..].trim_ascii_start().starts_with(b"svg") {
                return true;
            }
            b">"
        } else {
            let name = rest.strip_prefix(b"<svg").and_then(<[u8]>::first);
            return name.is_some_and(|c| c.is_ascii_whitespace() || matches!(c, b'>' | b'/'));
        };
        match rest.windows(end.len()).position(|window| window == end) {
            Some(index) => rest = &rest[index + end.len()..],
            None => return false,
        }
    }
}

/// Where in the markup the walk is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After `<`.
    Open,
    /// After `<!`, with the bytes so far.
    Declaration,
    /// In a comment, CDATA section or processing instruction.
    Until(&'static [u8]),
    Doctype,
    /// In a start tag or end tag.
    Tag,
    Quoted(u8),
}

struct Walk {
    state: State,
    /// The last bytes, newest last.
    last: [u8; 8],
    /// Bytes since the state began.
    since: u64,
    closing: bool,
    depth: u64,
    root: Vec<u8>,
    root_seen: bool,
}

pub(super) fn walk<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<Picture, ProbeError> {
    let mut walk = Walk {
        state: State::Text,
        last: [0; 8],
        since: 0,
        closing: false,
        depth: 0,
        root: Vec::new(),
        root_seen: false,
    };
    if source.peek()?.starts_with(b"\xef\xbb\xbf") {
        source.skip(3)?;
    }
    let mut fault = None;
    let mut utf8 = Utf8::default();
    source.each_piece(source.remaining(), |piece| {
        for &byte in piece {
            if fault.is_some() {
                return;
            }
            if !utf8.takes(byte) {
                fault = Some("it is not UTF-8 text");
            } else if let Err(reason) = walk.step(byte) {
                fault = Some(reason);
            }
        }
    })?;
    if let Some(reason) = fault {
        return source.damaged(reason);
    }
    if !utf8.is_whole() || !walk.root_seen || walk.depth > 0 || walk.state != State::Text {
        return source.truncated();
    }
    Ok(Picture::stored(Format::Svg, size(&walk.root), 1, 1))
}

impl Walk {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.since = 0;
    }

    fn ends_with(&self, end: &[u8]) -> bool {
        // What ended the state must lie inside it: `<!-->` is no comment.
        self.since >= end.len() as u64 && self.last.ends_with(end)
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        self.last.rotate_left(1);
        self.last[7] = byte;
        self.since += 1;
        if byte == 0 {
            return Err("it has a byte of value 0 in it");
        }
        let in_root = !self.root_seen && matches!(self.state, State::Tag | State::Quoted(_));
        if in_root && self.root.len() < MAX_ROOT_BYTES {
            self.root.push(byte);
        }
        match self.state {
            State::Text if byte == b'<' => self.enter(State::Open),
            State::Text if self.depth == 0 && !byte.is_ascii_whitespace() => {
                return Err("there is text outside the drawing");
            }
            State::Text => {}
            State::Open => match byte {
                b'!' => self.enter(State::Declaration),
                b'?' => self.enter(State::Until(b"?>")),
                _ => {
                    self.closing = byte == b'/';
                    if self.depth == 0 && (self.closing || self.root_seen) {
                        return Err("there is more than one drawing in it");
                    }
                    self.enter(State::Tag);
                }
            },
            State::Declaration => {
                if self.ends_with(b"--") && self.since == 2 {
                    self.enter(State::Until(b"-->"));
                } else if self.ends_with(b"[CDATA[") && self.depth > 0 {
                    self.enter(State::Until(b"]]>"));
                } else if self.ends_with(b"DOCTYPE") && self.depth == 0 {
                    self.enter(State::Doctype);
                } else if self.since >= 7 {
                    return Err("a declaration in it makes no sense");
                }
            }
            State::Until(end) if self.ends_with(end) => self.enter(State::Text),
            State::Until(_) => {}
            State::Doctype if byte == b'>' => self.enter(State::Text),
            State::Doctype if byte == b'[' => {
                return Err("it declares entities, which are not accepted");
            }
            State::Doctype => {}
            State::Tag if matches!(byte, b'"' | b'\'') => self.state = State::Quoted(byte),
            State::Tag if byte == b'<' => return Err("a tag is not closed"),
            State::Tag if byte == b'>' => self.tag_ends(),
            State::Tag => {}
            State::Quoted(quote) if byte == quote => self.state = State::Tag,
            State::Quoted(_) => {}
        }
        Ok(())
    }

    fn tag_ends(&mut self) {
        if self.closing {
            self.depth -= 1;
        } else {
            self.root_seen = true;
            // The byte before `>`.
            if self.last[6] != b'/' {
                self.depth += 1;
            }
        }
        self.enter(State::Text);
    }
}

/// Checks UTF-8 byte by byte, overlong forms and surrogates included.
#[derive(Default)]
struct Utf8 {
    pending: u8,
    low: u8,
    high: u8,
}

impl Utf8 {
    fn takes(&mut self, byte: u8) -> bool {
        if self.pending > 0 {
            let fits = (self.low..=self.high).contains(&byte);
            (self.low, self.high) = (0x80, 0xbf);
            self.pending -= 1;
            return fits;
        }
        (self.pending, self.low, self.high) = match byte {
            0..=0x7f => return true,
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return false,
        };
        true
    }

    fn is_whole(&self) -> bool {
        self.pending == 0
    }
}

/// The size a root element gives: `width` and `height` in pixels, else the
/// `viewBox`, else 0.
fn size(root: &[u8]) -> (u32, u32) {
    let root = String::from_utf8_lossy(root);
    let length = |name| {
        let value = attribute(&root, name)?.trim();
        pixels(value.strip_suffix("px").unwrap_or(value))
    };
    let mut view = attribute(&root, "viewBox")
        .unwrap_or_default()
        .split(|c: char| c == ',' || c.is_ascii_whitespace())
        .filter(|part| !part.is_empty())
        .skip(2);
    let (view_width, view_height) = (view.next(), view.next());
    let side = |name, view: Option<&str>| length(name).or_else(|| pixels(view?)).unwrap_or(0);
    (side("width", view_width), side("height", view_height))
}

/// An attribute's value. `root` is the tag without its `<` and first letter.
fn attribute<'a>(root: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = root;
    while let Some((before, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, next) = after[1..].split_once(quote)?;
        if before.split_ascii_whitespace().next_back() == Some(name) {
            return Some(value);
        }
        rest = next;
    }
    None
}

fn pixels(text: &str) -> Option<u32> {
    let value: f64 = text.trim().parse().ok()?;
    // A cast from float saturates, so nothing odd gets through.
    (value.is_finite() && value > 0.0).then_some(value.ceil() as u32)
}

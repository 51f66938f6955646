//! Answers as bytes. They are put behind what a buffer holds; values aren't,
//! so that large ones can go to the socket from where they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `set` and the like did it.
pub const STORED: &[u8] = b"STORED\r\n";
/// `add`, `replace`, `append` or `prepend` had reason not to.
pub const NOT_STORED: &[u8] = b"NOT_STORED\r\n";
/// `cas` met another version.
pub const EXISTS: &[u8] = b"EXISTS\r\n";
/// There is no such key.
pub const NOT_FOUND: &[u8] = b"NOT_FOUND\r\n";
/// `delete` did it.
pub const DELETED: &[u8] = b"DELETED\r\n";
/// `touch` did it.
pub const TOUCHED: &[u8] = b"TOUCHED\r\n";
/// It is done.
pub const OK: &[u8] = b"OK\r\n";
/// The counters begin again.
pub const RESET: &[u8] = b"RESET\r\n";
/// Nothing more follows.
pub const END: &[u8] = b"END\r\n";
/// A line ends.
pub const LINE_END: &[u8] = b"\r\n";
/// No such command.
pub const ERROR: &[u8] = b"ERROR\r\n";
/// `mn`.
pub const META_NOOP: &[u8] = b"MN\r\n";
/// `mg` found nothing.
pub const META_MISS: &[u8] = b"EN";
/// A meta command did it.
pub const META_DONE: &[u8] = b"HD";
/// A meta command found nothing.
pub const META_NOT_FOUND: &[u8] = b"NF";
/// A meta command met another version.
pub const META_EXISTS: &[u8] = b"EX";
/// A meta command had reason not to store.
pub const META_NOT_STORED: &[u8] = b"NS";

/// A block that doesn't end where it should.
pub const BAD_BLOCK: &str = "CLIENT_ERROR bad data chunk";
/// A value that no entry may have.
pub const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
/// No memory for a value.
pub const NO_MEMORY: &str = "SERVER_ERROR out of memory storing object";
/// `incr` of what is no number.
pub const NOT_A_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";

/// A line.
pub fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(LINE_END);
}

/// `VALUE`, before a value of `len` bytes.
#[inline]
pub fn value_line(out: &mut Vec<u8>, key: &[u8], flags: u32, len: usize, cas: Option<u64>) {
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(key);
    out.push(b' ');
    number(out, u64::from(flags));
    out.push(b' ');
    number(out, len as u64);
    if let Some(cas) = cas {
        out.push(b' ');
        number(out, cas);
    }
    out.extend_from_slice(LINE_END);
}

/// `VA` and the size of a value that follows the line.
pub fn meta_value(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(b"VA ");
    number(out, len as u64);
}

/// A flag with a number.
pub fn meta_number(out: &mut Vec<u8>, letter: u8, value: u64) {
    out.extend_from_slice(&[b' ', letter]);
    number(out, value);
}

/// A flag as it was sent.
pub fn meta_flag(out: &mut Vec<u8>, flag: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(flag);
}

/// The key as a flag.
pub fn meta_key(out: &mut Vec<u8>, key: &[u8], is_binary: bool) {
    out.extend_from_slice(b" k");
    if is_binary {
        out.extend_from_slice(STANDARD.encode(key).as_bytes());
        out.extend_from_slice(b" b");
    } else {
        out.extend_from_slice(key);
    }
}

/// The key in the answer to `me`.
pub fn debug_key(out: &mut Vec<u8>, key: &[u8], is_binary: bool) {
    if is_binary {
        out.extend_from_slice(STANDARD.encode(key).as_bytes());
    } else {
        out.extend_from_slice(key);
    }
}

/// `STAT`, a name and a value.
pub fn stat(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in ["STAT ", name, " ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A number in digits.
#[inline]
pub fn number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = value;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

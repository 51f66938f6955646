//! Recorded streams of requests: text, one request per line, `key` or
//! `key,size`; and the binary oracleGeneral format. It reads from whatever it
//! is handed and never opens a file.

mod oracle;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead};

/// One request: which object, and how large it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The object's number: objects are counted from 0 as they first appear.
    pub key: u32,
    /// Bytes; 1 in a trace without sizes.
    pub size: u32,
}

/// A stream of requests and what it touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    requests: Vec<Request>,
    objects: u32,
    footprint_bytes: u64,
    has_sizes: bool,
    sizes: Option<(u32, u32)>,
}

impl Trace {
    /// Reads lines of `key` or `key,size` to the end. Keys are any tokens;
    /// sizes are bytes below 4 GiB. Either all lines have sizes, or none.
    ///
    /// ```
    /// use larder_workload::trace::Trace;
    ///
    /// let trace = Trace::read("cat.png,300\ndog.png,500\ncat.png,300\n".as_bytes())?;
    /// assert_eq!((trace.requests().len(), trace.objects(), trace.footprint_bytes()), (3, 2, 800));
    /// # Ok::<(), larder_workload::trace::ReadError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first line that is no request, by its number, or what reading gave.
    pub fn read(mut lines: impl BufRead) -> Result<Self, ReadError> {
        let mut trace = Self::default();
        let mut keys: HashMap<Box<[u8]>, u32> = HashMap::new();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = lines.read_until(b'\n', &mut line);
            if read.map_err(|source| ReadError::Source { line: number, source })? == 0 {
                break;
            }
            let wrong =
                |fault| ReadError::Line { line: number, text: excerpt(trimmed(&line)), fault };
            let (token, size) = split(trimmed(&line)).map_err(wrong)?;
            if trace.requests.is_empty() {
                trace.has_sizes = size.is_some();
            }
            if trace.has_sizes != size.is_some() {
                return Err(wrong(if trace.has_sizes { Fault::SizeLost } else { Fault::SizeNew }));
            }
            let key = match keys.get(token) {
                Some(&key) => key,
                None => {
                    let key = u32::try_from(keys.len()).map_err(|_| wrong(Fault::TooManyKeys))?;
                    keys.insert(token.into(), key);
                    key
                }
            };
            trace.push(Request { key, size: size.unwrap_or(1) });
        }
        trace.requests.shrink_to_fit();
        Ok(trace)
    }

    /// Appends a request; a new object's number is the next one.
    fn push(&mut self, request: Request) {
        if request.key == self.objects {
            self.objects += 1;
            self.footprint_bytes += u64::from(request.size);
        }
        let (least, most) = self.sizes.unwrap_or((request.size, request.size));
        self.sizes = Some((least.min(request.size), most.max(request.size)));
        self.requests.push(request);
    }

    /// The requests in their order.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Distinct keys.
    #[must_use]
    pub fn objects(&self) -> u32 {
        self.objects
    }

    /// What all objects weigh together, each as large as at its first request.
    #[must_use]
    pub fn footprint_bytes(&self) -> u64 {
        self.footprint_bytes
    }

    /// The size that every request has; `None` if they differ.
    #[must_use]
    pub fn equal_size(&self) -> Option<u32> {
        let (least, most) = self.sizes.unwrap_or((1, 1));
        (least == most).then_some(least)
    }

    /// Bytes of all requests together.
    #[must_use]
    pub fn requested_bytes(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.size)).sum()
    }
}

/// A well mixed hash of an object's number, the same for ever: the finaliser
/// of Steele, Lea and Flood's `SplitMix64` (OOPSLA 2014). Different numbers
/// never share one.
#[must_use]
pub fn hash(key: u32) -> u64 {
    let mut bits = (u64::from(key) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What a line that is no request begins with, for the message.
fn excerpt(line: &[u8]) -> String {
    let mut text: String = String::from_utf8_lossy(line).chars().take(60).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

/// The key and, behind the last comma, the size.
fn split(line: &[u8]) -> Result<(&[u8], Option<u32>), Fault> {
    let comma = line.iter().rposition(|&byte| byte == b',');
    let key = &line[..comma.unwrap_or(line.len())];
    if key.is_empty() {
        return Err(Fault::NoKey);
    }
    if key.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        return Err(Fault::NotAToken);
    }
    let Some(comma) = comma else {
        return Ok((key, None));
    };
    let digits = &line[comma + 1..];
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let size = is_number.then(|| str::from_utf8(digits).ok()?.parse().ok()).flatten();
    Ok((key, Some(size.ok_or(Fault::NotASize)?)))
}

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing stands before the comma, or on the line.
    NoKey,
    /// The key has blanks or control characters.
    NotAToken,
    /// What follows the last comma is no number of bytes below 4 GiB.
    NotASize,
    /// The lines before have sizes, this one hasn't.
    SizeLost,
    /// The lines before have no sizes, this one has.
    SizeNew,
    /// More than 2³² distinct keys.
    TooManyKeys,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "there is no key",
            Self::NotAToken => "the key has blanks or control characters",
            Self::NotASize => "what follows the last comma is no size in bytes below 4 GiB",
            Self::SizeLost => "the lines before have sizes, this one hasn't",
            Self::SizeNew => "the lines before have no sizes, this one has",
            Self::TooManyKeys => "there are more than 2^32 distinct keys",
        })
    }
}

/// A trace could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// A line is no request.
    Line {
        /// Its number, from 1.
        line: u64,
        /// How it begins.
        text: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The last record of a binary trace is cut off.
    CutOff {
        /// The record, from 1.
        record: u64,
    },
    /// A record of a binary trace is no request.
    Record {
        /// Its number, from 1.
        record: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The source failed.
    Source {
        /// The line that was being read, from 1.
        line: u64,
        /// What the source gave.
        source: io::Error,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, text, fault } => {
                write!(f, "line {line}, {text:?}: {fault}; expected key or key,size")
            }
            Self::CutOff { record } => {
                write!(f, "record {record} is cut off; oracleGeneral records have 24 bytes")
            }
            Self::Record { record, fault } => write!(f, "record {record}: {fault}"),
            Self::Source { line, .. } => write!(f, "could not read line {line}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Line { .. } | Self::CutOff { .. } | Self::Record { .. } => None,
            Self::Source { source, .. } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests;

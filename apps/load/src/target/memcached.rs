//! Whatever speaks memcached's text protocol: `set` and `get`.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};

use super::keyed::{Ask, Contents, Reply};
use super::wire::{MemCache, Wire};
use super::{Failure, Source, Target};
use crate::error::Result;

/// A memcached, or what speaks like one, at `HOST:PORT`: filled before it is measured or
/// not.
///
/// # Errors
/// The address is none.
pub fn target(at: &str, contents: Arc<Contents>, is_filled: bool) -> Result<Arc<dyn Target>> {
    Ok(Arc::new(MemCache::<Words>::new(at, contents, is_filled)?))
}

/// The text protocol.
struct Words;

impl Wire for Words {
    const NAME: &'static str = "memcached";
    const VERSION: &'static [u8] = b"version\r\n";

    fn number(said: &str) -> Option<&str> {
        Some(said.trim().trim_start_matches("VERSION ")).filter(|number| !number.is_empty())
    }

    fn write(ask: &Ask, to: &mut BytesMut) {
        match ask {
            Ask::Read(key) => {
                to.extend_from_slice(format!("get {}\r\n", Contents::name(*key)).as_bytes());
            }
            Ask::Write(key, value) => {
                let (name, len) = (Contents::name(*key), value.len());
                to.extend_from_slice(format!("set {name} 0 0 {len}\r\n").as_bytes());
                to.extend_from_slice(value);
                to.extend_from_slice(b"\r\n");
            }
        }
    }

    fn read(ask: &Ask, from: &mut BytesMut, line: usize) -> Option<Result<Reply, Failure>> {
        let text = String::from_utf8_lossy(&from[..line]).into_owned();
        let reply = |value, source| Some(Ok(Reply { value, source, at: Instant::now() }));
        match (ask, text.split(' ').collect::<Vec<_>>().as_slice()) {
            (Ask::Write(..), ["STORED"]) => {
                from.advance(line + 2);
                reply(None, Source::Unsaid)
            }
            (Ask::Read(_), ["END"]) => {
                from.advance(line + 2);
                reply(None, Source::Miss)
            }
            (Ask::Read(_), ["VALUE", _, _, len, ..]) => {
                let len: usize = len.parse().ok()?;
                let end = line + 2 + len;
                let all = end + b"\r\nEND\r\n".len();
                if from.len() < all {
                    return None;
                }
                if &from[end..all] != b"\r\nEND\r\n" {
                    return Some(Err(Failure::new("a value doesn’t end where it says")));
                }
                let mut value = from.split_to(all).freeze();
                value.truncate(end);
                value.advance(line + 2);
                reply(Some(value), Source::Hit)
            }
            _ => Some(Err(Failure(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn commands_are_written_and_answers_read_as_the_protocol_has_them() {
        let mut sent = BytesMut::new();
        Words::write(&Ask::Read(7), &mut sent);
        Words::write(&Ask::Write(8, Bytes::from_static(b"abc")), &mut sent);
        assert_eq!(&sent[..], b"get load-7\r\nset load-8 0 0 3\r\nabc\r\n");
        let mut read = BytesMut::from(&b"VALUE load-7 0 3\r\na\r\n\r\nEND\r\nEND\r\n"[..]);
        let reply = Words::read(&Ask::Read(7), &mut read, 16).unwrap().unwrap();
        assert_eq!(reply.value.as_deref(), Some(&b"a\r\n"[..]));
        let reply = Words::read(&Ask::Read(7), &mut read, 3).unwrap().unwrap();
        assert!(reply.value.is_none() && read.is_empty());
    }
}

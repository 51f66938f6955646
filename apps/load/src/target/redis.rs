//! Redis, and what speaks its protocol: `SET` and `GET`.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};

use super::keyed::{Ask, Contents, Reply};
use super::wire::{MemCache, Wire};
use super::{Failure, Source, Target};
use crate::error::Result;

/// A Redis, or what speaks like one, at `HOST:PORT`: filled before it is measured or
/// not.
///
/// # Errors
/// The address is none.
pub fn target(at: &str, contents: Arc<Contents>, is_filled: bool) -> Result<Arc<dyn Target>> {
    Ok(Arc::new(MemCache::<Words>::new(at, contents, is_filled)?))
}

/// RESP, version 2.
struct Words;

impl Wire for Words {
    const NAME: &'static str = "redis";
    const VERSION: &'static [u8] = b"INFO server\r\n";

    fn number(said: &str) -> Option<&str> {
        said.lines().find_map(|line| line.strip_prefix("redis_version:"))
    }

    fn write(ask: &Ask, to: &mut BytesMut) {
        match ask {
            Ask::Read(key) => {
                let name = Contents::name(*key);
                let len = name.len();
                let text = format!("*2\r\n$3\r\nGET\r\n${len}\r\n{name}\r\n");
                to.extend_from_slice(text.as_bytes());
            }
            Ask::Write(key, value) => {
                let name = Contents::name(*key);
                let (len, size) = (name.len(), value.len());
                let head = format!("*3\r\n$3\r\nSET\r\n${len}\r\n{name}\r\n${size}\r\n");
                to.extend_from_slice(head.as_bytes());
                to.extend_from_slice(value);
                to.extend_from_slice(b"\r\n");
            }
        }
    }

    fn read(ask: &Ask, from: &mut BytesMut, line: usize) -> Option<Result<Reply, Failure>> {
        let text = String::from_utf8_lossy(&from[..line]).into_owned();
        let reply = |value, source| Some(Ok(Reply { value, source, at: Instant::now() }));
        match (ask, text.as_str()) {
            (Ask::Write(..), "+OK") => {
                from.advance(line + 2);
                reply(None, Source::Unsaid)
            }
            (Ask::Read(_), "$-1") => {
                from.advance(line + 2);
                reply(None, Source::Miss)
            }
            (Ask::Read(_), text) => {
                let Some(len) = text.strip_prefix('$').and_then(|len| len.parse::<usize>().ok())
                else {
                    return Some(Err(Failure::new(text)));
                };
                let end = line + 2 + len;
                if from.len() < end + 2 {
                    return None;
                }
                let mut value = from.split_to(end + 2).freeze();
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
        Words::write(&Ask::Write(8, Bytes::from_static(b"abc")), &mut sent);
        let set = b"*3\r\n$3\r\nSET\r\n$6\r\nload-8\r\n$3\r\nabc\r\n";
        assert_eq!(&sent[..], set);
        let mut read = BytesMut::from(&b"$3\r\na\r\n\r\n$-1\r\n"[..]);
        let reply = Words::read(&Ask::Read(7), &mut read, 2).unwrap().unwrap();
        assert_eq!(reply.value.as_deref(), Some(&b"a\r\n"[..]));
        let reply = Words::read(&Ask::Read(7), &mut read, 3).unwrap().unwrap();
        assert!(reply.value.is_none() && read.is_empty());
    }
}

//! The lines of the text protocol. Values are checked here as far as a line
//! shows them; what is in the cache isn't known here.

use std::borrow::Cow;

use crate::number::{signed32, unsigned, unsigned32};
use crate::step::{BAD_FORMAT, Line};
use crate::{Command, Get, MAX_KEY_BYTES, Store, Verb, Words, meta};

const BAD_TIME: &str = "CLIENT_ERROR invalid exptime argument";
const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";

/// The longest block that a line may announce.
const MAX_BLOCK_BYTES: usize = i32::MAX as usize - 2;

/// Reads a line without its end.
pub(crate) fn read(line: &[u8]) -> Line<'_> {
    let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let words = Words::of(rest);
    match name {
        b"get" => get(words, false),
        b"set" => store(words, Verb::Set),
        b"mg" => meta::get(words),
        b"ms" => meta::set(words),
        b"md" => meta::delete(words),
        b"ma" => meta::delta(words),
        b"mn" => Line::Command(Command::MetaNoop),
        b"me" => meta::debug(words),
        b"gets" => get(words, true),
        b"gat" => get_and_touch(words, false),
        b"gats" => get_and_touch(words, true),
        b"add" => store(words, Verb::Add),
        b"cas" => store(words, Verb::Cas),
        b"replace" => store(words, Verb::Replace),
        b"append" => store(words, Verb::Append),
        b"prepend" => store(words, Verb::Prepend),
        b"incr" => delta(words, true),
        b"decr" => delta(words, false),
        b"delete" => delete(words),
        b"touch" => touch(words),
        b"quit" => Line::Command(Command::Quit),
        b"version" => Line::Command(Command::Version),
        b"stats" => Line::Command(Command::Stats(words)),
        _ => seldom(line),
    }
}

/// What nobody sends often.
fn seldom(line: &[u8]) -> Line<'_> {
    let mut words = Words::of(line);
    let quiet = is_quiet(words);
    let all = words;
    let Some(name) = words.next() else { return Line::bad("ERROR") };
    let command = match name {
        b"flush_all" => return flush_all(words, quiet),
        b"verbosity" => match words.next().and_then(unsigned32) {
            Some(_) => Command::Verbosity { quiet },
            None => return Line::Bad { error: BAD_FORMAT, skip: 0, quiet },
        },
        b"cache_memlimit" => Command::MemoryLimit(words.next().and_then(unsigned32)),
        b"shutdown" => Command::Shutdown(words),
        b"debugtime" => Command::DebugTime(words),
        b"slabs" | b"lru" | b"lru_crawler" | b"watch" | b"extstore" | b"refresh_certs" => {
            Command::Inside(name, words)
        }
        _ if words.next().is_some() && all.last_word().is_some_and(is_http) => return Line::Close,
        _ => return Line::Bad { error: "ERROR", skip: 0, quiet },
    };
    Line::Command(command)
}

/// A browser or a proxy that lost its way: what follows would be read as
/// commands that somebody else chose.
fn is_http(word: &[u8]) -> bool {
    word.starts_with(b"HTTP/")
}

fn is_quiet(words: Words<'_>) -> bool {
    words.last_word() == Some(b"noreply")
}

/// A key that isn't too long.
fn key(word: Option<&[u8]>) -> Option<&[u8]> {
    word.filter(|word| word.len() <= MAX_KEY_BYTES)
}

fn get(keys: Words<'_>, with_cas: bool) -> Line<'_> {
    match read_keys(keys, with_cas) {
        Some(get) => Line::Command(Command::Get(get)),
        None => Line::bad(BAD_FORMAT),
    }
}

fn read_keys(keys: Words<'_>, with_cas: bool) -> Option<Get<'_>> {
    let mut all = keys;
    key(all.next())?;
    all.all(|word| word.len() <= MAX_KEY_BYTES).then_some(Get { keys, with_cas })
}

fn get_and_touch(mut words: Words<'_>, with_cas: bool) -> Line<'_> {
    let time = words.next();
    let Some(get) = read_keys(words, with_cas) else { return Line::bad(BAD_FORMAT) };
    match time.and_then(signed32) {
        Some(expires) => Line::Command(Command::GetAndTouch(expires, get)),
        None => Line::bad(BAD_TIME),
    }
}

/// `<key> <flags> <exptime> <bytes> [<cas>] [noreply]`.
fn store(mut words: Words<'_>, verb: Verb) -> Line<'_> {
    let quiet = is_quiet(words);
    let (name, flags, time, len) = (words.next(), words.next(), words.next(), words.next());
    let Some(len) = len.and_then(block_len) else { return Line::bad(BAD_FORMAT) };
    let read = || {
        let compare = match verb {
            Verb::Cas => unsigned(words.next()?)?,
            _ => 0,
        };
        Some(Store {
            verb,
            key: Cow::Borrowed(key(name)?),
            flags: unsigned32(flags?)?,
            expires: signed32(time?)?,
            len,
            compare,
            quiet,
            meta: None,
        })
    };
    match { read }() {
        Some(store) => Line::Store(store),
        None => Line::Bad { error: BAD_FORMAT, skip: len + 2, quiet },
    }
}

/// The length of a block.
pub(crate) fn block_len(word: &[u8]) -> Option<usize> {
    usize::try_from(unsigned(word)?).ok().filter(|len| *len <= MAX_BLOCK_BYTES)
}

fn delta(mut words: Words<'_>, up: bool) -> Line<'_> {
    let quiet = is_quiet(words);
    let (name, by) = (words.next(), words.next());
    let (Some(key), Some(by)) = (key(name), by) else {
        return Line::Bad { error: BAD_FORMAT, skip: 0, quiet: quiet && by.is_some() };
    };
    match unsigned(by) {
        Some(delta) => Line::Command(Command::Delta { key, delta, up, quiet }),
        None => Line::Bad { error: BAD_DELTA, skip: 0, quiet },
    }
}

fn delete(mut words: Words<'_>) -> Line<'_> {
    let quiet = is_quiet(words);
    match key(words.next()) {
        Some(key) => Line::Command(Command::Delete { key, quiet }),
        None => Line::Bad { error: BAD_FORMAT, skip: 0, quiet },
    }
}

fn touch(mut words: Words<'_>) -> Line<'_> {
    let quiet = is_quiet(words);
    let (name, time) = (words.next(), words.next());
    let (Some(key), Some(time)) = (key(name), time) else {
        return Line::Bad { error: BAD_FORMAT, skip: 0, quiet: quiet && time.is_some() };
    };
    match signed32(time) {
        Some(expires) => Line::Command(Command::Touch { key, expires, quiet }),
        None => Line::Bad { error: BAD_TIME, skip: 0, quiet },
    }
}

fn flush_all(mut words: Words<'_>, quiet: bool) -> Line<'_> {
    let delay = match words.next() {
        None => Some(0),
        Some(b"noreply") if words.next().is_none() => Some(0),
        Some(word) => signed32(word),
    };
    match delay {
        Some(delay) => Line::Command(Command::FlushAll { delay, quiet }),
        None => Line::Bad { error: BAD_TIME, skip: 0, quiet },
    }
}

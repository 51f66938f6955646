//! The lines of the meta protocol: two letters, a key, and flags of one letter
//! each, some with a value right behind it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::command::MetaStore;
use crate::number::{signed32, unsigned, unsigned32};
use crate::step::{BAD_FORMAT, Line};
use crate::text::block_len;
use crate::{Command, MAX_KEY_BYTES, Meta, Store, Verb, Words};

const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";

/// The most flags beside the command and its key.
const MAX_FLAGS: usize = 18;

/// The longest opaque flag, with its letter.
const MAX_OPAQUE_BYTES: usize = 32;

pub(crate) fn get(words: Words<'_>) -> Line<'_> {
    match meta(words) {
        Ok(meta) => Line::Command(Command::MetaGet(meta)),
        Err(error) => Line::bad(error),
    }
}

pub(crate) fn delete(words: Words<'_>) -> Line<'_> {
    match meta(words) {
        Ok(meta) => Line::Command(Command::MetaDelete(meta)),
        Err(error) => Line::bad(error),
    }
}

pub(crate) fn delta(words: Words<'_>) -> Line<'_> {
    match meta(words) {
        Ok(meta) if !matches!(meta.mode, None | Some(b'I' | b'+' | b'D' | b'-')) => {
            Line::bad("CLIENT_ERROR invalid mode for ma M token")
        }
        Ok(meta) => Line::Command(Command::MetaDelta(meta)),
        Err(BAD_FORMAT) => Line::bad(BAD_FORMAT),
        Err(_) => Line::bad("CLIENT_ERROR invalid or duplicate flag"),
    }
}

/// `<key> [b]`: as the reference has it, more is passed over.
pub(crate) fn debug(mut words: Words<'_>) -> Line<'_> {
    let Some(key) = words.next().filter(|key| key.len() <= MAX_KEY_BYTES) else {
        return Line::bad(BAD_FORMAT);
    };
    if words.next() != Some(b"b") {
        return Line::Command(Command::MetaDebug(Cow::Borrowed(key)));
    }
    match STANDARD.decode(key) {
        Ok(key) => Line::Command(Command::MetaDebug(Cow::Owned(key))),
        Err(_) => Line::bad(BAD_FORMAT),
    }
}

/// `<key> <datalen> <flags>*`.
pub(crate) fn set(mut words: Words<'_>) -> Line<'_> {
    let (key, len) = (words.next(), words.next());
    let (Some(key), Some(len)) = (key, len.and_then(block_len)) else {
        return Line::bad(BAD_FORMAT);
    };
    match read_flags(key, words).and_then(|meta| store(meta, len)) {
        Ok(store) => Line::Store(store),
        Err(error) => Line::Bad { error, skip: len + 2, quiet: false },
    }
}

fn store(meta: Meta<'_>, len: usize) -> Result<Store<'_>, &'static str> {
    let verb = match meta.mode {
        None | Some(b'S') => Verb::Set,
        Some(b'E') => Verb::Add,
        Some(b'A') => Verb::Append,
        Some(b'P') => Verb::Prepend,
        Some(b'R') => Verb::Replace,
        _ => return Err("CLIENT_ERROR invalid mode for ms M token"),
    };
    // A version to compare makes `set` and `replace` the same.
    let verb = match (verb, meta.compare) {
        (Verb::Set | Verb::Replace, Some(_)) => Verb::Cas,
        (verb, _) => verb,
    };
    let appends = matches!(verb, Verb::Append | Verb::Prepend);
    Ok(Store {
        verb,
        key: meta.key,
        flags: meta.client_flags,
        expires: meta.touch.unwrap_or(0),
        len,
        compare: meta.compare.unwrap_or(0),
        quiet: meta.quiet,
        meta: Some(MetaStore {
            flags: Cow::Borrowed(meta.flags.bytes()),
            new_cas: meta.new_cas,
            invalidate: meta.invalidate,
            vivify: meta.vivify.filter(|_| appends),
            is_binary: meta.is_binary,
        }),
    })
}

fn meta(mut words: Words<'_>) -> Result<Meta<'_>, &'static str> {
    let key = words.next().ok_or(BAD_FORMAT)?;
    read_flags(key, words)
}

fn read_flags<'a>(key: &'a [u8], flags: Words<'a>) -> Result<Meta<'a>, &'static str> {
    if key.len() > MAX_KEY_BYTES {
        return Err(BAD_FORMAT);
    }
    let mut meta = Meta {
        key: Cow::Borrowed(key),
        flags,
        is_binary: false,
        unused: false,
        vivify: None,
        touch: None,
        recache: None,
        wants_value: false,
        quiet: false,
        empties: false,
        invalidate: false,
        client_flags: 0,
        compare: None,
        new_cas: None,
        mode: None,
        initial: 0,
        delta: 1,
    };
    let mut seen = 0_u128;
    for (number, flag) in flags.enumerate() {
        if number == MAX_FLAGS {
            return Err("CLIENT_ERROR options flags are too long");
        }
        let (&letter, value) = flag.split_first().ok_or(BAD_FORMAT)?;
        if letter >= 127 || seen >> letter & 1 == 1 {
            return Err("CLIENT_ERROR duplicate flag");
        }
        seen |= 1 << letter;
        read_flag(&mut meta, letter, value)?;
    }
    Ok(meta)
}

fn read_flag(meta: &mut Meta<'_>, letter: u8, value: &[u8]) -> Result<(), &'static str> {
    let time = || signed32(value).map(Some).ok_or(BAD_TOKEN);
    let number = || unsigned(value).map(Some).ok_or(BAD_TOKEN);
    match letter {
        b'b' => {
            let key = STANDARD.decode(&meta.key).ok().filter(|key| !key.is_empty());
            meta.key = Cow::Owned(key.ok_or("CLIENT_ERROR error decoding key")?);
            meta.is_binary = true;
        }
        b'N' => meta.vivify = time()?,
        b'T' => meta.touch = time()?,
        b'R' => meta.recache = time()?,
        b'C' => meta.compare = number()?,
        b'E' => meta.new_cas = number()?,
        b'F' => meta.client_flags = unsigned32(value).ok_or(BAD_FORMAT)?,
        b'M' => meta.mode = Some(value.first().copied().unwrap_or(0)),
        b'J' => {
            meta.initial = unsigned(value).ok_or("CLIENT_ERROR invalid numeric initial value")?;
        }
        b'D' => meta.delta = unsigned(value).ok_or("CLIENT_ERROR invalid numeric delta value")?,
        b'O' if value.len() >= MAX_OPAQUE_BYTES => {
            return Err("CLIENT_ERROR opaque token too long");
        }
        b'v' => meta.wants_value = true,
        b'u' => meta.unused = true,
        b'q' => meta.quiet = true,
        b'x' => meta.empties = true,
        b'I' => meta.invalidate = true,
        b'O' | b'P' | b'L' | b'k' | b's' | b't' | b'c' | b'f' | b'l' | b'h' => {}
        _ => return Err("CLIENT_ERROR invalid flag"),
    }
    Ok(())
}

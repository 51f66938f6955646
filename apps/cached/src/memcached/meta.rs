//! The meta commands carried out, and their answers: two letters, then what the
//! flags asked for, in their order.

use larder_wire::{Meta, MetaStore, Words, reply};

use super::output::Output;
use super::worker::Worker;
use crate::items::{Count, Counted, Deleted, Delta, Item, Outcome, Present, Stored};

/// Whether a read changes anything but what reads note.
pub(super) fn only_reads(meta: &Meta<'_>) -> bool {
    meta.vivify.is_none() && meta.touch.is_none()
}

/// `mg` that may change something.
pub(super) fn get(worker: &Worker, meta: &Meta<'_>, present: Present, output: &mut Output) {
    let items = &worker.items;
    let lock = items.lock(&meta.key);
    let mut found = None;
    items.cache.read_many(&[&*meta.key], |_, item| {
        if let Some(item) = item.filter(|item| present.has(item)) {
            answer_found(output, meta, item, present, |item, expires| {
                item.expire_at(items.time.expiry(expires));
            });
            found = Some(());
        }
    });
    let is_touch = meta.touch.is_some();
    let made = match found {
        Some(()) => None,
        None => items.vivify(present, meta, &worker.counters),
    };
    drop(lock);
    let is_miss = found.is_none() && made.is_none();
    match &made {
        Some(item) => answer_made(output, meta, item, present),
        None if is_miss => answer_miss(output, meta),
        None => {}
    }
    let counted = match (is_touch, is_miss) {
        (true, false) => [Count::Touches, Count::TouchHits],
        (true, true) => [Count::Touches, Count::TouchMisses],
        (false, false) => [Count::Gets, Count::GetHits],
        (false, true) => [Count::Gets, Count::GetMisses],
    };
    counted.into_iter().for_each(|count| worker.counters.add(count, 1));
}

/// Answers `mg`.
pub(super) fn answer_get(
    output: &mut Output,
    meta: &Meta<'_>,
    item: Option<&Item>,
    present: Present,
) {
    match item {
        Some(item) => answer_found(output, meta, item, present, |_, _| {}),
        None => answer_miss(output, meta),
    }
}

fn answer_miss(output: &mut Output, meta: &Meta<'_>) {
    if !meta.quiet {
        output.bytes.extend_from_slice(reply::META_MISS);
        echo(&mut output.bytes, meta.flags, &meta.key, meta.is_binary);
        output.bytes.extend_from_slice(reply::LINE_END);
    }
}

fn answer_found(
    output: &mut Output,
    meta: &Meta<'_>,
    item: &Item,
    present: Present,
    touch: impl Fn(&Item, i32),
) {
    let sends_value = begin(output, meta, item);
    let may_recache = meta.recache.is_some_and(|recache| expires_within(item, recache, present));
    flags(output, meta, item, present, touch);
    let out = &mut output.bytes;
    let has_sent = item.has_sent_token();
    if has_sent {
        out.extend_from_slice(b" Z");
    }
    if item.is_stale() {
        out.extend_from_slice(b" X");
    }
    // Of those who come at once, one wins.
    if !has_sent && (may_recache || item.is_stale()) && item.take_token() {
        out.extend_from_slice(b" W");
    }
    if !meta.unused {
        item.note_use(present.now);
    }
    end(output, item, sends_value);
}

/// Whoever made an entry is the one to load it.
fn answer_made(output: &mut Output, meta: &Meta<'_>, item: &Item, present: Present) {
    let sends_value = begin(output, meta, item);
    flags(output, meta, item, present, |_, _| {});
    output.bytes.extend_from_slice(b" W");
    end(output, item, sends_value);
}

/// The first word; whether the value is sent.
fn begin(output: &mut Output, meta: &Meta<'_>, item: &Item) -> bool {
    let sends_value = meta.wants_value && meta.compare != Some(item.cas);
    match sends_value {
        true => reply::meta_value(&mut output.bytes, item.value.len()),
        false => output.bytes.extend_from_slice(reply::META_DONE),
    }
    sends_value
}

fn end(output: &mut Output, item: &Item, sends_value: bool) {
    output.bytes.extend_from_slice(reply::LINE_END);
    if sends_value {
        output.value(&item.value);
        output.bytes.extend_from_slice(reply::LINE_END);
    }
}

fn expires_within(item: &Item, seconds: i32, present: Present) -> bool {
    item.ttl(present.now).is_some_and(|ttl| i64::from(ttl) < i64::from(seconds))
}

fn flags(
    output: &mut Output,
    meta: &Meta<'_>,
    item: &Item,
    present: Present,
    touch: impl Fn(&Item, i32),
) {
    let out = &mut output.bytes;
    for flag in meta.flags {
        match flag[0] {
            b'T' => touch(item, meta.touch.unwrap_or(0)),
            b's' => reply::meta_number(out, b's', item.value.len() as u64),
            b't' => ttl(out, item, present),
            b'c' => reply::meta_number(out, b'c', item.cas),
            b'f' => reply::meta_number(out, b'f', u64::from(item.flags())),
            b'l' => reply::meta_number(out, b'l', u64::from(item.idle_seconds(present.now))),
            b'h' => reply::meta_number(out, b'h', u64::from(item.was_fetched())),
            b'O' => reply::meta_flag(out, flag),
            b'k' => reply::meta_key(out, &meta.key, item.is_binary()),
            _ => {}
        }
    }
}

fn ttl(out: &mut Vec<u8>, item: &Item, present: Present) {
    match item.ttl(present.now) {
        None => out.extend_from_slice(b" t-1"),
        Some(ttl) => reply::meta_number(out, b't', u64::from(ttl)),
    }
}

/// What any answer repeats.
fn echo(out: &mut Vec<u8>, flags: Words<'_>, key: &[u8], is_binary: bool) {
    for flag in flags {
        match flag[0] {
            b'O' => reply::meta_flag(out, flag),
            b'k' => reply::meta_key(out, key, is_binary),
            _ => {}
        }
    }
}

/// Answers `ms`.
pub(super) fn answer_store(
    out: &mut Vec<u8>,
    key: &[u8],
    meta: &MetaStore<'_>,
    stored: &Stored,
    quiet: bool,
) {
    let word = match stored.outcome {
        Outcome::Stored if quiet => return,
        Outcome::Stored => reply::META_DONE,
        Outcome::NotStored => reply::META_NOT_STORED,
        Outcome::Exists => reply::META_EXISTS,
        Outcome::NotFound => reply::META_NOT_FOUND,
        Outcome::NoMemory => return reply::line(out, reply::NO_MEMORY),
    };
    out.extend_from_slice(word);
    for flag in Words::of(&meta.flags) {
        match flag[0] {
            b'O' => reply::meta_flag(out, flag),
            b'k' => reply::meta_key(out, key, meta.is_binary),
            b'c' => reply::meta_number(out, b'c', stored.cas),
            b's' => reply::meta_number(out, b's', stored.len as u64),
            _ => {}
        }
    }
    out.extend_from_slice(reply::LINE_END);
}

/// `md`.
pub(super) fn delete(worker: &Worker, meta: &Meta<'_>, present: Present, output: &mut Output) {
    let word = match worker.items.delete_meta(present, meta, &worker.counters) {
        Deleted::Done if meta.quiet => return,
        Deleted::Done => reply::META_DONE,
        Deleted::NotFound => reply::META_NOT_FOUND,
        Deleted::Exists => reply::META_EXISTS,
        Deleted::NotStored => reply::META_NOT_STORED,
    };
    let out = &mut output.bytes;
    out.extend_from_slice(word);
    echo(out, meta.flags, &meta.key, meta.is_binary);
    out.extend_from_slice(reply::LINE_END);
}

/// `ma`.
pub(super) fn count(worker: &Worker, meta: &Meta<'_>, present: Present, output: &mut Output) {
    let delta = Delta {
        up: !matches!(meta.mode, Some(b'D' | b'-')),
        by: meta.delta,
        compare: meta.compare.unwrap_or(0),
        new_cas: meta.new_cas,
        vivify: meta.vivify.map(|expires| (meta.initial, expires)),
        touch: meta.touch,
    };
    let out = &mut output.bytes;
    let word = match worker.items.count(present, &meta.key, delta, &worker.counters) {
        Counted::Is(..) if meta.quiet => return,
        Counted::Is(number, item) => return counted(out, meta, number, &item, present),
        Counted::NotANumber => return reply::line(out, reply::NOT_A_NUMBER),
        Counted::NoMemory => return reply::line(out, "SERVER_ERROR out of memory"),
        Counted::Exists => reply::META_EXISTS,
        Counted::NotFound => reply::META_NOT_FOUND,
    };
    out.extend_from_slice(word);
    echo(out, meta.flags, &meta.key, meta.is_binary);
    out.extend_from_slice(reply::LINE_END);
}

fn counted(out: &mut Vec<u8>, meta: &Meta<'_>, number: u64, item: &Item, present: Present) {
    let digits = number.to_string();
    match meta.wants_value {
        true => reply::meta_value(out, digits.len()),
        false => out.extend_from_slice(reply::META_DONE),
    }
    for flag in meta.flags {
        match flag[0] {
            b'c' => reply::meta_number(out, b'c', item.cas),
            b't' => ttl(out, item, present),
            b'O' => reply::meta_flag(out, flag),
            b'k' => reply::meta_key(out, &meta.key, meta.is_binary),
            _ => {}
        }
    }
    out.extend_from_slice(reply::LINE_END);
    if meta.wants_value {
        reply::line(out, &digits);
    }
}

/// `me`.
pub(super) fn debug(worker: &Worker, key: &[u8], present: Present, output: &mut Output) {
    worker.counters.add(Count::Metas, 1);
    let out = &mut output.bytes;
    let item = worker.items.cache.peek(key).filter(|item| present.has(item));
    let Some(item) = item else { return reply::line(out, "EN") };
    out.extend_from_slice(b"ME ");
    reply::debug_key(out, key, item.is_binary());
    let expires = item.ttl(present.now).map_or(-1, i64::from);
    let idle = item.idle_seconds(present.now);
    let fetched = if item.was_fetched() { "yes" } else { "no" };
    let size = worker.items.size(key, &item);
    let cas = item.cas;
    let told = format!(" exp={expires} la={idle} cas={cas} fetch={fetched} cls=1 size={size}");
    reply::line(out, &told);
}

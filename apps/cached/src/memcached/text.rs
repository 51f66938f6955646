//! The commands carried out. What one needs of the cache is one call; the words
//! of the answers are the reference's, because clients compare them.

use larder_wire::{Command, Store, Verb, Words, reply, signed};

use super::batch::{self, Batch};
use super::connection::{Connection, Next};
use super::{VERSION, admin, meta, stats};
use crate::items::{Count, Counted, Delta, Outcome, Value};

/// Carries out a command, or puts it to those it is to be looked up with.
pub(super) fn run<'a>(
    connection: &mut Connection,
    command: Command<'a>,
    batch: &mut Batch<'a>,
) -> Next {
    match command {
        Command::Get(get) => {
            if let Some(rest) = batch.get(get, &mut connection.output) {
                connection.put_off(rest);
            }
        }
        Command::MetaGet(one) if meta::only_reads(&one) => {
            batch.meta(one, &mut connection.output);
        }
        command => {
            // Answers come in the order of the commands.
            batch.flush(&mut connection.output);
            return change(connection, command, batch);
        }
    }
    Next::Go
}

fn change(connection: &mut Connection, command: Command<'_>, batch: &mut Batch<'_>) -> Next {
    let present = batch.present();
    let worker = std::rc::Rc::clone(&connection.worker);
    let output = &mut connection.output;
    match command {
        Command::MetaGet(one) => meta::get(&worker, &one, present, output),
        Command::MetaDelete(one) => meta::delete(&worker, &one, present, output),
        Command::MetaDelta(one) => meta::count(&worker, &one, present, output),
        Command::MetaDebug(key) => meta::debug(&worker, &key, present, output),
        Command::MetaNoop => output.bytes.extend_from_slice(reply::META_NOOP),
        Command::GetAndTouch(expires, get) => {
            for key in get.keys {
                let item = worker.items.touch(present, key, expires);
                touched(connection, item.is_some());
                if let Some(item) = item {
                    let cas = get.with_cas.then_some(item.cas);
                    batch::value(&mut connection.output, key, &item, cas);
                }
            }
            connection.output.bytes.extend_from_slice(reply::END);
        }
        Command::Touch { key, expires, quiet } => {
            let is_here = worker.items.touch(present, key, expires).is_some();
            touched(connection, is_here);
            say(connection, if is_here { reply::TOUCHED } else { reply::NOT_FOUND }, quiet);
        }
        Command::Delete { key, quiet } => {
            let was_here = worker.items.delete(present, key);
            let count = if was_here { Count::DeleteHits } else { Count::DeleteMisses };
            worker.counters.add(count, 1);
            say(connection, if was_here { reply::DELETED } else { reply::NOT_FOUND }, quiet);
        }
        Command::Delta { key, delta, up, quiet } => {
            let delta =
                Delta { up, by: delta, compare: 0, new_cas: None, vivify: None, touch: None };
            let counted = worker.items.count(present, key, delta, &worker.counters);
            answer_count(connection, &counted, quiet);
        }
        other => {
            batch.forget_present();
            return seldom(connection, &other);
        }
    }
    Next::Go
}

fn seldom(connection: &mut Connection, command: &Command<'_>) -> Next {
    match *command {
        Command::FlushAll { delay, quiet } => flush_all(connection, delay, quiet),
        Command::Stats(words) => stats::answer(connection, words),
        Command::Version => {
            reply::line(&mut connection.output.bytes, &format!("VERSION {VERSION}"));
        }
        Command::Verbosity { quiet } => say(connection, reply::OK, quiet),
        Command::MemoryLimit(megabytes) => admin::limit_memory(connection, megabytes),
        Command::Shutdown(words) => return admin::shut_down(connection, words),
        Command::DebugTime(words) => debug_time(connection, words),
        Command::Inside(name, words) => admin::inside(connection, name, words),
        _ => return Next::Hangup,
    }
    Next::Go
}

fn say(connection: &mut Connection, words: &[u8], quiet: bool) {
    if !quiet {
        connection.output.bytes.extend_from_slice(words);
    }
}

fn touched(connection: &Connection, is_here: bool) {
    let counters = &connection.worker.counters;
    counters.add(Count::Touches, 1);
    counters.add(if is_here { Count::TouchHits } else { Count::TouchMisses }, 1);
}

fn answer_count(connection: &mut Connection, counted: &Counted, quiet: bool) {
    match counted {
        Counted::Is(number, _) if !quiet => {
            reply::number(&mut connection.output.bytes, *number);
            connection.output.bytes.extend_from_slice(reply::LINE_END);
        }
        Counted::Is(..) => {}
        Counted::NotANumber => connection.refuse(reply::NOT_A_NUMBER, quiet),
        Counted::NotFound | Counted::Exists => say(connection, reply::NOT_FOUND, quiet),
        Counted::NoMemory => connection.refuse("SERVER_ERROR out of memory", quiet),
    }
}

/// Stores a value that is here and answers.
pub(super) fn store(connection: &mut Connection, store: &Store<'_>, value: Value) {
    let worker = &connection.worker;
    let present = worker.items.present();
    let stored = worker.items.store(present, store, value, &worker.counters);
    let out = &mut connection.output.bytes;
    if let Some(meta) = &store.meta {
        return meta::answer_store(out, &store.key, meta, &stored, store.quiet);
    }
    if store.quiet {
        return;
    }
    match stored.outcome {
        Outcome::Stored => out.extend_from_slice(reply::STORED),
        Outcome::NotStored => out.extend_from_slice(reply::NOT_STORED),
        Outcome::Exists => out.extend_from_slice(reply::EXISTS),
        Outcome::NotFound => out.extend_from_slice(reply::NOT_FOUND),
        Outcome::NoMemory => reply::line(out, reply::NO_MEMORY),
    }
}

/// Refuses a value that is too large. What it was to replace is out of date, so
/// it goes.
pub(super) fn refuse_large(connection: &mut Connection, store: &Store<'_>) {
    let worker = &connection.worker;
    worker.counters.add(Count::TooLarge, 1);
    if store.verb == Verb::Set || store.meta.is_some() {
        worker.items.delete(worker.items.present(), &store.key);
    }
    connection.refuse(reply::TOO_LARGE, store.quiet && store.meta.is_none());
}

fn flush_all(connection: &mut Connection, delay: i32, quiet: bool) {
    let worker = &connection.worker;
    worker.counters.add(Count::Flushes, 1);
    if !worker.shared.settings.may_flush {
        return connection.refuse("CLIENT_ERROR flush_all not allowed", quiet);
    }
    worker.items.flush(delay);
    say(connection, reply::OK, quiet);
}

/// `debugtime SECONDS`, `debugtime p` and `debugtime r`: moves, stops and starts
/// the clock.
fn debug_time(connection: &mut Connection, mut words: Words<'_>) {
    let worker = &connection.worker;
    let done = worker.shared.settings.debug_commands
        && words.next().is_some_and(|word| {
            let time = &worker.items.time;
            match (word, signed(word)) {
                (b"p", _) => time.stop(true),
                (b"r", _) => time.stop(false),
                (_, Some(seconds)) => time.move_by(seconds),
                _ => return false,
            }
            true
        });
    say(connection, if done { reply::OK } else { reply::ERROR }, false);
}

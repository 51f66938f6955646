//! What operators send: limits, the end, and commands that are about the inside
//! of the reference and have no meaning here, answered so that tools go on.

use larder_tier::Settings;
use larder_wire::{Words, reply, signed, unsigned};
use percent_encoding::NON_ALPHANUMERIC;

use super::connection::{Connection, Next};

const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";

/// One MB of memory: 2^20 bytes.
const MEGABYTE: u64 = 1 << 20;

/// `cache_memlimit`: the capacity in megabytes.
pub(super) fn limit_memory(connection: &mut Connection, megabytes: Option<u32>) {
    let answer = match megabytes {
        None => "ERROR",
        Some(..8) => "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
        Some(1_000_000_001..) => "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
        Some(megabytes) => {
            let capacity_bytes = u64::from(megabytes) * MEGABYTE;
            let observer = &connection.worker.items.observer;
            observer.reconfigure(|now| Settings { capacity_bytes, ..now });
            "OK"
        }
    };
    connection.refuse(answer, false);
}

/// `shutdown`, where that is allowed.
pub(super) fn shut_down(connection: &mut Connection, mut words: Words<'_>) -> Next {
    let shared = &connection.worker.shared;
    if !shared.settings.may_shut_down {
        connection.refuse("SERVER_ERROR: shutdown not enabled", false);
        return Next::Go;
    }
    match words.next() {
        None | Some(b"graceful") => {
            shared.shutdown.ask();
            Next::Hangup
        }
        Some(_) => {
            connection.refuse("CLIENT_ERROR invalid shutdown mode", false);
            Next::Go
        }
    }
}

/// `slabs`, `lru`, `lru_crawler`, `watch`: there are no slabs, one policy, and
/// nothing crawls. What asks for a state that is so anyway is answered well.
pub(super) fn inside(connection: &mut Connection, name: &[u8], mut words: Words<'_>) {
    if name == b"refresh_certs" {
        return refresh_certificates(connection);
    }
    let (first, second) = (words.next(), words.next());
    let answer = match (name, first, second) {
        (b"slabs", Some(b"automove"), Some(level)) => match unsigned(level) {
            Some(0..=2) => "OK",
            Some(_) => "ERROR",
            None => BAD_FORMAT,
        },
        (b"slabs", Some(b"automove"), None) => BAD_FORMAT,
        (b"lru_crawler", Some(b"enable" | b"disable"), None) => "OK",
        (b"lru_crawler", Some(b"tocrawl" | b"sleep"), Some(number)) => match unsigned(number) {
            Some(_) => "OK",
            None => BAD_FORMAT,
        },
        (b"lru_crawler", Some(b"crawl"), Some(_)) => "OK",
        (b"lru_crawler", Some(b"metadump"), Some(_)) => return dump(connection),
        (b"lru", Some(b"mode"), Some(b"flat" | b"segmented")) => "OK",
        (b"lru", Some(b"temp_ttl"), Some(seconds)) if signed(seconds).is_some() => "OK",
        _ => "ERROR",
    };
    connection.refuse(answer, false);
}

/// Reads the certificate again, where there is one.
fn refresh_certificates(connection: &mut Connection) {
    let shared = std::sync::Arc::clone(&connection.worker.shared);
    match shared.tls.as_ref().map(super::Tls::reload) {
        None => connection.refuse("ERROR", false),
        Some(Ok(())) => connection.refuse("OK", false),
        Some(Err(why)) => {
            tracing::error!(why, "the certificate stays as it was");
            connection.refuse("ERROR the certificate can't be read", false);
        }
    }
}

/// A line for each entry, the key as in a URL.
fn dump(connection: &mut Connection) {
    if !connection.worker.shared.settings.may_dump {
        return connection.refuse("ERROR metadump not allowed", false);
    }
    let items = &connection.worker.items;
    let present = items.present();
    let zero = items.time.of_day() - i64::from(present.now);
    let out = &mut connection.output.bytes;
    out.extend_from_slice(reply::OK);
    for key in items.cache.keys() {
        let Some(item) = items.cache.peek(&key).filter(|item| present.has(item)) else { continue };
        let expires = match item.expires() {
            0 => -1,
            moment => zero + i64::from(moment),
        };
        let used = items.time.of_day() - i64::from(item.idle_seconds(present.now));
        let fetched = if item.was_fetched() { "yes" } else { "no" };
        let (cas, size, flags) = (item.cas, items.size(&key, &item), item.flags());
        out.extend_from_slice(b"key=");
        out.extend(percent_encoding::percent_encode(&key, NON_ALPHANUMERIC).flat_map(str::bytes));
        let told = format!(" exp={expires} la={used} cas={cas} fetch={fetched} cls=1 size={size}");
        out.extend_from_slice(format!("{told} flags={flags} \n").as_bytes());
    }
    out.extend_from_slice(reply::END);
}

//! Entries as their verbs meet them, with a clock that moves when told to.

use std::borrow::Cow;
use std::sync::Arc;

use larder_clock::{ManualClock, Timestamp};
use larder_wire::{Command, Meta, MetaStore, Step, Store, Verb, step};

use super::*;

struct Cellar {
    items: Arc<Items>,
    counters: Arc<Counters>,
    clock: Arc<ManualClock>,
}

impl Cellar {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000_000)));
        let items = Items::new(1 << 20, PolicyKind::Lru, 1 << 16, clock.clone());
        let counters = items.counters.join();
        Self { items: Arc::new(items), counters, clock }
    }

    /// `set` and the like: `(verb, version, expires)`.
    fn store(&self, key: &str, value: &str, verb: Verb, compare: u64, expires: i32) -> Stored {
        let store = Store {
            verb,
            key: Cow::Borrowed(key.as_bytes()),
            flags: 7,
            expires,
            len: value.len(),
            compare,
            quiet: false,
            meta: None,
        };
        self.items.store(self.items.present(), &store, value.as_bytes().into(), &self.counters)
    }

    fn set(&self, key: &str, value: &str) -> u64 {
        self.store(key, value, Verb::Set, 0, 0).cas
    }

    fn get(&self, key: &str) -> Option<String> {
        let item = self.items.get(key.as_bytes())?;
        Some(String::from_utf8_lossy(&item.value).into_owned())
    }

    fn outcome(&self, key: &str, value: &str, verb: Verb, compare: u64) -> Outcome {
        self.store(key, value, verb, compare, 0).outcome
    }
}

fn meta<'a>(line: &'a [u8]) -> Meta<'a> {
    match step(line) {
        Step::Command { command: Command::MetaGet(meta) | Command::MetaDelete(meta), .. } => meta,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_is_found_until_it_expires() {
    let cellar = Cellar::new();
    for (key, expires, seconds) in [("soon", 2, 2), ("later", 100, 100)] {
        cellar.store(key, "v", Verb::Set, 0, expires);
        cellar.clock.advance_seconds(seconds - 1);
        assert_eq!(cellar.get(key).as_deref(), Some("v"), "{key}");
        cellar.clock.advance_seconds(1);
        assert_eq!(cellar.get(key), None, "{key}");
    }
    cellar.store("past", "v", Verb::Set, 0, -1);
    assert_eq!(cellar.get("past"), None);
    cellar.store("kept", "v", Verb::Set, 0, 0);
    cellar.clock.advance_seconds(100_000_000);
    assert_eq!(cellar.get("kept").as_deref(), Some("v"));
}

#[test]
fn what_expired_gives_its_memory_back_once_it_is_read() {
    let cellar = Cellar::new();
    cellar.store("k", "v", Verb::Set, 0, 1);
    cellar.clock.advance_seconds(2);
    assert_eq!(cellar.items.stats().items, 1);
    let present = cellar.items.present();
    cellar.items.read(present, &[b"k"], &cellar.counters, |_, item| assert!(item.is_none()));
    assert_eq!(cellar.items.stats().items, 0);
    assert_eq!(cellar.items.counters.sum(Count::GetExpired), 1);
}

#[test]
fn what_depends_on_the_value_before_sees_it() {
    use Outcome::{Exists, NotFound, NotStored, Stored};
    let cellar = Cellar::new();
    assert_eq!(cellar.outcome("k", "x", Verb::Replace, 0), NotStored);
    assert_eq!(cellar.outcome("k", "x", Verb::Append, 0), NotStored);
    assert_eq!(cellar.outcome("k", "x", Verb::Cas, 1), NotFound);
    assert_eq!(cellar.outcome("k", "b", Verb::Add, 0), Stored);
    assert_eq!(cellar.outcome("k", "x", Verb::Add, 0), NotStored);
    assert_eq!(cellar.outcome("k", "c", Verb::Append, 0), Stored);
    assert_eq!(cellar.outcome("k", "a", Verb::Prepend, 0), Stored);
    assert_eq!(cellar.get("k").as_deref(), Some("abc"));
    let cas = cellar.set("k", "v");
    assert_eq!(cellar.outcome("k", "x", Verb::Cas, cas + 1), Exists);
    assert_eq!(cellar.outcome("k", "w", Verb::Cas, cas), Stored);
    assert_eq!(cellar.outcome("k", "x", Verb::Cas, cas), Exists, "the version is another now");
    assert_eq!(cellar.get("k").as_deref(), Some("w"));
}

#[test]
fn appending_keeps_flags_and_time_and_stays_below_the_limit() {
    let cellar = Cellar::new();
    cellar.store("k", "a", Verb::Set, 0, 10);
    cellar.store("k", "b", Verb::Append, 0, 1000);
    let item = cellar.items.get(b"k").expect("is there");
    assert_eq!((item.flags(), item.ttl(cellar.items.time.now())), (7, Some(10)));
    let much = "x".repeat((1 << 16) - 100);
    cellar.set("k", &much);
    assert_eq!(cellar.outcome("k", &much, Verb::Append, 0), Outcome::NotStored);
    assert_eq!(cellar.get("k").map(|value| value.len()), Some(much.len()));
}

fn counted(cellar: &Cellar, key: &str, up: bool, by: u64) -> Result<u64, &'static str> {
    let delta = Delta { up, by, compare: 0, new_cas: None, vivify: None, touch: None };
    let present = cellar.items.present();
    match cellar.items.count(present, key.as_bytes(), delta, &cellar.counters) {
        Counted::Is(number, _) => Ok(number),
        Counted::NotANumber => Err("no number"),
        Counted::NotFound => Err("nothing"),
        Counted::Exists | Counted::NoMemory => Err("other"),
    }
}

#[test]
fn numbers_count_up_and_down_as_in_the_reference() {
    let cellar = Cellar::new();
    assert_eq!(counted(&cellar, "n", true, 1), Err("nothing"));
    cellar.set("n", "10");
    assert_eq!(counted(&cellar, "n", false, 1), Ok(9));
    assert_eq!(cellar.get("n").as_deref(), Some("9 "), "it keeps its length");
    assert_eq!(counted(&cellar, "n", true, 991), Ok(1000));
    assert_eq!(counted(&cellar, "n", false, 5000), Ok(0));
    cellar.set("n", &u64::MAX.to_string());
    assert_eq!(counted(&cellar, "n", true, 2), Ok(1));
    for wrong in ["", "x", "-1", "18446744073709551616"] {
        cellar.set("n", wrong);
        assert_eq!(counted(&cellar, "n", true, 1), Err("no number"), "{wrong:?}");
    }
}

#[test]
fn a_flush_takes_what_was_there_and_nothing_that_came_later() {
    let cellar = Cellar::new();
    cellar.set("old", "v");
    cellar.items.flush(0);
    cellar.set("new", "v");
    assert_eq!((cellar.get("old"), cellar.get("new").as_deref()), (None, Some("v")));
    assert_eq!(cellar.outcome("old", "x", Verb::Replace, 0), Outcome::NotStored);
    cellar.items.flush(10);
    cellar.clock.advance_seconds(8);
    assert!(cellar.get("new").is_some(), "it isn't time");
    cellar.set("between", "v");
    cellar.clock.advance_seconds(2);
    assert_eq!((cellar.get("new"), cellar.get("between")), (None, None));
    cellar.set("after", "v");
    assert!(cellar.get("after").is_some());
}

#[test]
fn of_those_who_find_a_stale_entry_one_is_to_load_it() {
    let cellar = Cellar::new();
    let cas = cellar.set("k", "v");
    let present = cellar.items.present();
    let deleted = cellar.items.delete_meta(present, &meta(b"md k I T30\r\n"), &cellar.counters);
    assert_eq!(deleted, Deleted::Done);
    let item = cellar.items.get(b"k").expect("it is there still");
    assert!(item.is_stale() && item.cas > cas);
    assert_eq!(item.ttl(present.now), Some(30));
    let mut won = Vec::new();
    for _ in 0..3 {
        cellar.items.read(present, &[b"k"], &cellar.counters, |_, item| {
            won.push(item.expect("is there").take_token());
        });
    }
    assert_eq!(won, [true, false, false]);
    // Who loads it with the version from before may still put it there.
    let store = Store {
        verb: Verb::Cas,
        key: Cow::Borrowed(b"k"),
        flags: 0,
        expires: 0,
        len: 1,
        compare: cas,
        quiet: false,
        meta: Some(MetaStore {
            flags: Cow::Borrowed(b""),
            new_cas: None,
            invalidate: true,
            vivify: None,
            is_binary: false,
        }),
    };
    let stored = cellar.items.store(present, &store, b"w"[..].into(), &cellar.counters);
    assert_eq!(stored.outcome, Outcome::Stored);
    let item = cellar.items.get(b"k").expect("is there");
    assert!(item.is_stale() && item.has_sent_token());
}

#[test]
fn many_who_count_together_lose_nothing() {
    let cellar = Cellar::new();
    cellar.set("n", "0");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Counters belong to one thread each.
                let mine = Cellar {
                    items: Arc::clone(&cellar.items),
                    counters: cellar.items.counters.join(),
                    clock: Arc::clone(&cellar.clock),
                };
                (0..500).for_each(|_| assert!(counted(&mine, "n", true, 1).is_ok()));
            });
        }
    });
    assert_eq!(cellar.get("n").as_deref(), Some("2000"));
}

#[test]
fn values_on_their_way_in_take_no_more_than_the_cache_may() {
    let cellar = Cellar::new();
    let first = cellar.items.receive(700_000).expect("there is room");
    assert!(cellar.items.receive(700_000).is_none());
    drop(first);
    assert!(cellar.items.receive(700_000).is_some());
}

#[test]
fn a_value_that_fits_nowhere_is_refused_and_the_old_one_is_gone() {
    let cellar = Cellar::new();
    cellar.items.cache.reconfigure(1000, None, PolicyKind::Lru);
    cellar.set("k", "small");
    assert_eq!(cellar.outcome("k", &"x".repeat(2000), Verb::Set, 0), Outcome::NoMemory);
    assert_eq!(cellar.get("k"), None);
}

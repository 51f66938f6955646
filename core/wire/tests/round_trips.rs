//! Commands of every kind, written as a client writes them: they are read as
//! they were meant, in whatever pieces they arrive, and garbage never gets out
//! of step or out of bounds.

use larder_wire::{Block, Command, Step, Verb, block, reply, signed, step, unsigned};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A command as a client sends it, and what is to be read.
#[derive(Clone, Debug)]
struct Sent {
    bytes: Vec<u8>,
    read: String,
}

fn key() -> impl Strategy<Value = String> {
    "[!-~]{1,250}".prop_filter("a client's last key", |key| key != "noreply")
}

fn quiet() -> impl Strategy<Value = bool> {
    any::<bool>()
}

fn noreply(quiet: bool) -> &'static str {
    if quiet { " noreply" } else { "" }
}

fn stores() -> impl Strategy<Value = Sent> {
    let names = select(vec!["set", "add", "replace", "append", "prepend", "cas"]);
    let value = vec(any::<u8>(), 0..300);
    (names, key(), any::<u32>(), any::<i32>(), value, any::<u64>(), quiet()).prop_map(
        |(name, key, flags, time, value, cas, quiet)| {
            let cas = if name == "cas" { format!(" {cas}") } else { String::new() };
            let line =
                format!("{name} {key} {flags} {time} {}{cas}{}", value.len(), noreply(quiet));
            let cas = cas.trim().parse().unwrap_or(0_u64);
            let verb = format!("{name:?}").to_lowercase();
            Sent {
                read: format!("{verb} {key} {flags} {time} {cas} {quiet} {value:?}"),
                bytes: [line.as_bytes(), b"\r\n", &value, b"\r\n"].concat(),
            }
        },
    )
}

fn others() -> impl Strategy<Value = Sent> {
    let gets =
        (vec(key(), 1..20), any::<bool>(), any::<Option<i32>>()).prop_map(|(keys, cas, time)| {
            let name = if time.is_some() { "gat" } else { "get" };
            let (s, at) = (if cas { "s" } else { "" }, time.map(|t| format!(" {t}")));
            let line = format!("{name}{s}{} {}\r\n", at.unwrap_or_default(), keys.join(" "));
            Sent { bytes: line.into(), read: format!("{time:?} {cas} {keys:?}") }
        });
    let deltas = (key(), any::<u64>(), any::<bool>(), quiet()).prop_map(|(key, by, up, quiet)| {
        let name = if up { "incr" } else { "decr" };
        let line = format!("{name} {key} {by}{}\r\n", noreply(quiet));
        Sent { bytes: line.into(), read: format!("delta {key} {by} {up} {quiet}") }
    });
    let touches = (key(), any::<i32>(), quiet()).prop_map(|(key, time, quiet)| Sent {
        bytes: format!("touch {key} {time}{}\r\n", noreply(quiet)).into(),
        read: format!("touch {key} {time} {quiet}"),
    });
    let deletes = (key(), quiet()).prop_map(|(key, quiet)| Sent {
        bytes: format!("delete {key}{}\r\n", noreply(quiet)).into(),
        read: format!("delete {key} {quiet}"),
    });
    let meta = (key(), any::<[Option<u64>; 2]>(), any::<[Option<i32>; 3]>(), any::<[bool; 4]>())
        .prop_map(|(key, numbers, times, switches)| {
            let mut line = format!("mg {key}");
            for (letter, number) in "CE".chars().zip(numbers) {
                line += &number.map(|number| format!(" {letter}{number}")).unwrap_or_default();
            }
            for (letter, time) in "NTR".chars().zip(times) {
                line += &time.map(|time| format!(" {letter}{time}")).unwrap_or_default();
            }
            for (letter, is_set) in "vqux".chars().zip(switches) {
                line += &if is_set { format!(" {letter}") } else { String::new() };
            }
            let read = format!("mg {key} {numbers:?} {times:?} {switches:?}");
            Sent { bytes: format!("{line}\r\n").into(), read }
        });
    prop_oneof![gets, deltas, touches, deletes, meta]
}

/// What a command says, in words that can be compared.
fn told(command: Command<'_>) -> String {
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    let keys = |get: larder_wire::Get<'_>| get.keys.map(text).collect::<Vec<_>>();
    match command {
        Command::Get(get) => format!("{:?} {} {:?}", None::<i32>, get.with_cas, keys(get)),
        Command::GetAndTouch(time, get) => {
            format!("{:?} {} {:?}", Some(time), get.with_cas, keys(get))
        }
        Command::Delta { key, delta, up, quiet } => {
            format!("delta {} {delta} {up} {quiet}", text(key))
        }
        Command::Touch { key, expires, quiet } => format!("touch {} {expires} {quiet}", text(key)),
        Command::Delete { key, quiet } => format!("delete {} {quiet}", text(key)),
        Command::MetaGet(meta) => format!(
            "mg {} {:?} {:?} {:?}",
            text(&meta.key),
            [meta.compare, meta.new_cas],
            [meta.vivify, meta.touch, meta.recache],
            [meta.wants_value, meta.quiet, meta.unused, meta.empties]
        ),
        other => panic!("{other:?}"),
    }
}

fn verb(verb: Verb) -> String {
    format!("{:?}", format!("{verb:?}").to_lowercase())
}

/// Reads what arrived as far as it goes; the rest is for the next time.
fn read(bytes: &mut Vec<u8>, said: &mut Vec<String>) {
    loop {
        let (words, used) = match step(bytes) {
            Step::More => return,
            Step::Command { command, used } => (told(command), used),
            Step::Store { store, used } => match block(&bytes[used..], store.len) {
                Block::More(_) => return,
                Block::Bad => ("bad".into(), used + store.len + 2),
                Block::Value(value) => {
                    let key = String::from_utf8_lossy(&store.key);
                    let (flags, time, cas) = (store.flags, store.expires, store.compare);
                    let head = format!("{} {key} {flags} {time} {cas}", verb(store.verb));
                    (format!("{head} {} {value:?}", store.quiet), used + store.len + 2)
                }
            },
            other => panic!("{other:?}"),
        };
        bytes.drain(..used);
        said.push(words);
    }
}

proptest! {
    #[test]
    fn commands_are_read_as_they_were_written_in_whatever_pieces(
        sent in vec(prop_oneof![stores(), others()], 1..20),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream: Vec<u8> = sent.iter().flat_map(|sent| sent.bytes.clone()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut arrived, mut said) = (Vec::new(), Vec::new());
        for piece in cuts.windows(2) {
            arrived.extend_from_slice(&stream[piece[0]..piece[1]]);
            read(&mut arrived, &mut said);
        }
        prop_assert!(arrived.is_empty());
        let meant: Vec<String> = sent.into_iter().map(|sent| sent.read).collect();
        prop_assert_eq!(said, meant);
    }

    #[test]
    fn garbage_is_never_read_beyond_its_line(bytes in vec(any::<u8>(), 0..200)) {
        let line = bytes.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
        match step(&bytes) {
            Step::More => prop_assert_eq!(line, None),
            Step::Close => {}
            Step::Command { used, .. } | Step::Store { used, .. } | Step::Bad { used, .. } => {
                prop_assert_eq!(Some(used), line);
            }
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_read(number in any::<u64>(), other in any::<i64>()) {
        let mut out = Vec::new();
        reply::number(&mut out, number);
        prop_assert_eq!(unsigned(&out), Some(number));
        prop_assert_eq!(signed(other.to_string().as_bytes()), Some(other));
    }

    /// An answer has the words of its key, flags, size and version.
    #[test]
    fn value_lines_say_what_they_were_given(
        key in key(), flags in any::<u32>(), len in 0_usize..1 << 30, cas in any::<Option<u64>>(),
    ) {
        let mut out = Vec::new();
        reply::value_line(&mut out, key.as_bytes(), flags, len, cas);
        let cas = cas.map(|cas| format!(" {cas}")).unwrap_or_default();
        prop_assert_eq!(out, format!("VALUE {key} {flags} {len}{cas}\r\n").into_bytes());
    }
}

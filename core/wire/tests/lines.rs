//! What single lines mean, as the reference has it.

use larder_wire::{Block, Command, Step, Verb, block, step};

fn error_of(line: &str) -> (&'static str, usize) {
    let bytes = format!("{line}\r\n");
    match step(bytes.as_bytes()) {
        Step::Bad { error, skip, used, .. } => {
            assert_eq!(used, bytes.len(), "{line}");
            (error, skip)
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn bad_lines_are_answered_as_clients_expect_and_say_how_to_go_on() {
    let long = "k".repeat(251);
    let format = "CLIENT_ERROR bad command line format";
    let token = "CLIENT_ERROR bad token in command line format";
    for (line, error, skip) in [
        ("", format, 0),
        ("x", format, 0),
        ("nonsense", "ERROR", 0),
        ("GET k", "ERROR", 0),
        (" get k", "ERROR", 0),
        ("get", format, 0),
        (&format!("get a {long}"), format, 0),
        (&format!("set {long} 0 0 5"), format, 7),
        ("set k 0 0", format, 0),
        ("set k 0 0 x", format, 0),
        ("set k 0 0 -1", format, 0),
        ("set k 0 0 2147483647", format, 0),
        ("set k -1 0 5", format, 7),
        ("set k 4294967296 0 5", format, 7),
        ("set k 0 x 5", format, 7),
        ("cas k 0 0 5", format, 7),
        ("cas k 0 0 5 noreply", format, 7),
        ("incr k", format, 0),
        ("incr k x", "CLIENT_ERROR invalid numeric delta argument", 0),
        ("incr k -1", "CLIENT_ERROR invalid numeric delta argument", 0),
        ("touch k x", "CLIENT_ERROR invalid exptime argument", 0),
        ("gat x k", "CLIENT_ERROR invalid exptime argument", 0),
        ("gat 0", format, 0),
        ("delete", format, 0),
        ("flush_all x", "CLIENT_ERROR invalid exptime argument", 0),
        ("verbosity", format, 0),
        ("verbosity x", format, 0),
        ("mg", format, 0),
        (&format!("mg {long}"), format, 0),
        ("mg k v v", "CLIENT_ERROR duplicate flag", 0),
        ("mg k !", "CLIENT_ERROR invalid flag", 0),
        ("mg k Tx", token, 0),
        ("mg k N", token, 0),
        ("mg k b", "CLIENT_ERROR error decoding key", 0),
        ("mg k a", "CLIENT_ERROR invalid flag", 0),
        (&format!("mg k O{}", "o".repeat(32)), "CLIENT_ERROR opaque token too long", 0),
        ("ms k", format, 0),
        ("ms k x", format, 0),
        ("ms k 2 MZ", "CLIENT_ERROR invalid mode for ms M token", 4),
        ("ms k 2 M", "CLIENT_ERROR invalid mode for ms M token", 4),
        ("ms k 2 Fx", format, 4),
        ("ma k MZ", "CLIENT_ERROR invalid mode for ma M token", 0),
        ("ma k Dx", "CLIENT_ERROR invalid or duplicate flag", 0),
        ("me", format, 0),
    ] {
        assert_eq!(error_of(line), (error, skip), "{line}");
    }
}

#[test]
fn a_line_that_no_client_would_send_ends_the_connection() {
    for line in ["GET / HTTP/1.1\r\n", "POST /x HTTP/1.0\r\n"] {
        assert_eq!(step(line.as_bytes()), Step::Close, "{line}");
    }
    let long = "x".repeat(2100);
    assert_eq!(step(long.as_bytes()), Step::Close);
    assert_eq!(step(format!("{long}\r\n").as_bytes()), Step::Close);
    let keys = format!("get {}", "key ".repeat(1000));
    assert_eq!(step(keys.as_bytes()), Step::More);
    let endless = vec![b'k'; 1 << 21];
    assert_eq!(step(&[b"get ", &*endless].concat()), Step::Close);
}

#[test]
fn lines_may_end_without_a_carriage_return_and_have_more_blanks_and_words() {
    for line in ["get a b\r\n", "get a b\n", "get   a  b  \r\n"] {
        let Step::Command { command: Command::Get(get), used } = step(line.as_bytes()) else {
            panic!("{line:?}");
        };
        assert_eq!(used, line.len());
        assert!(get.keys.eq([b"a", b"b"]), "{line:?}");
    }
    let Step::Store { store, .. } = step(b"set k 1 -1 3 more noreply\r\n") else { panic!() };
    assert_eq!((store.verb, store.flags, store.expires, store.quiet), (Verb::Set, 1, -1, true));
}

#[test]
fn keys_in_base64_are_decoded() {
    let Step::Command { command: Command::MetaGet(meta), .. } = step(b"mg Zm9v b k\r\n") else {
        panic!();
    };
    assert_eq!((&*meta.key, meta.is_binary), (&b"foo"[..], true));
}

#[test]
fn a_version_to_compare_makes_a_meta_set_a_cas() {
    let Step::Store { store, .. } = step(b"ms k 2 C7 I E9 q T30 F5\r\n") else { panic!() };
    assert_eq!((store.verb, store.compare, store.flags, store.expires), (Verb::Cas, 7, 5, 30));
    let meta = store.meta.expect("it is a meta command");
    assert!(meta.invalidate && store.quiet);
    assert_eq!(meta.new_cas, Some(9));
}

#[test]
fn a_block_ends_where_its_length_says() {
    assert_eq!(block(b"abc\r\nrest", 3), Block::Value(b"abc"));
    assert_eq!(block(b"\r\n\r\n", 2), Block::Value(b"\r\n"));
    assert_eq!(block(b"abcd\r\n", 3), Block::Bad);
    assert_eq!(block(b"abc\r", 3), Block::More(1));
    assert_eq!(block(b"", 3), Block::More(5));
    assert_eq!(block(b"\r\n", 0), Block::Value(b""));
}

//! The mem-cache server as memcached's clients meet it: a real process, real
//! sockets, and real clients where they can be had.

mod support;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use support::memcached::{Cellar, Talk, memcached_in};
use support::{Client, PATIENCE, Process, Server, folder, larder, tell, wait_until};

#[test]
fn the_text_commands_answer_as_the_reference_does() {
    let cellar = Cellar::start(&[]);
    let mut talk = cellar.talk();
    for (said, answer) in [
        ("get a", "END"),
        ("set a 5 0 3|abc", "STORED"),
        ("get a", "VALUE a 5 3|abc|END"),
        ("get a b a", "VALUE a 5 3|abc|VALUE a 5 3|abc|END"),
        ("add a 0 0 1|x", "NOT_STORED"),
        ("replace none 0 0 1|x", "NOT_STORED"),
        ("append a 0 0 1|d", "STORED"),
        ("prepend a 0 0 1|_", "STORED"),
        ("get a", "VALUE a 5 5|_abcd|END"),
        ("add b 0 0 2|10", "STORED"),
        ("incr b 5", "15"),
        ("decr b 100", "0"),
        ("get b", "VALUE b 0 2|0 |END"),
        ("incr a 1", "CLIENT_ERROR cannot increment or decrement non-numeric value"),
        ("incr none 1", "NOT_FOUND"),
        ("touch a 0", "TOUCHED"),
        ("touch none 0", "NOT_FOUND"),
        ("gat 100 a none", "VALUE a 5 5|_abcd|END"),
        ("delete b", "DELETED"),
        ("delete b", "NOT_FOUND"),
        ("cas none 0 0 1 1|x", "NOT_FOUND"),
        ("set c 0 0 1 noreply|x|get c", "VALUE c 0 1|x|END"),
        ("delete c noreply|incr c 1 noreply|touch c 1 noreply|get c", "END"),
        ("set empty 0 0 0|", "STORED"),
        ("get empty", "VALUE empty 0 0||END"),
        ("verbosity 1", "OK"),
        ("version", concat!("VERSION 1.6.45-larder-", env!("CARGO_PKG_VERSION"))),
        ("nonsense", "ERROR"),
        ("get", "CLIENT_ERROR bad command line format"),
        ("shutdown", "SERVER_ERROR: shutdown not enabled"),
        ("stats reset", "RESET"),
        ("flush_all", "OK"),
        ("get a", "END"),
    ] {
        talk.expect(said, answer);
    }
    // What is behind the block that was announced is the next line.
    talk.send(b"set a 0 0 2\r\nxyz\r\n");
    assert_eq!(talk.line(), "CLIENT_ERROR bad data chunk");
    assert_eq!(talk.line(), "CLIENT_ERROR bad command line format");
    talk.say("quit");
    assert!(talk.is_closed());
}

#[test]
fn entries_expire_when_the_clock_says_so() {
    let cellar = Cellar::start(&[]);
    let mut talk = cellar.talk();
    talk.expect("set soon 0 10 1|x", "STORED");
    talk.expect("set touched 0 10 1|x", "STORED");
    talk.expect("set got 0 10 1|x", "STORED");
    talk.expect("set past 0 -1 1|x", "STORED");
    talk.expect("get past", "END");
    talk.expect("touch touched 100", "TOUCHED");
    talk.expect("gats 100 none", "END");
    talk.expect("gat 100 got", "VALUE got 0 1|x|END");
    talk.expect("debugtime 11", "OK");
    talk.expect("get soon touched got", "VALUE touched 0 1|x|VALUE got 0 1|x|END");
    talk.expect("flush_all 10", "OK");
    talk.expect("get got", "VALUE got 0 1|x|END");
    talk.expect("debugtime 11", "OK");
    talk.expect("get got", "END");
    drop(talk);
    assert!(cellar.figure("get_expired") >= 2);
    assert_eq!(cellar.figure("get_flushed"), 1);
}

#[test]
fn of_several_who_compare_and_set_one_wins_each_time() {
    const CLIENTS: usize = 4;
    const TIMES: usize = 100;
    let cellar = Cellar::start(&["--threads", "2"]);
    cellar.talk().expect("set n 0 0 1|0", "STORED");
    let address = cellar.memcached;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(move || {
                let mut talk = Talk::to(address);
                let mut done = 0;
                while done < TIMES {
                    talk.say("gets n");
                    let lines = talk.lines_until("END");
                    let cas = lines[0].rsplit(' ').next().expect("a version");
                    let number: usize = lines[1].parse().expect("a number");
                    let next = (number + 1).to_string();
                    talk.say(&format!("cas n 0 0 {} {cas}|{next}", next.len()));
                    match talk.line().as_str() {
                        "STORED" => done += 1,
                        other => assert_eq!(other, "EXISTS"),
                    }
                }
            });
        }
    });
    cellar.talk().expect("get n", &format!("VALUE n 0 3|{}|END", CLIENTS * TIMES));
}

#[test]
fn the_meta_commands_answer_flag_by_flag() {
    let cellar = Cellar::start(&[]);
    let mut talk = cellar.talk();
    for (said, answer) in [
        ("mn", "MN"),
        ("mg a v", "EN"),
        ("mg a v k O1", "EN ka O1"),
        ("mg a v q|mn", "MN"),
        ("ms a 2 T90 F5|hi", "HD"),
        ("mg a", "HD"),
        ("mg a v", "VA 2|hi"),
        ("mg a s t f k Oabc v", "VA 2 s2 t90 f5 ka Oabc|hi"),
        ("mg a h l", "HD h1 l0"),
        ("mg a T30", "HD"),
        ("mg a t", "HD t30"),
        ("ms b 1 c k s b E77|x", "CLIENT_ERROR error decoding key"),
        ("ms b 1 E77 c k s S|x", "CLIENT_ERROR invalid flag"),
        ("ms b 1 E77 c k s|x", "HD c77 kb s1"),
        ("mg b c", "HD c77"),
        ("mg b v C77", "HD"),
        ("ms b 1 C1|y", "EX"),
        ("ms b 1 C77 E78|y", "HD"),
        ("ms b 1 ME|z", "NS"),
        ("ms none 1 MR|z", "NS"),
        ("ms none 1 C5|z", "NF"),
        ("ms b 1 MA s|z", "HD s2"),
        ("ms b 1 MP|x", "HD"),
        ("mg b v", "VA 3|xyz"),
        ("ms viv 1 MA N30|z", "HD"),
        ("mg viv v t", "VA 1 t30|z"),
        ("ms q 1 q|z|mn", "MN"),
        ("ma n", "NF"),
        ("ma n N0 J13 v t", "VA 2 t-1|13"),
        ("ma n v", "VA 2|14"),
        ("ma n D10 v", "VA 2|24"),
        ("ma n MD D20 v", "VA 1|4"),
        ("ma n q|mn", "MN"),
        ("md n C1", "EX"),
        ("md n q|mn", "MN"),
        ("md n", "NF"),
        ("md n q k O5", "NF kn O5"),
        ("me none", "EN"),
        ("ms Zm9v 1 b k|x", "HD kZm9v b"),
        ("mg foo k v", "VA 1 kZm9v b|x"),
        ("get foo", "VALUE foo 0 1|x|END"),
    ] {
        talk.expect(said, answer);
    }
}

#[test]
fn one_client_wins_the_right_to_load_what_is_missing_or_stale() {
    let cellar = Cellar::start(&[]);
    let (mut first, mut second) = (cellar.talk(), cellar.talk());
    first.expect("mg a N30 v t", "VA 0 t30 W|");
    second.expect("mg a N30 v t", "VA 0 t30 Z|");
    first.expect("ms a 1 T100|x", "HD");
    second.expect("mg a R200 v", "VA 1 W|x");
    first.expect("mg a R200 v", "VA 1 Z|x");
    first.expect("ms a 1 T100|y", "HD");
    first.expect("mg a R30 v", "VA 1|y");
    let cas = first.cas("a");
    first.expect("md a I T50", "HD");
    second.expect("mg a v t", "VA 1 t50 X W|y");
    first.expect("mg a v", "VA 1 Z X|y");
    // What was loaded before the invalidation is kept as a stale value.
    second.expect(&format!("ms a 1 I C{cas}|z"), "HD");
    first.expect("mg a v", "VA 1 Z X|z");
    let cas = first.cas("a");
    second.expect(&format!("ms a 1 C{cas}|!"), "HD");
    first.expect("mg a v", "VA 1|!");
    first.expect("md a x", "HD");
    first.expect("mg a v s", "VA 0 s0|");
}

#[test]
fn values_of_every_size_come_back_as_they_were() {
    let cellar = Cellar::start(&["--max-item-size", "2MB"]);
    let mut talk = cellar.talk();
    let mut dice = support::Dice(1);
    for len in [1, 4095, 4096, 5000, 16_300, 20_000, 300_000, 2_000_000] {
        let value: Vec<u8> = (0..len).map(|_| dice.next() as u8).collect();
        talk.send(format!("set v 0 0 {len}\r\n").as_bytes());
        talk.send(&value);
        talk.send(b"\r\n");
        assert_eq!(talk.line(), "STORED", "{len}");
        talk.say("get v");
        assert_eq!(talk.line(), format!("VALUE v 0 {len}"));
        let mut back = vec![0; len + 7];
        std::io::Read::read_exact(&mut talk.stream, &mut back).expect("the value comes");
        assert!(back[..len] == value && back.ends_with(b"\r\nEND\r\n"), "{len}");
    }
    let large = vec![b'x'; 3 << 20];
    talk.send(format!("set v 0 0 {}\r\n", large.len()).as_bytes());
    talk.send(&[&large[..], b"\r\n"].concat());
    assert_eq!(talk.line(), "SERVER_ERROR object too large for cache");
    talk.expect("get v", "END");
}

#[test]
fn a_thousand_commands_at_once_are_answered_in_their_order() {
    let cellar = Cellar::start(&[]);
    let mut talk = cellar.talk();
    let sets: String = (0..1000).map(|n| format!("set k{n} 0 0 3 noreply\r\n{n:03}\r\n")).collect();
    let gets: String = (0..1000).map(|n| format!("get k{n}\r\nmg k{n} v\r\n")).collect();
    talk.send(sets.as_bytes());
    talk.send(gets.as_bytes());
    for n in 0..1000 {
        for line in [format!("VALUE k{n} 0 3"), format!("{n:03}"), "END".into()] {
            assert_eq!(talk.line(), line);
        }
        assert_eq!((talk.line(), talk.line()), ("VA 3".into(), format!("{n:03}")));
    }
}

#[test]
fn both_protocols_see_the_same_entries() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let mut talk = Talk::to(memcached_in(&server.announcement));
    let mut client = Client::connect(server.cache).expect("it accepts");
    talk.expect("set a 0 0 5|hello", "STORED");
    assert_eq!(client.ask("POST", "/get_from_memcache", b"{\"key\":\"a\"}").body, b"\"aGVsbG8=\"");
    assert_eq!(client.ask("POST", "/put_into_memcache", b"{\"b\":\"aGk=\"}").status, 200);
    talk.expect("get b", "VALUE b 0 2|hi|END");
    assert_eq!(client.ask("PUT", "/cache/photos/cat", b"meow").status, 201);
    talk.expect("get photos/cat", "VALUE photos/cat 0 4|meow|END");
    talk.expect("set photos/dog 0 0 4|woof", "STORED");
    assert_eq!(client.get("/cache/photos/dog").body, b"woof");
    assert_eq!(client.ask("POST", "/clear_cache", b"").status, 200);
    talk.expect("get a b", "END");
}

#[test]
fn a_port_that_is_taken_is_said_and_the_rest_is_served() {
    let (folder, taken) = (folder(), std::net::TcpListener::bind("127.0.0.1:0").expect("binds"));
    let address = taken.local_addr().expect("it is bound").to_string();
    let server = Server::start(folder.path(), &["--memcached-listen", &address]);
    let expected = format!("  memcached   not started: {address} is taken by another program");
    assert!(server.announcement.contains(&expected), "{}", server.announcement);
    assert_eq!(server.client().get("/healthz").status, 200);
    // And `larder cache`, which is about nothing else, is refused.
    let cellar = Cellar::start(&[]);
    let mut command = larder();
    command.args(["cache", "--cache-listen", "127.0.0.1:0", "--memcached-listen"]);
    let ended = support::run(command.arg(cellar.memcached.to_string()));
    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert!(ended.log.contains("taken by another program"), "{}", ended.log);
}

#[test]
fn strangers_are_refused_where_users_are_named() {
    let folder = folder();
    let file = folder.path().join("users");
    std::fs::write(&file, "anna:secret\nbob:two words\n").expect("writes");
    let cellar = Cellar::start(&["--auth-file", file.to_str().expect("a path")]);
    let mut talk = cellar.talk();
    talk.expect("get a", "CLIENT_ERROR unauthenticated");
    talk.expect("mn", "CLIENT_ERROR unauthenticated");
    talk.expect("set x 0 0 10|anna wrong", "CLIENT_ERROR authentication failure");
    talk.expect("set x 0 0 4|anna", "CLIENT_ERROR bad authentication token format");
    talk.expect("set x 0 0 11|anna secret", "STORED");
    talk.expect("get x", "END");
    cellar.talk().expect("set x 0 0 13|bob two words", "STORED");
    std::fs::write(&file, "carl:third\n").expect("writes");
    cellar.process.signal(Signal::HUP);
    wait_until("carl is known", PATIENCE, || {
        let mut talk = cellar.talk();
        talk.say("set x 0 0 10|carl third");
        talk.line() == "STORED"
    });
    cellar.talk().expect("set x 0 0 11|anna secret", "CLIENT_ERROR authentication failure");
    // Nobody is let in from elsewhere without a name.
    let mut open = larder();
    let ended = support::run(open.args(["cache", "--memcached-listen", "0.0.0.0:0"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.log.contains("--auth-file"), "{}", ended.log);
}

#[test]
fn a_unix_socket_serves_too_and_goes_with_the_process() {
    let folder = folder();
    let path = folder.path().join("socket");
    let arguments = ["--socket", path.to_str().expect("a path"), "--enable-shutdown"];
    let mut cellar = Cellar::start(&arguments);
    let stream = UnixStream::connect(&path).expect("it accepts");
    let mut talk = Talk { stream: std::io::BufReader::new(stream) };
    talk.expect("set a 0 0 1|x", "STORED");
    cellar.talk().expect("get a", "VALUE a 0 1|x|END");
    talk.expect("shutdown wrongly", "CLIENT_ERROR invalid shutdown mode");
    talk.say("shutdown");
    assert_eq!(cellar.process.wait(PATIENCE).code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn the_letters_of_the_reference_start_it_and_signals_end_it() {
    let folder = folder();
    let path = folder.path().join("socket");
    for signal in [Signal::INT, Signal::TERM, Signal::USR1] {
        let mut command = larder();
        command.args(["memcached", "-s"]).arg(&path);
        command.args("-m 8 -c 100 -t 2 -I 2m -U 0 -vv -o relaxed_privileges,modern".split(' '));
        let mut process = Process::spawn(&mut command);
        wait_until("the socket accepts", PATIENCE, || UnixStream::connect(&path).is_ok());
        let stream = UnixStream::connect(&path).expect("it accepts");
        let mut talk = Talk { stream: std::io::BufReader::new(stream) };
        talk.say("stats settings");
        let settings = talk.lines_until("END");
        for expected in ["STAT maxbytes 8388608", "STAT item_size_max 2097152", "STAT maxconns 100"]
        {
            assert!(settings.iter().any(|line| line == expected), "{expected}: {settings:?}");
        }
        process.signal(signal);
        assert_eq!(process.wait(PATIENCE).code(), Some(0), "{signal:?}");
    }
    for wrong in ["-I 10", "-t 0", "-c 0", "-B binary", "-o nonsense", "-z", "-l nowhere"] {
        let mut command = larder();
        let ended = support::run(command.arg("memcached").args(wrong.split(' ')));
        assert_eq!(ended.code, Some(64), "{wrong}: {}", ended.log);
    }
    let help = support::run(larder().args(["memcached", "-h"]));
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("unix-socket"), "{}", help.out);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let cellar = Cellar::start(&["--max-connections", "2", "--threads", "1"]);
    let (mut one, mut two) = (cellar.talk(), cellar.talk());
    one.expect("mn", "MN");
    two.expect("mn", "MN");
    let mut third = cellar.talk();
    assert_eq!(third.line(), "ERROR Too many open connections");
    assert!(third.is_closed());
    drop(one);
    wait_until("there is room again", PATIENCE, || {
        let mut talk = cellar.talk();
        talk.send(b"mn\r\n");
        talk.line() == "MN"
    });
}

/// A virtual environment with packages of PyPI, or `None` where that isn't to
/// be had.
fn python(folder: &Path, packages: &[&str]) -> Option<std::path::PathBuf> {
    let made = Command::new("python3").args(["-m", "venv"]).arg(folder).output();
    let pip = folder.join("bin/pip");
    let has_pip = made.is_ok_and(|made| made.status.success()) && pip.exists();
    let install = ["install", "--quiet", "--disable-pip-version-check"];
    let installed = has_pip
        && Command::new(pip)
            .args(install)
            .args(packages)
            .output()
            .is_ok_and(|p| p.status.success());
    installed.then(|| folder.join("bin/python"))
}

#[test]
fn the_python_clients_work() {
    const SCRIPT: &str = r#"
import sys
port = int(sys.argv[1])
from pymemcache.client.base import Client
c = Client(("127.0.0.1", port), default_noreply=False)
assert c.set("k", b"v", expire=100) and c.get("k") == b"v"
assert c.add("k", b"w") is False and c.replace("k", b"w") is True
assert c.append("k", b"x") and c.prepend("k", b"_") and c.get("k") == b"_wx"
value, cas = c.gets("k")
assert c.cas("k", b"n", cas) is True and c.cas("k", b"m", cas) is False
assert c.cas("none", b"m", cas) is None
assert c.set("n", b"1") and c.incr("n", 5) == 6 and c.decr("n", 2) == 4
assert c.touch("n", 10) and not c.touch("none", 10)
assert c.set_many({"a": b"1", "b": b"2"}) == []
assert c.get_many(["a", "b", "c"]) == {"a": b"1", "b": b"2"}
assert c.delete("a") and not c.delete("a")
big = b"x" * 1000000
assert c.set("big", big) and c.get("big") == big
try:
    c.set("big", b"x" * 2000000)
    raise SystemExit("too large a value was taken")
except Exception as e:
    assert "too large" in str(e), e
assert b"curr_items" in c.stats() and c.version()
assert c.flush_all() and c.get("b") is None
import memcache
m = memcache.Client(["127.0.0.1:%d" % port])
assert m.set("k", {"a": [1, 2]}) and m.get("k") == {"a": [1, 2]}
assert m.set_multi({"x": 1, "y": "two"}) == [] and m.get_multi(["x", "y", "z"]) == {"x": 1, "y": "two"}
assert m.incr("x") == 2 and m.decr("x") == 1 and m.touch("x", 10)
assert m.gets("x") == 1 and m.cas("x", 7) and m.get("x") == 7
assert m.add("x", 1) == 0 and m.replace("x", 2) and m.append("y", "!") and m.prepend("y", "?")
assert m.get("y") == "?two!" and m.delete("y") and m.get_stats()
m.flush_all()
assert m.get("x") is None
print("well")
"#;
    let folder = folder();
    let Some(python) = python(folder.path(), &["pymemcache", "python-memcached"]) else {
        tell("skipped: pymemcache and python-memcached could not be installed");
        return;
    };
    let cellar = Cellar::start(&[]);
    let port = cellar.memcached.port().to_string();
    let ran = Command::new(python).args(["-c", SCRIPT, &port]).output().expect("it runs");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && ran.stdout.starts_with(b"well"), "{told}");
}

/// What Debian's memcapable, which is named memccapable there, finds wrong with
/// memcached 1.6.45 itself: it expects answers of its own time.
const OUTDATED: [&str; 2] = ["ascii delete noreply", "ascii cas noreply"];

#[test]
fn memcapable_finds_nothing_wrong_but_what_it_finds_in_the_reference() {
    let cellar = Cellar::start(&[]);
    let port = cellar.memcached.port().to_string();
    let ran = ["memccapable", "memcapable"].into_iter().find_map(|name| {
        Command::new(name).args(["-a", "-t", "5", "-h", "127.0.0.1", "-p", &port]).output().ok()
    });
    let Some(ran) = ran else {
        tell("skipped: memcapable is not installed (Debian's libmemcached-tools)");
        return;
    };
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    let tests: Vec<&str> = told.lines().filter(|line| line.contains("ascii ")).collect();
    assert!(tests.len() >= 20, "{told}");
    let failed = tests.iter().filter(|line| !line.contains("[pass]"));
    let unexpected: Vec<_> =
        failed.filter(|line| !OUTDATED.iter().any(|test| line.starts_with(test))).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}\n{told}");
}

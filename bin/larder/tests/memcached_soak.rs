//! What the mem-cache server survives: clients that don't read, say nothing,
//! send garbage, or come and go. Each test tells of resident memory, in whose
//! bounds the server must stay. `LARDER_TEST_LONG=1` does more of it.

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use support::memcached::Cellar;
use support::{PATIENCE, tell, wait_until};

/// Whether there is time for more.
fn is_long() -> bool {
    std::env::var_os("LARDER_TEST_LONG").is_some()
}

#[test]
fn who_does_not_read_hinders_nobody_and_takes_no_memory() {
    let cellar = Cellar::start(&["--threads", "1"]);
    let mut talk = cellar.talk();
    let value = vec![b'x'; 1_000_000];
    talk.send(b"set big 0 0 1000000\r\n");
    talk.send(&[&value[..], b"\r\n"].concat());
    assert_eq!(talk.line(), "STORED");
    let before = cellar.memory_bytes();
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut slow = cellar.talk();
            let stream = slow.stream.get_mut();
            stream.set_write_timeout(Some(Duration::from_millis(20))).expect("not 0");
            let _ = stream.write_all(&b"get big\r\n".repeat(100_000));
            slow
        })
        .collect();
    for _ in 0..50 {
        talk.expect("mn", "MN");
    }
    let grown = cellar.memory_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for {} who don't read", slow.len());
}

#[test]
fn garbage_ends_a_connection_and_costs_no_memory() {
    let cellar = Cellar::start(&[]);
    let before = cellar.memory_bytes();
    let megabytes = if is_long() { 1024 } else { 64 };
    let mut dice = support::Dice::thrown("garbage");
    let noise: Vec<u8> = (0..1 << 20).map(|_| dice.next() as u8).collect();
    let endless = vec![b'x'; 1 << 20];
    for garbage in [&noise, &endless] {
        let mut sent = 0;
        while sent < megabytes {
            let mut talk = cellar.talk();
            let stream = talk.stream.get_mut();
            stream.set_write_timeout(Some(PATIENCE)).expect("not 0");
            // Nobody reads the answers; the server reads or hangs up.
            let reader = stream.try_clone().expect("a second handle");
            let reading = std::thread::spawn(move || {
                let _ = std::io::copy(&mut &reader, &mut std::io::sink());
            });
            for _ in 0..megabytes - sent {
                sent += 1;
                if talk.stream.get_mut().write_all(garbage).is_err() {
                    break;
                }
            }
            let _ = talk.stream.get_mut().shutdown(std::net::Shutdown::Both);
            reading.join().expect("no panic");
        }
    }
    cellar.talk().expect("mn", "MN");
    let grown = cellar.memory_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for garbage");
}

#[test]
fn many_who_say_nothing_take_little_memory() {
    const SILENT: u64 = 400;
    let cellar = Cellar::start(&[]);
    cellar.talk().expect("mn", "MN");
    let before = cellar.memory_bytes();
    let mut silent: Vec<_> = (0..SILENT).map(|_| cellar.talk()).collect();
    for talk in &mut silent {
        talk.expect("mn", "MN");
    }
    let each = cellar.memory_bytes().saturating_sub(before) / SILENT;
    tell(&format!("an idle connection takes {each} bytes in a debug build"));
    assert!(each < 10_000, "{each} bytes each, as many as {SILENT} take");
}

#[test]
fn who_comes_and_goes_leaves_nothing_behind() {
    let cellar = Cellar::start(&[]);
    // What each said before it left: nothing, half a command, a value that
    // never comes, questions whose answers it doesn't wait for.
    let said: [&[u8]; 4] =
        [b"", b"get half", b"set promised 0 0 100000\r\n", b"version\r\nstats\r\n"];
    let connects = if is_long() { 100_000 } else { 4_000 };
    let before = cellar.memory_bytes();
    for number in 0..connects {
        let mut stream = TcpStream::connect(cellar.memcached).expect("it takes connections");
        let _ = stream.write_all(said[number % said.len()]);
        // By a reset, as a client that dies goes: a port that is closed well
        // waits for a minute, and there are fewer ports than that.
        let linger = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        linger.expect("an option of every socket");
        if (number + 1) % (connects / 4) == 0 {
            let memory = cellar.memory_bytes() >> 10;
            tell(&format!("after {} connections {memory} KB are resident", number + 1));
        }
    }
    wait_until("nobody is counted who is gone", PATIENCE, || {
        // The one that asks.
        cellar.figure("curr_connections") == 1
    });
    assert!(cellar.figure("total_connections") > connects as u64);
    let grown = cellar.memory_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for {connects} who are gone");
}

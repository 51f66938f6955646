//! Requests whose framing two programs may read differently: a proxy in front
//! and a server behind that disagree on where a request ends let a stranger
//! smuggle in a second one. And clients that stall or break off, on purpose or
//! not. What they send is harmless in itself; `strangers.rs` sends the rest.

mod support;

use std::time::{Duration, Instant};

use support::pictures::small;
use support::{Client, Server, files_below, folder, tell, wait_until};

/// What is to be seen of a request with doubtful framing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    /// 400, and the connection is closed.
    Refused,
    /// Answered, and the connection is closed: what follows is never read.
    Closed,
}
use Expected::{Closed, Refused};

/// What a smuggler hides in the body.
const HIDDEN: &str = "DELETE /images/kept HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";

/// Headers, the body before the hidden request, and what is expected. Two
/// lengths that are the same leave no doubt and are missing here.
const CASES: &[(&str, &str, Expected)] = &[
    ("Transfer-Encoding: chunked\r\nContent-Length: LEN", "0\r\n\r\n", Closed),
    ("Content-Length: LEN\r\nTransfer-Encoding: chunked", "0\r\n\r\n", Closed),
    ("Content-Length: LEN\r\nTransfer-Encoding: Chunked", "0\r\n\r\n", Closed),
    ("Content-Length: 5\r\nTransfer-Encoding: identity", "12345", Refused),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked, identity", "12345", Refused),
    ("Transfer-Encoding: identity", "", Refused),
    ("Transfer-Encoding: xchunked", "0\r\n\r\n", Refused),
    ("Transfer-Encoding: chunked, identity", "0\r\n\r\n", Refused),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n", Refused),
    ("Transfer-Encoding : chunked", "0\r\n\r\n", Refused),
    ("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n", Refused),
    ("X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n", Refused),
    ("Content-Length: 5\r\nContent-Length: LEN", "12345", Refused),
    ("Content-Length: LEN\r\nContent-Length: 5", "12345", Refused),
    ("Content-Length: 5,5", "12345", Refused),
    ("Content-Length: 5, LEN", "12345", Refused),
    ("Content-Length: +5", "12345", Refused),
    ("Content-Length: -5", "12345", Refused),
    ("Content-Length: 0x5", "12345", Refused),
    ("Content-Length: 5 5", "12345", Refused),
    ("Content-Length: 5a", "12345", Refused),
    ("Content-Length: ", "", Refused),
    ("Content-Length : 5", "12345", Refused),
    ("Content-Length: 18446744073709551617", "1", Refused),
    ("Transfer-Encoding: chunked", "0x0\r\n\r\n", Refused),
    ("Transfer-Encoding: chunked", "-1\r\n\r\n", Refused),
    ("Transfer-Encoding: chunked", "10000000000000000\r\n\r\n", Refused),
    ("Transfer-Encoding: chunked", "1\r\nab\r\n0\r\n\r\n", Refused),
    ("Transfer-Encoding: chunked", "0\n\n", Refused),
    ("Transfer-Encoding: chunked", "1;a\nb\r\na\r\n0\r\n\r\n", Refused),
];

#[test]
fn a_request_hidden_behind_doubtful_framing_is_never_executed() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let kept = small("kept");
    server.client().ask("PUT", "/images/kept", &kept);
    for (headers, before, expected) in CASES {
        let body = format!("{before}{HIDDEN}");
        let headers = headers.replace("LEN", &body.len().to_string());
        let request =
            format!("PUT /images/front HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{body}");
        let mut client = server.client();
        client.write(request.as_bytes()).expect("sends");
        let answer = client.answer(false).expect("is answered");
        match expected {
            Refused => assert_eq!(answer.status, 400, "{headers:?} {before:?}"),
            Closed => assert!((400..500).contains(&answer.status), "{headers:?} {answer:?}"),
        }
        let more = client.answer(false);
        assert!(more.is_err(), "{headers:?} {before:?}: a second answer: {more:?}");
        assert!(client.is_closed(), "{headers:?} {before:?}");
        assert_eq!(server.client().get("/images/kept").body, kept, "{headers:?} {before:?}");
    }
    assert_eq!(server.client().get("/images/front").status, 404);
}

#[test]
fn a_head_that_is_too_large_is_refused_with_431() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let long = "x".repeat(17 * 1024);
    let many = "X-Many: 1\r\n".repeat(101);
    for (target, headers) in [("/healthz", format!("X-Long: {long}\r\n")), ("/healthz", many)] {
        let mut client = server.client();
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        client.write(request.as_bytes()).expect("sends");
        assert_eq!(client.answer(false).expect("is answered").status, 431);
        assert!(client.is_closed());
    }
    let mut client = server.client();
    let request = format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.write(request.as_bytes()).expect("sends");
    let status = client.answer(false).expect("is answered").status;
    assert!(matches!(status, 414 | 431), "{status}");
    // A head just below the limit is none too large.
    let fits = "x".repeat(15 * 1024);
    let answer = server.client().send("GET", "/healthz", &[("X-Long", &fits)], b"");
    assert_eq!(answer.expect("is answered").status, 200);
}

/// Where clients stall, and what they send before.
const STALLS: [(&str, &str); 5] = [
    ("in the head", "GET /healthz HTTP/1.1\r\nHost: local"),
    ("in the body", "PUT /images/good HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"),
    (
        "in the page's form",
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\
         Content-Type: multipart/form-data; boundary=EdGe\r\n\r\n--EdGe",
    ),
    (
        "in a form",
        "POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\
         Content-Type: multipart/form-data; boundary=EdGe\r\n\r\n--EdGe",
    ),
    ("between requests", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
];

#[test]
fn stalled_clients_are_cut_off_and_hinder_nobody() {
    const STALLED: usize = 300;
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let (image, began) = (small("good"), Instant::now());
    let mut stalled: Vec<(&str, Client)> = Vec::new();
    for (part, begun) in STALLS.iter().cycle().take(STALLED) {
        let mut client = server.client();
        client.write(begun.as_bytes()).expect("a stalled client begins well");
        stalled.push((part, client));
    }
    let (mut good, mut served, mut slowest) = (server.client(), 0, Duration::ZERO);
    let mut cut = std::collections::BTreeMap::new();
    while !stalled.is_empty() {
        let asked = Instant::now();
        assert!(matches!(good.ask("PUT", "/images/good", &image).status, 200 | 201));
        assert_eq!(good.get("/images/good").body, image);
        slowest = slowest.max(asked.elapsed());
        served += 2;
        stalled.retain_mut(|(part, client)| {
            let is_closed = client.is_closed_now();
            if is_closed {
                cut.insert(*part, began.elapsed());
            }
            !is_closed
        });
        assert!(began.elapsed() < Duration::from_secs(25), "{} still connected", stalled.len());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    tell(&format!(
        "stalled clients: {STALLED} cut off, the last {cut:?}; meanwhile {served} good requests, \
         the slowest two {slowest:?}"
    ));
    assert!(served > 20, "the good client was served {served} times");
    assert!(slowest < Duration::from_secs(5), "the good client waited {slowest:?}");
    wait_until("the temporary folder is empty", Duration::from_secs(5), || {
        files_below(&folder.path().join("tmp")).is_empty()
    });
}

#[test]
fn a_slow_reader_gets_all_of_its_image_and_holds_nobody_up() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let image = larder_picture::samples::photo_of_about(2 << 20, 1);
    server.client().ask("PUT", "/images/large", &image);
    let mut slow: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for client in &mut slow {
        for _ in 0..5 {
            let head = client.head("GET", "/images/large", &[], 0);
            client.write(&head).expect("asks");
        }
    }
    let before = server.memory_bytes();
    for _ in 0..50 {
        assert_eq!(server.client().get("/images/large").body, image);
    }
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for 100 answers that nobody reads");
    // The old image is read to its end even where it was replaced meanwhile.
    server.client().ask("PUT", "/images/large", &small("new"));
    for client in &mut slow {
        assert_eq!(client.answer(false).expect("is answered").body, image);
    }
}

#[test]
fn a_body_that_is_shorter_or_longer_than_announced_changes_nothing() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let (old, new) = (small("old"), small("new"));
    server.client().ask("PUT", "/images/k", &old);
    for sent in [0, 1, new.len() / 2, new.len() - 1] {
        let mut client = server.client();
        let head = client.head("PUT", "/images/k", &[], new.len());
        client.write(&[&head, &new[..sent]].concat()).expect("sends");
        client.finish_sending();
        let answer = client.answer(false).map(|answer| answer.status);
        assert!(!matches!(answer, Ok(200..300)), "{sent} bytes: {answer:?}");
        drop(client);
        assert_eq!(server.client().get("/images/k").body, old, "{sent} bytes");
    }
    // Announced too short: the rest of the image is no request.
    let mut client = server.client();
    let head = client.head("PUT", "/images/k", &[], new.len() / 2);
    client.write(&[&head, new.as_slice()].concat()).expect("sends");
    assert_eq!(client.answer(false).expect("is answered").status, 422);
    assert_eq!(client.answer(false).map(|answer| answer.status).unwrap_or(400), 400);
    assert!(client.is_closed());
    assert_eq!(server.client().get("/images/k").body, old);
    wait_until("the temporary folder is empty", Duration::from_secs(5), || {
        files_below(&folder.path().join("tmp")).is_empty()
    });
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--max-upload", "1MB"]);
    let image = small("continued");
    let mut client = server.client();
    let expect = [("Expect", "100-continue")];
    let head = client.head("PUT", "/images/k", &expect, image.len());
    client.write(&head).expect("sends");
    assert_eq!(client.answer(false).expect("is answered").status, 100);
    client.write(&image).expect("sends");
    assert_eq!(client.answer(false).expect("is answered").status, 201);
    let answer = client.send("HEAD", "/images/k", &[], b"").expect("is answered");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some(image.len().to_string().as_str()));
    assert_eq!(client.get("/images/k").body, image, "the connection goes on");
    assert_eq!(client.ask("FROB", "/images/k", b"").status, 405);
    assert_eq!(client.ask("FROB", "/nowhere", b"").status, 404);
}

//! What strangers send: keys that would like to be paths, files that are no
//! pictures, pictures that explode, forms without end, requests from other
//! sites. Each is refused in words or stored harmlessly, and what was there
//! stays.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use support::http::{form, image_path};
use support::pictures::{gif_of_frames, png_header, small};
use support::{Answer, Server, blobs_below, files_below, folder, tell, wait_until};

/// Sends a request whose target is written as it is.
fn raw(server: &Server, target: &[u8], body: &[u8]) -> Answer {
    let mut client = server.client();
    let mut request = b"PUT ".to_vec();
    request.extend_from_slice(target);
    let rest = format!(" HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    request.extend_from_slice(rest.as_bytes());
    request.extend_from_slice(body);
    client.write(&request).expect("sends");
    client.answer(false).expect("is answered")
}

/// The names of files and folders in `folder`.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("is a folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_key_that_is_no_key_is_refused() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let image = small("no key");
    for key in [
        "".to_owned(),
        "x".repeat(513),
        "x".repeat(4096),
        "%41".repeat(4096),
        "a%00b".into(),
        "a%0d%0aSet-Cookie:%20x=y".into(),
        "a%0Ab".into(),
        "%7f".into(),
        "%c2%85".into(),
        "%c0%ae%c0%ae%c0%af".into(),
        "%e0%80%af".into(),
        "%ff".into(),
        "%ed%a0%80".into(),
    ] {
        let answer = raw(&server, format!("/images/{key}").as_bytes(), &image);
        assert_eq!(answer.status, 400, "{key:?}: {}", answer.text());
        assert_eq!(answer.header("set-cookie"), None);
    }
    for target in [&b"/images/a\r\nX: y"[..], b"/images/a\0b", b"/images/a b", b"images/a", b""] {
        let answer = raw(&server, target, &image);
        assert!((400..500).contains(&answer.status), "{target:?}: {}", answer.status);
    }
    assert_eq!(server.client().get("/images").json()["images"].as_array().map(Vec::len), Some(0));
    assert_eq!(blobs_below(folder.path()).len(), 0);
}

#[test]
fn a_key_that_looks_like_a_path_is_only_a_key() {
    let folder = folder();
    let data = folder.path().join("deep/er/data");
    let server = Server::start(&data, &[]);
    let before = names(&data);
    let mut stored = 0;
    for key in [
        "../../x",
        "../../../../../../../../tmp/larder-was-here",
        "/etc/larder-was-here",
        "..\\..\\x",
        "%2e%2e%2fx",
        "....//x",
        "C:\\larder",
        "CON",
        "/dev/null",
        ".",
        "..",
        "larder.db",
        "blobs/00/x",
        "~/x",
        "$(touch x)",
        "\u{202e}gpj.x",
        "file:///etc/passwd",
    ] {
        let image = small(key);
        let mut client = server.client();
        assert_eq!(client.ask("PUT", &image_path(key), &image).status, 201, "{key:?}");
        assert_eq!(client.get(&image_path(key)).body, image, "{key:?}");
        stored += 1;
        let (kind, body) = form(key, &image);
        let answer = client.send("POST", "/api/upload", &[("Content-Type", kind)], &body);
        assert_eq!(answer.expect("is answered").json()["key"], key);
    }
    // As they are, encoded once and encoded twice.
    for target in ["/images/../../y", "/images/%2e%2e/%2e%2e/y", "/images/%252e%252e%252fy"] {
        let answer = raw(&server, target.as_bytes(), &small(target));
        // The first two are one key: paths aren't resolved, only decoded.
        assert!(matches!(answer.status, 200 | 201 | 400 | 404), "{target}: {}", answer.status);
        stored += usize::from(answer.status == 201);
    }
    assert_eq!(names(&data), before, "nothing new beside what was there");
    wait_until("one blob for each image", Duration::from_secs(5), || {
        blobs_below(&data).len() == stored
    });
    assert_eq!(names(folder.path()), BTreeSet::from(["deep".to_owned()]));
    assert!(!Path::new("/tmp/larder-was-here").exists());
    assert!(!Path::new("/etc/larder-was-here").exists());
}

#[test]
fn what_is_no_picture_is_refused_and_the_old_image_stays() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--max-upload", "4MB"]);
    let old = small("old");
    assert_eq!(server.client().ask("PUT", "/images/k.png", &old).status, 201);
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let cut = &old[..old.len() / 2];
    let large = larder_picture::samples::photo_of_about(6 << 20, 1);
    for (file, status) in [
        (b"<html><script>alert(1)</script></html>".as_slice(), 415),
        (svg.as_bytes(), 415),
        (b"\xef\xbb\xbf \n<?xml version=\"1.0\"?><!-- --><svg/>", 415),
        (b"%PDF-1.7\n1 0 obj\n", 415),
        (b"PK\x03\x04\x14\0\0\0\x08\0", 415),
        (b"\x7fELF\x02\x01\x01\0", 415),
        (b"#!/bin/sh\nrm -rf /\n", 415),
        (b"push graphic-context\nviewbox 0 0 1 1\n", 415),
        (b"GIF89a/*\0*/=1;alert(1)//", 422),
        (b"", 422),
        (cut, 422),
        (&png_header(50_000, 50_000), 422),
        (&png_header(0, 1), 422),
        (&png_header(1, u32::MAX), 422),
        (&gif_of_frames(100_000), 422),
        (&large, 413),
    ] {
        let mut client = server.client();
        let began = Instant::now();
        let answer = client.send("PUT", "/images/k.png", &[("Content-Type", "image/png")], file);
        let answer = answer.expect("is answered");
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        let (kind, body) = form("k.png", file);
        let answer = client.send("POST", "/api/upload", &[("Content-Type", kind)], &body);
        let answer = answer.expect("is answered");
        assert_eq!(answer.status, status, "classic: {}", answer.text());
        assert_eq!(answer.json()["success"], "false");
        assert_eq!(server.client().get("/images/k.png").body, old);
    }
    wait_until("nothing is left of them", Duration::from_secs(5), || {
        files_below(&folder.path().join("tmp")).is_empty() && blobs_below(folder.path()).len() == 1
    });
    // The test's own pictures are pictures, where they are no bombs.
    assert_eq!(server.client().ask("PUT", "/images/p", &png_header(1, 1)).status, 201);
    assert_eq!(server.client().ask("PUT", "/images/g", &gif_of_frames(3)).status, 201);
}

#[test]
fn what_is_served_can_not_run_in_a_browser() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--allow-svg"]);
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\"/>";
    let mut client = server.client();
    assert_eq!(client.ask("PUT", "/images/s", svg.as_bytes()).status, 201);
    client.ask("PUT", "/images/j", &small("<script>alert(1)</script>"));
    for key in ["s", "j"] {
        let answer = client.get(&format!("/images/{key}"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").expect("there is a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    }
    let answer = client.get("/images/s");
    assert!(answer.header("content-disposition").is_some_and(|d| d.starts_with("attachment")));
}

#[test]
fn requests_for_other_hosts_and_from_other_sites_are_refused() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--host", "pictures.example.org"]);
    let mut client = server.client();
    let image = small("other");
    for (host, status) in [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("pictures.example.org", 200),
        ("PICTURES.example.org:80", 200),
        ("localhost:1", 200),
        ("[::1]", 200),
    ] {
        let answer = client.send("GET", "/healthz", &[("Host", host)], b"");
        assert_eq!(answer.expect("is answered").status, status, "{host}");
    }
    for headers in [
        [("Origin", "https://evil.example")],
        [("Origin", "null")],
        [("Origin", "http://localhost")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
    ] {
        for (method, target) in [
            ("PUT", "/images/k"),
            ("DELETE", "/images/k"),
            ("POST", "/api/upload"),
            ("POST", "/api/delete_all"),
            ("POST", "/cache/clear"),
        ] {
            let answer = server.client().send(method, target, &headers, &image);
            let answer = answer.expect("is answered");
            assert_eq!(answer.status, 403, "{method} {target} {headers:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    let mut client = server.client();
    client.write(b"GET /healthz HTTP/1.1\r\n\r\n").expect("sends");
    assert_eq!(client.answer(false).expect("is answered").status, 400, "no host at all");
}

const FORM: &str = "multipart/form-data; boundary=EdGe";

fn part(name: &str, value: &str) -> String {
    format!("--EdGe\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

/// Sends a bad form to both addresses that take forms, and checks that the
/// refusal costs little.
fn assert_cheaply_refused(server: &Server, what: &str, body: &str) {
    for target in ["/api/upload", "/upload"] {
        let before = server.forget_peak();
        let began = Instant::now();
        let mut client = server.client();
        let head = client.head("POST", target, &[("Content-Type", FORM)], body.len());
        // A server that has refused need not read to the end.
        let _ = client.write(&[&head, body.as_bytes()].concat());
        let answer = client.answer(false).map(|answer| answer.status);
        let (took, grown) = (began.elapsed(), server.peak_bytes().saturating_sub(before));
        tell(&format!("{what} to {target}: {answer:?}, {took:?}, {} KB", grown >> 10));
        assert!(!matches!(answer, Ok(200..400 | 500..)), "{what}: {answer:?}");
        assert!(took < Duration::from_secs(5), "{what} to {target}: {took:?}");
        assert!(grown < 8 << 20, "{what} to {target}: {grown} bytes");
    }
    assert_eq!(server.client().get("/healthz").status, 200);
    assert_eq!(files_below(&server.folder.join("tmp")).len(), 0);
}

#[test]
fn forms_without_end_are_refused_quickly_and_take_little_memory() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let long = |unit: &str| unit.repeat((20 << 20) / unit.len());
    for (what, body) in [
        ("10,000 parts", part("x", "y").repeat(10_000) + "--EdGe--\r\n"),
        ("10,000 files", part("file", "y").repeat(10_000) + "--EdGe--\r\n"),
        ("a field of 20 MB", part("x", &long("y")) + "--EdGe--\r\n"),
        ("a field of line ends", part("x", &long("\r\n")) + "--EdGe--\r\n"),
        ("a form without an end", part("key", "k") + &long("z")),
    ] {
        assert_cheaply_refused(&server, what, &body);
    }
}

#[test]
fn a_part_of_a_form_whose_head_has_no_end_takes_little_memory() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let head = format!("--EdGe\r\nX: {}\r\n\r\n\r\n--EdGe--\r\n", "y".repeat(20 << 20));
    assert_cheaply_refused(&server, "a part with a head of 20 MB", &head);
}

/// Bytes after the end of a picture are kept, so a large file is easily made.
#[test]
fn a_large_upload_is_streamed_and_never_held_in_memory() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let mut image = small("large");
    raw(&server, b"/images/warm-up", &image);
    image.resize(30 << 20, 0);
    let before = server.forget_peak();
    assert_eq!(raw(&server, b"/images/large", &image).status, 201);
    let grown = server.peak_bytes().saturating_sub(before);
    tell(&format!("an upload of 30 MB: {} KB", grown >> 10));
    assert!(grown < 8 << 20, "{grown} bytes");
    assert!(server.client().get("/images/large").body == image, "is kept as it came");
}

#[test]
fn an_image_larger_than_the_memory_passes_through_a_piece_at_a_time() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--capacity", "1MB"]);
    let mut image = small("larger than the memory");
    image.resize(30 << 20, 7);
    assert_eq!(raw(&server, b"/images/large", &image).status, 201);
    server.client().get("/images/large");
    let before = server.forget_peak();
    let answer = server.client().get("/images/large");
    let grown = server.peak_bytes().saturating_sub(before);
    assert_eq!(answer.header("x-cache"), Some("miss"));
    assert!(answer.body == image);
    tell(&format!("a download of 30 MB: {} KB", grown >> 10));
    assert!(grown < 8 << 20, "{grown} bytes");
    let classic = server.client().ask("POST", "/api/key/large", b"");
    assert_eq!(classic.json()["success"], "true", "the classic API has it whole");
}

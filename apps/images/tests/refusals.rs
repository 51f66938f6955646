//! What is refused, and that nothing is lost by it.

mod support;

use larder_picture::{Format, samples};
use larder_web::Access;
use support::{TestApp, photo};

/// Files that are no acceptable image, with the status and a word of the
/// reason.
fn bad_files() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let png = samples::photo(Format::Png, 64, 64, 1);
    let mut bomb = png.clone();
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let crc = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    vec![
        ("nothing", vec![], 422, "empty"),
        ("HTML", b"<!doctype html><script>alert(1)</script>".to_vec(), 415, "HTML"),
        ("SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), 415, "SVG"),
        ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), 415, "PDF"),
        ("ZIP", b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec(), 415, "not a picture"),
        ("GIF and a script", b"GIF89a/*<script>*/=1;alert(1)".to_vec(), 422, "pixels"),
        ("half a PNG", png[..png.len() / 2].to_vec(), 422, "incomplete"),
        ("a JPEG but for its end", photo(1)[..photo(1).len() - 2].to_vec(), 422, "incomplete"),
        ("a PNG of 50,000 x 50,000", bomb, 422, "50000"),
        ("5 MiB", vec![0xff; 5 << 20], 413, "larger than 4 MB"),
    ]
}

/// The check sum of PNG chunks (ISO 3309), to make a bomb that is sound.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_reason_and_the_old_image_stays() {
    let app = TestApp::start().await;
    app.put("/images/a", &photo(1)).await;
    for (what, file, status, reason) in bad_files() {
        for path in ["/images/a", "/images/new"] {
            let problem = app
                .call("PUT", path, &[("content-type", "image/png")], file.clone())
                .await
                .is_problem(status);
            let detail = problem["detail"].as_str().expect("a text");
            assert!(detail.contains(reason), "{what}: {detail}");
        }
    }
    let read = app.get("/images/a").await;
    assert_eq!((read.status.as_u16(), &read.body[..]), (200, &photo(1)[..]));
    app.get("/images/new").await.is_problem(404);
    assert_eq!(app.blobs(), 1);
    let left = std::fs::read_dir(app.folder.path().join("data/tmp")).expect("lists").count();
    assert_eq!(left, 0, "nothing is left of the refused uploads");
}

#[tokio::test]
async fn all_accepted_types_are_found_by_content_and_come_back_as_they_were() {
    let app = TestApp::start().await;
    for format in [Format::Jpeg, Format::Png, Format::Gif, Format::Webp, Format::Avif] {
        let file = samples::photo(format, 120, 80, 3);
        let path = format!("/images/{}", format.extension());
        // The name and the header lie; only the content counts.
        let stored = app.call("PUT", &path, &[("content-type", "text/html")], file.clone()).await;
        assert_eq!(stored.json()["type"], format.mime());
        let read = app.get(&path).await;
        assert_eq!((read.header("content-type"), &read.body[..]), (format.mime(), &file[..]));
        let small = app.get(&format!("{path}?w=60&format=jpeg")).await;
        assert_eq!(
            (small.status.as_u16(), small.header("content-type")),
            (200, "image/jpeg"),
            "{format}"
        );
    }
}

#[tokio::test]
async fn requests_from_elsewhere_are_refused() {
    let app = TestApp::start().await;
    app.put("/images/a", &photo(1)).await;
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "larder"] {
        let request = http::Request::get("/images/a").header("host", host);
        let answer = app.send(request.body("".into()).expect("a request")).await;
        answer.is_problem(421);
    }
    for host in ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000", "192.168.1.7"] {
        let request = http::Request::get("/images/a").header("host", host);
        let answer = app.send(request.body("".into()).expect("a request")).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for foreign in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        app.call("PUT", "/images/a", &[foreign], photo(2)).await.is_problem(403);
        app.call("POST", "/api/delete_all", &[foreign], "").await.is_problem(403);
    }
    let own = [("origin", "http://localhost"), ("sec-fetch-site", "same-origin")];
    assert_eq!(app.call("PUT", "/images/a", &own, photo(2)).await.status, 200);
}

#[tokio::test]
async fn with_a_token_changes_need_it_and_reads_do_not() {
    let app = TestApp::with(|_| {}, Access::with_token("a-token-of-the-test")).await;
    let with_token = [("authorization", "Bearer a-token-of-the-test")];
    app.put("/images/a", &photo(1)).await.is_problem(401);
    assert_eq!(app.call("PUT", "/images/a", &with_token, photo(1)).await.status, 201);
    app.call("PUT", "/images/a", &[("authorization", "Bearer wrong")], photo(2))
        .await
        .is_problem(401);
    app.delete("/images/a").await.is_problem(401);
    for call in ["/api/delete_all", "/api/upload"] {
        assert_eq!(app.post(call).await.json()["error"]["code"], 401);
    }
    assert_eq!(app.get("/images/a").await.body, photo(1));
    assert_eq!(app.post("/api/list_keys").await.json()["success"], "true");
    assert_eq!(app.call("DELETE", "/images/a", &with_token, "").await.status, 204);
}

#[tokio::test]
async fn uploads_are_refused_while_the_disk_is_nearly_full() {
    let app = TestApp::with(|config| config.min_free_bytes = u64::MAX, Access::open()).await;
    let problem = app.put("/images/a", &photo(1)).await.is_problem(507);
    assert!(problem["detail"].as_str().expect("a text").contains("too little room"), "{problem}");
}

#[tokio::test]
async fn a_form_without_files_is_small_or_refused() {
    let app = TestApp::start().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for path in ["/cache/apply", "/keys/delete-all", "/sign-in"] {
        let answer = app.call("POST", path, &form, vec![b'a'; 3 << 20]).await;
        assert_eq!(answer.status, 413, "{path}: {answer:?}");
    }
}

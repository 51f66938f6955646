//! The REST API as a program uses it.

mod support;

use larder_picture::{Format, samples};
use support::{TestApp, photo};

#[tokio::test]
async fn an_image_is_stored_read_replaced_and_deleted() {
    let app = TestApp::start().await;
    let (first, second) = (photo(1), photo(2));

    let stored = app.put("/images/cat", &first).await;
    assert_eq!(stored.status, 201);
    assert_eq!(stored.header("location"), "/images/cat");
    let described = stored.json();
    assert_eq!(described["key"], "cat");
    assert_eq!(described["version"], 1);
    assert_eq!(described["type"], "image/jpeg");
    assert_eq!((&described["width"], &described["height"]), (&64.into(), &48.into()));
    assert_eq!(described["size"], first.len());
    assert_eq!(described["hash"], blake3::hash(&first).to_hex().as_str());
    assert!(described.get("replaced_version").is_none());

    for (source, reads) in [("miss", 1), ("hit", 2)] {
        let read = app.get("/images/cat").await;
        assert_eq!((read.status.as_u16(), read.header("x-cache")), (200, source), "read {reads}");
        assert_eq!(read.body, first);
        assert_eq!(read.header("content-type"), "image/jpeg");
        assert_eq!(read.header("etag"), described["etag"].as_str().expect("a tag"));
    }

    let replaced = app.put("/images/cat", &second).await;
    assert_eq!(replaced.status, 200);
    assert_eq!(
        (&replaced.json()["version"], &replaced.json()["replaced_version"]),
        (&2.into(), &1.into())
    );
    let read = app.get("/images/cat").await;
    assert_eq!((read.header("x-cache"), &read.body[..]), ("miss", &second[..]));
    app.until_blobs(1).await;

    assert_eq!(app.delete("/images/cat").await.status, 204);
    assert_eq!(app.get("/images/cat").await.is_problem(404)["title"], "Unknown key");
    app.delete("/images/cat").await.is_problem(404);
    app.until_blobs(0).await;

    // A version never comes again, even after the key was gone.
    assert_eq!(app.put("/images/cat", &first).await.json()["version"], 3);
}

#[tokio::test]
async fn what_a_browser_gets_cannot_run_in_the_sites_origin() {
    let app =
        TestApp::with(|config| config.limits.allow_svg = true, larder_web::Access::open()).await;
    app.put("/images/a", &photo(1)).await;
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><script>alert(1)</script></svg>"#;
    assert_eq!(app.put("/images/b", svg).await.status, 201);
    for (path, kind, show) in
        [("/images/a", "image/jpeg", "inline"), ("/images/b", "image/svg+xml", "attachment")]
    {
        let answer = app.get(path).await;
        assert_eq!(answer.header("content-type"), kind);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-site");
        assert!(answer.header("content-disposition").starts_with(show), "{path}");
    }
}

#[tokio::test]
async fn conditional_reads_and_changes() {
    let app = TestApp::start().await;
    let fresh = [("if-none-match", "*")];
    assert_eq!(app.call("PUT", "/images/a", &fresh, photo(1)).await.status, 201);
    app.call("PUT", "/images/a", &fresh, photo(2)).await.is_problem(412);
    let read = app.get("/images/a").await;
    assert_eq!(read.body, photo(1), "the refused upload changed nothing");

    let (tag, date) = (read.header("etag").to_owned(), read.header("last-modified").to_owned());
    for condition in [("if-none-match", tag.as_str()), ("if-modified-since", date.as_str())] {
        let again = app.call("GET", "/images/a", &[condition], "").await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
        assert_eq!(again.header("etag"), tag);
    }
    let matching = [("if-match", tag.as_str())];
    assert_eq!(app.call("PUT", "/images/a", &matching, photo(2)).await.status, 200);
    app.call("PUT", "/images/a", &matching, photo(3)).await.is_problem(412);
    app.call("DELETE", "/images/a", &matching, "").await.is_problem(412);
    assert_eq!(
        app.call("GET", "/images/a", &[("if-none-match", tag.as_str())], "").await.body,
        photo(2)
    );
    app.call("PUT", "/images/new", &[("if-match", "*")], photo(1)).await.is_problem(412);
    app.until_blobs(1).await;
}

#[tokio::test]
async fn ranges_and_heads() {
    let app = TestApp::start().await;
    let image = photo(1);
    app.put("/images/a", &image).await;
    let part = app.call("GET", "/images/a", &[("range", "bytes=10-19")], "").await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &image[10..20]));
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{}", image.len()));
    let end = app.call("GET", "/images/a", &[("range", "bytes=-5")], "").await;
    assert_eq!(end.body, &image[image.len() - 5..]);
    let beyond = app.call("GET", "/images/a", &[("range", "bytes=9999999-")], "").await;
    beyond.is_problem(416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", image.len()));

    let head = app.call("HEAD", "/images/a", &[], "").await;
    let get = app.get("/images/a").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "last-modified", "accept-ranges"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(app.call("HEAD", "/images/none", &[], "").await.status, 404);
}

#[tokio::test]
async fn every_key_works_in_urls_and_json() {
    let app = TestApp::start().await;
    let long = "k".repeat(512);
    let keys = [
        "simple",
        "a b",
        "a/b/c.png",
        "/",
        "//x",
        "x/",
        "../../../x",
        "..",
        ".",
        "a/../b",
        "a/meta",
        "<img src=x onerror=alert(1)>",
        "\"'&",
        "é",
        "e\u{301}",
        "日本語",
        "🦀",
        "100%",
        "%2F",
        "a?b#c",
        "a+b",
        "\\..\\x",
        "Case",
        "case",
        "case ",
        &long,
    ];
    for (number, key) in keys.iter().enumerate() {
        let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = match *key {
            // What browsers would take out of a path.
            "." | ".." => format!("/image?key={encoded}"),
            _ => format!("/images/{encoded}"),
        };
        let stored = app.put(&path, &photo(number as u64)).await;
        assert_eq!((stored.status.as_u16(), &stored.json()["key"]), (201, &(*key).into()), "{key}");
        let url = stored.json()["url"].as_str().expect("a URL").to_owned();
        assert_eq!(app.get(&url).await.body, photo(number as u64), "{key} at {url}");
    }
    let listed = app.get("/images?limit=1000").await.json();
    let mut listed: Vec<_> = listed["images"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|image| image["key"].as_str().expect("a key").to_owned())
        .collect();
    let mut expected: Vec<_> = keys.iter().map(ToString::to_string).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected, "in order of their bytes");
    listed.dedup();
    assert_eq!(listed.len(), keys.len(), "none was taken for another");
    let outside = std::fs::read_dir(app.folder.path()).expect("lists").count();
    assert_eq!(outside, 1, "nothing was written outside the data folder");
}

#[tokio::test]
async fn keys_that_are_none_are_refused_with_the_reason() {
    let app = TestApp::start().await;
    for (path, reason) in [
        ("/images/", "empty"),
        ("/image", "empty"),
        ("/images/%00", "control character (U+0000) at byte 0"),
        ("/images/a%0D%0Ab", "control character (U+000D) at byte 1"),
        ("/images/%FF", "not UTF-8"),
        ("/images/..%C0%AF", "not UTF-8"),
        (&format!("/images/{}", "x".repeat(513)), "513 bytes"),
        (&format!("/images/{}", "x".repeat(4096)), "4096 bytes"),
    ] {
        for answer in [app.put(path, &photo(1)).await, app.get(path).await, app.delete(path).await]
        {
            let problem = answer.is_problem(400);
            let detail = problem["detail"].as_str().expect("a text");
            assert!(detail.contains(reason), "{path}: {detail}");
            assert_eq!(problem["field"], "key");
        }
    }
    assert_eq!(app.blobs(), 0);
}

#[tokio::test]
async fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let app = TestApp::start().await;
    for number in 0..23_u64 {
        app.put(
            &format!("/images/{}/{number:02}", if number < 20 { "many" } else { "few" }),
            &photo(number % 7),
        )
        .await;
    }
    for (query, count) in [
        ("prefix=many/", 20),
        ("prefix=few", 3),
        ("contains=Y/0", 10),
        ("prefix=many/&contains=1", 11),
        ("", 23),
        ("sort=size", 23),
        ("sort=size&order=desc", 23),
        ("sort=date", 23),
        ("sort=date&order=desc", 23),
        ("sort=type&order=desc", 23),
        ("order=desc", 23),
        ("prefix=%25", 0),
        ("contains=_", 0),
    ] {
        let (mut keys, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("/images?limit=4&{query}{cursor}")).await;
            assert_eq!(page.status, 200, "{query}{cursor}");
            let page = page.json();
            let images = page["images"].as_array().expect("a list");
            assert!(images.len() <= 4);
            keys.extend(
                images.iter().map(|image| (image["size"].as_u64(), image["key"].to_string())),
            );
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!(
                "&cursor={}",
                next.bytes().map(|b| format!("%{b:02X}")).collect::<String>()
            );
        }
        assert_eq!(keys.len(), count, "{query}");
        if query.starts_with("sort=size") {
            let mut sorted = keys.clone();
            sorted.sort();
            if query.contains("desc") {
                sorted.reverse();
            }
            assert_eq!(keys, sorted, "{query}");
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "{query} repeats nothing");
    }
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "sort=none",
        "order=up",
        "cursor=none",
        "cursor=1~a",
        "cursor=~a&sort=date",
        "cursor=x~a&sort=size",
    ] {
        let problem = app.get(&format!("/images?{wrong}")).await.is_problem(400);
        assert_eq!(problem["field"], wrong.split_once('=').expect("a pair").0);
    }
}

#[tokio::test]
async fn variants_are_made_kept_and_follow_their_image() {
    let app = TestApp::start().await;
    let wide = samples::photo(Format::Png, 400, 200, 1);
    app.put("/images/a", &wide).await;
    for (query, kind, width, height) in [
        ("w=100", "image/png", 100, 50),
        ("w=100&h=100", "image/png", 100, 50),
        ("w=100&h=100&fit=cover", "image/png", 100, 100),
        ("h=20&format=jpeg", "image/jpeg", 40, 20),
        ("w=64&format=webp", "image/webp", 64, 32),
        ("w=64&format=avif", "image/avif", 64, 32),
        ("w=1000&format=png", "image/png", 400, 200),
    ] {
        let path = format!("/images/a?{query}");
        let made = app.get(&path).await;
        assert_eq!((made.status.as_u16(), made.header("content-type")), (200, kind), "{query}");
        assert_eq!(made.header("x-cache"), "miss");
        let len = made.body.len() as u64;
        let picture =
            larder_picture::probe(&mut std::io::Cursor::new(&made.body), len, &Default::default())
                .expect("is a picture");
        assert_eq!((picture.width, picture.height), (width, height), "{query}");
        let again = app.get(&path).await;
        assert_eq!((again.header("x-cache"), &again.body), ("hit", &made.body), "{query}");
    }
    let before = app.get("/images/a?w=100").await;
    app.put("/images/a", &samples::photo(Format::Png, 400, 100, 2)).await;
    let after = app.get("/images/a?w=100").await;
    assert_eq!(after.header("x-cache"), "miss");
    assert_ne!((after.header("etag"), &after.body), (before.header("etag"), &before.body));

    for wrong in ["w=0", "w=-1", "w=x", "w=5000", "h=", "fit=fill", "format=gif", "format=html"] {
        let detail =
            app.get(&format!("/images/a?{wrong}")).await.is_problem(400)["detail"].to_string();
        let name = wrong.split_once('=').expect("a pair").0;
        assert!(detail.contains(&format!("parameter {name} ")), "{wrong}: {detail}");
    }
    app.get("/images/none?w=100").await.is_problem(404);
}

#[tokio::test]
async fn an_image_is_described_without_its_bytes() {
    let app = TestApp::start().await;
    let stored = app.put("/images/a%2Fb", &photo(1)).await.json();
    assert_eq!(app.get("/images/a%2Fb/meta").await.json(), stored);
    assert_eq!(app.get("/images/a/b/meta").await.json(), stored);
    app.get("/images/none/meta").await.is_problem(404);
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems_too() {
    let app = TestApp::start().await;
    app.get("/nothing/here").await.is_problem(404);
    let wrong = app.call("PATCH", "/images/a", &[], "").await;
    wrong.is_problem(405);
    assert!(wrong.header("allow").contains("PUT"));
    let page = app.call("GET", "/nothing", &[("accept", "text/html")], "").await;
    assert_eq!(page.status, 404);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(String::from_utf8_lossy(&page.body).contains(page.header("x-request-id")));
}

#[tokio::test]
async fn the_openapi_document_names_every_call() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().expect("a version").starts_with("3."));
    for (path, methods) in [
        ("/images", &["get"][..]),
        ("/images/{key}", &["get", "put", "delete"]),
        ("/images/{key}/meta", &["get"]),
        ("/cache/settings", &["get", "patch", "delete"]),
        ("/cache/what-if", &["get"]),
        ("/api/upload", &["post"]),
        ("/api/list_keys", &["post"]),
        ("/api/key/{key}", &["post"]),
        ("/api/delete_all", &["post"]),
        ("/healthz", &["get"]),
        ("/readyz", &["get"]),
        ("/metrics", &["get"]),
    ] {
        for method in methods {
            let summary = &document["paths"][path][method]["summary"];
            assert!(summary.is_string(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let app = TestApp::start().await;
    app.put("/images/a", &photo(1)).await;
    for _ in 0..3 {
        app.get("/images/a").await;
    }
    assert_eq!(app.get("/healthz").await.status, 200);
    assert_eq!(app.get("/readyz").await.status, 200);
    let metrics = app.get("/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.body);
    for line in [
        "larder_cache_items 1",
        "larder_cache_capacity_bytes 67108864",
        "larder_read_seconds_count{source=\"memory\"} 2",
        "larder_read_seconds_count{source=\"store\"} 1",
        "larder_cache_evictions_total 0",
        "larder_cache_autopilot_switches_total 0",
        "larder_cache_settings_info{policy=\"lru\",objective=\"objects\",autopilot=\"off\"} 1",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
}

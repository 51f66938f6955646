//! Many at once: one load for a thousand reads, one whole image of two
//! uploads, and readers of the old image undisturbed.

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use larder_picture::samples;
use support::{TestApp, photo};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_for_one_missing_key_cause_one_load() {
    let app = Arc::new(TestApp::start().await);
    let image = samples::photo_of_about(2_000_000, 1);
    app.put("/images/a", &image).await;
    let reads: Vec<_> = (0..1000)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.get("/images/a").await })
        })
        .collect();
    for read in reads {
        let answer = read.await.expect("runs");
        assert_eq!(answer.status, 200);
        assert!(answer.body == image, "is whole");
    }
    let metrics = app.get("/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("larder_cache_inserts_total 1\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_uploads_at_once_one_is_left_and_every_read_is_whole() {
    let app = Arc::new(TestApp::start().await);
    let images: Vec<_> = (0..8).map(|seed| samples::photo_of_about(300_000, seed)).collect();
    app.put("/images/a", &images[0]).await;
    let known: Arc<HashSet<_>> = Arc::new(images.iter().map(|image| blake3::hash(image)).collect());
    let writers: Vec<_> = images
        .iter()
        .cloned()
        .map(|image| {
            let app = app.clone();
            tokio::spawn(async move {
                let mut versions = Vec::new();
                for _ in 0..5 {
                    let stored = app.put("/images/a", &image).await;
                    assert_eq!(stored.status, 200);
                    versions.push(stored.json()["version"].as_u64().expect("a version"));
                }
                versions
            })
        })
        .collect();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (app, known) = (app.clone(), known.clone());
            tokio::spawn(async move {
                let mut newest = 0;
                for _ in 0..40 {
                    let read = app.get("/images/a").await;
                    assert_eq!(read.status, 200);
                    let hash = blake3::hash(&read.body);
                    assert!(known.contains(&hash), "is one of the uploads, whole");
                    let tag = read.header("etag").trim_matches('"').to_owned();
                    let (named, version) = tag.split_once('-').expect("hash and version");
                    assert_eq!(named, &hash.to_hex().as_str()[..16], "tag and bytes agree");
                    let version: u64 = version.parse().expect("a number");
                    assert!(version >= newest, "version {version} after {newest}");
                    newest = version;
                }
            })
        })
        .collect();
    let mut versions = Vec::new();
    for writer in writers {
        versions.extend(writer.await.expect("writes"));
    }
    for reader in readers {
        reader.await.expect("reads nothing torn and nothing old");
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=41).collect::<Vec<_>>(), "each upload has a version of its own");
    assert_eq!(app.get("/images/a/meta").await.json()["version"], 41);
    app.until_blobs(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_kept_once_and_removed_with_their_last_key() {
    let app = TestApp::start().await;
    for key in ["a", "b", "c"] {
        assert_eq!(app.put(&format!("/images/{key}"), &photo(1)).await.status, 201);
    }
    app.until_blobs(1).await;
    app.delete("/images/a").await;
    app.put("/images/b", &photo(2)).await;
    app.until_blobs(2).await;
    assert_eq!(app.get("/images/c").await.body, photo(1));
    app.delete("/images/c").await;
    app.until_blobs(1).await;
    assert_eq!(app.put("/images/d", &photo(1)).await.status, 201);
    assert_eq!(app.get("/images/d").await.body, photo(1));
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let app = TestApp::start().await;
    app.put("/images/a", &photo(1)).await;
    app.put("/images/a", &photo(2)).await;
    let stores = app.stores.clone();
    let folder = app.stop().await;
    let left: Vec<_> = std::fs::read_dir(folder.path().join("data"))
        .expect("lists")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("larder.db"))
        .collect();
    if stores.0.is_none() {
        assert_eq!(left, ["larder.db"], "a clean stop leaves one file of rows");
    }
    let again = TestApp::with(
        |config| {
            config.data = folder.path().join("data");
            (config.database, config.blobs) = stores;
        },
        larder_web::Access::open(),
    )
    .await;
    let read = again.get("/images/a").await;
    assert_eq!((&read.body[..], read.header("x-cache")), (&photo(2)[..], "miss"));
}

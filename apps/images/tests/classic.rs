//! The classic API, as its existing scripts call it.

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use support::{Answer, TestApp, photo};

fn failed(answer: &Answer, code: u16) -> String {
    assert_eq!(answer.status, code, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let json = answer.json();
    assert_eq!((&json["success"], &json["error"]["code"]), (&json!("false"), &json!(code)));
    json["error"]["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn upload_list_get_and_delete_all() {
    let app = TestApp::start().await;
    assert_eq!(app.post("/api/list_keys").await.json(), json!({ "success": "true", "keys": [] }));
    for (number, key) in ["test_1", "test 2", "a/b/😀"].iter().enumerate() {
        let file = photo(number as u64);
        let stored = app.post_form("/api/upload", &[("key", key)], Some(("x.jpg", &file))).await;
        assert_eq!(stored.json(), json!({ "success": "true", "key": key }));
    }
    let again = app.post_form("/api/upload", &[("key", "test_1")], Some(("x", &photo(0)))).await;
    assert_eq!(again.body, r#"{"success":"true","key":"test_1"}"#, "to the letter");
    let listed = app.post("/api/list_keys").await.json();
    assert_eq!(listed, json!({ "success": "true", "keys": ["a/b/😀", "test 2", "test_1"] }));
    let content = STANDARD.encode(photo(0));
    let expected = json!({ "success": "true", "key": "test_1", "content": content });
    assert_eq!(app.post("/api/key/test_1").await.json(), expected);
    assert_eq!(
        app.post("/api/key/a/b/%F0%9F%98%80").await.json()["content"],
        STANDARD.encode(photo(2))
    );
    assert_eq!(app.post("/api/delete_all").await.json(), json!({ "success": "true" }));
    assert_eq!(app.post("/api/list_keys").await.json(), json!({ "success": "true", "keys": [] }));
    assert_eq!(failed(&app.post("/api/key/test_1").await, 404), "Unknown key.");
    app.until_blobs(0).await;
}

#[tokio::test]
async fn trailing_slashes_and_query_strings_make_no_difference() {
    let app = TestApp::start().await;
    let fields = [("key", "right")];
    let stored = app.post_form("/api/upload/?key=wrong", &fields, Some(("", &photo(1)))).await;
    assert_eq!(stored.json()["key"], "right");
    assert_eq!(app.post("/api/list_keys/?x=1").await.json()["keys"], json!(["right"]));
    assert_eq!(app.post("/api/key/right/?key=wrong").await.json()["key"], "right");
    // A key that ends with a slash comes before the slash that is accepted.
    app.post_form("/api/upload", &[("key", "right/")], Some(("", &photo(2)))).await;
    assert_eq!(app.post("/api/key/right/").await.json()["key"], "right/");
    assert_eq!(app.post("/api/delete_all/").await.json(), json!({ "success": "true" }));
}

#[tokio::test]
async fn the_key_may_be_answered_as_a_list() {
    let app =
        TestApp::with(|config| config.classic_key_as_list = true, larder_web::Access::open()).await;
    let stored = app.post_form("/api/upload", &[("key", "a")], Some(("a", &photo(1)))).await;
    assert_eq!(stored.json(), json!({ "success": "true", "key": ["a"] }));
}

#[tokio::test]
async fn every_failure_has_the_classic_form() {
    let app = TestApp::start().await;
    let file = photo(1);
    let message = failed(&app.post_form("/api/upload", &[], Some(("a", &file))).await, 400);
    assert_eq!(message, "The field key is missing.");
    let message = failed(&app.post_form("/api/upload", &[("key", "a")], None).await, 400);
    assert_eq!(message, "The field file is missing.");
    failed(&app.post("/api/upload").await, 400);
    failed(
        &app.call(
            "POST",
            "/api/upload",
            &[("content-type", "multipart/form-data; boundary=x")],
            "--x\r\nbroken",
        )
        .await,
        400,
    );
    failed(&app.post_form("/api/upload", &[("key", "")], Some(("a", &file))).await, 400);
    failed(&app.post_form("/api/upload", &[("key", "a")], Some(("a.png", b"<html>"))).await, 415);
    failed(&app.post_form("/api/upload", &[("key", "a")], Some(("a", b""))).await, 422);
    failed(
        &app.post_form("/api/upload", &[("key", "a")], Some(("a", &vec![0; 5 << 20]))).await,
        413,
    );
    failed(&app.post("/api/key/none").await, 404);
    failed(&app.post("/api/key/").await, 400);
    failed(&app.post("/api/key/%FF").await, 400);
    failed(&app.post("/api/no_such_call").await, 404);
    assert_eq!(failed(&app.get("/api/list_keys").await, 405), "The classic API answers to POST.");
    assert_eq!(app.post("/api/list_keys").await.json()["keys"], json!([]));
    assert_eq!(app.blobs(), 0);
}

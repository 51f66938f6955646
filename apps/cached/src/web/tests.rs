//! The calls as their classic clients make them.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use larder_web::Access;
use tower::ServiceExt;

use super::*;
use crate::Config;

/// A client of a server of its own.
pub(super) struct Client(Router);

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Client {
    pub(super) fn new(access: Access) -> Self {
        let config = Config {
            capacity_bytes: 10 << 20,
            policy: "lru".parse().expect("a policy"),
            max_item_bytes: crate::MAX_ITEM_BYTES,
        };
        let site = Site { hosts: vec![], access, error_page };
        let cache = MemCache::new(&config, Arc::new(larder_clock::SystemClock));
        Self(router(cache, Arc::new(site), 1 << 20))
    }

    /// Sends a request with these headers.
    pub(super) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let answer = self.0.clone().oneshot(request).await.expect("answers");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> (u16, String) {
        let Answer { status, body, .. } = self.request(method, path, &[], body).await;
        (status, body)
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        self.send("POST", path, body.to_string()).await
    }
}

fn says(word: &str) -> (u16, String) {
    (200, json!(word).to_string())
}

#[tokio::test]
async fn values_go_in_and_come_out_under_both_sets_of_names() {
    let client = Client::new(Access::open());
    let value = STANDARD.encode([0_u8, 255, 7]);
    for (put, get, invalidate) in [
        ("/put_into_memcache", "/get_from_memcache", "/invalidate_specific_key"),
        ("/put", "/get", "/invalidate"),
    ] {
        let (a, b) = (json!({ "key": "a/😀 b" }), json!({ "key": "other" }));
        assert_eq!(client.post(put, &json!({ "a/😀 b": value, "other": value })).await, says("OK"));
        assert_eq!(client.post(get, &a).await, says(&value));
        assert_eq!(client.post(invalidate, &a).await, says("OK"));
        assert_eq!(client.post(get, &a).await, says("Key Not Found"));
        assert_eq!(client.post(get, &b).await, says(&value));
        assert_eq!(client.send("GET", &format!("{get}?key=other"), "").await, says(&value));
        assert_eq!(client.send("POST", "/clear_cache", "").await, says("OK"));
        assert_eq!(client.post(get, &b).await, says("Key Not Found"));
    }
}

#[tokio::test]
async fn many_values_come_out_at_once() {
    let client = Client::new(Access::open());
    let (a, b) = (STANDARD.encode("a"), STANDARD.encode("b"));
    client.post("/put", &json!({ "a": a, "b": b })).await;
    let answer = client.post("/get", &json!({ "keys": ["b", "none", "a", "b"] })).await;
    assert_eq!(answer, (200, json!({ "b": b, "a": a }).to_string()));
    assert_eq!(client.post("/get", &json!({ "keys": [] })).await, (200, "{}".into()));
    assert_eq!(client.post("/get", &json!({ "keys": ["a", 1] })).await.0, 400);
}

#[tokio::test]
async fn a_body_that_is_itself_a_json_text_is_understood() {
    let client = Client::new(Access::open());
    let inner = json!({ "k": STANDARD.encode("v") }).to_string();
    assert_eq!(client.post("/put_into_memcache", &json!(inner)).await, says("OK"));
    let inner = json!({ "key": "k" }).to_string();
    assert_eq!(client.post("/get_from_memcache", &json!(inner)).await, says(&STANDARD.encode("v")));
}

#[tokio::test]
async fn nonsense_is_a_bad_request_and_changes_nothing() {
    let client = Client::new(Access::open());
    let value = STANDARD.encode("v");
    client.post("/put", &json!({ "k": value })).await;
    for (path, body) in [
        ("/put", json!({})),
        ("/put", json!([1])),
        ("/put", json!({ "k": "not base64!" })),
        ("/put", json!({ "k": STANDARD.encode("new"), "other": 7 })),
        ("/get", json!({ "name": "k" })),
        ("/invalidate", json!({ "key": 7 })),
        ("/refresh_configuration", json!({ "capacity": 0 })),
        ("/refresh_configuration", json!({ "capacity": -1 })),
        ("/refresh_configuration", json!({ "capacity": "much" })),
        ("/refresh_configuration", json!({ "capacity": 1, "replacement_policy": "none" })),
    ] {
        let (status, said) = client.post(path, &body).await;
        assert_eq!((status, said.as_str()), (400, "\"Bad Request\""), "{path} {body}");
    }
    assert_eq!(client.post("/get", &json!({ "key": "k" })).await, says(&value));
    assert_eq!(client.send("GET", "/clear_cache", "").await.0, 405, "a link can't clear it");
    assert_eq!(client.send("POST", "/put", vec![b'x'; 2 << 20]).await.0, 413);
}

#[tokio::test]
async fn capacity_and_policy_change_while_it_runs() {
    let client = Client::new(Access::open());
    for n in 0..8 {
        client.post("/put", &json!({ format!("{n}"): STANDARD.encode(vec![0; 100_000]) })).await;
    }
    let body = json!({ "capacity": "0.25", "replacement_policy": "RR" });
    assert_eq!(client.post("/refresh_configuration", &body).await, says("OK"));
    let stats: Value =
        serde_json::from_str(&client.send("GET", "/stats", "").await.1).expect("is JSON");
    assert_eq!(stats["policy"], "random");
    assert_eq!(stats["capacity_bytes"], 262_144);
    assert_eq!(stats["items"], 2, "what fits is kept: {stats}");
}

#[tokio::test]
async fn with_a_token_changes_need_it_and_reads_do_not() {
    let client = Client::new(Access::with_token("secret"));
    assert_eq!(client.send("POST", "/clear_cache", "").await.0, 401);
    assert_eq!(client.post("/get", &json!({ "key": "k" })).await, says("Key Not Found"));
}

#[tokio::test]
async fn entries_are_resources_too() {
    let client = Client::new(Access::open());
    assert_eq!(client.send("GET", "/cache/a/b/c", "").await.0, 404);
    assert_eq!(client.send("PUT", "/cache/a/b/c%20d", "bytes").await.0, 201);
    assert_eq!(client.send("GET", "/cache/a/b/c%20d", "").await, (200, "bytes".into()));
    let classic = client.post("/get", &json!({ "key": "a/b/c d" })).await;
    assert_eq!(classic, says(&STANDARD.encode("bytes")), "both are one cache");
    assert_eq!(client.send("DELETE", "/cache/a/b/c%20d", "").await.0, 204);
    assert_eq!(client.send("DELETE", "/cache/a/b/c%20d", "").await.0, 404);
    assert_eq!(client.send("PUT", "/cache/a/b", vec![b'x'; 2 << 20]).await.0, 413);
}

#[tokio::test]
async fn settings_are_a_resource_and_figures_are_there_for_prometheus() {
    let client = Client::new(Access::open());
    let mut now = json!({
        "capacity_bytes": 1_000_000,
        "policy": "sieve",
        "objective": "objects",
        "autopilot": false,
    });
    let wanted = json!({ "capacity_bytes": 1_000_000, "policy": "sieve" });
    let answer = client.send("PUT", "/config", wanted.to_string()).await;
    assert_eq!(answer, (200, now.to_string()));
    assert_eq!(client.send("GET", "/config", "").await, (200, now.to_string()));
    for wrong in [
        json!({ "capacity_bytes": 0 }),
        json!({ "policy": "x" }),
        json!({ "objective": "cost" }),
        json!({ "autopilot": "on" }),
        json!({ "size": 1 }),
        json!([]),
    ] {
        assert_eq!(client.send("PUT", "/config", wrong.to_string()).await.0, 400, "{wrong}");
    }
    assert_eq!(client.send("GET", "/config", "").await, (200, now.to_string()));
    (now["objective"], now["autopilot"]) = (json!("bytes"), json!(true));
    assert_eq!(client.send("PUT", "/config", now.to_string()).await, (200, now.to_string()));
    assert_eq!(client.send("PUT", "/config", "{}").await, (200, now.to_string()));
    assert_eq!(client.send("GET", "/config", "").await, (200, now.to_string()));
    let (status, figures) = client.send("GET", "/metrics", "").await;
    assert_eq!(status, 200);
    assert!(figures.contains("larder_memcache_capacity_bytes 1000000"), "{figures}");
    let guarded = Client::new(Access::with_token("secret"));
    assert_eq!(guarded.send("PUT", "/config", "{}").await.0, 401);
    assert_eq!(guarded.send("PUT", "/cache/a/b", "x").await.0, 401);
    assert_eq!(guarded.send("DELETE", "/cache/a/b", "").await.0, 401);
    assert_eq!(guarded.send("GET", "/config", "").await.0, 200);
}

//! The cache's settings and what-if over HTTP: the REST calls and the forms of
//! the page.

mod support;

use larder_web::Access;
use serde_json::{Value, json};
use support::{Answer, TestApp, photo};

/// What a form sends beside the visitor's token.
const FORM: &str = "application/x-www-form-urlencoded";

async fn patch(app: &TestApp, settings: &Value) -> Answer {
    app.call("PATCH", "/cache/settings", &[], settings.to_string()).await
}

/// Sends a form of the page as a visitor who has just come.
async fn post(app: &TestApp, path: &str, fields: &str) -> Answer {
    let page = app.get("/cache").await;
    let cookie = page.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let token = cookie.split_once('=').expect("a pair").1;
    let body = format!("form_token={token}&{fields}");
    app.call("POST", path, &[("cookie", &cookie), ("content-type", FORM)], body).await
}

#[tokio::test]
async fn settings_are_changed_one_at_a_time_and_put_back() {
    let app = TestApp::start().await;
    let settings = async || app.get("/cache/settings").await.json();
    let mut expected = json!({
        "capacity_bytes": 64 << 20, "policy": "lru", "objective": "objects", "autopilot": false,
    });
    assert_eq!(settings().await, expected);
    for (name, value) in [
        ("capacity_bytes", json!(5_000_000)),
        ("policy", json!("gdsf")),
        ("objective", json!("bytes")),
        ("autopilot", json!(true)),
    ] {
        let changed = patch(&app, &json!({ name: value })).await;
        expected[name] = value;
        assert_eq!((changed.status.as_u16(), changed.json()), (200, expected.clone()));
        assert_eq!(settings().await, expected);
    }
    assert_eq!(patch(&app, &json!({})).await.json(), expected, "nothing to change");
    let metrics = app.get("/metrics").await;
    let line = "larder_cache_settings_info{policy=\"gdsf\",objective=\"bytes\",autopilot=\"on\"} 1";
    assert!(String::from_utf8_lossy(&metrics.body).contains(line));
    let reset = app.delete("/cache/settings").await;
    assert_eq!(reset.json()["policy"], "lru");
    assert_eq!(settings().await["autopilot"], false);
}

#[tokio::test]
async fn wrong_settings_are_refused_by_name_and_change_nothing() {
    let app = TestApp::start().await;
    let before = app.get("/cache/settings").await.json();
    for (name, value) in [
        ("capacity_bytes", json!(0)),
        ("capacity_bytes", json!(u64::MAX)),
        ("policy", json!("best")),
        ("objective", json!("cost")),
    ] {
        let mut change = json!({ "autopilot": true });
        change[name] = value;
        assert_eq!(patch(&app, &change).await.is_problem(422)["field"], name, "{change}");
    }
    for body in ["", "nonsense", "[]", "{\"autopilot\": 1}", "{\"capacity_bytes\": -1}"] {
        app.call("PATCH", "/cache/settings", &[], body).await.is_problem(400);
    }
    let problem = patch(&app, &json!({ "capacity": 5 })).await.is_problem(400);
    assert!(problem["detail"].as_str().expect("words").contains("capacity"));
    assert_eq!(app.get("/cache/settings").await.json(), before);
}

#[tokio::test]
async fn changes_of_the_settings_need_the_token() {
    let token = "a token that is long enough";
    let app = TestApp::with(|_| {}, Access::with_token(token)).await;
    app.call("PATCH", "/cache/settings", &[], "{\"autopilot\": true}").await.is_problem(401);
    app.delete("/cache/settings").await.is_problem(401);
    assert_eq!(app.get("/cache/settings").await.json()["autopilot"], false);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let changed = app.call("PATCH", "/cache/settings", &headers, "{\"autopilot\": true}").await;
    assert_eq!(changed.json()["autopilot"], true);
}

#[tokio::test]
async fn the_what_if_of_a_few_requests_says_that_they_are_few() {
    let app = TestApp::start().await;
    app.put("/images/a", &photo(1)).await;
    for _ in 0..3 {
        app.get("/images/a").await;
    }
    let what_if = app.get("/cache/what-if").await.json();
    let advice = what_if["advice"].as_str().expect("a sentence");
    assert!(advice.starts_with("Not enough requests yet: "), "{advice}");
    assert_eq!((&what_if["recommendation"], &what_if["decisions"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn the_form_of_the_page_changes_all_settings() {
    let app = TestApp::start().await;
    let choices = "capacity=8&policy=w-tinylfu&objective=bytes&autopilot=on";
    assert_eq!(post(&app, "/cache/apply", choices).await.status, 303);
    let settings = app.get("/cache/settings").await.json();
    let expected = json!({
        "capacity_bytes": 8 << 20, "policy": "w-tinylfu", "objective": "bytes", "autopilot": true,
    });
    assert_eq!(settings, expected);
    // A box that isn't ticked isn't sent.
    assert_eq!(post(&app, "/cache/apply", "capacity=8&policy=lru").await.status, 303);
    let settings = app.get("/cache/settings").await.json();
    assert_eq!((&settings["objective"], &settings["autopilot"]), (&json!("bytes"), &json!(false)));

    let refused = post(&app, "/cache/apply", "capacity=8&policy=lru&objective=cost").await;
    assert_eq!(refused.status, 422);
    let page = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(page.contains("id=\"objective-problem\""), "{page}");
}

#[tokio::test]
async fn a_recommendation_is_applied_with_one_form() {
    let app = TestApp::start().await;
    patch(&app, &json!({ "objective": "bytes" })).await;
    assert_eq!(post(&app, "/cache/what-if/apply", "policy=gdsf").await.status, 303);
    let settings = app.get("/cache/settings").await.json();
    assert_eq!((&settings["policy"], &settings["objective"]), (&json!("gdsf"), &json!("bytes")));
    post(&app, "/cache/what-if/apply", "policy=best").await.is_problem(400);
    let headers = [("content-type", FORM)];
    let without = app.call("POST", "/cache/what-if/apply", &headers, "policy=lru").await;
    assert_eq!(without.status, 403, "without the visitor's token");
    assert_eq!(app.get("/cache/settings").await.json()["policy"], "gdsf");
}

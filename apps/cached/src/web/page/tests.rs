//! The page and its forms as a browser sends them.

use std::time::{Duration, Instant};

use axum::body::Body;
use larder_console::machine_memory_bytes;
use larder_web::Access;
use serde_json::Value;

use super::super::tests::{Answer, Client};

const PATIENCE: Duration = Duration::from_secs(30);

/// A browser that keeps its cookies.
struct Browser {
    client: Client,
    cookies: String,
    form_token: String,
}

impl Browser {
    /// One that has the page open.
    async fn open(access: Access) -> Self {
        let client = Client::new(access);
        let mut browser = Self { client, cookies: String::new(), form_token: String::new() };
        let page = browser.get("/").await;
        let token = page.body.split("name=\"form_token\" value=").nth(1).expect("a form");
        browser.form_token = token.chars().skip(1).take(32).collect();
        browser
    }

    async fn request(&mut self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let headers = [
            ("accept", "text/html"),
            ("cookie", self.cookies.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let answer = self.client.request(method, path, &headers, body).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("text").split(';').next().expect("a pair");
            self.cookies = format!("{}; {cookie}", self.cookies).trim_start_matches("; ").into();
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "").await
    }

    /// Sends a form with the visitor's token.
    async fn post(&mut self, path: &str, fields: &str) -> Answer {
        let body = format!("form_token={}&{fields}", self.form_token);
        self.request("POST", path, body).await
    }

    async fn json(&self, path: &str) -> Value {
        let (status, body) = self.client.send("GET", path, "").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("is JSON")
    }

    /// Reads ten keys over and over.
    async fn read(&self, requests: usize) {
        for number in 0..requests {
            let path = format!("/cache/some/key-{}", number % 10);
            if self.client.send("GET", &path, "").await.0 == 404 {
                assert_eq!(self.client.send("PUT", &path, "value").await.0, 201);
            }
        }
    }
}

fn goes_to(answer: &Answer, place: &str) {
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(answer.headers["location"], place);
}

#[tokio::test]
async fn the_page_tells_what_is_in_use_and_what_happened_since_the_start() {
    let mut browser = Browser::open(Access::open()).await;
    browser.read(40).await;
    let page = browser.get("/").await;
    assert_eq!(page.status, 200);
    for part in [
        "of 10 MB · 10 entries · LRU",
        "data-figure=\"hit_rate\">75.0%<",
        "data-figure=\"requests\">40<",
        "data-figure=\"misses\">10<",
        "data-figure=\"inserts\">10<",
        "data-figure=\"connections\">0<",
        "action=\"/settings/apply\"",
        "action=\"/settings/clear\"",
        "formaction=\"/settings/defaults\"",
        "no store behind",
        "only while somebody looks",
    ] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
    let policy = page.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    for asset in ["/assets/live.js", "/assets/console/console.css", "/assets/console/cache.js"] {
        assert!(page.body.contains(asset), "{asset} isn't used");
        assert_eq!(browser.get(asset).await.status, 200, "{asset}");
    }
}

#[tokio::test]
async fn settings_of_the_form_are_in_force_at_once_and_go_back_to_the_defaults() {
    let mut browser = Browser::open(Access::open()).await;
    let form = "capacity=0.5&policy=sieve&objective=bytes&autopilot=on";
    goes_to(&browser.post("/settings/apply", form).await, "/?done=applied");
    let now = browser.json("/config").await;
    assert_eq!((&now["capacity_bytes"], &now["policy"]), (&(1 << 19).into(), &"sieve".into()));
    assert_eq!((&now["objective"], &now["autopilot"]), (&"bytes".into(), &true.into()));
    assert!(browser.get("/?done=applied").await.body.contains("The settings are in force"));
    goes_to(&browser.post("/settings/what-if/apply", "policy=gdsf").await, "/?done=applied");
    assert_eq!(browser.json("/config").await["policy"], "gdsf");
    goes_to(&browser.post("/settings/defaults", "").await, "/?done=defaults");
    let now = browser.json("/config").await;
    assert_eq!((&now["capacity_bytes"], &now["policy"]), (&(10 << 20).into(), &"lru".into()));
    assert_eq!((&now["objective"], &now["autopilot"]), (&"objects".into(), &false.into()));
}

#[tokio::test]
async fn a_capacity_that_makes_no_sense_is_kept_in_its_field_and_changes_nothing() {
    let mut browser = Browser::open(Access::open()).await;
    let before = browser.json("/config").await;
    let too_much = (machine_memory_bytes() >> 20) + 1;
    for (typed, shown) in [
        ("x", "x"),
        ("", ""),
        ("0", "0"),
        ("-3", "-3"),
        ("%3Cb%3E%22", "&#60;b&#62;&#34;"),
        (&too_much.to_string(), &too_much.to_string()),
    ] {
        let form = format!("capacity={typed}&policy=fifo&objective=bytes");
        let page = browser.post("/settings/apply", &form).await;
        assert_eq!(page.status, 422, "{typed}");
        assert!(page.body.contains(&format!("value=\"{shown}\" autocomplete")), "{}", page.body);
        assert!(page.body.contains("Nothing was changed."));
        assert!(page.body.contains("value=\"fifo\" checked"), "what was chosen stays chosen");
        assert!(!page.body.contains("<b>"));
    }
    let page = browser.post("/settings/apply", "capacity=5&policy=none").await;
    assert!(page.status == 422 && page.body.contains("Choose one of these policies."));
    assert_eq!(browser.post("/settings/what-if/apply", "policy=none").await.status, 400);
    assert_eq!(browser.json("/config").await, before);
}

#[tokio::test]
async fn clear_drops_everything() {
    let mut browser = Browser::open(Access::open()).await;
    browser.read(20).await;
    goes_to(&browser.post("/settings/clear", "").await, "/?done=cleared");
    assert_eq!(browser.json("/stats").await["items"], 0);
    assert!(browser.get("/?done=cleared").await.body.contains("The cache is empty now."));
}

#[tokio::test]
async fn a_form_needs_the_token_of_its_visitor() {
    let mut browser = Browser::open(Access::open()).await;
    browser.read(20).await;
    for path in ["apply", "defaults", "clear", "what-if/apply"] {
        let path = format!("/settings/{path}");
        let page = browser.request("POST", &path, "capacity=1&policy=lru&form_token=x").await;
        assert_eq!(page.status, 403, "{path}");
        assert!(page.body.contains("Load the page again"), "a page tells why: {}", page.body);
        assert_eq!(browser.get(&path).await.status, 405, "a link can't do it");
    }
    assert_eq!(browser.json("/stats").await["items"], 10);
}

#[tokio::test]
async fn where_a_token_is_set_whoever_changes_things_signs_in() {
    let mut browser = Browser::open(Access::with_token("the right token")).await;
    assert!(browser.get("/").await.body.contains("Changes need the administrator’s token."));
    let page = browser.post("/settings/clear", "").await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("href=\"/sign-in\""), "{}", page.body);
    assert!(browser.get("/sign-in").await.body.contains("administrator’s token"));
    let page = browser.post("/sign-in", "token=wrong").await;
    assert!(page.status == 422 && page.body.contains("This is not the token."));
    goes_to(&browser.post("/sign-in", "token=the+right+token").await, "/?done=signed-in");
    goes_to(&browser.post("/settings/clear", "").await, "/?done=cleared");
    let page = browser.get("/").await;
    assert!(page.body.contains("Sign out") && !page.body.contains("Changes need"));
    goes_to(&browser.post("/sign-out", "").await, "/?done=signed-out");
}

#[tokio::test]
async fn what_goes_wrong_is_a_page_for_browsers_and_a_problem_for_programs() {
    let mut browser = Browser::open(Access::open()).await;
    let page = browser.get("/nothing").await;
    assert_eq!(page.status, 404);
    assert!(
        page.body.contains("There is nothing at this address.") && page.body.contains("base.css")
    );
    let (status, told) = browser.client.send("GET", "/nothing", "").await;
    assert!(status == 404 && told.starts_with('{'), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_what_if_begins_with_a_look_and_tells_of_the_requests_since() {
    let client = Client::new(Access::open());
    let mut browser = Browser { client, cookies: String::new(), form_token: String::new() };
    browser.read(1500).await;
    let told = browser.json("/what-if").await;
    assert_eq!(told["report"], Value::Null, "nobody looked until now");
    assert!(told["advice"].as_str().expect("a sentence").contains(": 0 of about"), "{told}");
    browser.read(1500).await;
    let since = Instant::now();
    let report = loop {
        let told = browser.json("/what-if").await;
        if told["report"]["requests_seen"] == 1500 {
            break told["report"].clone();
        }
        assert!(since.elapsed() < PATIENCE, "no report after {PATIENCE:?}: {told}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((&report["policy"], &report["capacity_bytes"]), (&"lru".into(), &(10 << 20).into()));
    assert_eq!(report["capacities"].as_array().expect("a ladder").len(), 9);
    let page = browser.get("/?of=bytes").await;
    assert!(page.body.contains("Byte hit ratio") && page.body.contains("class=\"ranking\""));
    assert!(!page.body.contains("only while somebody looks"), "that is for the beginning");
}

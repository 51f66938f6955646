//! The bookstore in one process: what it answers to whom, to sense and to
//! nonsense.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::http::Client;
use support::shop::{Part, Plain, SOON, buy, buy_surely, info, orders, plain, sources, stock, up};
use support::{PATIENCE, Process, address_in, folder, larder, run, wait_until};

#[test]
fn the_classic_shop_is_there_and_says_who_answered() {
    let Plain { part: shop, _folder } = plain(&[]);
    let found = shop.client().get("/search/distributed%20systems").json();
    let titles = ["How to get a good grade in DOS in 40 minutes a day", "RPCs for Noobs"];
    assert_eq!(found, json!([{ "id": 1, "title": titles[0] }, { "id": 2, "title": titles[1] }]));
    assert_eq!(shop.client().get("/search/no%20such%20topic").json(), json!([]));
    let book = info(&shop, 2);
    assert_eq!((&book["topic"], &book["price"]), (&json!("distributed systems"), &json!(4995)));
    assert!(book["quantity"].as_u64() > Some(0));
    // The sold-out case.
    let sold_out = shop.client().ask("POST", "/purchase/6", b"");
    assert_eq!((sold_out.status, &sold_out.json()["title"]), (409, &json!("Sold out")));

    let (first, again) = (sources(&shop, "/info/3"), sources(&shop, "/info/3"));
    assert_eq!((first.0.as_str(), again.0.as_str()), ("miss", "hit"));
    assert!(first.1.starts_with("frontend, catalog-"), "{first:?}");
    assert_eq!(again.1, "frontend");
    let list = sources(&shop, "/books");
    assert!(list.0 == "bypass" && list.1.starts_with("frontend, catalog-"), "{list:?}");

    let found = shop.client().get("/books?query=SPRING%20valley&sort=price").json();
    assert_eq!((&found["total"], &found["books"][0]["id"]), (&json!(1), &json!(7)));
    let metrics = shop.client().get("/metrics").text();
    let figure = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).expect(name);
        line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("a number")
    };
    assert!(figure("larder_bazar_cache_hits_total") >= 1.0, "{metrics}");
    assert_eq!(figure("larder_bazar_cache_audits_stale_total"), 0.0);
    assert_eq!(figure("larder_bazar_replica_up{replica=\"order-2\""), 1.0);

    let page = shop.client().get("/books?size=3&page=3").json();
    assert_eq!((page["books"].as_array().map(Vec::len), &page["total"]), (Some(1), &json!(7)));
}

#[test]
fn the_shop_is_a_part_of_everything_on_one_machine() {
    let folder = folder();
    let data = folder.path().display().to_string();
    let mut all = Process::spawn(larder().args(["serve", "--listen", "127.0.0.1:0"]).args([
        "--cache-listen",
        "127.0.0.1:0",
        "--min-free",
        "0",
        "--data",
        &data,
    ]));
    let announcement = all.announcement();
    let address = address_in(&announcement, "images");
    assert!(announcement.contains(&format!("http://{address}/bazar")), "{announcement}");
    let get = |target: &str| Client::connect(address).expect("connects").get(target);
    let shown = get("/bazar").text();
    assert!(shown.contains("RPCs for Noobs"), "{shown}");
    // What its pages link to is there, and it isn't the image store's.
    let links = shown.split("=\"/").skip(1).filter_map(|rest| rest.split('"').next());
    for link in links.filter(|link| !link.is_empty()) {
        assert!(link.starts_with("bazar"), "{link}");
        let target = format!("/{}", link.replace("&#38;", "&").replace("&amp;", "&"));
        let status = get(&target).status;
        assert!(matches!(status, 200 | 303 | 308), "{target}: {status}");
    }
    assert_eq!(get("/bazar/info/2").json()["title"], "RPCs for Noobs");
    assert_eq!(get("/images").status, 200);
    all.signal(Signal::TERM);
    assert_eq!(all.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_purchase_is_one_order_one_decrement_and_one_answer() {
    let Plain { part: shop, _folder } = plain(&[]);
    let before = stock(&shop, 1);
    let bought = buy(&mut shop.client(), 1, "first").expect("answered");
    assert_eq!((bought.status, &bought.json()["quantity"]), (201, &json!(1)));
    // The same key buys once, also with the other method and as often as one
    // likes; for something else it is refused.
    let put = shop.client().send("PUT", "/purchase/1", &[("Idempotency-Key", "first")], b"");
    assert_eq!(put.expect("answered").json(), bought.json());
    let other = buy(&mut shop.client(), 2, "first").expect("answered");
    assert_eq!(other.status, 422, "{}", other.text());
    let headers = [("Content-Type", "application/json")];
    let three = shop.client().send("POST", "/purchase/1", &headers, b"{\"quantity\": 3}");
    let three = three.expect("answered").json();
    assert_eq!((&three["quantity"], &three["total"]), (&json!(3), &json!(3 * 2999)));
    assert_eq!(stock(&shop, 1), before - 4);
    let looked_up = shop.client().get(&format!("/orders/{}", three["number"]));
    assert_eq!(looked_up.json(), three);
    assert_eq!(shop.client().get("/orders/999").status, 404);
    assert_eq!(orders(&shop).len(), 2);

    // Also after a crash.
    let arguments = shop.arguments.clone();
    drop(shop);
    let shop = Part::start("bazar", arguments);
    assert_eq!(buy(&mut shop.client(), 1, "first").expect("answered").json(), bought.json());
    assert_eq!((stock(&shop, 1), orders(&shop).len()), (before - 4, 2));
}

#[test]
fn changes_are_seen_at_once_and_only_by_who_may_make_them() {
    let folder = folder();
    let token = folder.path().join("token");
    std::fs::write(&token, "a token of more than sixteen").expect("written");
    let Plain { part: shop, _folder } =
        plain(&["--admin-token-file", &token.display().to_string()]);
    let allowed = [("Authorization", "Bearer a token of more than sixteen")];
    let patch = |headers: &[(&str, &str)], book: u64, change: Value| {
        let target = format!("/books/{book}");
        let body = change.to_string();
        shop.client().send("PATCH", &target, headers, body.as_bytes()).expect("answered")
    };
    assert_eq!(patch(&[], 5, json!({ "price_cents": 1 })).status, 401);
    // The replicas' own ports let nobody past.
    let status = shop.client().get("/replicas/status").json();
    let catalog = status["replicas"][0]["address"].as_str().expect("an address").to_owned();
    let mut direct = Client::connect(catalog.parse().expect("an address")).expect("connects");
    let answer = direct.send("PATCH", "/books/5", &allowed, b"{\"price_cents\": 1}");
    assert_eq!(answer.expect("answered").status, 403);

    let before = info(&shop, 5);
    assert_eq!(patch(&allowed, 5, json!({ "price_cents": 1234 })).status, 200);
    assert_eq!(info(&shop, 5)["price"], 1234);
    let restock = json!({ "stock": { "by": 7, "reason": "restock" } });
    assert_eq!(patch(&allowed, 5, restock).status, 200);
    assert_eq!(info(&shop, 5)["quantity"].as_u64(), before["quantity"].as_u64().map(|n| n + 7));
    let too_many = json!({ "stock": { "by": -999_999, "reason": "correction" } });
    assert_eq!(patch(&allowed, 5, too_many).status, 409);
    let spring = || shop.client().get("/search/spring").json().as_array().map(Vec::len);
    assert_eq!(spring(), Some(3));
    assert_eq!(patch(&allowed, 5, json!({ "is_retired": true })).status, 200);
    assert_eq!((spring(), shop.client().get("/info/5").status), (Some(2), 404));
    assert_eq!(shop.client().ask("POST", "/purchase/5", b"").status, 404);
    assert_eq!(patch(&allowed, 5, json!({ "is_retired": false })).status, 200);
    assert_eq!(spring(), Some(3));
}

#[test]
fn what_makes_no_sense_is_refused_with_words() {
    let Plain { part: shop, _folder } = plain(&[]);
    let long = "x".repeat(10 * 1024);
    let key = format!("/purchase/{}", u64::MAX);
    let cases: [(&str, &str, &str, u16); 19] = [
        ("GET", "/info/abc", "", 400),
        ("GET", "/info/-1", "", 400),
        ("GET", "/info/0", "", 400),
        ("GET", "/info/1.5", "", 400),
        ("GET", "/info/4711", "", 404),
        ("GET", "/orders/none", "", 400),
        ("GET", "/search/", "", 404),
        ("GET", "/search?topic=", "", 400),
        ("GET", &format!("/search/{long}"), "", 400),
        ("GET", "/no/such/route", "", 404),
        ("DELETE", "/info/1", "", 405),
        ("POST", "/purchase/1?quantity=0", "", 400),
        ("POST", "/purchase/1?quantity=-3", "", 400),
        ("POST", "/purchase/1?quantity=99999999999999999999", "", 400),
        ("POST", "/purchase/1?quantity=4000000", "", 400),
        ("POST", "/purchase/1", "{\"quantity\": \"three\"}", 400),
        ("POST", "/purchase/1", "nonsense", 400),
        ("POST", &key, "", 400),
        ("POST", "/books", "{\"title\": \"no topic\"}", 400),
    ];
    let before = stock(&shop, 1);
    for (method, target, body, status) in cases {
        let answer = shop.client().ask(method, target, body.as_bytes());
        let shown: String = target.chars().take(60).collect();
        assert_eq!(answer.status, status, "{method} {shown}: {}", answer.text());
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        assert_eq!(kind, "application/problem+json", "{method} {shown}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.len() > 10));
    }
    let key = "x".repeat(201);
    let refused = shop.client().send("POST", "/purchase/1", &[("Idempotency-Key", &key)], b"");
    assert_eq!(refused.expect("answered").status, 400);
    // Nothing of it is more than a name.
    for topic in ["%27%20OR%201%3D1--", "a%2Fb%2F..%2Fc", "%F0%9F%93%9A", "%3Cb%3E", "%25"] {
        let answer = shop.client().get(&format!("/search/{topic}"));
        assert_eq!((answer.status, answer.json()), (200, json!([])), "{topic}");
    }
    assert_eq!((stock(&shop, 1), orders(&shop).len()), (before, 0));
    for wrong in
        [vec!["frontend"], vec!["--node-address", "127.0.0.1:0"], vec!["--listen", "0.0.0.0:0"]]
    {
        let ended = run(larder().arg("bazar").args(["--data", "/nonexistent"]).args(&wrong));
        assert_eq!(ended.code, Some(2), "{wrong:?}: {}", ended.log);
    }
    for command in ["bazar", "serve"] {
        let folder = ["--listen", "127.0.0.1:0", "--data", "/proc/none"];
        let ended =
            run(larder().arg(command).args(folder).env("LARDER_CACHE_LISTEN", "127.0.0.1:0"));
        assert_eq!(ended.code, Some(2), "{command}: {}", ended.log);
        assert!(ended.log.contains("--data /proc/none"), "{}", ended.log);
    }
}

#[test]
fn a_replica_can_be_stopped_and_started_while_the_others_go_on() {
    let Plain { part: shop, _folder } = plain(&["--items", "1"]);
    assert_eq!(up(&shop), 4);
    let act =
        |act: &str| shop.client().ask("POST", &format!("/replicas/catalog-1/{act}"), b"").status;
    assert_eq!(act("stop"), 204);
    for book in [1, 2, 3, 4, 5, 7, 1, 2] {
        let (cache, by) = sources(&shop, &format!("/info/{book}"));
        assert_eq!((cache.as_str(), by.as_str()), ("miss", "frontend, catalog-2"));
    }
    assert_eq!(act("start"), 204);
    wait_until("it is taken back", SOON, || up(&shop) == 4);
    wait_until("it serves", SOON, || {
        let by = [3, 4].map(|book| sources(&shop, &format!("/info/{book}")).1);
        by.iter().any(|by| by.ends_with("catalog-1"))
    });
    assert_eq!(shop.client().ask("POST", "/replicas/nobody/stop", b"").status, 404);
    // The classic bound: no more than so many items are kept.
    let cache = shop.client().get("/replicas/status").json()["cache"].clone();
    assert_eq!((&cache["items"], &cache["max_items"]), (&json!(1), &json!(1)));
}

#[test]
fn who_watches_is_told_when_somebody_buys() {
    use std::io::{BufRead, BufReader, Write};
    let Plain { part: mut shop, _folder } = plain(&[]);
    let mut watching = std::net::TcpStream::connect(shop.address).expect("connects");
    watching.set_read_timeout(Some(PATIENCE)).expect("a limit");
    write!(watching, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", shop.address).expect("sent");
    let mut lines = BufReader::new(watching).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    let left = stock(&shop, 7);
    let (told, is_told, address) = (AtomicU64::new(0), AtomicBool::new(false), shop.address);
    std::thread::scope(|threads| {
        // It is told from when it is known to listen: until then some are missed.
        let buyer = threads.spawn(|| {
            while !is_told.load(SeqCst) {
                buy_surely(address, 7, &format!("{}", told.fetch_add(1, SeqCst)));
                std::thread::park_timeout(Duration::from_millis(50));
            }
        });
        let event = lines.find(|line| line.starts_with("data:")).expect("is told");
        is_told.store(true, SeqCst);
        buyer.join().expect("buys");
        let event: Value = serde_json::from_str(event.trim_start_matches("data:")).expect("JSON");
        assert_eq!(event["id"], 7);
        assert!(event["quantity"].as_u64().is_some_and(|now| now < left), "{event}");
    });
    // A listener doesn't keep the shop from ending.
    shop.process.signal(Signal::TERM);
    assert_eq!(shop.process.wait(PATIENCE).code(), Some(0));
}

//! The bookstore as it is run, in one process and in many over a real
//! database: never oversold, never stale, each purchase once, whatever dies.

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::http::{Answer, Client};
use support::{PATIENCE, Process, address_in, folder, larder, run, wait_until};

const SOON: Duration = Duration::from_secs(20);

/// A running process of a shop.
struct Part {
    process: Process,
    /// Where it listens.
    address: SocketAddr,
    /// How it is started again at the same place.
    arguments: Vec<String>,
}

impl Part {
    fn start(label: &str, arguments: Vec<String>) -> Self {
        let mut process = Process::spawn(larder().arg("bazar").args(&arguments));
        let address = address_in(&process.announcement(), label);
        Self { process, address, arguments }
    }

    fn client(&self) -> Client {
        Client::connect(self.address).expect("a part that is ready takes connections")
    }

    /// `kill -9`, and started again on the same port and data.
    fn kill_and_restart(&mut self) {
        self.process.kill();
        let listen = self.arguments.iter().position(|argument| argument == "--listen");
        self.arguments[listen.expect("is given") + 1] = self.address.to_string();
        self.process = Process::spawn(larder().arg("bazar").args(&self.arguments));
        self.process.announcement();
    }
}

/// A shop in one process on embedded SQLite.
struct Plain {
    _folder: tempfile::TempDir,
    part: Part,
}

fn plain(more: &[&str]) -> Plain {
    let folder = folder();
    let data = folder.path().display().to_string();
    let arguments = [&["--listen", "127.0.0.1:0", "--data", &data], more].concat();
    let part = Part::start("bazar", arguments.into_iter().map(str::to_owned).collect());
    Plain { _folder: folder, part }
}

/// A shop of several processes over one database server.
struct Site {
    folder: tempfile::TempDir,
    database: String,
    has_standbys: bool,
}

/// One for each engine that is there.
fn sites() -> Vec<Site> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = || format!("shop{}", NUMBER.fetch_add(1, SeqCst));
    let postgres = larder_servers::postgres().map(|server| server.make_database(&name()));
    let maria = larder_servers::mariadb().map(|server| server.make_database(&name()));
    postgres.into_iter().chain(maria).map(|database| Site::new(database, false)).collect()
}

impl Site {
    fn new(database: String, has_standbys: bool) -> Self {
        let folder = folder();
        let secret = "0123456789abcdef".repeat(4);
        std::fs::write(folder.path().join("secret"), secret).expect("written");
        Self { folder, database, has_standbys }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn part(&self, part: &str, name: &str, more: &[&str]) -> Part {
        let (data, secret) = (self.place(name), self.place("secret"));
        let (data, secret) = (data.display().to_string(), secret.display().to_string());
        let place = [part, "--name", name, "--listen", "127.0.0.1:0", "--data", &data];
        let cluster = ["--database", &self.database, "--node-address", "127.0.0.1:0"];
        let secret = ["--cluster-secret-file", &secret];
        let standbys: &[&str] = if self.has_standbys { &["--database-has-standbys"] } else { &[] };
        let arguments = [&place[..], &cluster, &secret, standbys, more].concat();
        let label = if part == "frontend" { "bazar" } else { name };
        Part::start(label, arguments.into_iter().map(str::to_owned).collect())
    }

    /// Two replicas of each service, and so many front ends that find them.
    fn shop(&self, fronts: usize, more: &[&str]) -> (Vec<Part>, Vec<Part>) {
        let replica = |(part, name)| self.part(part, name, &[]);
        let names = ["catalog-a", "catalog-b", "order-a", "order-b"];
        let parts = ["catalog", "catalog", "order", "order"];
        let replicas: Vec<Part> = parts.into_iter().zip(names).map(replica).collect();
        let front = |number| self.part("frontend", &format!("front-{number}"), more);
        let fronts: Vec<Part> = (0..fronts).map(front).collect();
        for front in &fronts {
            wait_until("all replicas are found", SOON, || up(front) == 4);
        }
        (fronts, replicas)
    }
}

/// How many replicas a front end finds that answer.
fn up(front: &Part) -> usize {
    let status = front.client().get("/replicas/status").json();
    let replicas = status["replicas"].as_array().expect("a list").clone();
    replicas.iter().filter(|replica| replica["is_up"] == true).count()
}

fn info(front: &Part, book: u64) -> Value {
    let answer = front.client().get(&format!("/info/{book}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn stock(front: &Part, book: u64) -> u64 {
    info(front, book)["quantity"].as_u64().expect("a number")
}

fn buy(client: &mut Client, book: u64, key: &str) -> std::io::Result<Answer> {
    client.send("POST", &format!("/purchase/{book}"), &[("Idempotency-Key", key)], b"")
}

/// Buys until there is an answer, on new connections where one broke.
fn buy_surely(address: SocketAddr, book: u64, key: &str) -> Answer {
    let mut answer = None;
    wait_until("the purchase is answered", 2 * PATIENCE, || {
        let asked = Client::connect(address).and_then(|mut client| buy(&mut client, book, key));
        answer = asked.ok().filter(|answer| answer.status < 500);
        answer.is_some()
    });
    answer.expect("was waited for")
}

fn add(front: &Part, title: &str, stock: u32) -> u64 {
    let book = json!({ "title": title, "topic": "tests", "price_cents": 1000, "stock": stock });
    let answer = front.client().ask("POST", "/books", book.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_u64().expect("a number")
}

/// The numbers of all orders, newest first.
fn orders(front: &Part) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let before = all.last().map(|order| format!("?before={}", order["number"]));
        let page = front.client().get(&format!("/orders{}", before.unwrap_or_default())).json();
        let page = page.as_array().expect("a list").clone();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn sources(front: &Part, target: &str) -> (String, String) {
    let answer = front.client().get(target);
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    (header("x-cache"), header("x-served-by"))
}

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

/// What must hold of a crowd, whatever the shop runs on.
fn sell_out(front: &Part, addresses: &[SocketAddr]) {
    let few = add(front, "Few copies", 3);
    let bought = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for buyer in 0..4 {
            let (bought, address) = (&bought, addresses[buyer % addresses.len()]);
            threads.spawn(move || {
                match buy_surely(address, few, &format!("few {buyer}").replace(' ', "-")).status {
                    201 => drop(bought.fetch_add(1, SeqCst)),
                    409 => {}
                    status => panic!("answered with {status}"),
                }
            });
        }
    });
    assert_eq!((bought.into_inner(), stock(front, few)), (3, 0));

    let titles: Vec<u64> = (0..10).map(|n| add(front, &format!("Title {n}"), 100)).collect();
    let before = orders(front).len();
    let refused = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for buyer in 0..101_usize {
            let (titles, refused, address) =
                (&titles, &refused, addresses[buyer % addresses.len()]);
            threads.spawn(move || {
                // Each begins at another title.
                for step in 0..titles.len() {
                    let title = titles[(buyer + step) % titles.len()];
                    match buy_surely(address, title, &format!("{buyer}-{title}")).status {
                        201 => {}
                        409 => drop(refused.fetch_add(1, SeqCst)),
                        status => panic!("answered with {status}"),
                    }
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 10);
    assert!(titles.iter().all(|&title| stock(front, title) == 0));
    let orders = orders(front);
    assert_eq!(orders.len() - before, 1_000);
    let numbers: BTreeSet<u64> = orders.iter().filter_map(|o| o["number"].as_u64()).collect();
    assert_eq!(numbers.len(), orders.len(), "no number was used twice");
}

#[test]
fn nothing_is_sold_that_is_not_there() {
    let Plain { part: shop, _folder } = plain(&[]);
    sell_out(&shop, &[shop.address]);
    for site in sites() {
        let (fronts, _replicas) = site.shop(2, &[]);
        let addresses: Vec<SocketAddr> = fronts.iter().map(|front| front.address).collect();
        sell_out(&fronts[0], &addresses);
        assert!(stock(&fronts[1], 1) > 0);
    }
}

/// Two front ends that hold one item each, so that most reads miss while the
/// purchases run.
#[test]
fn no_front_end_shows_an_older_stock_than_was_sold() {
    for site in sites() {
        let (fronts, _replicas) = site.shop(2, &["--items", "1"]);
        let copies = 150;
        let books = [add(&fronts[0], "One", copies), add(&fronts[0], "Other", copies)];
        // What is known of each: at most so many are left.
        let left = books.map(|_| AtomicU64::new(copies.into()));
        let (reads, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|threads| {
            for reader in 0..4_usize {
                let (left, reads, is_over) = (&left, &reads, &is_over);
                let mut client = fronts[reader % 2].client();
                threads.spawn(move || {
                    while !is_over.load(SeqCst) {
                        for (book, left) in books.iter().zip(left) {
                            let known = left.load(SeqCst);
                            let shown = client.get(&format!("/info/{book}")).json();
                            let shown = shown["quantity"].as_u64().expect("a number");
                            assert!(shown <= known, "{shown} are shown, {known} are left");
                            left.fetch_min(shown, SeqCst);
                            reads.fetch_add(1, SeqCst);
                        }
                    }
                });
            }
            for sold in 1..=u64::from(copies) {
                for (index, (book, left)) in books.iter().zip(&left).enumerate() {
                    let front = &fronts[(sold as usize + index) % 2];
                    let key = format!("{book}-{sold}");
                    assert_eq!(buy_surely(front.address, *book, &key).status, 201);
                    left.fetch_min(u64::from(copies) - sold, SeqCst);
                }
            }
            is_over.store(true, SeqCst);
        });
        assert!(reads.into_inner() > 300, "hardly anybody read");
        assert!(fronts.iter().all(|front| books.iter().all(|&book| stock(front, book) == 0)));
    }
}

#[test]
fn replicas_may_die_in_the_middle_of_two_thousand_purchases() {
    const PURCHASES: u32 = 2_000;
    for site in sites() {
        let (fronts, mut replicas) = site.shop(1, &[]);
        let front = &fronts[0];
        let (book, address) = (add(front, "Bestseller", PURCHASES), front.address);
        let (next, done) = (AtomicU32::new(0), AtomicU32::new(0));
        let mut numbers: Vec<u64> = Vec::new();
        let buyer = || {
            let mut numbers = Vec::new();
            loop {
                let purchase = next.fetch_add(1, SeqCst);
                if purchase >= PURCHASES {
                    return numbers;
                }
                let answer = buy_surely(address, book, &format!("purchase-{purchase}"));
                assert_eq!(answer.status, 201, "{}", answer.text());
                numbers.push(answer.json()["number"].as_u64().expect("a number"));
                done.fetch_add(1, SeqCst);
            }
        };
        std::thread::scope(|threads| {
            let buyers: Vec<_> = (0..6).map(|_| threads.spawn(buyer)).collect();
            for (turn, replica) in (1..).zip(&mut replicas) {
                wait_until("its turn comes", 4 * PATIENCE, || {
                    done.load(SeqCst) >= turn * PURCHASES / 6
                });
                replica.kill_and_restart();
            }
            for buyer in buyers {
                numbers.extend(buyer.join().expect("a buyer doesn't panic"));
            }
        });
        // The buyers' record is the log, and nobody bought twice.
        let log: Vec<u64> = orders(front).iter().filter_map(|o| o["number"].as_u64()).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!((numbers.len(), &numbers), (PURCHASES as usize, &log));
        assert_eq!(stock(front, book), 0);
        // Those that died serve again without help.
        wait_until("all answer", SOON, || up(front) == 4);
        let served = |front: &Part| -> Vec<u64> {
            let status = front.client().get("/replicas/status").json();
            let replicas = status["replicas"].as_array().expect("a list").clone();
            replicas.iter().filter_map(|replica| replica["served"].as_u64()).collect()
        };
        let before = served(front);
        wait_until("all serve", SOON, || {
            let key = format!("more-{}", next.fetch_add(1, SeqCst));
            buy_surely(front.address, 1, &key);
            front.client().get("/books?size=1");
            served(front).iter().zip(&before).all(|(now, before)| now > before)
        });
    }
}

/// Buys while the database's primary is killed: nothing that was acknowledged
/// is lost, nothing is bought twice, and buying goes on.
fn outlive_the_primary(site: &Site, kill: impl FnOnce()) {
    const PURCHASES: u32 = 400;
    let (fronts, _replicas) = site.shop(2, &[]);
    let (book, next) = (add(&fronts[0], "Bestseller", PURCHASES), AtomicU32::new(0));
    let addresses = [fronts[0].address, fronts[1].address];
    let done = AtomicU32::new(0);
    let buyer = || {
        let mut numbers = Vec::new();
        loop {
            let purchase = next.fetch_add(1, SeqCst);
            if purchase >= PURCHASES {
                return numbers;
            }
            let address = addresses[purchase as usize % 2];
            let answer = buy_surely(address, book, &format!("purchase-{purchase}"));
            assert_eq!(answer.status, 201, "{}", answer.text());
            numbers.push(answer.json()["number"].as_u64().expect("a number"));
            done.fetch_add(1, SeqCst);
        }
    };
    let mut numbers: Vec<u64> = std::thread::scope(|threads| {
        let buyers: Vec<_> = (0..4).map(|_| threads.spawn(buyer)).collect();
        wait_until("they buy", PATIENCE, || done.load(SeqCst) > PURCHASES / 4);
        kill();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer ends")).collect()
    });
    let log: Vec<u64> = orders(&fronts[1]).iter().filter_map(|o| o["number"].as_u64()).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((numbers.len(), &numbers), (PURCHASES as usize, &log));
    assert!(fronts.iter().all(|front| stock(front, book) == 0));
}

/// Takes two minutes, and so only runs with `LARDER_TEST_LONG`.
#[test]
fn the_shop_goes_on_when_the_databases_primary_dies() {
    if std::env::var_os("LARDER_TEST_LONG").is_none() {
        return;
    }
    if let Some(mut servers) = larder_servers::Patroni::start() {
        let site = Site::new(servers.url("postgres"), true);
        outlive_the_primary(&site, || {
            servers.wait_until_synchronous();
            servers.kill_leader();
        });
    }
    if let Some(mut servers) = larder_servers::SemiSync::start() {
        let site = Site::new(servers.make_database("shop"), true);
        outlive_the_primary(&site, || {
            servers.fail_over();
            // It has to have a copy somewhere before it acknowledges anything.
            servers.restart();
        });
    }
}

#[test]
fn one_key_is_one_order_whoever_is_asked_at_once() {
    for site in sites() {
        let (fronts, _replicas) = site.shop(2, &[]);
        let addresses = [fronts[0].address, fronts[1].address];
        let before = stock(&fronts[0], 1);
        for round in 0..10 {
            let key = format!("round-{round}");
            let answers: BTreeSet<String> = std::thread::scope(|threads| {
                let key = &key;
                let ask = move |n: usize| buy_surely(addresses[n % 2], 1, key).text();
                let asked: Vec<_> = (0..6).map(|n| threads.spawn(move || ask(n))).collect();
                asked.into_iter().map(|asked| asked.join().expect("is answered")).collect()
            });
            assert_eq!(answers.len(), 1, "{answers:?}");
        }
        assert_eq!(stock(&fronts[1], 1), before - 10);
    }
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

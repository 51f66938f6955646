//! Bookstores as they are run, in one process and in many over a real database,
//! and what their tests ask them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Answer, Client};
use super::{PATIENCE, Process, address_in, folder, larder, wait_until};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running process of a shop.
pub(crate) struct Part {
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How it is started again at the same place.
    pub(crate) arguments: Vec<String>,
}

impl Part {
    pub(crate) fn start(label: &str, arguments: Vec<String>) -> Self {
        let mut process = Process::spawn(larder().arg("bazar").args(&arguments));
        let address = address_in(&process.announcement(), label);
        Self { process, address, arguments }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address).expect("a part that is ready takes connections")
    }

    /// `kill -9`, and started again on the same port and data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill();
        let listen = self.arguments.iter().position(|argument| argument == "--listen");
        self.arguments[listen.expect("is given") + 1] = self.address.to_string();
        self.process = Process::spawn(larder().arg("bazar").args(&self.arguments));
        self.process.announcement();
    }
}

/// A shop in one process on embedded SQLite.
pub(crate) struct Plain {
    pub(crate) _folder: tempfile::TempDir,
    pub(crate) part: Part,
}

pub(crate) fn plain(more: &[&str]) -> Plain {
    let folder = folder();
    let data = folder.path().display().to_string();
    let arguments = [&["--listen", "127.0.0.1:0", "--data", &data], more].concat();
    let part = Part::start("bazar", arguments.into_iter().map(str::to_owned).collect());
    Plain { _folder: folder, part }
}

/// A shop of several processes over one database server.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database: String,
    pub(crate) has_standbys: bool,
}

/// One for each engine that is there.
pub(crate) fn sites() -> Vec<Site> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = || format!("shop{}", NUMBER.fetch_add(1, SeqCst));
    let postgres = larder_servers::postgres().map(|server| server.make_database(&name()));
    let maria = larder_servers::mariadb().map(|server| server.make_database(&name()));
    postgres.into_iter().chain(maria).map(|database| Site::new(database, false)).collect()
}

impl Site {
    pub(crate) fn new(database: String, has_standbys: bool) -> Self {
        let folder = folder();
        let secret = "0123456789abcdef".repeat(4);
        std::fs::write(folder.path().join("secret"), secret).expect("written");
        Self { folder, database, has_standbys }
    }

    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn part(&self, part: &str, name: &str, more: &[&str]) -> Part {
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
    pub(crate) fn shop(&self, fronts: usize, more: &[&str]) -> (Vec<Part>, Vec<Part>) {
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
pub(crate) fn up(front: &Part) -> usize {
    let status = front.client().get("/replicas/status").json();
    let replicas = status["replicas"].as_array().expect("a list").clone();
    replicas.iter().filter(|replica| replica["is_up"] == true).count()
}

pub(crate) fn info(front: &Part, book: u64) -> Value {
    let answer = front.client().get(&format!("/info/{book}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

pub(crate) fn stock(front: &Part, book: u64) -> u64 {
    info(front, book)["quantity"].as_u64().expect("a number")
}

pub(crate) fn buy(client: &mut Client, book: u64, key: &str) -> std::io::Result<Answer> {
    client.send("POST", &format!("/purchase/{book}"), &[("Idempotency-Key", key)], b"")
}

/// Buys until there is an answer, on new connections where one broke.
pub(crate) fn buy_surely(address: SocketAddr, book: u64, key: &str) -> Answer {
    let mut answer = None;
    wait_until("the purchase is answered", 2 * PATIENCE, || {
        let asked = Client::connect(address).and_then(|mut client| buy(&mut client, book, key));
        answer = asked.ok().filter(|answer| answer.status < 500);
        answer.is_some()
    });
    answer.expect("was waited for")
}

pub(crate) fn add(front: &Part, title: &str, stock: u32) -> u64 {
    let book = json!({ "title": title, "topic": "tests", "price_cents": 1000, "stock": stock });
    let answer = front.client().ask("POST", "/books", book.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_u64().expect("a number")
}

/// The numbers of all orders, newest first.
pub(crate) fn orders(front: &Part) -> Vec<Value> {
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

pub(crate) fn sources(front: &Part, target: &str) -> (String, String) {
    let answer = front.client().get(target);
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    (header("x-cache"), header("x-served-by"))
}

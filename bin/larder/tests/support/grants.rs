//! Research funding as it is run, in one process and in many, and what its
//! tests ask of it through its API.
#![allow(clippy::inconsistent_digit_grouping)] // The cents stand apart.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Answer, Client};
use super::{PATIENCE, Process, folder, larder, wait_until};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Everybody's password.
pub(crate) const PASSWORD: &str = "Xylophone-7-quartz";

/// A running process, and where its services are.
pub(crate) struct Part {
    pub(crate) process: Process,
    pub(crate) services: BTreeMap<String, SocketAddr>,
    /// How it is started again at the same place.
    arguments: Vec<String>,
}

impl Part {
    /// Starts `larder grants` with these arguments, whose clock is so many days
    /// ahead.
    pub(crate) fn start_ahead(days: u32, arguments: Vec<String>) -> Self {
        let mut command = larder();
        if days > 0 {
            // By the program `faketime` it would be a child that outlives it.
            let entries = std::fs::read_dir("/usr/lib").expect("is there").flatten();
            let library = entries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
            let library = library.into_iter().find(|path| path.exists()).expect("faketime");
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("+{days}d"));
        }
        let mut process = Process::spawn(command.arg("grants").args(&arguments));
        let announcement = process.announcement();
        let services = announcement.lines().filter_map(|line| {
            let (name, address) = line.trim().split_once(" ")?;
            Some((name.to_owned(), address.trim().strip_prefix("http://")?.parse().ok()?))
        });
        Self { services: services.collect(), process, arguments }
    }

    pub(crate) fn start(arguments: Vec<String>) -> Self {
        Self::start_ahead(0, arguments)
    }

    pub(crate) fn at(&self, service: &str) -> SocketAddr {
        self.services[service]
    }

    /// `kill -9`, and started again at the same place.
    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill();
        self.restart_ahead(0);
    }

    /// Started again at the same place once it has ended, so many days ahead.
    pub(crate) fn restart_ahead(&mut self, days: u32) {
        let first = self.services.values().min_by_key(|address| address.port());
        let listen = self.arguments.iter().position(|argument| argument == "--listen");
        self.arguments[listen.expect("is given") + 1] = first.expect("one").to_string();
        *self = Self::start_ahead(days, self.arguments.clone());
    }
}

/// All three services in one process on embedded SQLite.
pub(crate) struct Funding {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) part: Part,
}

impl Funding {
    pub(crate) fn start() -> Self {
        let folder = folder();
        let data = folder.path().join("data").display().to_string();
        let first = three_ports();
        let arguments = ["--listen", &format!("127.0.0.1:{first}"), "--data", &data];
        let part = Part::start(arguments.map(str::to_owned).to_vec());
        Self { folder, part }
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Somebody new of a role other than researcher.
    pub(crate) fn officer(&self, role: &str, name: &str) -> Who {
        let data = self.data().display().to_string();
        let service = if role == "administrator" { "university" } else { role };
        add_user(&["--data", &data], role, name, &[]);
        Who::sign_in(self.part.at(service), name)
    }

    /// A researcher.
    pub(crate) fn researcher(&self, name: &str) -> Who {
        Who::join(self.part.at("researchers"), name)
    }
}

/// Processes of one service each over one database server.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) database: String,
}

impl Site {
    pub(crate) fn new(database: String) -> Self {
        let folder = folder();
        let secret = "0123456789abcdef".repeat(4);
        std::fs::write(folder.path().join("secret"), secret).expect("written");
        Self { folder, database }
    }

    /// One for each engine that is there.
    pub(crate) fn all() -> Vec<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = || format!("grants{}", NUMBER.fetch_add(1, SeqCst));
        let postgres = larder_servers::postgres().map(|server| server.make_database(&name()));
        let maria = larder_servers::mariadb().map(|server| server.make_database(&name()));
        postgres.into_iter().chain(maria).map(Self::new).collect()
    }

    /// A replica of a service.
    pub(crate) fn replica(&self, service: &str, name: &str) -> Part {
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let (data, secret) = (place(name), place("secret"));
        let address = ["--listen", "127.0.0.1:0", "--node-address", "127.0.0.1:0"];
        let rows = ["--data", &data, "--database", &self.database];
        let arguments =
            [&[service], &address[..], &rows, &["--cluster-secret-file", &secret]].concat();
        Part::start(arguments.into_iter().map(str::to_owned).collect())
    }

    /// Two replicas of each service.
    pub(crate) fn pairs(&self) -> [[Part; 2]; 3] {
        let pair =
            |service: &str| ["a", "b"].map(|n| self.replica(service, &format!("{service}-{n}")));
        ["university", "agency", "researchers"].map(pair)
    }

    /// Somebody of a role other than researcher, at a replica of their service.
    pub(crate) fn officer(&self, role: &str, name: &str, at: SocketAddr) -> Who {
        add_user(&["--database", &self.database], role, name, &[]);
        Who::sign_in(at, name)
    }
}

/// The first of three free ports in a row, below those that the system gives
/// out; each test program has its own to look at.
fn three_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = 20_000 + (std::process::id() % 40) as u16 * 300;
    let mut ports = (0..100).map(|_| own + 3 * (NEXT.fetch_add(1, SeqCst) % 100));
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let found = ports.find(|&first| (first..first + 3).all(is_free));
    found.expect("three free ports in a row")
}

pub(crate) fn email(name: &str) -> String {
    format!("{}@tests.example", name.replace(' ', ".").to_lowercase())
}

/// `larder grants user add`.
pub(crate) fn add_user(rows: &[&str], role: &str, name: &str, more: &[&str]) {
    let folder = folder();
    let file = folder.path().join("password");
    std::fs::write(&file, PASSWORD).expect("written");
    let who = ["--role", role, "--name", name, "--email", &email(name)];
    let password = ["--password-file", &file.display().to_string()];
    let ended = super::run(
        larder().args(["grants", "user", "add"]).args(who).args(password).args(rows).args(more),
    );
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// Somebody who is signed in at a service.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) at: SocketAddr,
    pub(crate) id: u64,
    pub(crate) token: String,
}

impl Who {
    pub(crate) fn join(at: SocketAddr, name: &str) -> Self {
        let new = json!({ "name": name, "email": email(name), "password": PASSWORD });
        let added = ask(at, "", "POST", "/api/people", &new);
        assert_eq!(added.status, 201, "{}", added.text());
        Self::sign_in(at, name)
    }

    pub(crate) fn sign_in(at: SocketAddr, name: &str) -> Self {
        let answer = sign_in(at, &email(name), PASSWORD);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let session = answer.json();
        let id = session["person"]["id"].as_u64().expect("a number");
        Self { at, id, token: session["token"].as_str().expect("a text").to_owned() }
    }

    /// The same person at another replica.
    pub(crate) fn at(&self, at: SocketAddr) -> Self {
        Self { at, ..self.clone() }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        ask(self.at, &self.token, method, path, body)
    }

    /// As [`Who::ask`], on a connection that may break.
    pub(crate) fn try_ask(&self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        try_ask(self.at, &self.token, &[], method, path, body).ok()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).as_array().expect("a list").clone()
    }

    /// Does it and must succeed; what was answered.
    pub(crate) fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// A new draft for the first programme.
    pub(crate) fn draft(&self, acronym: &str, cents: i64) -> u64 {
        self.draft_for(1, acronym, cents)
    }

    pub(crate) fn draft_for(&self, programme: u64, acronym: &str, cents: i64) -> u64 {
        let draft = draft(programme, acronym, cents);
        self.does("POST", "/api/proposals", &draft)["id"].as_u64().expect("a number")
    }

    /// A new proposal, sent to the agency and answered.
    pub(crate) fn propose(&self, acronym: &str, cents: i64) -> u64 {
        let id = self.draft(acronym, cents);
        self.does("POST", &format!("/api/proposals/{id}/submit"), &Value::Null);
        wait_until("the agency answers", SOON, || self.state(id) != "submitted");
        id
    }

    pub(crate) fn state(&self, proposal: u64) -> String {
        self.get(&format!("/api/proposals/{proposal}"))["state"].as_str().expect("a text").into()
    }

    /// The research account of a new proposal that the rules accept.
    pub(crate) fn account(&self, acronym: &str) -> u64 {
        let id = self.propose(acronym, 200_000_00);
        self.account_of(id)
    }

    /// The research account of a proposal that was accepted.
    pub(crate) fn account_of(&self, proposal: u64) -> u64 {
        let mut account = None;
        wait_until("the account opens", SOON, || {
            account = self.get(&format!("/api/proposals/{proposal}"))["account"].as_u64();
            account.is_some()
        });
        account.expect("was waited for")
    }

    pub(crate) fn withdraw(&self, account: u64, cents: i64, key: &str) -> Option<Answer> {
        let body = json!({ "amount_cents": cents, "reason": "test" });
        let path = format!("/api/accounts/{account}/withdrawals");
        let headers = [("Idempotency-Key", key)];
        try_ask(self.at, &self.token, &headers, "POST", &path, &body).ok()
    }

    pub(crate) fn balance(&self, account: u64) -> i64 {
        self.get(&format!("/api/accounts/{account}"))["balance_cents"].as_i64().expect("a number")
    }

    /// The ledger, the first line first; every balance follows from the one
    /// before, and the last one is the account's.
    pub(crate) fn checked_ledger(&self, account: u64) -> Vec<Value> {
        let mut lines = self.list(&format!("/api/accounts/{account}/ledger?size=1000"));
        lines.reverse();
        let mut balance = 0;
        for line in &lines {
            balance += line["amount_cents"].as_i64().expect("a number");
            assert_eq!(line["balance_after_cents"].as_i64(), Some(balance), "{lines:#?}");
            assert!(balance >= 0, "{lines:#?}");
        }
        assert_eq!(self.balance(account), balance);
        lines
    }
}

pub(crate) fn draft(programme: u64, acronym: &str, cents: i64) -> Value {
    json!({
        "programme": programme,
        "acronym": acronym,
        "title": format!("About {acronym}"),
        "description": "What is to be done.\nAnd how.",
        "amount_cents": cents,
    })
}

pub(crate) fn sign_in(at: SocketAddr, email: &str, password: &str) -> Answer {
    ask(at, "", "POST", "/api/session", &json!({ "email": email, "password": password }))
}

pub(crate) fn ask(at: SocketAddr, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let answer = try_ask(at, token, &[], method, path, body);
    answer.unwrap_or_else(|error| panic!("{method} {path} is not answered: {error}"))
}

pub(crate) fn try_ask(
    at: SocketAddr,
    token: &str,
    headers: &[(&str, &str)],
    method: &str,
    path: &str,
    body: &Value,
) -> std::io::Result<Answer> {
    let bearer = format!("Bearer {token}");
    let headers = [&[("Authorization", bearer.as_str())], headers].concat();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Client::connect(at)?.send(method, path, &headers, body.as_bytes())
}

/// Calls `work` with each of `0..count` from so many threads.
pub(crate) fn from_clients(clients: usize, count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..clients {
            threads.spawn(|| {
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= count {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

/// What all files in a folder hold.
pub(crate) fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            bytes.extend(bytes_of(&path));
        } else {
            bytes.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
    bytes
}

/// The day in UTC, as the services have it.
pub(crate) fn today() -> String {
    let now = Command::new("date").args(["-u", "+%F"]).output().expect("a date");
    String::from_utf8_lossy(&now.stdout).trim().to_owned()
}

/// Waits for the end of a process that was asked to end.
pub(crate) fn ends(part: &mut Part) {
    part.process.signal(rustix::process::Signal::TERM);
    assert_eq!(part.process.wait(PATIENCE).code(), Some(0));
}

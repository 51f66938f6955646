//! Research funding: making accounts of people, as the student system that it
//! comes from was measured; withdrawals; and how soon an open page hears of
//! one. The hashing of passwords is told apart by the service itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::Effort;
use crate::client::Client;
use crate::figures::{head, microseconds, quantile, row};
use crate::site::{Node, Shop, database_server, wait_until};

/// Accounts of a run, as published.
const ACCOUNTS: usize = 500;
const RUNS: usize = 10;
/// What 500 took the published system: until the row is there, and answered
/// before that.
const PUBLISHED_S: [f64; 2] = [0.876, 0.564];
const CLIENTS: usize = 16;
const WITHDRAWALS: usize = 2_000;
const CHANGES: usize = 1_000;
const PASSWORD: &str = "correct horse battery";

/// Somebody with a research account.
struct Researcher {
    address: SocketAddr,
    token: String,
    account: u64,
}

fn request(method: &str, target: &str, token: &str, body: &Value) -> Vec<u8> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn asked(client: &mut Client, request: &[u8]) -> Result<Value> {
    let answer = client.ask(request)?;
    let body = String::from_utf8_lossy(client.body(answer)).into_owned();
    if !(200..300).contains(&answer.status) {
        bail!("{}: {body}", answer.status);
    }
    Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(&body)? })
}

fn join(number: usize) -> Vec<u8> {
    let (name, email) = (format!("Person {number}"), format!("p{number}@tests.example"));
    let new = json!({ "name": name, "email": email, "password": PASSWORD });
    request("POST", "/api/people", "", &new)
}

/// Makes accounts with these numbers; the sum of the hashing, in seconds.
fn make(client: &mut Client, numbers: impl Iterator<Item = usize>) -> Result<f64> {
    let mut hashing_ms = 0.0;
    for number in numbers {
        let answer = client.ask(&join(number))?;
        if answer.status != 201 {
            bail!("no account: {}", String::from_utf8_lossy(client.body(answer)));
        }
        let timing = client.header(answer, "server-timing").unwrap_or_default();
        let hash = timing.split(", ").find_map(|entry| entry.strip_prefix("hash;dur="));
        hashing_ms += hash.context("no Server-Timing")?.parse::<f64>()?;
    }
    Ok(hashing_ms / 1e3)
}

impl Researcher {
    fn new(node: &Node, number: usize) -> Result<Self> {
        let mut client = node.client()?;
        make(&mut client, std::iter::once(number))?;
        let email = format!("p{number}@tests.example");
        let credentials = json!({ "email": email, "password": PASSWORD });
        let session = asked(&mut client, &request("POST", "/api/session", "", &credentials))?;
        let token = session["token"].as_str().context("no token")?.to_owned();
        let draft = json!({
            "programme": 1, "acronym": format!("P{number}"), "title": "T", "description": "D",
            "amount_cents": 200_000_00,
        });
        let draft = asked(&mut client, &request("POST", "/api/proposals", &token, &draft))?;
        let proposal = format!("/api/proposals/{}", draft["id"]);
        let submit = request("POST", &format!("{proposal}/submit"), &token, &Value::Null);
        asked(&mut client, &submit)?;
        let mut account = None;
        wait_until("the account is open", || {
            let found = asked(&mut client, &request("GET", &proposal, &token, &Value::Null))?;
            account = found["account"].as_u64();
            Ok(account.is_some())
        })?;
        let account = account.context("was waited for")?;
        Ok(Self { address: node.address, token, account })
    }

    fn withdrawal(&self) -> Vec<u8> {
        let target = format!("/api/accounts/{}/withdrawals", self.account);
        let body = json!({ "amount_cents": 1, "reason": "benchmark" });
        request("POST", &target, &self.token, &body)
    }

    /// A page of the account that is open: what it hears.
    fn page(&self) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let (account, token, host) = (self.account, &self.token, self.address);
        write!(
            stream,
            "GET /s/00000000/live?rooms=account/{account} HTTP/1.1\r\nHost: {host}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: larder_grants={token}\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            bail!("no page: {}", String::from_utf8_lossy(&answer));
        }
        if frame(&mut stream)? != "ready" {
            bail!("the page isn't ready");
        }
        Ok(stream)
    }
}

/// The next short text that a server sends.
fn frame(stream: &mut TcpStream) -> Result<String> {
    loop {
        let mut start = [0; 2];
        stream.read_exact(&mut start)?;
        let mut text = vec![0; usize::from(start[1] & 0x7f)];
        stream.read_exact(&mut text)?;
        if start[0] & 0x0f == 1 {
            return Ok(String::from_utf8(text)?);
        }
    }
}

/// Works from so many threads, which share a count; how long that took.
fn together(
    clients: usize,
    work: impl Fn(usize, &AtomicUsize) -> Result<()> + Sync,
) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    std::thread::scope(|threads| -> Result<()> {
        let (work, next) = (&work, &next);
        let running: Vec<_> = (0..clients).map(|n| threads.spawn(move || work(n, next))).collect();
        for thread in running {
            thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(())
    })?;
    Ok(began.elapsed())
}

pub(crate) fn ask(effort: Effort) -> Result<()> {
    let server = database_server()?;
    let site = Shop::new(&server, "grants")?;
    // Hashing takes a hundred times as long as the rest, which would drown in it.
    let cheap = ["--password-memory", "8KB", "--password-passes", "1"];
    let stores = [
        ("SQLite", site.grants("sqlite", None, &cheap)?),
        ("PostgreSQL", site.grants("postgres", Some(site.database()), &cheap)?),
    ];
    let real = site.grants("real", None, &[])?;
    let count = effort.times(60);
    let hashing = make(&mut real.client()?, 0..count)? / count as f64;
    println!("A password's hash at its real cost: {:.1} ms. With it at 0.01 ms:\n", hashing * 1e3);
    head(&[
        "rows",
        "clients",
        "500 accounts",
        "an account",
        "published / that",
        "published without waiting / that",
    ]);
    for (name, node) in &stores {
        accounts(name, node, effort)?;
    }
    println!("\nWithdrawals:\n");
    head(&["rows", "clients", "accounts", "withdrawals/s"]);
    for (name, node) in &stores {
        withdrawals(name, node, effort)?;
    }
    println!("\nAn open page hears of a withdrawal:\n");
    head(&["rows", "p50", "p99", "after its answer, p50", "p99"]);
    for (name, node) in &stores {
        live(name, node, effort)?;
    }
    Ok(())
}

fn accounts(name: &str, node: &Node, effort: Effort) -> Result<()> {
    for clients in [1, CLIENTS] {
        let mut runs_s = Vec::new();
        for run in 0..effort.times(RUNS) {
            let first = 1_000_000 * clients + run * ACCOUNTS;
            let took = together(clients, |_, next| {
                let mut client = node.client()?;
                let numbers = || next.fetch_add(1, Ordering::Relaxed);
                let numbers = std::iter::from_fn(|| Some(numbers()).filter(|n| *n < ACCOUNTS));
                make(&mut client, numbers.map(|n| first + n)).map(drop)
            })?;
            runs_s.push(took.as_secs_f64());
        }
        let mean = runs_s.iter().sum::<f64>() / runs_s.len() as f64;
        row(&[
            name.into(),
            clients.to_string(),
            format!("{mean:.3} s"),
            format!("{:.2} ms", mean * 1e3 / ACCOUNTS as f64),
            format!("{:.1}", PUBLISHED_S[0] / mean),
            format!("{:.1}", PUBLISHED_S[1] / mean),
        ]);
    }
    Ok(())
}

fn withdrawals(name: &str, node: &Node, effort: Effort) -> Result<()> {
    // The first programme has a budget for five.
    let people = (0..4).map(|n| Researcher::new(node, 2_000_000 + n));
    let people = people.collect::<Result<Vec<_>>>()?;
    let count = effort.times(WITHDRAWALS);
    for (clients, accounts) in [(1, 1), (CLIENTS, 1), (CLIENTS, people.len())] {
        let took = together(clients, |n, next| {
            let mut client = node.client()?;
            let withdrawal = people[n % accounts].withdrawal();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                asked(&mut client, &withdrawal)?;
            }
            Ok(())
        })?;
        let rate = format!("{:.0}", count as f64 / took.as_secs_f64());
        row(&[name.into(), clients.to_string(), accounts.to_string(), rate]);
    }
    Ok(())
}

fn live(name: &str, node: &Node, effort: Effort) -> Result<()> {
    let ada = Researcher::new(node, 3_000_000)?;
    let mut page = ada.page()?;
    let (heard, hears) = mpsc::channel();
    std::thread::spawn(move || {
        while frame(&mut page).is_ok() {
            if heard.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let mut client = node.client()?;
    let (mut whole, mut after) = (Vec::new(), Vec::new());
    for _ in 0..effort.times(CHANGES) {
        let began = Instant::now();
        asked(&mut client, &ada.withdrawal())?;
        let answered = Instant::now();
        let at = hears.recv_timeout(Duration::from_secs(10)).context("the page heard nothing")?;
        whole.push(microseconds(at - began));
        after.push(microseconds(at.saturating_duration_since(answered)));
    }
    let ms = |values: &[f64], share| format!("{:.2} ms", quantile(values, share) / 1e3);
    row(&[name.into(), ms(&whole, 0.5), ms(&whole, 0.99), ms(&after, 0.5), ms(&after, 0.99)]);
    Ok(())
}

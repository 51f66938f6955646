//! The bookstore: what a hit, a miss and a purchase take, beside the same SQL
//! transaction alone; what clients see that buy more and more; what more
//! replicas give. Real processes over one PostgreSQL.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use larder_sql::{Connection, Database, DatabaseUrl};
use larder_workload::random::SplitMix64;
use serde_json::Value;

use crate::Effort;
use crate::client::{Client, Source, get};
use crate::figures::{head, median, microseconds, quantile, row};
use crate::site::{Node, Shop, database_server, wait_until};

const ROUNDS: usize = 60;
/// Requests in a turn.
const TURN: usize = 20;
/// How long clients are watched.
const WATCHED: Duration = Duration::from_secs(3);
/// A book that has copies enough.
const BOOK: u64 = 1;
const COPIES: u32 = 300_000;

fn purchase(book: u64) -> Vec<u8> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let key = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!(
        "POST /purchase/{book} HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: benchmark-{key}\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn patch(book: u64, change: &str) -> Vec<u8> {
    let length = change.len();
    format!(
        "PATCH /books/{book} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{change}"
    )
    .into_bytes()
}

/// A shop with copies enough, whose front end finds so many replicas.
fn open(front: &Node, replicas: usize) -> Result<()> {
    wait_until("all replicas are found", || {
        let mut client = front.client()?;
        let answer = client.get("/replicas/status")?;
        let status: Value = serde_json::from_slice(client.body(answer))?;
        let all = status["replicas"].as_array().cloned().unwrap_or_default();
        Ok(all.iter().filter(|replica| replica["is_up"] == true).count() == replicas)
    })?;
    let mut client = front.client()?;
    for book in [1, 2, 3, 4, 5, 7] {
        let change = format!("{{\"stock\": {{\"by\": {COPIES}, \"reason\": \"restock\"}}}}");
        let answer = client.ask(&patch(book, &change))?;
        if answer.status != 200 {
            bail!("no restock: {}", String::from_utf8_lossy(client.body(answer)));
        }
    }
    Ok(())
}

/// What is asked for in turns.
struct Entrant<'s> {
    name: &'static str,
    ask: Box<dyn FnMut(usize) -> Result<Duration> + 's>,
    times_us: Vec<f64>,
}

pub(crate) fn ask(effort: Effort) -> Result<()> {
    let server = database_server()?;
    let site = Shop::new(&server, "shop")?;
    let replicas = ["catalog", "catalog", "order", "order"];
    let _parts = site.parts(&replicas)?;
    let front = site.part("frontend", "front", &[])?;
    let without_memory = site.part("frontend", "front-without-memory", &["--capacity", "1"])?;
    let alone = Shop::new(&server, "alone")?;
    let alone_front = alone.alone()?;
    open(&front, 4)?;
    open(&without_memory, 4)?;
    open(&alone_front, 4)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let url: DatabaseUrl = site.database().parse().map_err(anyhow::Error::msg)?;
    let database = runtime.block_on(Database::open(&larder_sql::Config { url, readers: 1 }))?;

    let read = |node: &Node, target: &str, source: Option<Source>| -> Result<_> {
        let (mut client, request) = (node.client()?, get(target));
        Ok(move |_: usize| timed(&mut client, &request, source))
    };
    let buy = |node: &Node| -> Result<_> {
        let mut client = node.client()?;
        Ok(move |_: usize| timed(&mut client, &purchase(BOOK), None))
    };
    let (mut buyer, mut reader) = (front.client()?, front.client()?);
    let after_purchase = move |_: usize| {
        timed(&mut buyer, &purchase(3), None)?;
        timed(&mut reader, &get("/info/3"), Some(Source::Miss))
    };
    let topic = "/search/distributed%20systems";
    let mut entrants: Vec<Entrant<'_>> = Vec::new();
    let mut enter = |name, ask: Box<dyn FnMut(usize) -> Result<Duration>>| {
        entrants.push(Entrant { name, ask, times_us: Vec::new() });
    };
    enter("info, in memory", Box::new(read(&front, "/info/2", None)?));
    enter("info, no memory", Box::new(read(&without_memory, "/info/2", Some(Source::Miss))?));
    enter("search by topic, in memory", Box::new(read(&front, topic, None)?));
    enter("search by topic, no memory", Box::new(read(&without_memory, topic, None)?));
    enter("info, first after a purchase", Box::new(after_purchase));
    enter("purchase, consistent over all front ends", Box::new(buy(&front)?));
    enter("purchase, one process, nobody to tell", Box::new(buy(&alone_front)?));
    enter(
        "the same SQL transaction alone",
        Box::new(move |_| {
            let began = Instant::now();
            runtime.block_on(database.write(the_same_transaction))?;
            Ok(began.elapsed())
        }),
    );
    for round in 0..=effort.times(ROUNDS) {
        for entrant in &mut entrants {
            for _ in 0..TURN {
                let took = (entrant.ask)(round)?;
                // The first round finds connections and pages that are new.
                if round > 0 {
                    entrant.times_us.push(microseconds(took));
                }
            }
        }
    }
    head(&["request", "mean", "p50", "p99", "count"]);
    for Entrant { name, times_us, .. } in &entrants {
        let mean = times_us.iter().sum::<f64>() / times_us.len() as f64;
        let shown = |value: f64| format!("{:.3} ms", value / 1e3);
        row(&[
            (*name).to_owned(),
            shown(mean),
            shown(median(times_us)),
            shown(quantile(times_us, 0.99)),
            times_us.len().to_string(),
        ]);
    }
    drop(entrants);
    println!();
    mixes(&front)?;
    println!();
    replicas_by_number(&server)
}

fn timed(client: &mut Client, request: &[u8], source: Option<Source>) -> Result<Duration> {
    let began = Instant::now();
    let answer = client.ask(request)?;
    let took = began.elapsed();
    if !matches!(answer.status, 200 | 201) {
        bail!("refused: {}", String::from_utf8_lossy(client.body(answer)));
    }
    match source {
        Some(source) if source != answer.source => bail!("it was a {:?}", answer.source),
        _ => Ok(took),
    }
}

/// What an order service does to the rows for one purchase, without anything
/// around it.
fn the_same_transaction(rows: &mut dyn Connection) -> larder_sql::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let key = format!("alone-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let by_key = "SELECT number, book, title, quantity, price_cents, created_at FROM orders
         WHERE idempotency_key = ?";
    rows.query_one(by_key, &[key.as_str().into()])?;
    rows.execute(
        "UPDATE books SET stock = stock - ?, version = version + 1
         WHERE id = ? AND stock >= ? AND retired = 0",
        &[1_u32.into(), 4_u64.into(), 1_u32.into()],
    )?;
    rows.query_one(
        "SELECT title, price_cents, stock, retired FROM books WHERE id = ?",
        &[4_u64.into()],
    )?;
    rows.execute(
        "INSERT INTO orders (idempotency_key, book, title, quantity, price_cents, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
        &[
            key.as_str().into(),
            4_u64.into(),
            "Title".into(),
            1_u32.into(),
            1_u32.into(),
            1_i64.into(),
        ],
    )?;
    rows.query_one(by_key, &[key.as_str().into()])?;
    rows.execute(
        "INSERT INTO movements (book, change_by, reason, order_number, created_at)
         VALUES (?, ?, ?, ?, ?)",
        &[4_u64.into(), (-1_i64).into(), "sale".into(), 1_i64.into(), 1_i64.into()],
    )?;
    Ok(())
}

/// Reads and purchases of some clients for a while: their times, how many reads
/// were hits, and how many requests there were a second.
struct Watched {
    reads_us: Vec<f64>,
    purchases_us: Vec<f64>,
    hits: u64,
    seconds: f64,
}

/// Each client searches, reads a book, and buys it with this probability.
fn watch(front: &Node, clients: u64, buys_percent: u64) -> Result<Watched> {
    let began = Instant::now();
    let client = |number: u64| -> Result<(Vec<f64>, Vec<f64>, u64)> {
        let mut client = front.client()?;
        let mut dice = SplitMix64::new(number);
        let (mut reads, mut purchases, mut hits) = (Vec::new(), Vec::new(), 0);
        while began.elapsed() < WATCHED {
            let book = [1, 2, 3, 4, 5, 7][(dice.next_u64() % 6) as usize];
            for target in ["/search/spring".to_owned(), format!("/info/{book}")] {
                let began = Instant::now();
                let answer = client.get(&target)?;
                reads.push(microseconds(began.elapsed()));
                hits += u64::from(answer.source == Source::Hit);
            }
            if dice.next_u64() % 100 < buys_percent {
                purchases.push(microseconds(timed(&mut client, &purchase(book), None)?));
            }
        }
        Ok((reads, purchases, hits))
    };
    let client = &client;
    let mut all = Watched { reads_us: Vec::new(), purchases_us: Vec::new(), hits: 0, seconds: 0.0 };
    std::thread::scope(|threads| -> Result<()> {
        let running: Vec<_> =
            (0..clients).map(|number| threads.spawn(move || client(number))).collect();
        for running in running {
            let (reads, purchases, hits) = running.join().expect("a client doesn't panic")?;
            all.reads_us.extend(reads);
            all.purchases_us.extend(purchases);
            all.hits += hits;
        }
        Ok(())
    })?;
    all.seconds = began.elapsed().as_secs_f64();
    Ok(all)
}

impl Watched {
    fn per_second(&self) -> f64 {
        (self.reads_us.len() + self.purchases_us.len()) as f64 / self.seconds
    }
}

fn mixes(front: &Node) -> Result<()> {
    println!("Five clients that search, read a book and buy it with a probability:\n");
    head(&["buys", "read p50", "p99", "purchase p50", "p99", "reads that hit", "requests/s"]);
    for percent in [0, 20, 40, 60, 80] {
        let seen = watch(front, 5, percent)?;
        let shown = |times: &[f64], share| match times {
            [] => String::new(),
            times => format!("{:.2} ms", quantile(times, share) / 1e3),
        };
        row(&[
            format!("{percent} %"),
            shown(&seen.reads_us, 0.5),
            shown(&seen.reads_us, 0.99),
            shown(&seen.purchases_us, 0.5),
            shown(&seen.purchases_us, 0.99),
            format!("{:.1} %", 100.0 * seen.hits as f64 / seen.reads_us.len() as f64),
            format!("{:.0}", seen.per_second()),
        ]);
    }
    Ok(())
}

fn replicas_by_number(server: &larder_servers::Postgres) -> Result<()> {
    println!("So many replicas of each service, 16 clients, 20 % buy:\n");
    head(&["replicas", "memory", "read p50", "purchase p50", "requests/s"]);
    for count in [1, 2, 4] {
        let site = Shop::new(server, &format!("replicas_{count}"))?;
        let roles = [vec!["catalog"; count], vec!["order"; count]].concat();
        let _parts = site.parts(&roles)?;
        for (memory, capacity) in [("on", "16MB"), ("off", "1")] {
            let front =
                site.part("frontend", &format!("front-{memory}"), &["--capacity", capacity])?;
            open(&front, 2 * count)?;
            let seen = watch(&front, 16, 20)?;
            row(&[
                count.to_string(),
                memory.to_owned(),
                format!("{:.2} ms", median(&seen.reads_us) / 1e3),
                format!("{:.2} ms", median(&seen.purchases_us) / 1e3),
                format!("{:.0}", seen.per_second()),
            ]);
        }
    }
    Ok(())
}

//! The mem-cache server beside memcached and Redis: one server thread on core 0,
//! one client on core 1, the same requests, in turns. It counts bytes, so that
//! a wrong answer stops it; what is in them, tests look at. In the table of speed
//! is a server too that does nothing but move the bytes: the limit for all.
//!
//! ```sh
//! LARDER_BINARY=target/release/larder MEMCACHED_BINARY=/path/to/memcached \
//!     cargo run --release --manifest-path benchmarks/memcached/Cargo.toml -- speed threads memory idle
//! ```
//!
//! Tables are Markdown on the standard output, as they come; `--quick` takes a
//! third of the rounds, and `--size 102400` values of that size alone.

mod client;
mod dialect;
mod floor;
mod server;

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::client::{Client, Load, Window};
use crate::dialect::Dialect;
use crate::server::Server;

const ROUNDS: usize = 9;
const WINDOW: Duration = Duration::from_millis(700);
const CONNECTIONS: usize = 16;

/// Sizes of values, how many keys, and how many requests are under way on each
/// connection.
const CELLS: [(usize, usize, usize); 6] = [
    (100, 10_000, 1),
    (100, 10_000, 16),
    (10_240, 4_000, 1),
    (10_240, 4_000, 16),
    (102_400, 400, 1),
    (102_400, 400, 16),
];

fn main() -> Result<()> {
    let mut rounds = ROUNDS;
    let mut only = None;
    let mut questions = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // How this program starts itself.
            "floor" => {
                return floor::serve(words.nth(1).context("floor -p of what port?")?.parse()?);
            }
            "--quick" => rounds = ROUNDS / 3,
            "--size" => only = Some(words.next().context("--size of how many bytes?")?.parse()?),
            "speed" | "threads" | "memory" | "idle" => questions.push(word),
            other => bail!("{other} is none of speed, threads, memory, idle, --quick, --size"),
        }
    }
    if questions.is_empty() {
        questions = ["speed", "threads", "memory", "idle"].map(str::to_owned).into();
    }
    for question in questions {
        client::pin_to(&[1])?;
        match question.as_str() {
            "speed" => speed(rounds, only)?,
            "threads" => threads(rounds)?,
            "memory" => memory()?,
            _ => idle()?,
        }
    }
    Ok(())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// A server, and who asks it from which cores.
struct Turn<'a> {
    server: &'a Server,
    client: Client,
    cores: &'static [usize],
}

impl<'a> Turn<'a> {
    fn new(server: &'a Server, load: Load, cores: &'static [usize]) -> Result<Self> {
        Ok(Self { server, client: Client::connect(server, load)?, cores })
    }
}

/// Asks one server after the other, round by round; the windows of each.
fn in_turns(turns: &mut [Turn<'_>], rounds: usize) -> Result<Vec<Vec<Window>>> {
    let mut windows: Vec<Vec<Window>> = turns.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (own, turn) in windows.iter_mut().zip(&mut *turns) {
            client::pin_to(turn.cores)?;
            let window = turn.client.run(turn.server, WINDOW)?;
            // The first round warms up.
            if round > 0 {
                own.push(window);
            }
        }
    }
    Ok(windows)
}

fn speed(rounds: usize, only: Option<usize>) -> Result<()> {
    println!(
        "\n| value, under way | server | requests/s | CPU per request | p50 | p99 | requests/s, ratio | CPU, ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut servers = server::all()?;
    servers.push(server::floor()?);
    for (size, keys, depth) in CELLS {
        if only.is_some_and(|only| only != size) {
            continue;
        }
        let load = Load { size, keys, depth, connections: CONNECTIONS };
        let turn = |server| Turn::new(server, load, &[1]);
        let mut turns = servers.iter().map(turn).collect::<Result<Vec<_>>>()?;
        let windows = in_turns(&mut turns, rounds)?;
        report(&servers, &windows, size, depth);
    }
    Ok(())
}

/// A row for each server; ratios are to the first, which is memcached, round
/// by round.
fn report(servers: &[Server], windows: &[Vec<Window>], size: usize, depth: usize) {
    for (server, own) in servers.iter().zip(windows) {
        let of = |part: fn(&Window) -> f64| median(own.iter().map(part).collect());
        let ratio = |part: fn(&Window) -> f64| {
            median(own.iter().zip(&windows[0]).map(|(own, base)| part(own) / part(base)).collect())
        };
        println!(
            "| {size} B, {depth} | {} | {:.0} | {:.2} µs | {:.0} µs | {:.0} µs | {:.2} | {:.2} |",
            server.name,
            of(|w| w.rate),
            of(|w| w.cpu_us),
            of(|w| w.p50_us),
            of(|w| w.p99_us),
            ratio(|w| w.rate),
            ratio(|w| w.cpu_us),
        );
    }
}

/// One thread on core 0, with the client on core 1, and two threads on both
/// cores, with the client on what they leave. It takes as much as they do, so
/// that requests per second say little; what a request takes of the server's
/// processor time says what two threads would do if they had their cores alone.
fn threads(rounds: usize) -> Result<()> {
    println!(
        "\n| under way | server | threads | requests/s | CPU per request | the client's part of two cores | two threads on free cores, times one |"
    );
    println!("|---|---|---|---|---|---|---|");
    let servers = [server::with_threads(1)?, server::with_threads(2)?];
    for depth in [1, 16, 64, 256] {
        for (one, two) in servers[0].iter().zip(&servers[1]) {
            let load = Load { size: 100, keys: 10_000, depth, connections: CONNECTIONS };
            let mut turns = [Turn::new(one, load, &[1])?, Turn::new(two, load, &[0, 1])?];
            let windows = in_turns(&mut turns, rounds)?;
            for (place, own) in windows.iter().enumerate() {
                let of = |part: fn(&Window) -> f64| median(own.iter().map(part).collect());
                let threads = place as f64 + 1.0;
                let times = own.iter().zip(&windows[0]);
                let times = times.map(|(own, one)| threads * one.cpu_us / own.cpu_us);
                println!(
                    "| {depth} | {} | {} | {:.0} | {:.3} µs | {:.0} % | {:.2} |",
                    one.name,
                    threads,
                    of(|w| w.rate),
                    of(|w| w.cpu_us),
                    of(|w| w.client_share * 50.0),
                    median(times.collect()),
                );
            }
        }
    }
    Ok(())
}

fn memory() -> Result<()> {
    const ENTRIES: usize = 1_000_000;
    println!("\n| server | memory for 1,000,000 entries of 100 B | of each entry |");
    println!("|---|---|---|");
    for server in server::all()? {
        let before = server.memory_bytes()?;
        let load = Load { size: 100, keys: ENTRIES, depth: 1, connections: 1 };
        drop(Client::connect(&server, load)?);
        let grown = server.memory_bytes()? - before;
        println!(
            "| {} | {:.0} MB | {} B |",
            server.name,
            grown as f64 / 1e6,
            grown / ENTRIES as u64
        );
    }
    Ok(())
}

fn idle() -> Result<()> {
    const CONNECTIONS: usize = 10_000;
    println!("\n| server | memory for 10,000 idle connections |");
    println!("|---|---|");
    for server in server::all()? {
        let before = server.memory_bytes()?;
        let load = Load { size: 100, keys: 1, depth: 1, connections: CONNECTIONS };
        let mut client = Client::connect(&server, load)?;
        // Each was used once.
        client.run(&server, Duration::from_millis(500))?;
        let grown = server.memory_bytes()?.saturating_sub(before);
        println!("| {} | {:.1} MB |", server.name, grown as f64 / 1e6);
    }
    Ok(())
}

/// The language of a server.
pub(crate) fn dialect(name: &str) -> Dialect {
    if name.starts_with("Redis") { Dialect::Redis } else { Dialect::Memcached }
}

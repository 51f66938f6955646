//! What a hit costs that has to look at a lease: one node in a cluster of one
//! beside one alone, of the same image in memory.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::Effort;
use crate::client::{Client, Source, get_image};
use crate::figures::{head, median, microseconds, quantile, ratios, row, spread};
use crate::picture::noise;
use crate::site::{Node, Site, database_server};

const ROUNDS: usize = 120;
/// Short, so that both meet the same neighbours.
const WINDOW: Duration = Duration::from_millis(50);
const SIZES: [usize; 2] = [2_000, 20_000];
const CONNECTIONS: [usize; 2] = [1, 4];

/// What one of the two has shown so far.
#[derive(Default)]
struct Shown {
    times_us: Vec<f64>,
    /// Requests per second, of each round.
    speeds: Vec<f64>,
    /// Processor time of all rounds, which is counted in coarse ticks.
    cost_us: f64,
}

pub(crate) fn ask(effort: Effort) -> Result<()> {
    let server = database_server()?;
    let sites = [Site::new(&server, "alone")?, Site::new(&server, "cluster")?];
    let nodes = [sites[0].alone(&[])?, sites[1].node("node", &[])?];
    head(&[
        "image, connections",
        "alone: p50, p99",
        "requests/s",
        "CPU",
        "cluster: p50, p99",
        "requests/s",
        "CPU",
        "ratio of p50",
        "of requests/s",
        "of CPU",
    ]);
    for bytes in SIZES {
        let key = format!("of-{bytes}");
        for node in &nodes {
            node.client()?.put(&key, &noise(bytes, 1))?;
        }
        for connections in CONNECTIONS {
            let mut shown = [Shown::default(), Shown::default()];
            for round in 0..effort.times(ROUNDS) {
                for turn in 0..2 {
                    let which = (round + turn) % 2;
                    measure(&nodes[which], &key, connections, &mut shown[which])?;
                }
            }
            tell(&format!("{} KB, {connections}", bytes / 1_000), &shown);
        }
    }
    Ok(())
}

fn measure(node: &Node, key: &str, connections: usize, shown: &mut Shown) -> Result<()> {
    let request = get_image(key);
    let mut clients = (0..connections)
        .map(|_| {
            let mut client = node.client()?;
            client.ask(&request)?;
            Ok(client)
        })
        .collect::<Result<Vec<_>>>()?;
    let (began, before) = (Instant::now(), node.processor_time()?);
    let times: Vec<Vec<f64>> = std::thread::scope(|scope| {
        let work = |client| scope.spawn(|| read(client, &request, began + WINDOW));
        let threads: Vec<_> = clients.iter_mut().map(work).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no reader panics"))
            .collect::<Result<_>>()
    })?;
    let (took, cost) = (began.elapsed(), node.processor_time()?.saturating_sub(before));
    let times = times.concat();
    shown.speeds.push(times.len() as f64 / took.as_secs_f64());
    shown.cost_us += microseconds(cost);
    shown.times_us.extend(times);
    Ok(())
}

fn read(client: &mut Client, request: &[u8], until: Instant) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut now = Instant::now();
    while now < until {
        let answer = client.ask(request)?;
        ensure!(answer.source == Source::Hit, "no hit: {answer:?}");
        let then = std::mem::replace(&mut now, Instant::now());
        times.push(microseconds(now - then));
    }
    Ok(times)
}

fn tell(name: &str, [alone, cluster]: &[Shown; 2]) {
    let cost = |shown: &Shown| shown.cost_us / shown.times_us.len() as f64;
    let cells = |shown: &Shown| {
        [
            format!("{:.1}, {:.0} µs", median(&shown.times_us), quantile(&shown.times_us, 0.99)),
            format!("{:.0}", median(&shown.speeds)),
            format!("{:.1} µs", cost(shown)),
        ]
    };
    let times = format!("{:.3}", median(&cluster.times_us) / median(&alone.times_us));
    let speeds = spread(&ratios(&cluster.speeds, &alone.speeds), 3);
    let costs = format!("{:.3}", cost(cluster) / cost(alone));
    let mut line = vec![name.to_owned()];
    line.extend(cells(alone).into_iter().chain(cells(cluster)).chain([times, speeds, costs]));
    row(&line);
}

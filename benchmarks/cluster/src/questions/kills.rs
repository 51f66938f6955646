//! How long writes wait when a node is killed, at each of the nodes that are
//! left, and what reads from memory see in the meantime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Effort;
use crate::client::{Client, Source, get_image};
use crate::figures::{head, quantile, row};
use crate::picture::noise;
use crate::site::{Node, Site, database_server, wait_until_all_know};

const KILLS: usize = 10;
const IMAGE_BYTES: usize = 2_000;
/// Between two reads of the reader, which isn't to take the machine.
const PAUSE: Duration = Duration::from_millis(1);

/// What a kill led to, in seconds after it.
struct Outage {
    first: f64,
    second: f64,
    /// Duration of a write right after.
    next: f64,
    slowest_read: f64,
    reads: usize,
    /// Reads that weren't answered from memory.
    other: usize,
}

pub(crate) fn ask(effort: Effort) -> Result<()> {
    let server = database_server()?;
    let site = Site::new(&server, "kills")?;
    let mut nodes = site.nodes(3)?;
    let image = noise(IMAGE_BYTES, 1);
    nodes[0].client()?.put("read", &image)?;
    let mut outages = Vec::new();
    for _ in 0..effort.times(KILLS) {
        warm(&mut nodes[0].client()?)?;
        outages.push(measure(&mut nodes, &image)?);
        nodes.pop();
        nodes.push(site.node("node-2", &[])?);
        wait_until_all_know(&nodes)?;
    }
    tell(&outages);
    Ok(())
}

/// Until the node that is asked keeps the image itself.
fn warm(client: &mut Client) -> Result<()> {
    while client.ask(&get_image("read"))?.source != Source::Hit {}
    Ok(())
}

fn measure(nodes: &mut [Node], image: &[u8]) -> Result<Outage> {
    let mut writers = [nodes[0].client()?, nodes[1].client()?];
    let mut reader = nodes[0].client()?;
    for (number, writer) in writers.iter_mut().enumerate() {
        writer.put(&format!("before-{number}"), image)?;
    }
    let over = AtomicBool::new(false);
    nodes[2].kill();
    let killed = Instant::now();
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| read(&mut reader, &over));
        let [one, other] = &mut writers;
        let other = scope.spawn(move || {
            other.put("other", image)?;
            anyhow::Ok(killed.elapsed().as_secs_f64())
        });
        let first = one.put("one", image).map(|()| killed.elapsed().as_secs_f64());
        let second = other.join().expect("no writer panics");
        let began = Instant::now();
        let next = one.put("next", image).map(|()| began.elapsed().as_secs_f64());
        over.store(true, Ordering::Relaxed);
        let (slowest_read, reads, other) = reads.join().expect("no reader panics")?;
        Ok(Outage { first: first?, second: second?, next: next?, slowest_read, reads, other })
    })
}

/// The slowest read, how many there were, and how many weren't hits.
fn read(client: &mut Client, over: &AtomicBool) -> Result<(f64, usize, usize)> {
    let request = get_image("read");
    let (mut slowest, mut reads, mut other) = (0.0, 0, 0);
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = client.ask(&request)?;
        slowest = began.elapsed().as_secs_f64().max(slowest);
        reads += 1;
        other += usize::from(answer.source != Source::Hit || answer.status != 200);
        std::thread::sleep(PAUSE);
    }
    Ok((slowest, reads, other))
}

fn tell(outages: &[Outage]) {
    head(&["after the kill", "least", "median", "most"]);
    let line = |name: &str, unit: &str, figure: &dyn Fn(&Outage) -> f64| {
        let values: Vec<f64> = outages.iter().map(figure).collect();
        let cell = |share| format!("{:.2}{unit}", quantile(&values, share));
        row(&[name.to_owned(), cell(0.0), cell(0.5), cell(1.0)]);
    };
    line("the first write at one node", " s", &|outage| outage.first);
    line("the first write at the other, at the same time", " s", &|outage| outage.second);
    line("the write after that", " ms", &|outage| outage.next * 1e3);
    line("the slowest hit in the meantime", " ms", &|outage| outage.slowest_read * 1e3);
    let reads: usize = outages.iter().map(|outage| outage.reads).sum();
    let other: usize = outages.iter().map(|outage| outage.other).sum();
    println!("\n{} kills. Of {reads} reads in the meantime {other} were no hits.", outages.len());
}

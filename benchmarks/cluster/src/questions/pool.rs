//! Whether memories add up: the share of reads that some node's memory
//! answers, in pools of more and more nodes of the same small memory, beside
//! one node with as much memory as all of them.

use anyhow::{Context, Result, ensure};
use larder_workload::random::SplitMix64;
use larder_workload::zipf::Zipf;

use crate::Effort;
use crate::client::{Client, Source, get_image};
use crate::figures::{head, row};
use crate::picture::noise;
use crate::site::{Node, Site, database_server, wait_until_all_know};

const MEGABYTES: usize = 4;
const SIZES: [usize; 4] = [1, 2, 4, 8];
const IMAGES: usize = 700;
/// The k-th image has the size of this rank in turn: 14.5 MB together.
const IMAGE_BYTES: [usize; 3] = [2_000, 20_000, 40_000];
const EXPONENT: f64 = 0.9;
const READS: usize = 8_000;
const SEED: u64 = 42;

/// Shares of the reads.
#[derive(Default)]
struct Shares {
    hit: f64,
    peer: f64,
}

pub(crate) fn ask(effort: Effort) -> Result<()> {
    let server = database_server()?;
    let (pool, alone) = (Site::new(&server, "pool")?, Site::new(&server, "alone")?);
    let capacity = format!("{MEGABYTES}MB");
    let mut nodes: Vec<Node> = Vec::new();
    head(&[
        "nodes",
        "hit",
        "peer",
        "both",
        "reads of the store",
        "one node with all that memory",
        "memory to images",
    ]);
    for size in SIZES {
        while nodes.len() < size {
            let name = format!("node-{}", nodes.len());
            nodes.push(pool.node(&name, &["--capacity", &capacity])?);
            if nodes.len() == 1 {
                store(&nodes[0])?;
            }
        }
        wait_until_all_know(&nodes)?;
        let shares = measure(&nodes, effort)?;
        let whole = format!("{}MB", size * MEGABYTES);
        let one = alone.alone(&["--capacity", &whole])?;
        if size == 1 {
            store(&one)?;
        }
        let one = measure(&[one], effort)?;
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let both = shares.hit + shares.peer;
        row(&[
            size.to_string(),
            percent(shares.hit),
            percent(shares.peer),
            percent(both),
            percent(1.0 - both),
            percent(one.hit),
            percent((size * MEGABYTES * 1_000_000) as f64 / bytes() as f64),
        ]);
    }
    Ok(())
}

/// The bytes of all images.
fn bytes() -> usize {
    (0..IMAGES).map(|image| IMAGE_BYTES[image % IMAGE_BYTES.len()]).sum()
}

fn store(node: &Node) -> Result<()> {
    let mut client = node.client()?;
    for image in 0..IMAGES {
        let bytes = IMAGE_BYTES[image % IMAGE_BYTES.len()];
        client.put(&name(image), &noise(bytes, image as u64))?;
    }
    Ok(())
}

fn name(image: usize) -> String {
    format!("image-{image}")
}

/// Reads at the nodes in turn, once to warm up and once to count.
fn measure(nodes: &[Node], effort: Effort) -> Result<Shares> {
    let mut clients = nodes.iter().map(Node::client).collect::<Result<Vec<Client>>>()?;
    let mut random = SplitMix64::new(SEED);
    let zipf = Zipf::new(IMAGES as u64, EXPONENT).context("the law is in range")?;
    let reads = effort.times(READS);
    let mut shares = Shares::default();
    for read in 0..2 * reads {
        let request = get_image(&name(zipf.draw(&mut random) as usize));
        let at = read % clients.len();
        let answer = clients[at].ask(&request)?;
        ensure!(answer.status == 200, "{answer:?}");
        let share = if read < reads { 0.0 } else { 1.0 / reads as f64 };
        match answer.source {
            Source::Hit => shares.hit += share,
            Source::Peer => shares.peer += share,
            Source::Miss | Source::Unknown => {}
        }
    }
    Ok(shares)
}

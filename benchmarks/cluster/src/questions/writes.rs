//! What a write waits for: the acknowledgement of all other nodes, and the
//! check at its commit. One client writes one image after the other at one
//! node of clusters of several sizes, and at a node alone.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use larder_servers::Postgres;
use serde_json::Value;

use crate::Effort;
use crate::figures::{head, median, microseconds, quantile, row};
use crate::picture::noise;
use crate::site::{Node, Site, database_server, wait_until};

const ROUNDS: usize = 100;
/// Writes in a turn.
const TURN: usize = 10;
const IMAGE_BYTES: usize = 2_000;
/// Keys that are written again and again.
const KEYS: usize = 200;
/// 0: alone, without a cluster.
const SIZES: [usize; 6] = [0, 1, 2, 3, 4, 8];

/// Nodes of which the first is written to, and what was seen there.
struct Entrant {
    nodes: Vec<Node>,
    times_us: Vec<f64>,
    /// The median of each round.
    medians_us: Vec<f64>,
    _site: Site,
}

impl Entrant {
    fn start(server: &Postgres, size: usize) -> Result<Self> {
        let site = Site::new(server, &format!("of_{size}"))?;
        let nodes = if size == 0 { vec![site.alone(&[])?] } else { site.nodes(size)? };
        Ok(Self { nodes, times_us: Vec::new(), medians_us: Vec::new(), _site: site })
    }

    fn measure(&mut self, round: usize) -> Result<()> {
        let mut client = self.nodes[0].client()?;
        let mut times = Vec::new();
        for write in 0..TURN {
            let number = round * TURN + write;
            let image = noise(IMAGE_BYTES, number as u64);
            let began = Instant::now();
            client.put(&format!("key-{}", number % KEYS), &image)?;
            times.push(microseconds(began.elapsed()));
        }
        // The first round finds tables and files that don't exist yet.
        if round > 0 {
            self.medians_us.push(median(&times));
            self.times_us.extend(times);
        }
        Ok(())
    }

    /// By how much its rounds took longer than another's.
    fn longer_than(&self, other: &Self) -> f64 {
        let both = self.medians_us.iter().zip(&other.medians_us);
        median(&both.map(|(this, that)| this - that).collect::<Vec<_>>())
    }
}

pub(crate) fn ask(effort: Effort) -> Result<()> {
    let server = database_server()?;
    let entrants = SIZES.iter().map(|&size| Entrant::start(&server, size));
    let mut entrants = entrants.collect::<Result<Vec<_>>>()?;
    for round in 0..=effort.times(ROUNDS) {
        for turn in 0..SIZES.len() {
            entrants[(round + turn) % SIZES.len()].measure(round)?;
        }
    }
    head(&["nodes", "p50", "p99", "more than alone", "more than one node", "barrier: p50", "p99"]);
    for (entrant, &size) in entrants.iter().zip(&SIZES) {
        let (p50, p99) = (median(&entrant.times_us), quantile(&entrant.times_us, 0.99));
        let [name, barrier_p50, barrier_p99] = match size {
            0 => ["alone", "", ""].map(str::to_owned),
            _ => {
                let load = load(&entrant.nodes[0])?;
                let figure = |name: &str| format!("{} µs", load[name]);
                [size.to_string(), figure("barrier_us_p50"), figure("barrier_us_p99")]
            }
        };
        row(&[
            name,
            format!("{:.2} ms", p50 / 1e3),
            format!("{:.2} ms", p99 / 1e3),
            format!("{:+.0} µs", entrant.longer_than(&entrants[0])),
            format!("{:+.0} µs", entrant.longer_than(&entrants[1])),
            barrier_p50,
            barrier_p99,
        ]);
    }
    Ok(())
}

/// What a node has reported since now.
fn load(node: &Node) -> Result<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut load = Value::Null;
    wait_until("it reports", || {
        let status = node.status()?;
        let overview = &status["overview"];
        let members = overview["members"].as_array().context("there are members")?;
        let own = members.iter().find(|member| member["node"] == overview["node"]);
        load = own.context("it is a member")?["load"].clone();
        Ok(load["at"].as_u64() > Some(now))
    })?;
    Ok(load)
}

//! What the way to another node costs: reads at one node of two, of images
//! that it owns and that the other owns, when they are in memory and when they
//! aren't. Images are new in each round: one that is read often at a node is
//! kept there.

use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::Effort;
use crate::client::{Client, Source, get_image};
use crate::figures::{head, median, microseconds, quantile, row};
use crate::picture::noise;
use crate::site::{Site, database_server};

const ROUNDS: usize = 20;
/// New images of a round.
const IMAGES: usize = 60;
const SIZES: [usize; 2] = [2_000, 100_000];
/// Reads of each image that found it in memory.
const REPEATED: usize = 3;

/// Times in microseconds.
#[derive(Default)]
struct Seen {
    hit: Vec<f64>,
    peer: Vec<f64>,
    own_miss: Vec<f64>,
    peer_miss: Vec<f64>,
    alone_hit: Vec<f64>,
    alone_miss: Vec<f64>,
}

pub(crate) fn ask(effort: Effort) -> Result<()> {
    let server = database_server()?;
    let (site, alone) = (Site::new(&server, "pair")?, Site::new(&server, "alone")?);
    let (pair, alone) = (site.nodes(2)?, alone.alone(&[])?);
    let (mut here, mut lone) = (pair[0].client()?, alone.client()?);
    head(&["image", "read", "p50", "p99", "count"]);
    for bytes in SIZES {
        let mut seen = Seen::default();
        for round in 0..effort.times(ROUNDS) {
            for image in 0..IMAGES {
                let name = format!("{bytes}-{round}-{image}");
                let picture = noise(bytes, image as u64);
                here.put(&name, &picture)?;
                lone.put(&name, &picture)?;
            }
            for image in 0..IMAGES {
                let name = format!("{bytes}-{round}-{image}");
                seen.read_here(&mut here, &name)?;
                seen.read_alone(&mut lone, &name)?;
            }
        }
        seen.tell(bytes);
    }
    Ok(())
}

impl Seen {
    fn read_here(&mut self, client: &mut Client, name: &str) -> Result<()> {
        let (first, source) = read(client, name)?;
        ensure!(source == Source::Miss, "a new image is read from the store, not {source:?}");
        let mut owned = false;
        for _ in 0..REPEATED {
            let (time, source) = read(client, name)?;
            owned = source == Source::Hit;
            match source {
                Source::Hit => self.hit.push(time),
                Source::Peer => self.peer.push(time),
                Source::Miss | Source::Unknown => bail!("{name} isn't kept"),
            }
        }
        // Who owns it also read it from the store.
        if owned {
            self.own_miss.push(first)
        } else {
            self.peer_miss.push(first)
        }
        Ok(())
    }

    fn read_alone(&mut self, client: &mut Client, name: &str) -> Result<()> {
        self.alone_miss.push(read(client, name)?.0);
        for _ in 0..REPEATED {
            self.alone_hit.push(read(client, name)?.0);
        }
        Ok(())
    }

    fn tell(&self, bytes: usize) {
        for (name, times) in [
            ("hit, alone", &self.alone_hit),
            ("hit", &self.hit),
            ("peer's hit", &self.peer),
            ("miss, alone", &self.alone_miss),
            ("miss of an own key", &self.own_miss),
            ("miss of a peer's key", &self.peer_miss),
        ] {
            row(&[
                format!("{} KB", bytes / 1_000),
                name.to_owned(),
                format!("{:.0} µs", median(times)),
                format!("{:.0} µs", quantile(times, 0.99)),
                times.len().to_string(),
            ]);
        }
    }
}

/// How long a read took, and who answered it.
fn read(client: &mut Client, name: &str) -> Result<(f64, Source)> {
    let request = get_image(name);
    let began = Instant::now();
    let answer = client.ask(&request)?;
    let time = microseconds(began.elapsed());
    ensure!(answer.status == 200, "{answer:?}");
    Ok((time, answer.source))
}

//! Every contender on a trace at every capacity.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use larder_workload::trace::Request;

use crate::contenders::{Contender, Group};
use larder_benchmarks::stream::Stream;

/// A cache that sees requests one by one.
pub trait Online {
    /// True if it hits; on a miss the object comes in, if the cache wants it.
    fn request(&mut self, request: Request) -> bool;
}

/// What hit, of a whole trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    pub hits: u64,
    pub hit_bytes: u64,
}

impl Score {
    pub fn count(&mut self, request: Request) {
        self.hits += 1;
        self.hit_bytes += u64::from(request.size);
    }
}

/// Plays a whole trace.
pub fn play(cache: &mut impl Online, stream: &Stream) -> Score {
    let mut score = Score::default();
    for &request in stream.trace.requests() {
        if cache.request(request) {
            score.count(request);
        }
    }
    score
}

/// One trace at one capacity.
pub struct Cell {
    pub trace: String,
    pub requests: u64,
    pub requested_bytes: u64,
    pub objects: u32,
    pub footprint_bytes: u64,
    pub is_mixed: bool,
    pub percent: f64,
    pub capacity_bytes: u64,
    pub entries: Vec<Entry>,
}

/// What a contender made of a cell.
pub struct Entry {
    pub group: Group,
    pub name: &'static str,
    pub score: Score,
    /// It may have held more than a hundredth above the capacity.
    pub is_over: bool,
}

impl Entry {
    /// Whether others can be measured by it.
    pub fn counts(&self) -> bool {
        self.group != Group::Offline && !self.is_over
    }
}

/// Objects or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Objects,
    Bytes,
}

impl Cell {
    /// A hit ratio in percent.
    pub fn ratio(&self, score: Score, measure: Measure) -> f64 {
        let (hits, all) = match measure {
            Measure::Objects => (score.hits, self.requests),
            Measure::Bytes => (score.hit_bytes, self.requested_bytes),
        };
        100.0 * hits as f64 / all.max(1) as f64
    }

    /// The best ratio of those who neither know the future nor hold too much.
    pub fn best(&self, measure: Measure) -> f64 {
        let online = self.entries.iter().filter(|entry| entry.counts());
        online.map(|entry| self.ratio(entry.score, measure)).fold(0.0, f64::max)
    }

    /// `arc-oltp (914k / 187k)`.
    pub fn title(&self) -> String {
        let thousands = |count: u64| format!("{}k", (count + 500) / 1000);
        let objects = thousands(u64::from(self.objects));
        format!("{} ({} / {objects})", self.trace, thousands(self.requests))
    }
}

/// Plays all, on so many threads; one cell per capacity, in the order given.
pub fn all(
    stream: &Stream,
    contenders: &[Contender],
    percents: &[f64],
    threads: usize,
) -> Vec<Cell> {
    let started = Instant::now();
    let rounds = percents.len() * contenders.len();
    let taken = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    let mut scores = vec![Score::default(); rounds];
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (send, taken) = (send.clone(), &taken);
            scope.spawn(move || {
                loop {
                    let round = taken.fetch_add(1, Ordering::Relaxed);
                    if round >= rounds {
                        break;
                    }
                    let contender = &contenders[round % contenders.len()];
                    let percent = percents[round / contenders.len()];
                    let score = (contender.play)(stream, stream.room(percent));
                    // Nobody is there to hear it only if the receiver panicked.
                    let _ = send.send((round, score));
                }
            });
        }
        drop(send);
        for (done, (round, score)) in receive.into_iter().enumerate() {
            scores[round] = score;
            if (done + 1) % contenders.len() == 0 {
                let seconds = started.elapsed().as_secs_f64();
                eprintln!("{}: {} of {rounds} after {seconds:.1} s", stream.name, done + 1);
            }
        }
    });
    let cells = percents.iter().zip(scores.chunks(contenders.len()));
    cells.map(|(&percent, scores)| cell(stream, contenders, percent, scores)).collect()
}

fn cell(stream: &Stream, contenders: &[Contender], percent: f64, scores: &[Score]) -> Cell {
    let room = stream.room(percent);
    let entry = |(contender, &score): (&Contender, &Score)| Entry {
        group: contender.group,
        name: contender.name,
        score,
        is_over: contender.excess_items * 100 > room.items,
    };
    Cell {
        trace: stream.name.clone(),
        requests: stream.trace.requests().len() as u64,
        requested_bytes: stream.trace.requested_bytes(),
        objects: stream.trace.objects(),
        footprint_bytes: stream.trace.footprint_bytes(),
        is_mixed: stream.is_mixed(),
        percent,
        capacity_bytes: room.bytes,
        entries: contenders.iter().zip(scores).map(entry).collect(),
    }
}

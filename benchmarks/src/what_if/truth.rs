//! What full simulations make of a trace: the truth that estimates are held
//! against.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use larder_cache::{Ghost, Objective, PolicyKind};

use crate::cell::Requests;

/// The parts of the requests, and of their bytes, that hit.
#[derive(Clone, Copy, Default)]
pub struct Ratios {
    pub objects: f64,
    pub bytes: f64,
}

impl Ratios {
    pub fn of(self, objective: Objective) -> f64 {
        if objective == Objective::Bytes { self.bytes } else { self.objects }
    }
}

/// Plays a trace on a ghost of full size.
pub fn play(requests: &Requests, kind: PolicyKind, objective: Objective, bytes: u64) -> Ratios {
    let mut ghost = Ghost::new(kind, objective, bytes, 1);
    let (mut hits, mut hit_bytes, mut all_bytes) = (0u64, 0, 0);
    for &(hash, weight) in &requests.list {
        all_bytes += u64::from(weight);
        if ghost.request(hash, weight, 1) {
            hits += 1;
            hit_bytes += u64::from(weight);
        }
    }
    let part = |hits: u64, all: u64| hits as f64 / all.max(1) as f64;
    Ratios { objects: part(hits, requests.list.len() as u64), bytes: part(hit_bytes, all_bytes) }
}

/// The truth about these policies and capacities, on so many threads.
pub fn all(
    requests: &Requests,
    wanted: &[(PolicyKind, u64)],
    objective: Objective,
    threads: usize,
) -> HashMap<(PolicyKind, u64), Ratios> {
    let taken = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some(&(kind, bytes)) = wanted.get(taken.fetch_add(1, Ordering::Relaxed)) {
            found.push(((kind, bytes), play(requests, kind, objective, bytes)));
        }
        found
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let found = threads.into_iter().map(|thread| thread.join().expect("a ghost never panics"));
        found.flatten().collect()
    })
}

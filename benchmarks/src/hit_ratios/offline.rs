//! What can be had by who knows the future: Belady's choice, and a bound that
//! nobody passes.

use std::collections::BinaryHeap;

use crate::play::Score;
use larder_benchmarks::stream::{NEVER, Room, Stream};

/// Always lets go what is wanted last, and doesn't take in what would be that
/// itself. With equal sizes nobody does better: Belady, "A study of
/// replacement algorithms for a virtual-storage computer", IBM Systems Journal
/// 5(2), 1966. With mixed sizes it is a good try that looks at time only.
pub fn belady(stream: &Stream, room: Room) -> Score {
    let mut score = Score::default();
    // What each object that is in holds of the room.
    let mut held: Vec<Option<u32>> = vec![None; stream.trace.objects() as usize];
    let bytes_of = |held: &[Option<u32>], object: u32| held[object as usize].map_or(0, u64::from);
    // When who is wanted. Who was used since stands there with a time that is
    // past, below all that are in.
    let mut wanted: BinaryHeap<(u32, u32)> = BinaryHeap::new();
    let mut used_bytes = 0;
    let mut victims = Vec::new();
    for (&request, &next) in stream.trace.requests().iter().zip(&stream.next) {
        let object = request.key as usize;
        if let Some(bytes) = held[object].take() {
            used_bytes -= u64::from(bytes);
            score.count(request);
        }
        let size = u64::from(request.size);
        if next == NEVER || size > room.bytes {
            continue;
        }
        let mut is_worth_it = true;
        while used_bytes + size > room.bytes && is_worth_it {
            match wanted.peek() {
                Some(&(when, victim)) if when > next => {
                    wanted.pop();
                    used_bytes -= bytes_of(&held, victim);
                    victims.push((when, victim));
                }
                _ => is_worth_it = false,
            }
        }
        if is_worth_it {
            used_bytes += size;
            held[object] = Some(request.size);
            wanted.push((next, request.key));
            victims.drain(..).for_each(|(_, victim)| held[victim as usize] = None);
        } else {
            // They stay after all.
            used_bytes += victims.iter().map(|&(_, victim)| bytes_of(&held, victim)).sum::<u64>();
            wanted.extend(victims.drain(..));
        }
    }
    score
}

/// PFOO-L of Berger, Beckmann and Harchol-Balter, "Practical bounds on optimal
/// caching with variable object sizes", POMACS 2(2), 2018: a hit means that the
/// object was held from its last request to this one, which takes its size
/// times that many requests out of capacity times all requests. Whoever spends
/// that total where it buys most, without asking whether all fits at every
/// single moment, does at least as well as any cache.
///
/// An interval buys one hit for size × length, so the cheapest come first; or
/// size bytes of hits for size × length, so the shortest come first. In bytes
/// the last one counts in part, as a bound must.
pub fn pfoo_l(stream: &Stream, room: Room) -> Score {
    let requests = stream.trace.requests();
    let mut intervals: Vec<(u32, u32)> = Vec::new();
    for (number, (&request, &next)) in requests.iter().zip(&stream.next).enumerate() {
        // What can't ever be held needs no bound.
        if next != NEVER && u64::from(request.size) <= room.bytes {
            intervals.push((request.size, next - number as u32));
        }
    }
    let total = u128::from(room.bytes) * requests.len() as u128;
    let cost = |&(size, length): &(u32, u32)| u64::from(size) * u64::from(length);

    intervals.sort_unstable_by_key(cost);
    let mut left = total;
    let affordable = intervals.iter().take_while(|interval| {
        let is_affordable = u128::from(cost(interval)) <= left;
        left = left.saturating_sub(u128::from(cost(interval)));
        is_affordable
    });
    let hits = affordable.count() as u64;

    intervals.sort_unstable_by_key(|&(_, length)| length);
    let mut left = total;
    let mut hit_bytes = 0;
    for &(size, length) in &intervals {
        let bytes = u128::from(size).min(left.div_ceil(u128::from(length)));
        hit_bytes += bytes as u64;
        left = left.saturating_sub(bytes * u128::from(length));
    }
    Score { hits, hit_bytes }
}

#[cfg(test)]
mod tests;

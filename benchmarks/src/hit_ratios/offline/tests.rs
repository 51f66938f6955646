//! The bounds against trying everything, and against those they bound.

use std::collections::HashMap;
use std::fmt::Write;

use larder_cache::{Objective, PolicyKind};
use larder_workload::trace::{Request, Trace, hash};

use super::*;
use crate::contenders::larder;
use crate::plain::{Plain, Rule};
use crate::play::play;

/// A short trace from a seed; a skew towards low keys if there are many.
fn stream(seed: u32, requests: u32, keys: u32, has_sizes: bool) -> Stream {
    let mut text = String::new();
    for number in 0..requests {
        let draw = hash(seed.wrapping_mul(7919).wrapping_add(number));
        let key = (draw as u32 % keys).min((draw >> 32) as u32 % keys);
        match has_sizes {
            true => writeln!(text, "{key},{}", 1 + hash(key) as u32 % 9).unwrap(),
            false => writeln!(text, "{key}").unwrap(),
        }
    }
    Stream::new("test".into(), Trace::read(text.as_bytes()).unwrap()).unwrap()
}

/// The most hits, or bytes of hits, that any choice at every request gives:
/// for each set of objects that can be held, the best way to have come there.
fn best(stream: &Stream, room: Room, worth: fn(Request) -> u64) -> u64 {
    let mut sizes = vec![0; stream.trace.objects() as usize];
    stream.trace.requests().iter().for_each(|r| sizes[r.key as usize] = u64::from(r.size));
    let weight =
        |held: u32| -> u64 { (0..32).filter(|n| held >> n & 1 == 1).map(|n| sizes[n]).sum() };
    let mut ways: HashMap<u32, u64> = HashMap::from([(0, 0)]);
    for &request in stream.trace.requests() {
        let mut after: HashMap<u32, u64> = HashMap::new();
        for (held, worth_so_far) in ways {
            let is_hit = held >> request.key & 1 == 1;
            let total = worth_so_far + if is_hit { worth(request) } else { 0 };
            let open = held | 1 << request.key;
            // Every subset of what is at hand.
            let mut kept = open;
            loop {
                if weight(kept) <= room.bytes {
                    let most = after.entry(kept).or_default();
                    *most = total.max(*most);
                }
                if kept == 0 {
                    break;
                }
                kept = (kept - 1) & open;
            }
        }
        ways = after;
    }
    ways.into_values().max().unwrap_or(0)
}

#[test]
fn belady_is_the_best_there_is_for_equal_sizes() {
    for seed in 0..60 {
        let stream = stream(seed, 30, 7, false);
        for bytes in 1..5 {
            let room = Room { bytes, items: bytes };
            assert_eq!(belady(&stream, room).hits, best(&stream, room, |_| 1), "seed {seed}");
        }
    }
}

#[test]
fn pfoo_l_is_never_below_the_best_there_is() {
    for seed in 0..60 {
        let stream = stream(seed, 30, 7, true);
        for bytes in [3, 8, 13, 20] {
            let room = Room { bytes, items: 3 };
            let bound = pfoo_l(&stream, room);
            let bytes_best = best(&stream, room, |request| u64::from(request.size));
            assert!(bound.hits >= best(&stream, room, |_| 1), "seed {seed}");
            assert!(bound.hit_bytes >= bytes_best, "seed {seed}");
            assert!(belady(&stream, room).hits <= bound.hits, "seed {seed}");
        }
    }
}

#[test]
fn nobody_passes_the_bounds() {
    for (seed, has_sizes) in [(1, false), (2, true)] {
        let stream = stream(seed, 5_000, 300, has_sizes);
        for bytes in [30, 100, 300] {
            let room = Room { bytes, items: bytes };
            let bound = if has_sizes { pfoo_l(&stream, room) } else { belady(&stream, room) };
            for &kind in PolicyKind::ALL {
                let score = (larder(kind, Objective::Objects).play)(&stream, room);
                assert!(score.hits <= bound.hits, "{kind}");
                assert!(score.hit_bytes <= bound.hit_bytes, "{kind}");
            }
        }
    }
}

#[test]
fn larder_and_the_plain_code_agree_to_the_hit() {
    for (seed, has_sizes) in [(3, false), (4, true)] {
        let stream = stream(seed, 20_000, 500, has_sizes);
        for bytes in [1, 10, 50, 200, 5_000] {
            for (kind, rule) in [
                (PolicyKind::Lru, Rule::Lru),
                (PolicyKind::Fifo, Rule::Fifo),
                (PolicyKind::Sieve, Rule::Sieve),
            ] {
                let ours =
                    (larder(kind, Objective::Objects).play)(&stream, Room { bytes, items: bytes });
                let mut plain = Plain::new(rule, bytes, stream.trace.objects());
                assert_eq!(ours, play(&mut plain, &stream), "{kind} in {bytes}");
            }
        }
    }
}

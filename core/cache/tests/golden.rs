//! How many requests every policy hits on small streams drawn from a seed, to
//! the last one: no change of what a policy does goes unseen. It doesn't say
//! that the numbers are good; `benchmarks/` does, on recorded traces.

use larder_cache::{Ghost, Objective, PolicyKind};
use larder_workload::trace::{Request, hash};

/// One row per policy, in the order of `PolicyKind::ALL`; one column per
/// stream of [`STREAMS`]. A test that fails prints the rows to put here.
#[rustfmt::skip]
const GOLDEN: &[(&str, [u64; 5])] = &[
    ("lru", [7986, 2313, 7613, 1722, 1722]),
    ("random", [7033, 2784, 6699, 1534, 1534]),
    ("fifo", [7040, 1978, 6900, 1538, 1538]),
    ("clock", [8576, 2546, 7797, 1991, 1991]),
    ("sieve", [9851, 3407, 6306, 3106, 3106]),
    ("s3-fifo", [9977, 3459, 7449, 3962, 3962]),
    ("s3-fifo-size", [9977, 3459, 7449, 4992, 3962]),
    ("w-tinylfu", [10079, 7556, 7197, 3889, 3191]),
    ("gdsf", [9155, 2848, 7556, 4818, 2694]),
];

type Draw = fn() -> Vec<Request>;

/// The streams, the bytes to keep them in, and what is to be spared.
const STREAMS: [(&str, Draw, u64, Objective); 5] = [
    ("skewed", skewed, 200, Objective::Objects),
    ("loops", loops, 200, Objective::Objects),
    ("fashions", fashions, 200, Objective::Objects),
    ("sizes, for objects", sizes, 60_000, Objective::Objects),
    ("sizes, for bytes", sizes, 60_000, Objective::Bytes),
];

const REQUESTS: u32 = 20_000;

/// A number from the seed 0, different for each purpose.
fn draw(number: u32, purpose: u32) -> u64 {
    hash(number.wrapping_mul(16) + purpose)
}

/// A key below 2^14, each about as often as its rank says (Zipf's law with the
/// exponent 1), in integers, which are the same everywhere.
fn zipf(number: u32) -> u32 {
    let magnitude = 1 << (draw(number, 0) % 14);
    magnitude + (draw(number, 1) % u64::from(magnitude)) as u32
}

fn unit(key: u32) -> Request {
    Request { key, size: 1 }
}

/// Few keys often, most seldom, and always the same ones.
fn skewed() -> Vec<Request> {
    (0..REQUESTS).map(|number| unit(zipf(number))).collect()
}

/// A loop somewhat longer than fits, among skewed requests, and now and then a
/// run through keys that never return.
fn loops() -> Vec<Request> {
    let key = |number: u32| match (number / 400 % 5, number % 2) {
        (4, _) => 1_000_000 + number,
        (_, 0) => 100_000 + number / 2 % 250,
        _ => zipf(number),
    };
    (0..REQUESTS).map(|number| unit(key(number))).collect()
}

/// Skewed, but every thousand requests other keys are the frequent ones.
fn fashions() -> Vec<Request> {
    (0..REQUESTS).map(|number| unit(zipf(number) ^ ((number / 1000) << 7))).collect()
}

/// Skewed, with sizes from 16 B to 64 KiB that have nothing to do with it; the
/// largest don't fit. One object in ten is written anew at times, larger or
/// smaller.
fn sizes() -> Vec<Request> {
    let size = |number: u32, key: u32| {
        let edition = if key.is_multiple_of(10) { number / 2000 } else { 0 };
        let bits = hash(key ^ (edition << 16));
        (16 << (bits % 13)) + ((bits >> 32) % 1000) as u32
    };
    let request = |number| {
        let key = zipf(number);
        Request { key, size: size(number, key) }
    };
    (0..REQUESTS).map(request).collect()
}

/// Hits of a policy on all streams.
fn hits(kind: PolicyKind) -> [u64; 5] {
    STREAMS.map(|(_, stream, capacity_bytes, objective)| {
        let mut ghost = Ghost::new(kind, objective, capacity_bytes, 1);
        let requests = stream().into_iter();
        let is_hit = |request: &Request| ghost.request(hash(request.key), request.size, 1);
        requests.filter(is_hit).count() as u64
    })
}

#[test]
fn every_policy_hits_what_it_always_did() {
    let mut rows = String::new();
    let mut complaints = String::new();
    for &kind in PolicyKind::ALL {
        let hits = hits(kind);
        rows += &format!("    ({:?}, {hits:?}),\n", kind.name());
        let Some((_, golden)) = GOLDEN.iter().find(|(name, _)| *name == kind.name()) else {
            complaints += &format!("{kind} has no golden row\n");
            continue;
        };
        for (((stream, ..), hits), golden) in STREAMS.iter().zip(hits).zip(*golden) {
            if hits != golden {
                complaints += &format!("{kind} on «{stream}»: {hits} hits instead of {golden}\n");
            }
        }
    }
    for (name, _) in GOLDEN {
        if !PolicyKind::ALL.iter().any(|kind| kind.name() == *name) {
            complaints += &format!("{name} has a golden row but is no policy\n");
        }
    }
    assert!(
        complaints.is_empty() && GOLDEN.len() == PolicyKind::ALL.len(),
        "{complaints}\nIf that is meant, say why in the commit and let GOLDEN in \
         core/cache/tests/golden.rs be\n\n{rows}"
    );
}

/// Streams that every policy finds easy, or hopeless, would see no change.
#[test]
fn the_streams_tell_policies_apart() {
    for (column, (stream, ..)) in STREAMS.iter().enumerate() {
        let of = |name: &str| GOLDEN.iter().find(|row| row.0 == name).map(|row| row.1[column]);
        let hits = GOLDEN.iter().map(|(_, hits)| hits[column]);
        assert!(hits.clone().min() > Some(500), "{stream}: {hits:?}");
        assert!(hits.clone().max() < Some(15_000), "{stream}: {hits:?}");
        assert_ne!(of("lru"), of("fifo"), "{stream}");
    }
}

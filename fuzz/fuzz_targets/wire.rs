//! Bytes that a fuzzer thinks of, read by memcached's protocol at once and in
//! two pieces: both ways the same lines are seen, and none beyond its end.

#![no_main]

use larder_wire::{Block, Step, block, step};

/// Reads on from `at`; where the next line begins, or `None` where there is
/// none yet, or never will be.
fn next(bytes: &[u8]) -> Option<usize> {
    match step(bytes) {
        Step::More | Step::Close => None,
        Step::Command { used, .. } => Some(used),
        Step::Bad { used, skip, .. } => Some((used + skip).min(bytes.len())),
        Step::Store { store, used } => match block(&bytes[used..], store.len) {
            Block::More(_) => None,
            Block::Bad | Block::Value(_) => Some(used + store.len + 2),
        },
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut at = 0;
    while let Some(used) = next(&bytes[at..]) {
        assert!(used > 0 && at + used <= bytes.len());
        let line = &bytes[at..at + used];
        let end = line.iter().position(|&byte| byte == b'\n').expect("a line was read") + 1;
        // Whatever of the line is missing, nothing but more is asked for.
        assert!(matches!(step(&line[..end - 1]), Step::More));
        assert_eq!(format!("{:?}", step(&line[..end])), format!("{:?}", step(&bytes[at..])));
        at += used;
    }
});

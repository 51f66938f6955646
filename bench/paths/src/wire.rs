//! memcached's protocol: what clients send, sixteen commands in one piece, and
//! the line in front of a value.

use std::hint::black_box;

use larder_wire::{Block, Command, Step, block, reply, step};

use crate::{Path, TIMES, Walk};

/// Commands that arrive together.
const PIPELINED: usize = 16;

const VALUE_BYTES: usize = 100;

pub(crate) fn paths() -> Vec<Path> {
    let value = "v".repeat(VALUE_BYTES);
    vec![
        Path::new("wire/get", || Commands::new(|key| format!("get {key}\r\n"))),
        Path::new("wire/meta-get", || Commands::new(|key| format!("mg {key} v f t c k O42\r\n"))),
        Path::new("wire/set", move || {
            Commands::new(|key| format!("set {key} 5 60 {VALUE_BYTES}\r\n{value}\r\n"))
        }),
        Path::new("wire/value", || Values(Vec::with_capacity(PIPELINED * (VALUE_BYTES + 64)))),
    ]
}

/// Bytes to commands.
struct Commands(Vec<u8>);

impl Commands {
    fn new(command: impl Fn(String) -> String) -> Self {
        let bytes = (0..PIPELINED).map(|number| command(format!("images/{number:09}")));
        Self(bytes.collect::<String>().into_bytes())
    }
}

impl Walk for Commands {
    fn walk(&mut self) {
        for _ in 0..TIMES / PIPELINED {
            let mut rest = black_box(&self.0[..]);
            while !rest.is_empty() {
                rest = &rest[decoded(rest)..];
            }
        }
    }
}

/// Reads one command; how many bytes it took.
fn decoded(bytes: &[u8]) -> usize {
    match step(bytes) {
        Step::Command { command: Command::Get(get), used } => {
            get.keys.for_each(|key| {
                black_box(key);
            });
            used
        }
        Step::Command { command, used } => {
            black_box(command);
            used
        }
        Step::Store { store, used } => {
            let block = block(&bytes[used..], store.len);
            assert!(matches!(black_box(block), Block::Value(_)), "the block is complete");
            used + black_box(store).len + 2
        }
        other => panic!("no command: {other:?}"),
    }
}

/// An answer to bytes.
struct Values(Vec<u8>);

impl Walk for Values {
    fn walk(&mut self) {
        let value = black_box([b'v'; VALUE_BYTES]);
        for _ in 0..TIMES / PIPELINED {
            self.0.clear();
            for _ in 0..PIPELINED {
                let key = black_box(b"images/000000012");
                reply::value_line(&mut self.0, key, 5, value.len(), Some(123_456));
                self.0.extend_from_slice(&value);
                self.0.extend_from_slice(reply::LINE_END);
            }
            black_box(&self.0);
        }
    }
}

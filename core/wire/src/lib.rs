//! memcached's text and meta protocol: bytes to commands, answers to bytes.
//!
//! It is pure: no sockets, no async runtime, no cache and no clock. Commands
//! borrow from the bytes they were read from.
//!
//! ```
//! use larder_wire::{Block, Command, Step, block, step};
//!
//! let bytes = b"set greeting 0 0 5\r\nhello\r\nget greeting\r\n";
//! let Step::Store { store, used } = step(bytes) else { panic!("a command with a block") };
//! assert_eq!((&*store.key, store.len), (&b"greeting"[..], 5));
//! let Block::Value(value) = block(&bytes[used..], store.len) else { panic!("it is complete") };
//! assert_eq!(value, b"hello");
//! let Step::Command { command, .. } = step(&bytes[used + 7..]) else { panic!("a command") };
//! assert!(matches!(command, Command::Get(get) if get.keys.clone().eq([b"greeting"])));
//! ```

mod command;
mod meta;
mod number;
pub mod reply;
mod step;
mod text;
mod words;

pub use command::{Command, Get, Meta, MetaStore, Store, Verb};
pub use number::{signed, unsigned};
pub use step::{Block, Step, block, step};
pub use words::Words;

/// The longest key.
pub const MAX_KEY_BYTES: usize = 250;

/// The longest line, but for those that ask for many keys.
pub const MAX_LINE_BYTES: usize = 2048;

/// The longest line that asks for many keys.
pub const MAX_KEYS_LINE_BYTES: usize = 1 << 20;

//! The bounded map at the heart of Larder: byte-exact capacity, replacement
//! policies that can be switched while it runs, and one lease per missing key.
//!
//! It is pure: no async runtime, sockets, files, environment or clock, and no
//! source of chance but the seed it is given.
//!
//! The three ideas to know before reading on:
//!
//! - **Weight.** An entry weighs its key, its value and [`OVERHEAD_BYTES`].
//!   The sum over all entries never passes the capacity, at no moment that
//!   anybody can see.
//! - **Policy.** Who has to go is decided by one small file per
//!   [`PolicyKind`], which sees slot numbers and weights, never keys or values.
//! - **Lease.** The first [`lookup`](Cache::lookup) that misses gets the right
//!   to fill; the others wait for it. An invalidation voids that right, so a
//!   value loaded before a write can neither be kept nor be handed to anyone
//!   who asked after the write.
//!
//! ```
//! use larder_cache::{Cache, Config, Lookup};
//!
//! let cache: Cache<Vec<u8>> = Cache::new(Config { capacity_bytes: 1_000_000, ..Config::default() });
//! match cache.lookup(b"cat.png") {
//!     Lookup::Hit(bytes) => assert!(!bytes.is_empty()),
//!     Lookup::Miss(lease) => drop(lease.fill(b"meow".to_vec())),
//!     Lookup::Wait(waiter) => drop(waiter.wait()),
//! }
//! assert_eq!(cache.get(b"cat.png").as_deref(), Some(&b"meow"[..]));
//! ```

mod autopilot;
mod biased;
mod budget;
mod cache;
mod config;
mod engine;
mod flight;
mod ghost;
mod growing;
mod index;
mod key;
mod lease;
mod objective;
mod policy;
mod processor;
mod sampler;
mod stats;
mod sync;
mod table;
mod tally;
mod threads;
mod validate;
mod weigh;
pub mod what_if;

pub use autopilot::{Autopilot, Caution, Decision};
pub use cache::{Cache, Inserted};
pub use config::Config;
pub use ghost::Ghost;
pub use lease::{Filled, Lease, Lookup, Waiter};
pub use objective::{Objective, UnknownObjective};
pub use policy::{PolicyKind, Sketch, UnknownPolicy};
pub use stats::Stats;
pub use weigh::{OVERHEAD_BYTES, Weigh};

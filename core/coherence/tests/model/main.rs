//! The protocol under every order of events: two or three nodes that are the very
//! code of production, a database that may fail over and leave a deposed primary
//! behind, and a network that loses, doubles and reorders. Visits all states
//! of a scope; a scope says how much may happen in it.
//!
//! Each rule of the protocol is also left out once, and must then be missed.
//! The full scopes take minutes each:
//!
//! ```sh
//! cargo test --release -p larder-coherence --test model -- --ignored --nocapture --test-threads 1
//! ```

mod cluster;
mod database;
#[path = "../support/keeper.rs"]
mod keeper;
mod removed;
mod scopes;
mod setting;

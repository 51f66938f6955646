//! Streams of requests: drawn from a seed, or read from a trace. It never
//! sends one, and never touches files, clocks or chance of its own.

pub mod arrivals;
pub mod random;
pub mod sizes;
pub mod trace;
pub mod zipf;

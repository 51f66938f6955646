//! The locks and atomics of what decides whether memory may be believed, so
//! that `tests/schedules.rs` can put others in their place and step through
//! every order in which threads take them.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) use parking_lot::Mutex;

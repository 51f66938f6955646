//! The page by which an operator sees and tunes a cache while it runs: what is
//! in use, the settings, and what other settings would do. It is a part of a
//! page; the app puts its own layout around it, puts the settings in force and
//! words what is its own. Holds no cache and no routes, but that of its assets.

mod advice;
mod assets;
mod curves;
mod json;
mod page;
#[cfg(any(test, feature = "samples"))]
#[allow(missing_docs)]
pub mod samples;
mod settings;
mod what_if;

pub use advice::{Advice, Insight};
pub use assets::assets;
pub use json::{CacheSettings, CacheSettingsChange, Change, UnknownName, WhatIf};
pub use page::{Console, Held, Refusal, Words, settings_from};
pub use settings::{
    InvalidCapacity, InvalidObjective, MEGABYTE, OBJECTIVES, Settings, capacity_from_megabytes,
    machine_memory_bytes, megabytes, objective_from_name,
};
pub use what_if::factor;

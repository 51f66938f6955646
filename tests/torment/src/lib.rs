//! Torment: real processes over a real database, under load while they are
//! killed, paused and cut off, with every answer written down and checked
//! against what the database's versions allow. Part of no program that is
//! shipped, and knows a store only by its HTTP interface.

mod balanced;
mod checker;
mod client;
mod cluster;
mod database;
mod dice;
mod faults;
mod history;
mod load;
mod network;
mod picture;
mod report;
mod systems;
mod torment;

pub use balanced::{Balanced, balanced};
pub use checker::{Kind, Verdict, Violation, check};
pub use database::Engine;
pub use dice::Dice;
pub use history::{DATABASE, Operation, Told, What};
pub use report::Summary;
pub use systems::{Larder, StaleCache, System};
pub use torment::{Course, Explains, torment};

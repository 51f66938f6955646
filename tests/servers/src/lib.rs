//! Real servers for tests, each started for one test and gone with it,
//! however that ends. Never a stand-in for what is tested, and no part of
//! what is shipped.

mod faults;
mod galera;
mod garage;
mod haproxy;
mod mariadb;
mod patroni;
mod postgres;
mod process;
mod s3;
mod semi_sync;
mod stores;

pub use faults::{FaultProxy, Mode};
pub use galera::Galera;
pub use haproxy::HaProxy;
pub use mariadb::MariaDb;
pub use patroni::Patroni;
pub use postgres::Postgres;
pub use process::{Supervised, free_port, wait_until};
pub use rustix::process::Signal;
pub use s3::S3Server;
pub use semi_sync::SemiSync;
pub use stores::{Place, mariadb, postgres, s3};

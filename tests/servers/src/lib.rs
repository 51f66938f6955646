//! Real servers for tests, each started for one test and gone with it,
//! however that ends. Never a stand-in for what is tested, and no part of
//! what is shipped.

mod faults;
mod garage;
mod mariadb;
mod postgres;
mod process;
mod s3;
mod stores;

pub use faults::{FaultProxy, Mode};
pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use process::{Supervised, free_port, wait_until};
pub use s3::S3Server;
pub use stores::{Place, mariadb, postgres, s3};

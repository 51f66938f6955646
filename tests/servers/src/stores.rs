//! Which stores a whole set of tests runs on: named by the variable
//! `LARDER_TEST_STORES`, such as `mariadb,s3`; without it, the embedded ones.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{MariaDb, Postgres, S3Server};

/// Empty places for rows and blobs; `None` for the embedded ones.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The URL of a database.
    pub database: Option<String>,
    /// The URL of a bucket. Its key is that of [`S3Server`], which the tests'
    /// process or the program they start must have in its variables.
    pub blobs: Option<String>,
}

impl Place {
    /// A fresh place on the stores that the variable names. The servers are
    /// started once and end with this process.
    ///
    /// # Panics
    /// The variable names something else.
    pub fn chosen() -> Self {
        let chosen = std::env::var("LARDER_TEST_STORES").unwrap_or_default();
        let mut place = Self::default();
        for store in chosen.split(',').filter(|store| !store.is_empty()) {
            match store {
                "mariadb" => place.database = mariadb().map(|s| s.make_database(&fresh("test_"))),
                "postgres" => place.database = postgres().map(|s| s.make_database(&fresh("test_"))),
                "s3" => {
                    place.blobs = s3().map(|server| {
                        let bucket = fresh("test-");
                        server.make_bucket(&bucket);
                        server.url(&bucket)
                    });
                }
                other => panic!("LARDER_TEST_STORES: {other} is none of mariadb, postgres, s3"),
            }
        }
        place
    }
}

fn fresh(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{name}{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The MariaDB that the tests of this process share.
pub fn mariadb() -> Option<&'static MariaDb> {
    static SERVER: OnceLock<Option<MariaDb>> = OnceLock::new();
    SERVER.get_or_init(MariaDb::start).as_ref()
}

/// The PostgreSQL that the tests of this process share.
pub fn postgres() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    SERVER.get_or_init(Postgres::start).as_ref()
}

/// The S3 server that the tests of this process share.
pub fn s3() -> Option<&'static S3Server> {
    static SERVER: OnceLock<Option<S3Server>> = OnceLock::new();
    SERVER.get_or_init(S3Server::start).as_ref()
}

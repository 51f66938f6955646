//! The table of pictures, in PostgreSQL or on one server of a Galera cluster.
//! Keeps nothing in memory.

use std::time::Duration;

use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Error, query, query_as};

/// A deleted key keeps its version, so that the next picture gets a higher one.
const MAKE: &str = "CREATE TABLE IF NOT EXISTS pictures (key text PRIMARY KEY,
    version bigint NOT NULL, is_gone boolean NOT NULL, was_gone boolean NOT NULL, body bytea)";

const GET: &str = "SELECT version, body FROM pictures WHERE key = $1 AND NOT is_gone";

const PUT: &str = "INSERT INTO pictures VALUES ($1, 1, false, true, $2)
    ON CONFLICT (key) DO UPDATE SET version = pictures.version + 1, is_gone = false,
    was_gone = pictures.is_gone, body = excluded.body RETURNING version, was_gone";

const DELETE: &str = "UPDATE pictures SET is_gone = true, body = NULL
    WHERE key = $1 AND NOT is_gone AND version = $2";

const MAKE_ON_GALERA: &str =
    "CREATE TABLE IF NOT EXISTS pictures (`key` varchar(64) PRIMARY KEY, version bigint NOT NULL,
    is_gone boolean NOT NULL, was_gone boolean NOT NULL, body mediumblob)";

const GET_ON_GALERA: &str = "SELECT version, body FROM pictures WHERE `key` = ? AND NOT is_gone";

const PUT_ON_GALERA: &str = "INSERT INTO pictures VALUES (?, 1, false, true, ?)
    ON DUPLICATE KEY UPDATE was_gone = is_gone, is_gone = false,
    version = version + 1, body = VALUES(body)";

const TOLD_ON_GALERA: &str = "SELECT version, was_gone FROM pictures WHERE `key` = ?";

const DELETE_ON_GALERA: &str = "UPDATE pictures SET is_gone = true, body = NULL
    WHERE `key` = ? AND NOT is_gone AND version = ?";

/// Where the pictures are. Cheap to clone.
#[derive(Clone)]
pub enum Database {
    Postgres(PgPool),
    Galera(MySqlPool),
}

impl Database {
    /// The database of a URL; nobody connects to it yet.
    pub fn open(url: &str, patience: Duration) -> Result<Self, Error> {
        Ok(match url.starts_with("mariadb:") {
            true => {
                Self::Galera(MySqlPoolOptions::new().acquire_timeout(patience).connect_lazy(url)?)
            }
            false => {
                Self::Postgres(PgPoolOptions::new().acquire_timeout(patience).connect_lazy(url)?)
            }
        })
    }

    /// Makes the table if there is none.
    pub async fn make(self) -> Result<(), Error> {
        match self {
            Self::Postgres(pool) => query(MAKE).execute(&pool).await.map(drop),
            Self::Galera(pool) => query(MAKE_ON_GALERA).execute(&pool).await.map(drop),
        }
    }

    /// The picture's version and bytes.
    pub async fn get(self, key: String) -> Result<Option<(i64, Vec<u8>)>, Error> {
        match self {
            Self::Postgres(pool) => query_as(GET).bind(key).fetch_optional(&pool).await,
            Self::Galera(pool) => query_as(GET_ON_GALERA).bind(key).fetch_optional(&pool).await,
        }
    }

    /// Stores a picture. Returns its version, and whether there was none.
    pub async fn put(self, key: String, body: Vec<u8>) -> Result<(i64, bool), Error> {
        match self {
            Self::Postgres(pool) => query_as(PUT).bind(key).bind(body).fetch_one(&pool).await,
            Self::Galera(pool) => {
                // Whether the cluster takes it is only known at the end.
                let mut change = pool.begin().await?;
                query(PUT_ON_GALERA).bind(&key).bind(body).execute(&mut *change).await?;
                let told = query_as(TOLD_ON_GALERA).bind(key).fetch_one(&mut *change).await?;
                change.commit().await?;
                Ok(told)
            }
        }
    }

    /// Deletes a picture of this version. Returns whether there was one.
    pub async fn delete(self, key: String, version: i64) -> Result<bool, Error> {
        Ok(match self {
            Self::Postgres(pool) => {
                query(DELETE).bind(key).bind(version).execute(&pool).await?.rows_affected()
            }
            Self::Galera(pool) => query(DELETE_ON_GALERA)
                .bind(key)
                .bind(version)
                .execute(&pool)
                .await?
                .rows_affected(),
        } > 0)
    }
}

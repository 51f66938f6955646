//! The control group: a picture store as it is usually built, several nodes
//! with a cache each over one PostgreSQL, or without a cache over a server each
//! of a Galera cluster. It returns old pictures, and the torment must find
//! that. Behind the HTTP interface of Larder as far as the torment uses it; no
//! part of what is shipped, and no example to follow.
//!
//!     stale-cache aside|ttl|none LISTEN DATABASE [PEER...]
//!
//! `aside`: a write commits, then drops the key here and tells the peers to do
//! so by a message that nobody acknowledges. `ttl`: what was read may be
//! returned for a second. `none`: each read asks the database.

mod database;

use std::collections::HashMap;
use std::env;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use database::Database;
use http::{HeaderMap, StatusCode, header};
use tokio::net::{TcpListener, UdpSocket};

/// How long a picture may be returned in the manner `ttl`.
const TTL: Duration = Duration::from_secs(1);

/// What the database may take.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Picture {
    version: i64,
    body: Vec<u8>,
    read_at: Instant,
}

struct Store {
    database: Database,
    cache: Mutex<HashMap<String, Picture>>,
    messages: UdpSocket,
    peers: Vec<SocketAddr>,
    /// How long what was read may be returned; `None` until it is dropped.
    ttl: Option<Duration>,
}

/// The database didn't answer, or not in time.
struct Unavailable;

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

impl Store {
    fn forget(&self, key: &str) {
        self.cache.lock().expect("nobody panics with it").remove(key);
    }

    /// After a write: the cache-aside way.
    async fn invalidate(&self, key: &str) {
        self.forget(key);
        if self.ttl.is_none() {
            for peer in &self.peers {
                // Whether it arrives, nobody knows.
                let _ = self.messages.send_to(key.as_bytes(), peer).await;
            }
        }
    }

    async fn hear(&self) {
        let mut message = [0; 512];
        loop {
            if let Ok((len, _)) = self.messages.recv_from(&mut message).await {
                self.forget(&String::from_utf8_lossy(&message[..len]));
            }
        }
    }

    /// The picture, and whether the cache had it or the database.
    async fn get(&self, key: String) -> Result<Option<(Picture, &'static str)>, Unavailable> {
        let cached = self.cache.lock().expect("nobody panics with it").get(&key).cloned();
        let is_fresh = |picture: &Picture| self.ttl.is_none_or(|t| picture.read_at.elapsed() < t);
        if let Some(picture) = cached.filter(is_fresh) {
            return Ok(Some((picture, "hit")));
        }
        let found = in_time(self.database.clone().get(key.clone())).await?;
        let Some((version, body)) = found else { return Ok(None) };
        let picture = Picture { version, body, read_at: Instant::now() };
        self.cache.lock().expect("nobody panics with it").insert(key, picture.clone());
        Ok(Some((picture, "miss")))
    }
}

/// A query that answers, or doesn't in time. It goes on to its end even if nobody
/// waits for it: one that is given up may leave its connection in a transaction,
/// in which whoever gets it next sees the past, and that would be our own fault.
async fn in_time<T: Send + 'static>(
    query: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, Unavailable> {
    let answer = tokio::time::timeout(PATIENCE, tokio::spawn(query)).await;
    answer.map_err(|_| Unavailable)?.map_err(|_| Unavailable)?.map_err(|_| Unavailable)
}

fn etag(version: i64) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"v-{version}\""))]
}

async fn get_picture(
    State(store): State<Arc<Store>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Unavailable> {
    let Some((picture, source)) = store.get(key).await? else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let etag = etag(picture.version);
    let known = headers.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == etag[0].1.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, etag, [("x-cache", source)]).into_response());
    }
    Ok((etag, [("x-cache", source)], picture.body).into_response())
}

async fn put_picture(
    State(store): State<Arc<Store>>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Response, Unavailable> {
    let (version, was_gone) = in_time(store.database.clone().put(key.clone(), body.into())).await?;
    store.invalidate(&key).await;
    let replaced = if was_gone { "null".into() } else { (version - 1).to_string() };
    let description = format!("{{\"version\": {version}, \"replaced_version\": {replaced}}}");
    Ok((etag(version), description).into_response())
}

async fn delete_picture(
    State(store): State<Arc<Store>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Unavailable> {
    let tag = headers.get(header::IF_MATCH).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
    let Ok(version) = tag.trim_matches('"').trim_start_matches("v-").parse::<i64>() else {
        return Ok(StatusCode::BAD_REQUEST);
    };
    if !in_time(store.database.clone().delete(key.clone(), version)).await? {
        return Ok(StatusCode::PRECONDITION_FAILED);
    }
    store.invalidate(&key).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn is_ready(State(store): State<Arc<Store>>) -> Result<StatusCode, Unavailable> {
    in_time(store.database.clone().make()).await?;
    Ok(StatusCode::OK)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [manner, listen, database, peers @ ..] = &words[..] else {
        return Err("stale-cache aside|ttl|none LISTEN DATABASE [PEER...]".into());
    };
    let listen: SocketAddr = listen.parse()?;
    let store = Arc::new(Store {
        database: Database::open(database, PATIENCE)?,
        cache: Mutex::default(),
        messages: UdpSocket::bind(listen).await?,
        peers: peers.iter().map(|peer| peer.parse()).collect::<Result<_, _>>()?,
        ttl: match manner.as_str() {
            "aside" => None,
            "ttl" => Some(TTL),
            _ => Some(Duration::ZERO),
        },
    });
    let listener = store.clone();
    tokio::spawn(async move { listener.hear().await });
    let routes = Router::new()
        .route("/readyz", get(is_ready))
        .route("/images/{key}", get(get_picture).put(put_picture).delete(delete_picture))
        .with_state(store);
    axum::serve(TcpListener::bind(listen).await?, routes).await?;
    Ok(())
}

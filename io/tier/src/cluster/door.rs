//! What a node answers to its peers, on a port of its own: messages of the
//! protocol, and entries of keys it owns. Who doesn't know the secret is told
//! nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use larder_coherence::Envelope;

use super::Cluster;
use super::peers::{ENTRIES, HIT, MESSAGES, unhex};
use super::secret::CODE;
use crate::Key;

/// Messages of one request, in bytes, at most.
const LARGEST: usize = 4 << 20;

/// What another node is told about a key.
pub enum Told {
    /// There is no such key.
    Absent,
    /// Its value, as [`Portable`](crate::Portable) packs it, and whether it
    /// was in memory.
    Found(Bytes, bool),
    /// It can't be told now.
    Nothing,
}

/// Answers for entries: reads a key as a client's request would.
pub type Reader = Arc<dyn Fn(Key) -> Pin<Box<dyn Future<Output = Told> + Send>> + Send + Sync>;

#[derive(Clone)]
struct Door {
    cluster: Arc<Cluster>,
    read: Reader,
}

/// The routes of the port for peers.
pub(super) fn router(cluster: Arc<Cluster>, read: Reader) -> Router {
    Router::new()
        .route(MESSAGES, post(messages))
        .route(&format!("{ENTRIES}{{key}}"), get(entry))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(Door { cluster, read })
}

async fn messages(
    State(door): State<Door>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !door.knows(&Method::POST, &uri, &headers, &body) {
        return refused();
    }
    let Ok(envelopes) = serde_json::from_slice::<Vec<Envelope>>(&body) else {
        return door.answer(&headers, StatusCode::BAD_REQUEST, Bytes::new(), false);
    };
    let answers = door.cluster.receive_from_peer(envelopes);
    let body = serde_json::to_vec(&answers).unwrap_or_default();
    door.answer(&headers, StatusCode::OK, body.into(), false)
}

async fn entry(
    State(door): State<Door>,
    Path(key): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    if !door.knows(&Method::GET, &uri, &headers, &[]) {
        return refused();
    }
    let Some(key) = unhex(&key).and_then(Key::from_bytes) else {
        return door.answer(&headers, StatusCode::BAD_REQUEST, Bytes::new(), false);
    };
    match (door.read)(key).await {
        Told::Found(body, is_hit) => door.answer(&headers, StatusCode::OK, body, is_hit),
        Told::Absent => door.answer(&headers, StatusCode::NOT_FOUND, Bytes::new(), false),
        Told::Nothing => {
            door.answer(&headers, StatusCode::SERVICE_UNAVAILABLE, Bytes::new(), false)
        }
    }
}

impl Door {
    fn knows(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
        let parts = [method.as_str().as_bytes(), uri.path().as_bytes(), body];
        self.cluster.peers().secret().is_code(headers.get(CODE), &parts)
    }

    fn answer(
        &self,
        asked: &HeaderMap,
        status: StatusCode,
        body: Bytes,
        is_hit: bool,
    ) -> Response<Body> {
        let request = asked.get(CODE).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let parts = [request, status.as_str().as_bytes(), &[u8::from(is_hit)], &body];
        let mut answer = Response::builder()
            .status(status)
            .header(CODE, self.cluster.peers().secret().code(&parts));
        if is_hit {
            answer = answer.header(HIT, "1");
        }
        answer.body(Body::from(body)).expect("its headers are text")
    }
}

fn refused() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    answer
}

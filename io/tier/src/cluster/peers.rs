//! The other nodes, over HTTP: messages of the protocol go out in batches and
//! may be lost, entries are asked for one by one. Connections are kept. Trusts
//! nobody who doesn't know the secret.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use larder_coherence::{Envelope, NodeId};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Cluster;
use super::secret::{CODE, Secret};

/// Where messages go.
pub(super) const MESSAGES: &str = "/v1/messages";

/// Where entries are asked for: the key follows, in hexadecimal digits.
pub(super) const ENTRIES: &str = "/v1/entries/";

/// Messages in one request, at most.
const BATCH: usize = 256;

/// Messages that wait for one node; more are lost, as any may be.
const WAITING: usize = 4096;

/// Requests with messages under way to one node at one time.
const UNDER_WAY: usize = 4;

/// How long a request with messages may take: after that the protocol takes
/// its other way.
const MESSAGE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long an entry is waited for before the store is asked.
const ENTRY_TIMEOUT: Duration = Duration::from_secs(1);

/// For how long a node that didn't answer isn't asked for entries.
const AVOIDED: Duration = Duration::from_secs(1);

/// How long a connection is kept unused: less than the other end keeps it, so
/// that none is used that is about to be closed.
const IDLE: Duration = Duration::from_secs(5);

/// The largest answer: an entry with room for what stands around it.
const LARGEST: usize = (64 << 20) + (1 << 20);

/// What asking another node for an entry came to.
pub(super) enum Fetched {
    /// It has no such key.
    Absent,
    /// Its entry, and whether it had it in memory.
    Found(Bytes, bool),
    /// It didn't answer, or can't.
    Nothing,
}

/// The other nodes.
pub(super) struct Peers {
    client: Client<HttpConnector, Full<Bytes>>,
    secret: Secret,
    queues: Mutex<HashMap<NodeId, mpsc::Sender<Envelope>>>,
    avoided: Mutex<HashMap<NodeId, Instant>>,
}

impl Peers {
    pub(super) fn new(secret: Secret) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(MESSAGE_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { client, secret, queues: Mutex::default(), avoided: Mutex::default() }
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Sends a message to its node, without waiting.
    pub(super) fn send(&self, cluster: &Arc<Cluster>, envelope: Envelope) {
        let mut queues = self.queues.lock();
        let queue = queues.entry(envelope.to).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(WAITING);
            tokio::spawn(deliver(Arc::downgrade(cluster), envelope.to, receiver));
            sender
        });
        // A full queue is that of a node that has long been silent.
        let _ = queue.try_send(envelope);
    }

    /// Posts messages; the answer is what the node says to them.
    async fn post(&self, address: &str, envelopes: &[Envelope]) -> Option<Vec<Envelope>> {
        let body = Bytes::from(serde_json::to_vec(envelopes).ok()?);
        let asked = self.ask(Method::POST, address, MESSAGES, body);
        let (status, answer, _) = tokio::time::timeout(MESSAGE_TIMEOUT, asked).await.ok()??;
        (status == StatusCode::OK).then(|| serde_json::from_slice(&answer).ok())?
    }

    /// Asks a node for an entry. One that doesn't answer isn't asked again for
    /// a while.
    pub(super) async fn fetch(&self, node: NodeId, address: &str, key: &[u8]) -> Fetched {
        let is_avoided = |until: &Instant| Instant::now() < *until;
        if self.avoided.lock().get(&node).is_some_and(is_avoided) {
            return Fetched::Nothing;
        }
        let path = format!("{ENTRIES}{}", hex(key));
        let asked = self.ask(Method::GET, address, &path, Bytes::new());
        match tokio::time::timeout(ENTRY_TIMEOUT, asked).await {
            Ok(Some((StatusCode::OK, body, is_hit))) => Fetched::Found(body, is_hit),
            Ok(Some((StatusCode::NOT_FOUND, _, _))) => Fetched::Absent,
            Ok(Some(_)) => Fetched::Nothing,
            Ok(None) | Err(_) => {
                self.avoided.lock().insert(node, Instant::now() + AVOIDED);
                Fetched::Nothing
            }
        }
    }

    /// One request; `None` if there is no answer by somebody who knows the
    /// secret.
    async fn ask(
        &self,
        method: Method,
        address: &str,
        path: &str,
        body: Bytes,
    ) -> Option<(StatusCode, Bytes, bool)> {
        let code = self.secret.code(&[method.as_str().as_bytes(), path.as_bytes(), &body]);
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .header(CODE, &code)
            .body(Full::new(body))
            .ok()?;
        let answer = self.client.request(request).await.ok()?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.ok()?.to_bytes();
        let status = head.status.as_str();
        let is_hit = head.headers.contains_key(HIT);
        // It belongs to this request: the code of the request is in it.
        let parts = [code.as_bytes(), status.as_bytes(), &[u8::from(is_hit)], &body];
        let known = self.secret.is_code(head.headers.get(CODE), &parts);
        known.then_some((head.status, body, is_hit))
    }
}

/// The header that says that an entry was in memory.
pub(super) const HIT: &str = "x-larder-hit";

/// Sends what is queued for one node, until the cluster is no more.
async fn deliver(cluster: Weak<Cluster>, node: NodeId, mut queue: mpsc::Receiver<Envelope>) {
    let permits = Arc::new(tokio::sync::Semaphore::new(UNDER_WAY));
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let envelopes = std::mem::take(&mut batch);
        let Some(strong) = cluster.upgrade() else { return };
        let Some(address) = strong.keeper().address(node) else { continue };
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        tokio::spawn(async move {
            if let Some(answers) = strong.peers().post(&address, &envelopes).await {
                strong.receive(answers);
            }
            drop(permit);
        });
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [_, _] => u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok(),
        _ => None,
    };
    digits.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_path() {
        let key = [0, 1, 0xff, b'/'];
        assert_eq!(unhex(&hex(&key)).as_deref(), Some(&key[..]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }
}

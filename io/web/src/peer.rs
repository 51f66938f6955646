//! Services that speak to each other: requests over connections that are kept,
//! with the secret that they share and nobody else knows.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use crate::Problem;

/// The most bytes of an answer.
const LARGEST: usize = 64 << 20;

/// What services know and nobody else.
#[derive(Clone)]
pub struct ServiceToken(Arc<str>);

impl ServiceToken {
    /// That of services in one process.
    pub fn random() -> Self {
        Self::of("larder 2026 services of one process", &crate::random::<32>())
    }

    /// One that an operator gave.
    pub fn given(token: &str) -> Self {
        Self(token.trim().into())
    }

    /// That of services whose processes share a secret; `purpose` is one that
    /// nothing else has.
    pub fn of(purpose: &str, secret: &[u8]) -> Self {
        let key = blake3::derive_key(purpose, secret);
        Self(blake3::Hash::from(key).to_hex().as_str().into())
    }

    /// Whether a request shows it.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        // The comparison of hashes takes the same time wherever they differ.
        blake3::hash(sent.unwrap_or_default()) == blake3::hash(self.header().as_bytes())
    }

    fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceToken")
    }
}

/// Asks other services. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    authorization: HeaderValue,
}

/// What a service answered.
#[derive(Debug)]
pub struct Told {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, of 64 MiB at most.
    pub body: Bytes,
}

impl Client {
    /// A client that shows `token`.
    pub fn new(token: &ServiceToken) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        let authorization =
            HeaderValue::from_str(&token.header()).expect("it is of letters and digits");
        Self { http, authorization }
    }

    /// The answer to a request for `uri`; `None` if there was none.
    pub async fn ask(
        &self,
        method: Method,
        uri: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Option<Told> {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(sent) = request.headers_mut() {
            sent.extend(headers);
            sent.insert(header::AUTHORIZATION, self.authorization.clone());
        }
        let request = request.body(Full::new(body)).ok()?;
        let answer = self.http.request(request).await.ok()?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.ok()?.to_bytes();
        Some(Told { status: parts.status, headers: parts.headers, body })
    }
}

/// A problem document, as the guard writes it.
#[derive(Deserialize)]
struct Document {
    title: String,
    detail: String,
    field: Option<String>,
}

impl Told {
    /// The problem that it tells, if it tells one.
    pub fn problem(&self) -> Option<Problem> {
        let document: Document = serde_json::from_slice(&self.body).ok()?;
        let problem = Problem::new(self.status, document.detail).titled(document.title);
        let retry = self.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry.and_then(|seconds| seconds.parse().ok());
        Some(Problem { field: document.field, retry_after, ..problem })
    }
}

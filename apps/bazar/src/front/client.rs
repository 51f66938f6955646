//! Requests to replicas, over connections that are kept.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use larder_web::Problem;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::balance::Ask;
use crate::error::{Error, Result};
use crate::replica::{INSTANCE, SERVED_BY, ServiceToken};

/// The most bytes of an answer.
const LARGEST: usize = 16 << 20;

/// Asks replicas. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    authorization: HeaderValue,
}

/// What a replica answered.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    pub(crate) fn new(token: &ServiceToken) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        let authorization =
            HeaderValue::from_str(&token.header()).expect("it is of letters and digits");
        Self { http, authorization }
    }

    /// The answer of the replica at `address`; `None` if there was none.
    pub(crate) async fn ask(&self, address: &str, ask: Ask) -> Option<Told> {
        let uri = format!("http://{address}{}", ask.target);
        let mut request = Request::builder().method(ask.method).uri(uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(ask.headers);
            headers.insert(header::AUTHORIZATION, self.authorization.clone());
        }
        let request = request.body(Full::new(ask.body)).ok()?;
        let answer = self.http.request(request).await.ok()?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.ok()?.to_bytes();
        Some(Told { status: parts.status, headers: parts.headers, body })
    }
}

/// A problem document, as a replica writes it.
#[derive(Deserialize)]
struct Document {
    title: String,
    detail: String,
    field: Option<String>,
}

impl Told {
    /// Who answered.
    pub(crate) fn by(&self) -> Arc<str> {
        let name = self.headers.get(SERVED_BY).and_then(|name| name.to_str().ok());
        name.unwrap_or_default().into()
    }

    /// Which database server it goes by.
    pub(crate) fn instance(&self) -> Option<u64> {
        self.headers.get(INSTANCE)?.to_str().ok()?.parse().ok()
    }

    /// What it says.
    ///
    /// # Errors
    /// It says something else.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Damaged(format!("a replica's answer can't be read: {error}")))
    }

    /// The problem that it tells.
    pub(crate) fn problem(&self) -> Error {
        let Ok(document) = serde_json::from_slice::<Document>(&self.body) else {
            return Error::Damaged(format!("a replica answered {} without words", self.status));
        };
        let problem = Problem::new(self.status, document.detail).titled(document.title);
        let problem = match document.field {
            Some(field) => problem.in_field(field),
            None => problem,
        };
        let retry = self.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let problem = match retry.and_then(|seconds| seconds.parse().ok()) {
            Some(seconds) => problem.retry_after(seconds),
            None => problem,
        };
        Error::Told(Arc::new(problem))
    }
}

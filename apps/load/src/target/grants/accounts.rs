//! People who join: each is counted once it is answered, which is when it is
//! durable. The service tells the hashing of the password from the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::http::{Connection, Site, said};
use super::super::{Answer, Client, Setup, Target, Verdict};
use super::{joining, nonce};
use crate::error::Result;
use crate::session::unfit;
use crate::stream::Request;

const KINDS: &[&str] = &["account"];
const PARTS: &[&str] = &["of it hashing", "of it storing"];

/// Joining at the researchers' service.
pub struct Accounts {
    site: Arc<Site>,
    people: Arc<People>,
}

/// Nobody joins twice.
struct People {
    run: u64,
    next: AtomicU64,
}

impl Accounts {
    /// At an address.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str) -> Result<Self> {
        let run = nonce().map_err(|failure| unfit(address, failure.0))?;
        let people = Arc::new(People { run, next: AtomicU64::default() });
        Ok(Self { site: Arc::new(Site::of(address)?), people })
    }
}

#[async_trait]
impl Target for Accounts {
    fn label(&self) -> String {
        format!("grants {} (accounts)", self.site.shown())
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    async fn prepare(&self, _: &Setup<'_>) -> Result<()> {
        Ok(())
    }

    async fn client(&self, _: usize) -> Result<Box<dyn Client>> {
        let mut connection = Connection::new(self.site.clone());
        connection.open().await.map_err(|failure| unfit(&self.label(), failure.0))?;
        Ok(Box::new(Joining { connection, people: self.people.clone() }))
    }
}

struct Joining {
    connection: Connection,
    people: Arc<People>,
}

#[async_trait]
impl Client for Joining {
    async fn ask(&mut self, requests: &[Request], answers: &mut Vec<Answer>) {
        for _ in requests {
            let number = self.people.next.fetch_add(1, Relaxed);
            let body = Bytes::from(joining(self.people.run, number).to_string());
            let mut request = self.connection.site().request(Method::POST, "/api/people", body);
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
            answers.push(match self.connection.send(request).await {
                Ok(answer) if answer.status() == StatusCode::CREATED => {
                    Answer { parts: parts(answer.headers()), ..Answer::right(0, 0) }
                }
                Ok(answer) => {
                    Answer::other(0, Verdict::Failed, said(answer.status(), answer.body()))
                }
                Err(failure) => Answer::other(0, Verdict::Failed, failure.0),
            });
        }
    }
}

/// `Server-Timing: hash;dur=12.3, store;dur=0.4`, in milliseconds.
fn parts(headers: &HeaderMap) -> Vec<(usize, Duration)> {
    let said = headers.get("server-timing").and_then(|said| said.to_str().ok());
    let named = |name: &str| {
        let metrics = said.unwrap_or_default().split(',').map(str::trim);
        let metric = metrics.into_iter().find_map(|metric| metric.strip_prefix(name))?;
        let milliseconds: f64 = metric.strip_prefix(";dur=")?.parse().ok()?;
        Duration::try_from_secs_f64(milliseconds / 1e3).ok()
    };
    let parts = [named("hash"), named("store")];
    parts.into_iter().enumerate().filter_map(|(part, took)| Some((part, took?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_says_of_its_time_is_read() {
        let mut headers = HeaderMap::new();
        let said = HeaderValue::from_static("hash;dur=12.5, store;dur=0.250");
        headers.insert("server-timing", said);
        let [hash, store] = [12_500, 250].map(Duration::from_micros);
        assert_eq!(parts(&headers), [(0, hash), (1, store)]);
        assert_eq!(parts(&HeaderMap::new()), []);
    }
}

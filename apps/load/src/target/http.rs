//! HTTP/1.1 on one kept connection for each client, by hyper itself, as cheap
//! as it can be. It repeats nothing that may have been done.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Failure;
use crate::error::{Error, Result};

/// No answer takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A service's address: host and port, and what stands before every path.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) authority: String,
    host: HeaderValue,
    pub(crate) base: String,
}

impl Site {
    /// Reads `http://HOST:PORT/BASE`.
    pub(crate) fn of(address: &str) -> Result<Self> {
        let wrong = |why| Error::Address { address: address.to_owned(), why };
        let expected = "expected an address such as http://127.0.0.1:5000";
        let url = url::Url::parse(address).map_err(|_| wrong(expected))?;
        if url.scheme() != "http" {
            return Err(wrong(if url.scheme() == "https" {
                "TLS would be measured too; give the http:// address"
            } else {
                expected
            }));
        }
        let name = url.host_str().ok_or_else(|| wrong(expected))?;
        let authority = format!("{name}:{}", url.port().unwrap_or(80));
        let host = HeaderValue::from_str(&authority).map_err(|_| wrong(expected))?;
        let base = url.path().trim_end_matches('/').to_owned();
        Ok(Self { authority, host, base })
    }

    /// As it is shown.
    pub(crate) fn shown(&self) -> String {
        format!("http://{}{}", self.authority, self.base)
    }

    /// A request to it.
    pub(crate) fn request(&self, method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        // What isn't an address comes to nothing there, and is counted.
        *request.uri_mut() = format!("{}{path}", self.base).parse().unwrap_or_default();
        request.headers_mut().insert(header::HOST, self.host.clone());
        request
    }
}

/// A connection that is opened again when it has ended.
pub(crate) struct Connection {
    site: Arc<Site>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn new(site: Arc<Site>) -> Self {
        Self { site, sender: None }
    }

    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Connects, if it isn't.
    pub(crate) async fn open(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Failure> {
        let is_open = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !is_open {
            self.sender = Some(connect(&self.site).await?);
        }
        self.sender.as_mut().ok_or_else(|| Failure::new("there is no connection"))
    }

    /// Sends a request and reads its answer to the end.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        let answered = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let answered = answered.unwrap_or_else(|_| Err(Failure::new("no answer within 30 s")));
        if answered.is_err() {
            self.sender = None;
        }
        answered
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        let mut asked = self.open().await?.try_send_request(request).await;
        if let Err(error) = &mut asked
            && let Some(unsent) = error.take_message()
        {
            // The server ended a kept connection before it saw the request.
            self.sender = None;
            asked = self.open().await?.try_send_request(unsent).await;
        }
        let answer = asked.map_err(|error| Failure::new(error.into_error()))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(Failure::new)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Asks for JSON; another status than expected is a failure with what was
    /// said.
    pub(crate) async fn json(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(HeaderName, &str)],
    ) -> Result<(StatusCode, Value), Failure> {
        let bytes = body.map_or(Bytes::new(), |body| body.to_string().into());
        let mut request = self.site.request(method, path, bytes);
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(Failure::new)?;
            request.headers_mut().insert(name, value);
        }
        let answer = self.send(request).await?;
        let said = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        Ok((answer.status(), said))
    }
}

async fn connect(site: &Site) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let refused = |error| Failure(format!("{} can’t be reached: {error}", site.authority));
    let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(&site.authority)).await;
    let stream = stream.map_err(|_| Failure::new("no connection within 30 s"))?.map_err(refused)?;
    stream.set_nodelay(true).map_err(Failure::new)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Failure::new)?;
    // Its failures are told to who asks.
    tokio::spawn(connection);
    Ok(sender)
}

/// What a failed answer says, in few words.
pub(crate) fn said(status: StatusCode, body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    format!("{status}: {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What a service says it is.
pub(crate) async fn server_of(site: &Arc<Site>) -> String {
    let mut connection = Connection::new(site.clone());
    let answer = connection.send(site.request(Method::GET, "/", Bytes::new())).await;
    let named = answer.ok().and_then(|answer| {
        answer.headers().get(header::SERVER).map(|name| name.to_str().unwrap_or("").to_owned())
    });
    named.unwrap_or_default()
}

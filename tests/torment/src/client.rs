//! One HTTP connection to one node, kept while it works. Retries nothing and
//! follows nothing: what became of a request must be known, or known to be
//! unknown.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// A client of one node.
pub(crate) struct Client {
    from: IpAddr,
    to: SocketAddr,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    work: JoinHandle<()>,
}

impl Drop for Connection {
    /// A request that is given up must not hold its socket until a node that
    /// stands still wakes.
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// What a node answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    etag: Option<String>,
    /// Whether it came from the node's memory, as far as it says.
    pub(crate) is_hit: bool,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The entity tag.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The version in the entity tag.
    pub(crate) fn version(&self) -> Option<u64> {
        version_in(self.etag()?)
    }
}

/// The version in an entity tag: what follows its first hyphen. In front of it
/// is the hash, behind it may be a variant.
pub(crate) fn version_in(tag: &str) -> Option<u64> {
    tag.trim_matches('"').split('-').nth(1)?.parse().ok()
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// No connection: the node knows nothing of the request.
    Unsent,
    /// The connection broke: the node may have done what it was asked.
    BrokenOff,
    /// It took too long: the node may have done so or may do so later.
    Late,
}

/// What to ask.
pub(crate) struct Question<'q> {
    pub(crate) method: Method,
    pub(crate) path: &'q str,
    /// At most one header besides those that every request has.
    pub(crate) condition: Option<(header::HeaderName, &'q str)>,
    pub(crate) body: Vec<u8>,
}

impl<'q> Question<'q> {
    /// A request without condition and body.
    pub(crate) fn new(method: Method, path: &'q str) -> Self {
        Self { method, path, condition: None, body: Vec::new() }
    }
}

impl Client {
    /// A client that comes from one address of ours and talks to one node.
    pub(crate) fn new(from: IpAddr, to: SocketAddr) -> Self {
        Self { from, to, connection: None }
    }

    /// Asks, and says what was answered in time.
    pub(crate) async fn ask(
        &mut self,
        question: Question<'_>,
        within: Duration,
    ) -> Result<Answer, Unanswered> {
        let deadline = Instant::now() + within;
        let is_open = |connection: &Connection| !connection.sender.is_closed();
        let mut connection = match self.connection.take().filter(is_open) {
            Some(connection) => connection,
            None => {
                let connecting = timeout_at(deadline, self.connect()).await;
                connecting.map_err(|_| Unanswered::Unsent)?.map_err(|_| Unanswered::Unsent)?
            }
        };
        let asking = timeout_at(deadline, self.exchange(&mut connection, question)).await;
        let answer = asking.map_err(|_| Unanswered::Late)?.map_err(|_| Unanswered::BrokenOff)?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        question: Question<'_>,
    ) -> hyper::Result<Answer> {
        let sender = &mut connection.sender;
        let mut request = Request::builder()
            .method(question.method)
            .uri(question.path)
            .header(header::HOST, self.to.to_string());
        if let Some((name, value)) = question.condition {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(question.body)).expect("its parts are ours");
        sender.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let etag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let is_hit = head.headers.get("x-cache").is_some_and(|source| source == "hit");
        Ok(Answer { status: head.status.as_u16(), etag: etag.map(Into::into), is_hit, body })
    }

    async fn connect(&self) -> io::Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        let stream = socket.connect(self.to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let work = tokio::spawn(async move {
            // How it ends is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Connection { sender, work })
    }
}

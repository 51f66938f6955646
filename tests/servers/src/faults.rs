//! A proxy before an S3 server that does to requests what networks and
//! overloaded stores do. Never changes what it lets pass.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What the proxy does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Pass,
    /// Answers with this status; 503 with S3's word for being overloaded.
    Status(u16),
    /// Passes them on, and breaks the connection after half of the answer's
    /// body.
    HalfBody,
    /// Reads them and never answers.
    Silence,
    /// Does so with so many, as on connections that went dead, then passes them
    /// on.
    SilenceNext(u32),
    /// Closes connections at once.
    Refuse,
    /// Answers so many with 503, then passes them on.
    FailNext(u32),
    /// Passes so many on, then answers with 500.
    FailAfter(u32),
}

/// A running proxy, gone when this is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    requests: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How long half an answer may take to leave before the connection breaks.
const FLUSHED_WITHIN: Duration = Duration::from_millis(20);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What S3 says when it is asked too much.
const SLOW_DOWN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code>\
                         <Message>Please reduce your request rate.</Message></Error>";

impl FaultProxy {
    /// Starts a proxy before the server at `address` (`HOST:PORT`), which
    /// lets everything pass for now.
    ///
    /// # Panics
    /// There is no free port.
    pub fn start(address: &str) -> Self {
        let (mode, _) = watch::channel(Mode::Pass);
        let (stop, stopped) = oneshot::channel();
        let requests = Arc::new(AtomicU64::new(0));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        listener.set_nonblocking(true).expect("sets up the listener");
        let proxy =
            Proxy { server: address.into(), mode: mode.clone(), requests: requests.clone() };
        let address = listener.local_addr().expect("it has an address");
        // A thread and a runtime of its own, so that tests of any kind can
        // use it.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async {
                tokio::select! {
                    () = proxy.run(listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, mode, requests, stop: Some(stop), thread: Some(thread) }
    }

    /// Where the proxy listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of a bucket behind the proxy, as larder's `--blobs` takes
    /// it.
    pub fn url(&self, bucket: &str) -> String {
        format!("s3://{bucket}?endpoint={}", self.endpoint())
    }

    /// What happens to requests from now on. Those that are met with silence
    /// lose their connection.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many requests have come, whatever was done with them.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Proxy {
    server: String,
    mode: watch::Sender<Mode>,
    requests: Arc<AtomicU64>,
}

/// Ends the connection without an answer.
type Hangup = io::Error;

impl Proxy {
    async fn run(self, listener: std::net::TcpListener) {
        let listener = TcpListener::from_std(listener).expect("the runtime takes the listener");
        loop {
            // A connection that went away before it was taken is the test's
            // business.
            let Ok((connection, _)) = listener.accept().await else { continue };
            if *self.mode.borrow() == Mode::Refuse {
                continue;
            }
            let proxy = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| proxy.answer(request));
                let connection = TokioIo::new(connection);
                let serving = hyper::server::conn::http1::Builder::new();
                let _ = serving.serve_connection(connection, service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut mode = self.mode.subscribe();
        let now = *mode.borrow_and_update();
        match now {
            Mode::Pass => self.pass(request).await,
            Mode::HalfBody => halved(self.pass(request).await?).await,
            Mode::Refuse => Err(hangup("refused")),
            Mode::Status(status) => {
                // S3 reads what is sent before it refuses.
                let _ = request.into_body().collect().await;
                Ok(failure(status))
            }
            Mode::FailNext(left) => {
                if left == 0 {
                    return self.pass(request).await;
                }
                self.mode.send_replace(Mode::FailNext(left - 1));
                let _ = request.into_body().collect().await;
                Ok(failure(503))
            }
            Mode::FailAfter(left) => {
                if left > 0 {
                    self.mode.send_replace(Mode::FailAfter(left - 1));
                    return self.pass(request).await;
                }
                let _ = request.into_body().collect().await;
                Ok(failure(500))
            }
            Mode::SilenceNext(left) => {
                if left == 0 {
                    return self.pass(request).await;
                }
                self.mode.send_replace(Mode::SilenceNext(left - 1));
                std::future::pending().await
            }
            Mode::Silence => {
                let _ = request.into_body().collect().await;
                let _ = mode.changed().await;
                Err(hangup("silence"))
            }
        }
    }

    /// Lets the server answer.
    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
        let server = TcpStream::connect(&self.server).await?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(server)).await;
        let (mut sender, connection) = shaken.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok(response.map(|body| body.map_err(io::Error::other).boxed_unsync()))
    }
}

fn hangup(why: &str) -> Hangup {
    io::Error::new(io::ErrorKind::ConnectionAborted, why.to_owned())
}

/// What is in memory can't fail.
fn hangup_never(never: Infallible) -> Hangup {
    match never {}
}

/// An answer with this status.
fn failure(status: u16) -> Response<Body> {
    let text = if status == 503 { SLOW_DOWN } else { "" };
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(hangup_never).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).expect("it is a status");
    response
}

/// Half of the answer; the header promises all of it.
async fn halved(response: Response<Body>) -> Result<Response<Body>, Hangup> {
    let (mut head, body) = response.into_parts();
    let whole = body.collect().await?.to_bytes();
    if whole.is_empty() {
        return Ok(Response::from_parts(
            head,
            Full::new(whole).map_err(hangup_never).boxed_unsync(),
        ));
    }
    head.headers.remove(http::header::TRANSFER_ENCODING);
    head.headers.insert(http::header::CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    // The half must be on its way before the connection breaks.
    let pieces = stream::unfold(Some(half), async |half| match half {
        Some(half) => Some((Ok(Frame::data(half)), None)),
        None => {
            tokio::time::sleep(FLUSHED_WITHIN).await;
            Some((Err(hangup("half")), None))
        }
    });
    Ok(Response::from_parts(head, StreamBody::new(pieces).boxed_unsync()))
}

//! The listener: accepts connections up to a limit, gives each its timeouts,
//! and at the end lets those in flight finish. hyper-util's builder, because
//! `axum::serve` can't set a header timeout, and hyper ignores its own unless
//! it is given a timer.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::{Access, Peer};

/// What one listener bears.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at one time; more wait to be accepted.
    pub connections: usize,
    /// Time to send the head of a request, and between requests.
    pub header_timeout: Duration,
    /// Size of the head of a request, in bytes.
    pub header_bytes: usize,
    /// Header fields of a request.
    pub header_fields: usize,
    /// Time without progress after which a client that doesn't read its
    /// answer is given up.
    pub stall_timeout: Duration,
    /// Time for requests in flight to finish once the end was asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            header_fields: 100,
            stall_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// What an operator may set for any service on the web.
pub struct WebConfig {
    /// Host names to answer to, besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Who may change things.
    pub access: Access,
    /// What the listener bears.
    pub limits: Limits,
}

/// Asks everything that was started together to end, and remembers why.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    failure: Arc<OnceLock<String>>,
}

impl Shutdown {
    /// Asks for a normal end.
    pub fn ask(&self) {
        self.token.cancel();
    }

    /// Asks for an end because going on would be unsafe.
    pub fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!(reason, "stopping: going on would be unsafe");
        let _ = self.failure.set(reason);
        self.token.cancel();
    }

    /// Waits until the end is asked for.
    pub async fn asked(&self) {
        self.token.cancelled().await;
    }

    /// Whether the end was asked for.
    pub fn is_asked(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why going on was unsafe, if it was.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

/// Binds `address`.
///
/// # Errors
/// One sentence for the person who chose the address by `flag`.
pub async fn listen(flag: &str, address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{flag} {address}: the port is taken by another program; stop it or choose another port (0 takes a free one)"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("{flag} {address}: not allowed; ports below 1024 need root, choose a higher one")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{flag} {address}: this machine has no such address")
        }
        _ => format!("{flag} {address}: {error}"),
    })
}

/// Serves `router` until `shutdown` is asked for and what was in flight then
/// has finished, or the time for that is over.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.header_fields)
        .max_buf_size(limits.header_bytes);
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(limits.connections));

    loop {
        // Who is connected already is served, also at the end: the system would
        // break those off that nobody accepted.
        let accepted = tokio::select! {
            biased;
            accepted = accept(&listener, &room) => accepted,
            () = shutdown.asked() => break,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        prepare(&stream, &limits);
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let ending = shutdown.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = ending.asked() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // A client that breaks off or breaks the protocol is its own
            // matter; hyper has answered it as far as it could.
            if let Err(error) = ended {
                tracing::debug!(%error, %peer, "connection ended early");
            }
            drop(permit);
        });
    }

    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.drain, connections.wait()).await.is_err() {
        tracing::warn!(seconds = limits.drain.as_secs(), "gave up on requests still in flight");
    }
}

/// The next connection, once there is room for it. `None` when the system
/// can't give one now, which must not end the listener.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            // Most often no file descriptors are left: closing connections
            // will free some.
            tracing::warn!(%error, "can't accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn prepare(stream: &TcpStream, limits: &Limits) {
    // Neither is needed for a right answer, so a refusal is no reason to stop.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(limits.stall_timeout));
}

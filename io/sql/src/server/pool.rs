//! Connections to one of several servers: the one that answered last is
//! tried first, unless nobody waited for its answer, and those made before it
//! was lost are not used again.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use parking_lot::Mutex;

use super::link::{Failure, FailureKind, Link, SessionLock};
use crate::url::ServerUrl;
use crate::{Error, Result};

/// How long one server may take to take a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Makes connections.
pub(super) struct Links {
    url: ServerUrl,
    password: Option<String>,
    /// The address that is tried first: the one that answered last, or the one
    /// after an [`Attempt`] that was given up.
    preferred: AtomicUsize,
    /// Counts losses: connections from before the last one are suspect.
    losses: AtomicU64,
    /// Whether a server was asked in vain since one last answered.
    is_suspect: AtomicBool,
    /// The only server that may be used, if that is laid down.
    held_to: Mutex<Option<String>>,
    /// Since when no server took a connection.
    down_since: Mutex<Option<Instant>>,
}

/// A connection with what is known of it.
pub(super) struct Linked {
    /// Absent after it was closed.
    pub(super) link: Link,
    pub(super) lock: SessionLock,
    /// Which server it leads to.
    pub(super) server: String,
    /// Set while statements run: whoever goes away in between leaves a
    /// connection in an unknown state.
    pub(super) in_use: bool,
    losses: u64,
}

/// An attempt at one address. Whoever waits for a connection may give up before
/// [`CONNECT`] is over, and so before the next address has its turn: the next
/// attempt begins there then. Or a server that stands still, or a machine
/// without power, would keep all others from ever being reached.
struct Attempt<'l> {
    links: &'l Links,
    next: usize,
    is_over: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.links.preferred.store(self.next, Ordering::Relaxed);
        }
    }
}

impl Links {
    pub(super) fn new(url: ServerUrl) -> Result<Self> {
        let password = match &url.password_file {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| Error::Open {
                    target: url.to_string(),
                    reason: format!("password-file={}: {error}", file.display()),
                })?;
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
            None => url.password.clone(),
        };
        Ok(Self {
            url,
            password,
            preferred: AtomicUsize::new(0),
            losses: AtomicU64::new(0),
            is_suspect: AtomicBool::new(false),
            held_to: Mutex::new(None),
            down_since: Mutex::new(None),
        })
    }

    /// Notes that a connection was lost, and with it all that are as old.
    pub(super) fn lost(&self, linked: &Linked) {
        self.is_suspect.store(true, Ordering::Relaxed);
        let next = linked.losses + 1;
        let (at, so) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.losses.compare_exchange(linked.losses, next, at, so);
    }

    pub(super) fn hold_to(&self, server: Option<String>) {
        *self.held_to.lock() = server;
    }

    fn may_use(&self, server: &str) -> bool {
        self.held_to.lock().as_deref().is_none_or(|held_to| held_to == server)
    }

    /// Whether the last that was heard of the servers is that one didn't
    /// answer.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed)
    }

    /// Notes that a server answered.
    pub(super) fn answered(&self) {
        self.is_suspect.store(false, Ordering::Relaxed);
    }

    /// How long no server has taken a connection.
    pub(super) fn down_for(&self) -> Duration {
        self.down_since.lock().map_or(Duration::ZERO, |since| since.elapsed())
    }

    async fn open(&self, address: Option<&(String, u16)>) -> Result<Linked, Failure> {
        let lock = SessionLock::new();
        let losses = self.losses.load(Ordering::Relaxed);
        let open = Link::open(&self.url, self.password.as_deref(), address, lock);
        let opened = tokio::time::timeout(CONNECT, open).await;
        let mut link = opened.unwrap_or_else(|_| {
            let error = Error::Unavailable("it does not answer".into());
            Err(Failure { kind: FailureKind::Lost, error })
        })?;
        let server = link.server().await?;
        if !self.may_use(&server) {
            let error = Error::Unavailable("another server answers than the one in use".into());
            return Err(Failure { kind: FailureKind::Lost, error });
        }
        Ok(Linked { link, lock, server, in_use: false, losses })
    }

    /// The failure with the server's address.
    fn named(&self, failure: Failure, address: Option<&(String, u16)>) -> Error {
        let place = match address {
            Some((host, port)) => format!("{host}:{port}"),
            None => self.url.to_string(),
        };
        match failure.error {
            Error::Open { reason, .. } => Error::Open { target: self.url.to_string(), reason },
            error => Error::Unavailable(format!("{place}: {error}")),
        }
    }
}

impl Manager for Links {
    type Type = Linked;
    type Error = Error;

    async fn create(&self) -> Result<Linked> {
        let count = self.url.addresses.len().max(1);
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = Error::Unavailable("no server is named".into());
        for step in 0..count {
            let number = (first + step) % count;
            let address = self.url.addresses.get(number);
            let mut attempt = Attempt { links: self, next: (number + 1) % count, is_over: false };
            let opened = self.open(address).await;
            attempt.is_over = true;
            match opened {
                Ok(linked) => {
                    if self.preferred.swap(number, Ordering::Relaxed) != number {
                        tracing::warn!(server = %number, "the database is reached at another address");
                    }
                    *self.down_since.lock() = None;
                    return Ok(linked);
                }
                Err(failure) => last = self.named(failure, address),
            }
        }
        self.is_suspect.store(true, Ordering::Relaxed);
        self.down_since.lock().get_or_insert_with(Instant::now);
        Err(last)
    }

    async fn recycle(&self, linked: &mut Linked, _: &Metrics) -> RecycleResult<Error> {
        if !self.may_use(&linked.server) {
            Err(RecycleError::message("it leads to another server"))
        } else if linked.losses != self.losses.load(Ordering::Relaxed) {
            Err(RecycleError::message("others as old were lost"))
        } else {
            Ok(())
        }
    }
}

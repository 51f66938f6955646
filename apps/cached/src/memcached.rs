//! memcached's protocol: threads that each have a listener on the same port, a
//! runtime of their own and the connections they accepted. Nothing passes from
//! one thread to another but what is in the cache.

mod admin;
mod auth;
mod batch;
mod connection;
mod listen;
mod meta;
mod output;
mod stats;
mod text;
mod tls;
mod transport;
mod worker;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use larder_web::Shutdown;
use parking_lot::RwLock;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::LocalSet;

use crate::MemCache;
use auth::Users;
pub use listen::Listeners;
use tls::Tls;
pub use tls::TlsFiles;
use transport::Stream;
use worker::Worker;

/// What it says it is. Clients go by the number in what they expect, so it is
/// that of the memcached whose answers these are.
const VERSION: &str = concat!("1.6.45-larder-", env!("CARGO_PKG_VERSION"));

/// What is answered to one connection too many.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// Time without an acknowledgement after which a client is given up that
/// doesn't take what it is sent.
const STALL: Duration = Duration::from_secs(60);

/// What may be set of the protocol.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections at one time; more are refused.
    pub max_connections: usize,
    /// Threads that serve connections; at least 1.
    pub threads: usize,
    /// Whether `shutdown` ends the process.
    pub may_shut_down: bool,
    /// Whether `flush_all` does something.
    pub may_flush: bool,
    /// Whether keys may be listed.
    pub may_dump: bool,
    /// Whether `debugtime` moves the clock.
    pub debug_commands: bool,
    /// A file of lines `USER:PASSWORD`, of whom nobody else may do anything.
    pub auth_file: Option<String>,
    /// The certificate for TCP connections, which then are under TLS.
    pub tls: Option<TlsFiles>,
    /// What `stats settings` says of the port, the addresses and the socket.
    pub port: u16,
    /// See `port`.
    pub inter: Option<String>,
    /// See `port`.
    pub socket: Option<String>,
    /// Who may use the Unix socket, as a file's mode.
    pub socket_mode: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            threads: 1,
            may_shut_down: false,
            may_flush: true,
            may_dump: true,
            debug_commands: false,
            auth_file: None,
            tls: None,
            port: 0,
            inter: None,
            socket: None,
            socket_mode: 0o700,
        }
    }
}

/// What all threads share beside the entries.
struct Shared {
    settings: Settings,
    users: Option<Arc<RwLock<Users>>>,
    tls: Option<Tls>,
    connections: Arc<AtomicUsize>,
    accepted: AtomicU64,
    rejected: AtomicU64,
    /// The cache's counters when all were reset.
    before: Before,
    shutdown: Shutdown,
}

#[derive(Default)]
struct Before {
    evictions: AtomicU64,
    inserts: AtomicU64,
}

/// Threads that serve the protocol.
pub struct Serving {
    threads: Vec<JoinHandle<()>>,
    socket: Option<PathBuf>,
    users: Option<(Arc<RwLock<Users>>, String)>,
    shared: Arc<Shared>,
}

/// Begins to serve `cache` on `listeners`, until `shutdown` is asked for.
///
/// # Errors
/// One sentence that begins with what it is about: the file of users or the
/// certificate can't be read, or there are no threads.
pub fn serve(
    cache: &MemCache,
    settings: Settings,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<Serving, String> {
    let users = settings.auth_file.clone().map(|file| {
        let users =
            Users::read(file.as_ref()).map_err(|why| format!("--auth-file {file}: {why}"))?;
        Ok::<_, String>((Arc::new(RwLock::new(users)), file))
    });
    let users = users.transpose()?;
    let tls = settings.tls.clone().map(Tls::read).transpose()?;
    let shared = Arc::new(Shared {
        settings,
        users: users.as_ref().map(|(users, _)| Arc::clone(users)),
        tls,
        connections: cache.connection_count(),
        accepted: AtomicU64::new(0),
        rejected: AtomicU64::new(0),
        before: Before::default(),
        shutdown,
    });
    let socket = listeners.socket_path();
    let mut threads = Vec::new();
    for (number, own) in listeners.divide(shared.settings.threads).into_iter().enumerate() {
        let (cache, shared) = (cache.clone(), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name(format!("memcached-{number}"));
        let thread = thread.spawn(move || serve_on_thread(&cache, &shared, own));
        threads.push(thread.map_err(|error| format!("no thread can be started: {error}"))?);
    }
    Ok(Serving { threads, socket, users, shared })
}

impl Serving {
    /// Reads the file of users and the certificate again; what can't be read
    /// stays as it was.
    ///
    /// # Errors
    /// One sentence: what is wrong with them.
    pub fn reload(&self) -> Result<(), String> {
        if let Some((users, file)) = &self.users {
            *users.write() = Users::read(file.as_ref()).map_err(|why| format!("{file}: {why}"))?;
        }
        self.shared.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    /// Waits for the end of all threads, which the shutdown asks for.
    pub fn wait(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the memcached service ended early");
            }
        }
        if let Some(path) = self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn serve_on_thread(cache: &MemCache, shared: &Arc<Shared>, listeners: listen::Own) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "no runtime for a thread"),
    };
    let worker = Rc::new(Worker::new(cache.items(), Arc::clone(shared)));
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        for tcp in listeners.tcp {
            match TcpListener::from_std(tcp) {
                Ok(listener) => drop(tokio::task::spawn_local(accept(listener, worker.clone()))),
                Err(error) => tracing::error!(%error, "a listener can't be used"),
            }
        }
        if let Some(unix) = listeners.unix {
            match UnixListener::from_std(unix) {
                Ok(listener) => drop(tokio::task::spawn_local(accept_unix(listener, worker))),
                Err(error) => tracing::error!(%error, "the socket can't be used"),
            }
        }
        shared.shutdown.asked().await;
    });
}

async fn accept(listener: TcpListener, worker: Rc<Worker>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                prepare(&stream);
                match &worker.shared.tls {
                    Some(_) => admit_under_tls(stream, &worker),
                    None => admit(stream, &worker),
                }
            }
            Err(error) => cannot_accept(&error).await,
        }
    }
}

async fn accept_unix(listener: UnixListener, worker: Rc<Worker>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(stream, &worker),
            Err(error) => cannot_accept(&error).await,
        }
    }
}

/// Most often no file descriptors are left: closing connections will free some.
async fn cannot_accept(error: &std::io::Error) {
    tracing::warn!(%error, "can't accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Neither of these is needed for a right answer, so a refusal is no reason to
/// stop.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_keepalive(true);
    let _ = socket.set_tcp_user_timeout(Some(STALL));
}

/// Serves a connection, if there aren't too many.
fn admit(mut stream: impl Stream + 'static, worker: &Rc<Worker>) {
    let Some(place) = Place::take(worker) else {
        tokio::task::spawn_local(async move {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(TOO_MANY).await;
        });
        return;
    };
    tokio::task::spawn_local(async move {
        tell_end(connection::serve(&mut stream, Rc::clone(&place.0)).await);
        drop(place);
    });
}

/// As [`admit`]; nothing is said to one too many, who would have to agree on a
/// cipher first.
fn admit_under_tls(stream: TcpStream, worker: &Rc<Worker>) {
    let Some(place) = Place::take(worker) else { return };
    tokio::task::spawn_local(async move {
        let Some(tls) = &place.0.shared.tls else { return };
        match tls.accept(stream).await {
            Ok(mut stream) => {
                tell_end(connection::serve(&mut stream, Rc::clone(&place.0)).await);
                tls::farewell(&mut stream).await;
            }
            Err(error) => tracing::debug!(%error, "a client speaks no TLS that is understood"),
        }
        drop(place);
    });
}

/// A client that breaks off is its own matter.
fn tell_end(end: std::io::Result<()>) {
    if let Err(error) = end {
        tracing::debug!(%error, "connection ended early");
    }
}

/// A connection's place among those that are allowed.
struct Place(Rc<Worker>);

impl Place {
    fn take(worker: &Rc<Worker>) -> Option<Self> {
        let shared = &worker.shared;
        if shared.connections.fetch_add(1, Relaxed) >= shared.settings.max_connections {
            shared.connections.fetch_sub(1, Relaxed);
            shared.rejected.fetch_add(1, Relaxed);
            return None;
        }
        shared.accepted.fetch_add(1, Relaxed);
        Some(Self(Rc::clone(worker)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.shared.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;

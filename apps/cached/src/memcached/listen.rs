//! Taking addresses: a listener per thread on each, which the system divides
//! connections among, and a Unix socket.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

const BACKLOG: i32 = 1024;

/// Addresses that are taken.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For each address a listener per thread.
    tcp: Vec<Vec<TcpListener>>,
    unix: Option<(UnixListener, PathBuf)>,
}

/// The listeners of one thread.
pub(super) struct Own {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Option<UnixListener>,
}

impl Listeners {
    /// Takes a port for so many threads; 0 takes a free one.
    ///
    /// # Errors
    /// The address can't be taken.
    pub fn tcp(&mut self, address: SocketAddr, threads: usize) -> io::Result<SocketAddr> {
        // Whoever may share a port with a program of the same user gets it
        // without an error, and half of its clients. So ask without sharing.
        let probe = socket(address, false)?;
        let taken = probe.local_addr()?.as_socket().unwrap_or(address);
        drop(probe);
        let mut listeners = Vec::new();
        for _ in 0..threads.max(1) {
            let socket = socket(taken, true)?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            listeners.push(socket.into());
        }
        self.tcp.push(listeners);
        Ok(taken)
    }

    /// Takes a path for a socket, which users may use as `mode` says. What a
    /// process that ended left there is removed.
    ///
    /// # Errors
    /// The path is in use, or not to be written to.
    pub fn unix(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        if let Ok(there) = std::fs::symlink_metadata(path) {
            if !there.file_type().is_socket() || UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        self.unix = Some((listener, path.into()));
        Ok(())
    }

    pub(super) fn socket_path(&self) -> Option<PathBuf> {
        self.unix.as_ref().map(|(_, path)| path.clone())
    }

    /// What each thread gets. Those that accept on the Unix socket share it.
    pub(super) fn divide(self, threads: usize) -> Vec<Own> {
        let mut tcp: Vec<_> = self.tcp.into_iter().map(Vec::into_iter).collect();
        let own = |_| Own {
            tcp: tcp.iter_mut().filter_map(Iterator::next).collect(),
            unix: self.unix.as_ref().and_then(|(listener, _)| listener.try_clone().ok()),
        };
        (0..threads.max(1)).map(own).collect()
    }
}

fn socket(address: SocketAddr, shares: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shares {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

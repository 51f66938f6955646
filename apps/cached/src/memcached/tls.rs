//! memcached's protocol under TLS: the certificate and its key from files, read
//! again when somebody asks, and the stream as a transport. Clients need no
//! certificate.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::transport::Stream;

/// Who says nothing, or nonsense, has a place among the connections for so long.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the farewell may take: whoever doesn't take it is closed anyway.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where the certificate and its key are, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those that vouch for it after it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What the server shows to its clients.
pub(super) struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One sentence: which file is wrong, and how.
    pub(super) fn read(files: TlsFiles) -> Result<Self, String> {
        let current = RwLock::new(Arc::new(config(&files)?));
        Ok(Self { files, current })
    }

    /// Reads them again; connections that are there stay as they are. What
    /// can't be read changes nothing.
    ///
    /// # Errors
    /// As [`Tls::read`].
    pub(super) fn reload(&self) -> Result<(), String> {
        *self.current.write() = Arc::new(config(&self.files)?);
        Ok(())
    }

    /// Agrees with a client on how to go on.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.read()));
        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await?
    }
}

fn config(files: &TlsFiles) -> Result<ServerConfig, String> {
    let TlsFiles { certificate, key } = files;
    let wrong = |file: &PathBuf, why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|why| wrong(certificate, &why))?;
    let own = PrivateKeyDer::from_pem_file(key).map_err(|why| wrong(key, &why))?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, own)
        .map_err(|why| wrong(certificate, &why))
}

impl Stream for TlsStream<TcpStream> {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (socket, session) = self.get_ref();
        match session.wants_read() {
            true => socket.poll_read_ready(context),
            // There are bytes that were deciphered, or the end.
            false => Poll::Ready(Ok(())),
        }
    }
}

/// Says that nothing more comes, so that the client needn't take the end for an
/// attack.
pub(super) async fn farewell(stream: &mut TlsStream<TcpStream>) {
    let end = std::future::poll_fn(|context| {
        ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        Poll::Ready(io::Result::Ok(()))
    });
    let _ = tokio::time::timeout(FAREWELL, end).await;
}

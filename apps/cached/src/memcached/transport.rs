//! What a connection needs of a socket: bytes in, a list of slices out. Another
//! way to talk to the system takes the place of this file.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A socket.
pub(super) trait Transport {
    /// Ready once there are bytes to read, so that who waits for them needs no
    /// buffer. A socket that can't tell is always ready.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Appends bytes to `buffer`, no more than it has room for; the number, 0
    /// at the end.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut impl BufMut,
    ) -> Poll<io::Result<usize>>;

    /// Sends slices in their order; how many bytes.
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Ready once nothing of what was sent is held back.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream of the runtime that may say when it is ready.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// See [`Transport::poll_ready`].
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Stream for TcpStream {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}

impl Stream for UnixStream {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}

impl<S: Stream> Transport for S {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Stream::poll_ready(self, context)
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        tokio_util::io::poll_read_buf(Pin::new(self), context, buffer)
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            [one] => AsyncWrite::poll_write(Pin::new(self), context, one),
            many => AsyncWrite::poll_write_vectored(Pin::new(self), context, many),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(self), context)
    }
}

//! Text protocols over TCP, several requests in one go where a depth is asked
//! for. What the bytes mean is each protocol's own file's matter.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::PATIENCE;
use super::keyed::{Ask, CACHE_KINDS, Contents, FILLERS, Keyed, Link, Reply};
use super::{Client, Failure, Setup, Target};
use crate::error::{Error, Result};
use crate::session::unfit;

/// Read at once.
const PIECE: usize = 64 << 10;

/// No line of an answer is longer.
const LONGEST_LINE: usize = 4096;

/// A protocol.
pub(crate) trait Wire: Send + Sync + 'static {
    /// What speaks it.
    const NAME: &'static str;

    /// Writes a request.
    fn write(ask: &Ask, to: &mut BytesMut);

    /// Takes an answer from what was read, if all of it has come; `line` is
    /// where its first line ends.
    fn read(ask: &Ask, from: &mut BytesMut, line: usize) -> Option<Result<Reply, Failure>>;

    /// Asks for the version.
    const VERSION: &'static [u8];

    /// The number in what is said of the version.
    fn number(said: &str) -> Option<&str>;
}

/// A mem-cache that speaks such a protocol.
pub(crate) struct MemCache<W> {
    address: Arc<str>,
    contents: Arc<Contents>,
    is_filled: bool,
    wire: std::marker::PhantomData<W>,
}

impl<W: Wire> MemCache<W> {
    /// The one at `HOST:PORT`, filled before it is measured or not.
    ///
    /// # Errors
    /// The address is none.
    pub(crate) fn new(at: &str, contents: Arc<Contents>, is_filled: bool) -> Result<Self> {
        let wire = std::marker::PhantomData;
        Ok(Self { address: address(at)?, contents, is_filled, wire })
    }

    async fn link(&self) -> Result<Box<dyn Link>> {
        let link = WireLink::<W>::connect(&self.address).await;
        Ok(Box::new(link.map_err(|failure| unfit(&self.label(), failure.0))?))
    }
}

#[async_trait]
impl<W: Wire> Target for MemCache<W> {
    fn label(&self) -> String {
        format!("{} {}", W::NAME, self.address)
    }

    fn kinds(&self) -> &'static [&'static str] {
        CACHE_KINDS
    }

    async fn version(&self) -> String {
        let said = WireLink::<W>::version(&self.address).await.unwrap_or_default();
        W::number(&said).map(|number| format!("version {number}")).unwrap_or_default()
    }

    async fn prepare(&self, setup: &Setup<'_>) -> Result<()> {
        if !self.is_filled {
            return Ok(());
        }
        let mut links = Vec::new();
        for _ in 0..FILLERS {
            links.push(self.link().await?);
        }
        self.contents.fill(&self.label(), setup, links).await
    }

    async fn client(&self, _: usize) -> Result<Box<dyn Client>> {
        Ok(Box::new(Keyed { contents: self.contents.clone(), link: self.link().await? }))
    }
}

/// Checks an address: `HOST:PORT`.
fn address(text: &str) -> Result<Arc<str>> {
    match text.rsplit_once(':').map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) => Ok(text.into()),
        _ => Err(Error::Address {
            address: text.to_owned(),
            why: "expected HOST:PORT such as 127.0.0.1:11211",
        }),
    }
}

/// A connection that is opened again when it has ended.
pub(crate) struct WireLink<W> {
    address: Arc<str>,
    open: Option<Open>,
    wire: std::marker::PhantomData<W>,
}

/// An open connection, and what of its answers wasn't looked at yet.
struct Open {
    stream: TcpStream,
    read: BytesMut,
    send: BytesMut,
}

#[async_trait]
impl<W: Wire> Link for WireLink<W> {
    async fn ask(&mut self, asked: &[Ask], replies: &mut Vec<Result<Reply, Failure>>) {
        let mut failure = None;
        match self.open().await {
            Err(refused) => failure = Some(refused),
            Ok(open) => {
                let all = tokio::time::timeout(PATIENCE, open.exchange::<W>(asked, replies)).await;
                let all = all.unwrap_or_else(|_| Err(Failure::new("no answer within 30 s")));
                if let Err(broken) = all {
                    self.open = None;
                    failure = Some(broken);
                }
            }
        }
        if let Some(failure) = failure {
            replies.resize_with(asked.len(), || Err(failure.clone()));
        }
    }
}

impl<W: Wire> WireLink<W> {
    /// A connection, open.
    pub(crate) async fn connect(address: &Arc<str>) -> Result<Self, Failure> {
        let wire = std::marker::PhantomData;
        let mut link = Self { address: address.clone(), open: None, wire };
        link.open().await?;
        Ok(link)
    }

    async fn open(&mut self) -> Result<&mut Open, Failure> {
        if self.open.is_none() {
            let address = &*self.address;
            let refused = |error| Failure(format!("{address} can’t be reached: {error}"));
            let stream = TcpStream::connect(address).await.map_err(refused)?;
            stream.set_nodelay(true).map_err(Failure::new)?;
            let [read, send] = [(); 2].map(|()| BytesMut::with_capacity(PIECE));
            self.open = Some(Open { stream, read, send });
        }
        self.open.as_mut().ok_or_else(|| Failure::new("there is no connection"))
    }

    /// What the other end says of its version.
    pub(crate) async fn version(address: &Arc<str>) -> Option<String> {
        let mut link = Self::connect(address).await.ok()?;
        let open = link.open().await.ok()?;
        tokio::time::timeout(PATIENCE, open.version(W::VERSION)).await.ok()?.ok()
    }
}

impl Open {
    /// Sends all, and reads answers while it sends: two who only write would
    /// wait for each other.
    async fn exchange<W: Wire>(
        &mut self,
        asked: &[Ask],
        replies: &mut Vec<Result<Reply, Failure>>,
    ) -> Result<(), Failure> {
        self.send.clear();
        for ask in asked {
            W::write(ask, &mut self.send);
        }
        while !self.send.is_empty() || replies.len() < asked.len() {
            while let Some(reply) = asked.get(replies.len()).and_then(|ask| self.reply::<W>(ask)) {
                replies.push(Ok(reply?));
            }
            if replies.len() < asked.len() || !self.send.is_empty() {
                self.transfer().await.map_err(Failure::new)?;
            }
        }
        Ok(())
    }

    /// Writes or reads, whichever comes first.
    async fn transfer(&mut self) -> std::io::Result<()> {
        self.read.reserve(PIECE);
        let (mut from, mut to) = self.stream.split();
        let read = tokio::select! {
            biased;
            written = to.write(&self.send), if !self.send.is_empty() => {
                self.send.advance(written?);
                return Ok(());
            }
            read = from.read_buf(&mut self.read) => read?,
        };
        if read == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn reply<W: Wire>(&mut self, ask: &Ask) -> Option<Result<Reply, Failure>> {
        match self.read.windows(2).position(|end| end == b"\r\n") {
            Some(line) => W::read(ask, &mut self.read, line),
            None => (self.read.len() > LONGEST_LINE)
                .then(|| Err(Failure::new("an answer has no end of line"))),
        }
    }

    async fn version(&mut self, ask: &[u8]) -> Result<String, Failure> {
        self.stream.write_all(ask).await.map_err(Failure::new)?;
        while !self.read.ends_with(b"\r\n") {
            self.transfer().await.map_err(Failure::new)?;
        }
        Ok(String::from_utf8_lossy(&self.read).into_owned())
    }
}

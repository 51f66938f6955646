//! A blob's bytes on their way from S3: asked for again from where they broke
//! off, a few times. Never ends before all of them have come, except with an
//! error.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use object_store::{GetOptions, GetRange, ObjectStore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Inner;
use crate::{BlobId, Error, Result};

/// How often a body that broke off is asked for again.
const RESUMPTIONS: u32 = 4;

/// Bytes of one blob that are still to come.
pub(super) struct Body {
    store: Arc<Inner>,
    id: BlobId,
    rest: Range<u64>,
    pieces: Option<Pieces>,
    resumptions: u32,
}

type Pieces = BoxStream<'static, object_store::Result<Bytes>>;

impl Body {
    /// All of the blob, however long it is.
    pub(super) async fn whole(store: Arc<Inner>, id: BlobId) -> Result<Self> {
        let (rest, pieces) = store.ask(&id, None).await?;
        Ok(Self { store, id, rest, pieces: Some(pieces), resumptions: 0 })
    }

    /// These bytes of it.
    pub(super) async fn range(store: Arc<Inner>, id: BlobId, range: Range<u64>) -> Result<Self> {
        if range.start > range.end {
            return Err(Error::outside(&id, &range));
        }
        if range.is_empty() {
            // S3 has no way to ask for nothing; the blob must be there.
            let (whole, _) = store.ask(&id, None).await?;
            return if range.end <= whole.end {
                Ok(Self { store, id, rest: range, pieces: None, resumptions: 0 })
            } else {
                Err(Error::outside(&id, &range))
            };
        }
        let (rest, pieces) = store.ask(&id, Some(range)).await?;
        Ok(Self { store, id, rest, pieces: Some(pieces), resumptions: 0 })
    }

    /// How many bytes are still to come.
    pub(super) fn left(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    /// The next piece; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        // Counted from here: how long the reader took isn't the store's doing.
        let end = Instant::now() + self.store.limit();
        loop {
            let failure = match timeout_at(end, self.piece()).await {
                Ok(Ok(piece)) => {
                    self.rest.start += piece.len() as u64;
                    return Ok(Some(piece));
                }
                Ok(Err(failure)) => failure,
                Err(_) => self.store.silent(&format!("read blob {}", self.id)),
            };
            self.pieces = None;
            self.resumptions += 1;
            let is_passing = matches!(failure, Error::Unavailable { .. });
            let pause = self.store.pause(self.resumptions);
            if !is_passing || self.resumptions > RESUMPTIONS || Instant::now() + pause > end {
                return Err(failure);
            }
            tracing::info!(%failure, "asking for the rest");
            sleep(pause).await;
        }
    }

    /// The next piece of the answer that is coming, or of a new one.
    async fn piece(&mut self) -> Result<Bytes> {
        let operation = || format!("read blob {}", self.id);
        let pieces = match &mut self.pieces {
            Some(pieces) => pieces,
            none => none.insert(self.store.ask(&self.id, Some(self.rest.clone())).await?.1),
        };
        let left = self.rest.end - self.rest.start;
        loop {
            let reason = match timeout(self.store.patience / 3, pieces.next()).await {
                Ok(Some(Ok(piece))) if piece.is_empty() => continue,
                Ok(Some(Ok(piece))) if piece.len() as u64 <= left => return Ok(piece),
                Ok(Some(Ok(_))) => "the store sent more than was asked for".to_owned(),
                Ok(Some(Err(error))) => {
                    return Err(self.store.error(&operation(), Some(&self.id), &error));
                }
                Ok(None) => "the store's answer ended early".to_owned(),
                Err(_) => "the store's answer stopped".to_owned(),
            };
            return Err(Error::Unavailable { operation: operation(), reason });
        }
    }
}

impl Inner {
    /// Asks for a blob or a range of it. The answer has which bytes will come.
    async fn ask(&self, id: &BlobId, range: Option<Range<u64>>) -> Result<(Range<u64>, Pieces)> {
        let operation = format!("read blob {id}");
        let asked = range.clone().map(GetRange::Bounded);
        let options = GetOptions { range: asked, ..GetOptions::default() };
        let key = self.key(id);
        let answer = match timeout(self.limit(), self.store.get_opts(&key, options)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.error(&operation, Some(id), &error)),
            Err(_) => return Err(self.silent(&operation)),
        };
        if let Some(range) = range
            && range != answer.range
        {
            return Err(Error::outside(id, &range));
        }
        Ok((answer.range.clone(), answer.into_stream()))
    }
}

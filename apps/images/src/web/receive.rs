//! Receiving an upload: chunks from the network into the spool, with a limit
//! on how long a client may keep us waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::StatusCode;

use crate::error::{Error, Result};
use crate::service::Incoming;

/// How long a client may send nothing.
const IDLE: Duration = Duration::from_secs(15);

/// Time every upload has, and the pace it must keep after that: a client that
/// sends a byte now and then would else hold its connection for days.
const GRACE: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND: u64 = 4096;

/// The most of a refused upload that is read and thrown away.
const DISCARD_BYTES: u64 = 64 << 20;

/// The largest field of a form that isn't a file.
const FIELD_BYTES: usize = 64 * 1024;

/// The most parts of a form: a hundred files and the fields beside them.
const PARTS: usize = 108;

/// The most of a form that may arrive without one byte of a field: the reader
/// of forms gathers the head of a part whole, however long it is.
const HEAD_BYTES: usize = 64 * 1024;

/// Watches over the pace of a client.
struct Pace {
    since: Instant,
    bytes: u64,
    /// Bytes of a form that arrived since the last that was delivered.
    undelivered: Arc<AtomicUsize>,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, undelivered: Arc::default() }
    }

    /// The next chunk, if it comes in time.
    async fn next<S, E>(&mut self, chunks: &mut S) -> Result<Option<Bytes>>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Error>,
    {
        let allowed = GRACE + Duration::from_secs(self.bytes / BYTES_PER_SECOND);
        if self.since.elapsed() > allowed {
            return Err(Error::TooSlow);
        }
        match tokio::time::timeout(IDLE, chunks.next()).await {
            Err(_) => Err(Error::TooSlow),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(Some(Ok(bytes))) => {
                self.bytes += bytes.len() as u64;
                self.undelivered.store(0, Ordering::Relaxed);
                Ok(Some(bytes))
            }
        }
    }

    /// Receives all chunks. The outer error is the connection's, the inner one
    /// the upload's; after that the rest is read and thrown away, so that the
    /// client gets to read why.
    async fn receive<S, E>(
        &mut self,
        chunks: &mut S,
        mut incoming: Result<Incoming>,
    ) -> Result<Result<Incoming>>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Error>,
    {
        let mut thrown_away = 0;
        while let Some(bytes) = self.next(chunks).await? {
            match &mut incoming {
                Ok(upload) => {
                    if let Err(error) = upload.write(bytes).await {
                        incoming = Err(error);
                    }
                }
                Err(error) => {
                    thrown_away += bytes.len() as u64;
                    if thrown_away > DISCARD_BYTES {
                        return Err(error.clone());
                    }
                }
            }
        }
        Ok(incoming)
    }
}

/// Receives a raw body. After a refusal the rest is read and thrown away.
pub(crate) async fn body(body: Body, incoming: Result<Incoming>) -> Result<Incoming> {
    Pace::new().receive(&mut body.into_data_stream(), incoming).await?
}

/// One part of a form.
#[allow(clippy::large_enum_variant)] // There is one at a time, and it is never kept.
pub(crate) enum Part<'f> {
    /// A file that waits to be received.
    File(FilePart<'f>),
    /// A text field: its name and its text.
    Text(String, String),
}

/// A file of a form that has not been received yet.
pub(crate) struct FilePart<'f> {
    field: Field<'f>,
    pace: &'f mut Pace,
}

impl FilePart<'_> {
    /// The file's own name; empty if the client gave none.
    pub(crate) fn name(&self) -> String {
        // Some browsers send the whole path.
        let path = self.field.file_name().unwrap_or_default();
        path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
    }

    /// Receives the file. The inner result is the file's: the form goes on
    /// after one that is refused.
    pub(crate) async fn receive(mut self, incoming: Result<Incoming>) -> Result<Result<Incoming>> {
        self.pace.receive(&mut self.field, incoming).await
    }
}

/// A form whose parts are received one after the other.
pub(crate) struct Form {
    multipart: Multipart,
    parts: usize,
    pace: Pace,
}

impl Form {
    /// The form that a request carries.
    ///
    /// # Errors
    /// [`Error::BadForm`]: it carries none.
    pub(crate) async fn of(request: Request) -> Result<Self> {
        let pace = Pace::new();
        let undelivered = pace.undelivered.clone();
        let request = request.map(|body| {
            Body::from_stream(body.into_data_stream().map(move |chunk| {
                let chunk = chunk?;
                let arrived = undelivered.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
                if arrived > HEAD_BYTES { Err(axum::Error::new(HeadTooLong)) } else { Ok(chunk) }
            }))
        });
        let multipart = Multipart::from_request(request, &()).await.map_err(|_| {
            Error::BadForm(
                "The body must be a form, multipart/form-data, with the fields key and file."
                    .into(),
            )
        })?;
        Ok(Self { multipart, parts: 0, pace })
    }

    /// The next part. A field named `file` is a file, whether or not it has a
    /// file name; every other is text.
    pub(crate) async fn next(&mut self) -> Result<Option<Part<'_>>> {
        let next = tokio::time::timeout(IDLE, self.multipart.next_field()).await;
        let Some(mut field) = next.map_err(|_| Error::TooSlow)?? else { return Ok(None) };
        self.pace.undelivered.store(0, Ordering::Relaxed);
        self.parts += 1;
        if self.parts > PARTS {
            return Err(Error::BadForm(format!("The form has more than {PARTS} parts.")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            return Ok(Some(Part::File(FilePart { field, pace: &mut self.pace })));
        }
        let text = small_text(&mut self.pace, &mut field).await?;
        Ok(Some(Part::Text(name, text)))
    }
}

async fn small_text(pace: &mut Pace, field: &mut Field<'_>) -> Result<String> {
    let mut text = Vec::new();
    while let Some(bytes) = pace.next(field).await? {
        if text.len() + bytes.len() > FIELD_BYTES {
            return Err(Error::BadForm(format!("A field is longer than {FIELD_BYTES} bytes.")));
        }
        text.extend_from_slice(&bytes);
    }
    String::from_utf8(text).map_err(|_| Error::BadForm("A field is not UTF-8 text.".into()))
}

/// The head of a part of a form has no end.
#[derive(Debug, thiserror::Error)]
#[error("the head of a part is too long")]
struct HeadTooLong;

impl HeadTooLong {
    /// Whether it is why another error came about.
    fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        error.is::<Self>() || error.source().is_some_and(Self::caused)
    }
}

impl From<MultipartError> for Error {
    fn from(error: MultipartError) -> Self {
        if HeadTooLong::caused(&error) {
            return Self::BadForm(format!(
                "The head of a part of the form is longer than {HEAD_BYTES} bytes."
            ));
        }
        match error.status() {
            StatusCode::BAD_REQUEST => {
                Self::BadForm("The body is not a complete multipart form.".into())
            }
            _ => Self::BrokeOff,
        }
    }
}

impl From<axum::Error> for Error {
    fn from(_: axum::Error) -> Self {
        Self::BrokeOff
    }
}

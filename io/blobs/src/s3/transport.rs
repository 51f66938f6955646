//! The HTTP client under the S3 store: object_store's own, with a limit on
//! how long each attempt may take and with refusals as typed errors. Whether
//! to try again is left to object_store; nothing here retries.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::header::ETAG;
use http::{Method, StatusCode};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, Result};
use tokio::time::timeout;

/// What an upload may take beyond the usual, for each second: a slow line is
/// not a silent store.
const SLOWEST_BYTES_PER_SECOND: f64 = 1024.0 * 1024.0;

/// How much of an error's text is read: S3's are a few hundred bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Makes clients whose attempts end in time.
#[derive(Debug)]
pub(super) struct Transport {
    /// How long the store may say nothing in all.
    pub(super) patience: Duration,
}

impl HttpConnector for Transport {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Attempts { client, patience: self.patience }))
    }
}

#[derive(Debug)]
struct Attempts {
    client: HttpClient,
    patience: Duration,
}

/// How long `len` bytes may take to send.
pub(super) fn sending_time(len: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "it's an estimate")]
    Duration::from_secs_f64(len as f64 / SLOWEST_BYTES_PER_SECOND)
}

#[async_trait::async_trait]
impl HttpService for Attempts {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // A third, so that a connection that went dead is given up in time
        // for another one. What ends an upload in parts may take long, and
        // should better not be said twice.
        let answering = match *request.method() {
            Method::POST => self.patience,
            _ => self.patience / 3,
        };
        let limit = answering + sending_time(request.body().content_length() as u64);
        let is_get = request.method() == Method::GET;
        let attempt = async {
            let mut response = self.client.execute(request).await?;
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            if is_get {
                // Without it object_store doesn't ask again for the rest of a
                // body that broke off. `Body` does, with a limit of its own,
                // and limits on limits have no end that can be told.
                response.headers_mut().remove(ETAG);
            }
            Ok(response)
        };
        // All that is ever sent may be sent twice: `Request` is the kind that
        // is tried again whatever its method.
        timeout(limit, attempt)
            .await
            .unwrap_or_else(|_| Err(HttpError::new(HttpErrorKind::Request, Silence(limit))))
    }
}

/// An error and what caused it, down to the root.
pub(super) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The store said no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// S3's own word for it, such as `NoSuchBucket`; an answer to `HEAD` has
    /// none.
    pub(super) code: Option<String>,
}

impl Refusal {
    /// Whether another attempt may have better luck.
    pub(super) fn is_passing(&self) -> bool {
        self.status.is_server_error()
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }

    /// The refusal in an error's chain of sources.
    pub(super) fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store answered {}", self.status.as_u16())?;
        match (&self.code, self.status.canonical_reason()) {
            (Some(word), _) => write!(f, " {word}"),
            (None, Some(word)) => write!(f, " {word}"),
            (None, None) => Ok(()),
        }
    }
}

impl StdError for Refusal {}

/// Reads a refusal. Only S3's code is kept of its text: the rest may hold
/// what was signed.
async fn refusal(response: HttpResponse) -> HttpError {
    use http_body_util::{BodyExt, Collected, Limited};

    let status = response.status();
    let text = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect().await;
    let text = text.map(Collected::to_bytes).unwrap_or_default();
    let refusal = Refusal { status, code: code_of(&String::from_utf8_lossy(&text)) };
    let kind = if refusal.is_passing() { HttpErrorKind::Request } else { HttpErrorKind::Unknown };
    HttpError::new(kind, refusal)
}

/// The word between `<Code>` and `</Code>`, if it is a word.
fn code_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = code.len() < 100 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

/// The store took longer than that.
#[derive(Debug)]
struct Silence(Duration);

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {:.1} s", self.0.as_secs_f64())
    }
}

impl StdError for Silence {}

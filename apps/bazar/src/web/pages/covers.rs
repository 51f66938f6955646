//! Covers of books, from an image store: passed on to browsers, which may load
//! pictures from this site only. Keeps none.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use larder_web::Problem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::replica::number;
use crate::web::Web;

/// The most bytes of a cover.
const LARGEST: usize = 8 << 20;

/// How long the image store may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What browsers show and never run.
const TYPES: [&str; 5] = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"];

/// The image store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Covers {
    http: Client<HttpConnector, Empty<Bytes>>,
    url: String,
}

/// A picture and its type.
struct Picture {
    kind: &'static str,
    bytes: Bytes,
}

impl Covers {
    /// The image store at `url`, without a slash at its end.
    pub(crate) fn new(url: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        let http =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { http, url }
    }

    async fn get(&self, key: &str) -> Option<Picture> {
        let picture = tokio::time::timeout(PATIENCE, self.fetch(key)).await;
        let picture = picture.ok().flatten();
        if picture.is_none() {
            tracing::debug!(key, "the image store gives no cover");
        }
        picture
    }

    async fn fetch(&self, key: &str) -> Option<Picture> {
        let uri = format!("{}/images/{}", self.url, utf8_percent_encode(key, NON_ALPHANUMERIC));
        let request = Request::get(uri).body(Empty::new()).ok()?;
        let (parts, body) = self.http.request(request).await.ok()?.into_parts();
        let kind = kind_of(parts.headers.get(header::CONTENT_TYPE)?)?;
        if parts.status != StatusCode::OK {
            return None;
        }
        let bytes = Limited::new(body, LARGEST).collect().await.ok()?.to_bytes();
        Some(Picture { kind, bytes })
    }
}

/// The type, if it is one of [`TYPES`].
fn kind_of(value: &HeaderValue) -> Option<&'static str> {
    let essence = value.to_str().ok()?.split(';').next()?.trim();
    TYPES.into_iter().find(|kind| kind.eq_ignore_ascii_case(essence))
}

/// `GET /covers/{id}`
pub(super) async fn cover(
    State(web): State<Web>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let none = || Problem::not_found("This book has no cover to show.");
    let covers = web.covers.as_ref().ok_or_else(none)?;
    let book = web.front.book_also_retired(number(&id, "id")?).await?.value;
    let key = book.cover.ok_or_else(none)?;
    let Picture { kind, bytes } = covers.get(&key).await.ok_or_else(none)?;
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, max-age=60")];
    Ok((headers, bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_that_run_nothing_are_passed_on() {
        let kind = |text| kind_of(&HeaderValue::from_static(text));
        assert_eq!(kind("image/png"), Some("image/png"));
        assert_eq!(kind("Image/JPEG; q=1"), Some("image/jpeg"));
        for wrong in ["image/svg+xml", "text/html", "", "image/pngx", "text/html, image/png"] {
            assert_eq!(kind(wrong), None, "{wrong}");
        }
    }
}

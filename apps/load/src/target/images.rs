//! Image stores: the classic API (`POST /api/upload`, `POST /api/key/KEY`), or
//! bytes as they are (`PUT` and `GET /images/KEY`), which Larder, nginx and
//! Varnish speak alike.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::http::{Connection, Site, said, server_of};
use super::keyed::{Ask, Contents, FILLERS, KINDS, Keyed, Link, Reply};
use super::{Client, Failure, Setup, Source, Target};
use crate::error::Result;
use crate::session::unfit;

/// Parts a form; no picture of ours has it, and another would be refused.
const BOUNDARY: &str = "larder-load-8f1d2c7a94e3b650";

/// How an image store is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Forms, and JSON with base64.
    Classic,
    /// Bytes by `PUT` and `GET`.
    Rest,
}

/// An image store.
pub struct Images {
    site: Arc<Site>,
    api: Api,
    contents: Arc<Contents>,
    token: Option<HeaderValue>,
}

impl Images {
    /// The store at an address; with a token where changes need one.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(
        address: &str,
        api: Api,
        contents: Arc<Contents>,
        token: Option<&str>,
    ) -> Result<Self> {
        let site = Arc::new(Site::of(address)?);
        let token = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let token = token.transpose().map_err(|_| unfit(address, "the token is no header"))?;
        Ok(Self { site, api, contents, token })
    }

    fn link(&self) -> ImageLink {
        let (api, token) = (self.api, self.token.clone());
        ImageLink { connection: Connection::new(self.site.clone()), api, token }
    }
}

#[async_trait]
impl Target for Images {
    fn label(&self) -> String {
        let api = match self.api {
            Api::Classic => "classic API",
            Api::Rest => "REST API",
        };
        format!("images {} ({api})", self.site.shown())
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    async fn version(&self) -> String {
        server_of(&self.site).await
    }

    async fn prepare(&self, setup: &Setup<'_>) -> Result<()> {
        let links = (0..FILLERS).map(|_| Box::new(self.link()) as Box<dyn Link>).collect();
        self.contents.fill(&self.label(), setup, links).await
    }

    async fn client(&self, _: usize) -> Result<Box<dyn Client>> {
        let mut link = self.link();
        link.connection.open().await.map_err(|failure| unfit(&self.label(), failure.0))?;
        Ok(Box::new(Keyed { contents: self.contents.clone(), link: Box::new(link) }))
    }
}

/// A connection to an image store.
struct ImageLink {
    connection: Connection,
    api: Api,
    token: Option<HeaderValue>,
}

#[async_trait]
impl Link for ImageLink {
    async fn ask(&mut self, asked: &[Ask], replies: &mut Vec<Result<Reply, Failure>>) {
        for ask in asked {
            let reply = match (ask, self.api) {
                (Ask::Read(key), Api::Rest) => self.get(*key).await,
                (Ask::Read(key), Api::Classic) => self.get_classic(*key).await,
                (Ask::Write(key, value), Api::Rest) => self.put(*key, value).await,
                (Ask::Write(key, value), Api::Classic) => self.upload(*key, value).await,
            };
            replies.push(reply);
        }
    }
}

impl ImageLink {
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        content_type: Option<HeaderValue>,
    ) -> Result<(http::Response<Bytes>, Instant), Failure> {
        let mut request = self.connection.site().request(method, path, body);
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(token) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        let answer = self.connection.send(request).await?;
        Ok((answer, Instant::now()))
    }

    async fn get(&mut self, key: u64) -> Result<Reply, Failure> {
        let path = format!("/images/{}", Contents::name(key));
        let (answer, at) = self.send(Method::GET, &path, Bytes::new(), None).await?;
        let source = source(answer.headers());
        match answer.status() {
            StatusCode::OK => Ok(Reply { value: Some(answer.into_body()), source, at }),
            StatusCode::NOT_FOUND => Ok(Reply { value: None, source, at }),
            status => Err(Failure(said(status, answer.body()))),
        }
    }

    async fn put(&mut self, key: u64, value: &Bytes) -> Result<Reply, Failure> {
        let path = format!("/images/{}", Contents::name(key));
        let (answer, at) = self.send(Method::PUT, &path, value.clone(), None).await?;
        written(&answer, at)
    }

    async fn get_classic(&mut self, key: u64) -> Result<Reply, Failure> {
        let path = format!("/api/key/{}", Contents::name(key));
        let (answer, at) = self.send(Method::POST, &path, Bytes::new(), None).await?;
        // Some originals say in the text alone that there is no such image.
        let source = source(answer.headers());
        let said = || said(answer.status(), answer.body());
        let read: Classic<'_> =
            serde_json::from_slice(answer.body()).map_err(|_| Failure(said()))?;
        match (read.success.as_deref(), &read.content) {
            (Some("true"), Some(content)) => {
                let value = STANDARD.decode(content.as_bytes()).map_err(Failure::new)?;
                Ok(Reply { value: Some(value.into()), source, at })
            }
            _ if read.is_about_no_image(answer.status()) => Ok(Reply { value: None, source, at }),
            _ => Err(Failure(said())),
        }
    }

    async fn upload(&mut self, key: u64, value: &Bytes) -> Result<Reply, Failure> {
        let form =
            HeaderValue::from_static("multipart/form-data; boundary=larder-load-8f1d2c7a94e3b650");
        let body = form_of(&Contents::name(key), value);
        let (answer, at) = self.send(Method::POST, "/api/upload", body, Some(form)).await?;
        let read = serde_json::from_slice::<Classic<'_>>(answer.body());
        match read.ok().and_then(|read| read.success) {
            Some(success) if success == "false" => {
                Err(Failure(said(answer.status(), answer.body())))
            }
            _ => written(&answer, at),
        }
    }
}

/// An answer of the classic API.
#[derive(Deserialize)]
struct Classic<'a> {
    #[serde(borrow)]
    success: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    error: Option<ClassicError>,
}

#[derive(Deserialize)]
struct ClassicError {
    code: Option<u16>,
}

impl Classic<'_> {
    fn is_about_no_image(&self, status: StatusCode) -> bool {
        status == StatusCode::NOT_FOUND
            || self.error.as_ref().and_then(|error| error.code) == Some(404)
    }
}

fn written(answer: &http::Response<Bytes>, at: Instant) -> Result<Reply, Failure> {
    match answer.status().is_success() {
        true => Ok(Reply { value: None, source: Source::Unsaid, at }),
        false => Err(Failure(said(answer.status(), answer.body()))),
    }
}

/// The form with the fields `key` and `file`.
fn form_of(key: &str, file: &[u8]) -> Bytes {
    let name = if file.starts_with(b"\xff\xd8") { "value.jpg" } else { "value.png" };
    let kind = if file.starts_with(b"\xff\xd8") { "image/jpeg" } else { "image/png" };
    let mut body = BytesMut::with_capacity(file.len() + 400);
    body.put_slice(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n{key}\r\n\
             --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\
             \r\nContent-Type: {kind}\r\n\r\n"
        )
        .as_bytes(),
    );
    body.put_slice(file);
    body.put_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body.freeze()
}

/// What the answer says of a cache: `hit`, or a word that begins with it as
/// proxies say it.
pub(crate) fn source(headers: &HeaderMap) -> Source {
    let Some(said) = headers.get("x-cache") else { return Source::Unsaid };
    let said = said.as_bytes();
    match said.get(..3) {
        Some(word) if word.eq_ignore_ascii_case(b"hit") => Source::Hit,
        // Another node's memory is memory too.
        _ if said == b"peer" => Source::Hit,
        _ if said == b"bypass" => Source::Unsaid,
        _ => Source::Miss,
    }
}

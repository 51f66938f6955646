//! A real image store on a free port with a folder of its own, and a client
//! that speaks to it over the network.
#![allow(dead_code, unreachable_pub, missing_docs)] // Each test file uses its share.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use larder_blobs::BlobsUrl;
use larder_images::{Config, Objective, Settings};
use larder_picture::{Format, samples};
use larder_sql::DatabaseUrl;
use larder_web::{Access, Limits, Shutdown, WebConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub struct TestApp {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    /// Where its rows and blobs are, if not in the folder.
    pub stores: (Option<DatabaseUrl>, Option<BlobsUrl>),
    /// Where the S3 server keeps its blobs, if they are in S3.
    bucket: Option<std::path::PathBuf>,
    shutdown: Shutdown,
    running: JoinHandle<Result<(), larder_images::Error>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("is not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("is text"))
    }

    pub fn is_problem(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }
}

/// An image store with its rows and blobs where the variable
/// `LARDER_TEST_STORES` says.
pub fn config(folder: &Path) -> Config {
    let place = larder_servers::Place::chosen();
    Config {
        data: folder.join("data"),
        database: place.database.map(|url| url.parse().expect("a database's URL")),
        mem_cache: None,
        cluster: None,
        blobs: place.blobs.map(|url| url.parse().expect("a blob store's URL")),
        defaults: Settings {
            capacity_bytes: 64 << 20,
            policy: "lru".parse().expect("a policy"),
            objective: Objective::Objects,
            autopilot: false,
        },
        max_upload_bytes: 4 << 20,
        limits: larder_picture::Limits::default(),
        min_free_bytes: 0,
        classic_key_as_list: false,
    }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(|_| {}, Access::open()).await
    }

    pub async fn with(change: impl FnOnce(&mut Config), access: Access) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(folder.path());
        change(&mut config);
        let stores = (config.database.clone(), config.blobs.clone());
        let bucket = config.blobs.as_ref().and_then(|url| {
            let name = url.to_string();
            let name = name.strip_prefix("s3://")?.split(['/', '?']).next()?;
            Some(larder_servers::s3()?.root().join(name))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shutdown = Shutdown::default();
        let web = WebConfig { hosts: vec![], access, limits: Limits::default() };
        let running = tokio::spawn(larder_images::run(
            config,
            web,
            listener,
            None,
            shutdown.clone(),
            |_| axum::Router::new(),
            |_| {},
        ));
        Self { address, folder, stores, bucket, shutdown, running }
    }

    /// Ends it as Ctrl-C does.
    pub async fn stop(self) -> tempfile::TempDir {
        self.shutdown.ask();
        self.running.await.expect("runs").expect("ends well");
        self.folder
    }

    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP");
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request.map(Full::new)).await.expect("is answered");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("has a body").to_bytes();
        drop(sender);
        let _ = connection.await;
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a request")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    pub async fn put(&self, path: &str, image: &[u8]) -> Answer {
        self.call("PUT", path, &[], image.to_vec()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], "").await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.call("POST", path, &[], "").await
    }

    /// A form with fields and perhaps a file, as the classic clients send it.
    pub async fn post_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        file: Option<(&str, &[u8])>,
    ) -> Answer {
        let boundary = "----boundary-of-the-test";
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        if let Some((name, bytes)) = file {
            body.extend_from_slice(
                format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n"
                )
                .as_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={boundary}");
        self.call("POST", path, &[("content-type", &kind)], body).await
    }

    /// Blobs in the store.
    pub fn blobs(&self) -> usize {
        count_blobs(self.bucket.as_deref().unwrap_or(&self.folder.path().join("data/blobs")))
    }

    /// Waits until the collector has left this many blobs.
    pub async fn until_blobs(&self, expected: usize) {
        if self.stores.1.is_some() {
            // It leaves them for a minute there, for readers elsewhere.
            return;
        }
        let patience = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.blobs() != expected {
            assert!(
                tokio::time::Instant::now() < patience,
                "{} blobs are left, not {expected}",
                self.blobs()
            );
            // The collector runs by itself; each look at the store lets it.
            self.get("/healthz").await;
        }
    }
}

/// Files below a folder that are named like blobs: a hash, a point, a number.
fn count_blobs(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("lists").flatten();
    let count = |entry: std::fs::DirEntry| match entry.path().is_dir() {
        true => count_blobs(&entry.path()),
        false => usize::from(entry.file_name().len() == 64 + 1 + 16),
    };
    entries.map(count).sum()
}

/// A small picture, another one for each number.
pub fn photo(number: u64) -> Vec<u8> {
    samples::photo(Format::Jpeg, 64, 48, number)
}

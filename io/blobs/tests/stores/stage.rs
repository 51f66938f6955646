//! What the stories are played on: stores of every kind, and bytes. Says
//! nothing about what is right.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use larder_blobs::{BlobId, BlobStore, BlobsUrl, Result, Spooled, open};
use larder_servers::{FaultProxy, Mode, S3Server};
use tempfile::TempDir;

/// A store, with whatever must live as long as it does.
pub struct Stage {
    pub store: Arc<dyn BlobStore>,
    pub kind: &'static str,
    pub folder: TempDir,
    /// So many blobs that a list of them comes in pieces, where it does.
    pub many: u32,
    _props: Box<dyn Any>,
}

/// Plays a story on every kind of store.
pub async fn on_every_store(story: impl AsyncFn(&Stage)) {
    for stage in [Some(files().await), s3().await].into_iter().flatten() {
        // Shown only if the test fails, to tell on which store it did.
        eprintln!("on {}", stage.kind);
        story(&stage).await;
    }
}

async fn files() -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    let url = BlobsUrl::Files(folder.path().into());
    let store = open(&url, folder.path(), true, &|_| None).await.expect("opens");
    Stage { store, kind: "files", folder, many: 50, _props: Box::new(()) }
}

async fn s3() -> Option<Stage> {
    let server = S3Server::start()?;
    server.make_bucket("bucket");
    let folder = tempfile::tempdir().expect("a folder");
    let url = server.url("bucket").replace('?', "/some/prefix?");
    let store = open_s3(&url, folder.path()).await.expect("opens");
    Some(Stage { store, kind: "S3", folder, many: 1_100, _props: Box::new(server) })
}

/// Opens with the tests' key.
pub async fn open_s3(url: &str, data: &Path) -> Result<Arc<dyn BlobStore>> {
    let url = url.parse().expect("it is an address");
    open(&url, data, true, &S3Server::environment).await
}

/// A store in S3 whose line can be disturbed.
pub struct Disturbed {
    pub store: Arc<dyn BlobStore>,
    pub proxy: FaultProxy,
    pub server: S3Server,
    pub folder: TempDir,
}

impl Disturbed {
    /// With a store that may say nothing for one second.
    pub async fn open() -> Option<Self> {
        Self::open_for(1).await
    }

    /// With a store that may say nothing for so many seconds: long enough that
    /// a busy machine doesn't look like a silent store.
    pub async fn open_for(seconds: u32) -> Option<Self> {
        let server = S3Server::start()?;
        server.make_bucket("bucket");
        let proxy = FaultProxy::start(&server.address());
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("{}&timeout={seconds}", proxy.url("bucket"));
        let store = open_s3(&url, folder.path()).await.expect("opens");
        Some(Self { store, proxy, server, folder })
    }

    pub fn disturb(&self, mode: Mode) {
        self.proxy.set(mode);
    }

    /// How many objects the server has.
    pub fn objects(&self) -> usize {
        files_below(&self.server.root().join("bucket"))
    }

    /// How many uploads in parts the server believes to be under way. It keeps
    /// a file beside the buckets for each.
    pub fn unfinished_uploads(&self) -> usize {
        let entries = std::fs::read_dir(self.server.root()).expect("lists").flatten();
        let names = entries.map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".upload-")).count()
    }

    /// The file of a blob on the server.
    pub fn file_of(&self, id: &BlobId) -> std::path::PathBuf {
        self.server.root().join("bucket").join(id.to_string())
    }
}

/// Bytes that differ from place to place. A pattern whose length is a prime is
/// repeated, since making them one by one takes seconds in a debug build.
pub fn bytes(len: usize) -> Bytes {
    let pattern: Vec<u8> = (0..65_521_u32).map(|n| (n % 251) as u8 ^ (n >> 8) as u8).collect();
    let mut bytes = pattern.repeat(len.div_ceil(pattern.len()));
    bytes.truncate(len);
    bytes.into()
}

/// Spools bytes as they would come from a network.
pub async fn spooled(store: &dyn BlobStore, bytes: &Bytes) -> Spooled {
    let mut spool = store.spool();
    for at in (0..bytes.len()).step_by(100_000) {
        let piece = bytes.slice(at..bytes.len().min(at + 100_000));
        spool.write(piece).await.expect("spools");
    }
    spool.finish().await.expect("finishes")
}

/// Puts bytes as a new blob.
pub async fn put(store: &dyn BlobStore, bytes: &Bytes) -> Result<BlobId> {
    let spooled = spooled(store, bytes).await;
    let id = BlobId::new(spooled.hash());
    store.put(&id, spooled).await.map(|()| id)
}

/// All the bytes of a stream.
pub async fn streamed(
    store: &dyn BlobStore,
    id: &BlobId,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>> {
    let pieces = store.stream(id, range).await?;
    pieces.try_fold(Vec::new(), async |all, piece| Ok([all, piece.into()].concat())).await
}

/// How many files are in a folder and those below it.
pub fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("lists").flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

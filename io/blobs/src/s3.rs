//! Blobs in S3, or in any store that speaks its protocol: one object for each
//! blob, under the blob's own name. Small blobs are one request, large ones
//! several parts that appear together or not at all. Never hands out a blob
//! with other bytes than were stored, and never waits longer than it was told
//! to for a store that says nothing.

mod body;
mod parts;
mod transport;

use std::fmt::Display;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig,
};
use tokio::time::{Instant, sleep, timeout};

use self::body::Body;
use self::transport::{Refusal, Transport, chain, sending_time};
use crate::credentials::{self, Credentials, Environment};
use crate::folder::make_folder;
use crate::spool::{CHUNK, Leftovers, remove_leftovers};
use crate::url::{Addressing, S3Url, endpoint};
use crate::{BlobId, BlobStore, BoxFuture, Error, Hash, Result, Spool, Spooled, blocking};

/// The object that says whose the blobs are.
const OWNER: &str = "owner";

/// The size of a part, and of the largest blob that is one request.
const PART: usize = 8 * 1024 * 1024;

/// The most memory that is reserved on the mere word of a store about how
/// long a blob is.
const RESERVED_MAX: usize = 64 * 1024 * 1024;

/// How often an answer that turned out to be broken is asked for again.
const TRIES: u32 = 3;

/// How long the first pause before another attempt may be at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Blobs in a bucket.
#[derive(Clone)]
pub(crate) struct S3 {
    inner: Arc<Inner>,
}

struct Inner {
    store: AmazonS3,
    /// Where the store is, for messages.
    place: String,
    prefix: String,
    /// How long the store may say nothing before that is an error.
    patience: Duration,
    temporary: Arc<Path>,
}

impl S3 {
    /// Finds the credentials and asks the bucket whether it is there. Uploads
    /// are gathered in the folder `data`, from which `leftovers` are removed.
    pub(crate) async fn open(
        location: &S3Url,
        data: PathBuf,
        leftovers: Leftovers,
        environment: Environment<'_>,
    ) -> Result<Self> {
        let temporary: Arc<Path> = data.join("tmp").into();
        let folder = temporary.clone();
        blocking(move || {
            let operation = format!("make the folder {}", folder.display());
            make_folder(&folder).map_err(Error::io(operation))?;
            remove_leftovers(&folder, leftovers)
        })
        .await?;

        let account = credentials::find(environment, location.profile.as_deref())?;
        let server = match &account.endpoint {
            Some(server) if location.endpoint.is_none() => {
                Some(endpoint(server).map_err(|why| {
                    Error::Configuration(format!(
                        "the variable or profile for S3's endpoint: {why}"
                    ))
                })?)
            }
            _ => location.endpoint.clone(),
        };
        let place = match &server {
            Some(server) => format!("the bucket {} at {server}", location.bucket),
            None => format!("the bucket {} at Amazon S3", location.bucket),
        };
        let is_platform = matches!(account.credentials, Credentials::Platform(_));
        let places = account.places.clone();
        let store = build(location, account, server)
            .map_err(|error| Error::Configuration(format!("can't use {place}: {error}")))?;
        let patience = location.patience();
        let prefix = location.prefix.clone();
        let s3 = Self { inner: Arc::new(Inner { store, place, prefix, patience, temporary }) };
        if is_platform {
            let asked = timeout(patience, s3.inner.store.credentials().get_credential()).await;
            let why = match asked {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => chain(&error).last().map(ToString::to_string),
                Err(_) => Some("no answer".into()),
            };
            if let Some(why) = why {
                return Err(credentials::missing(&places, &why));
            }
        }
        s3.inner.answers(format!("open {}", s3.inner.place)).await?;
        Ok(s3)
    }
}

/// The client for this bucket.
fn build(
    location: &S3Url,
    account: credentials::Account,
    server: Option<String>,
) -> Result<AmazonS3, object_store::Error> {
    // The TLS library wants to be told its cryptography, once in a process;
    // somebody who told it earlier is right too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A server of one's own rarely has a name for each bucket.
    let usual = if server.is_some() { Addressing::Path } else { Addressing::Virtual };
    let is_virtual = location.addressing.unwrap_or(usual) == Addressing::Virtual;
    let patience = location.patience();
    let options = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(patience / 3)
        .with_allow_http(server.as_ref().is_some_and(|server| server.starts_with("http://")));
    let retries = RetryConfig {
        max_retries: 5,
        retry_timeout: patience * 2 / 3,
        backoff: BackoffConfig {
            init_backoff: first_pause(patience),
            max_backoff: patience / 10,
            base: 2.0,
        },
    };
    let region = location.region.clone().or(account.region);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&location.bucket)
        .with_region(region.unwrap_or_else(|| "us-east-1".into()))
        .with_virtual_hosted_style_request(is_virtual)
        // Every store knows how to delete one object, not every one a list.
        .with_disable_bulk_delete(true)
        .with_client_options(options)
        .with_retry(retries)
        .with_http_connector(Transport { patience });
    if let Some(server) = server {
        builder = builder.with_endpoint(match server.split_once("://") {
            Some((scheme, host)) if is_virtual => format!("{scheme}://{}.{host}", location.bucket),
            _ => server,
        });
    }
    match account.credentials {
        Credentials::Key { id, secret, token } => {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            if let Some(token) = token {
                builder = builder.with_token(token);
            }
        }
        Credentials::Platform(settings) => {
            for (key, value) in settings {
                builder = builder.with_config(key, value);
            }
        }
    }
    builder.build()
}

impl Inner {
    /// Where a blob, or what begins like this, is in the bucket.
    fn key(&self, name: impl Display) -> Key {
        match self.prefix.as_str() {
            "" => Key::from(name.to_string()),
            prefix => Key::from(format!("{prefix}/{name}")),
        }
    }

    /// The blob that has this name, if it is one.
    fn id_of(&self, key: &Key) -> Option<BlobId> {
        let name = key.as_ref().strip_prefix(&self.prefix)?;
        name.strip_prefix('/').unwrap_or(name).parse().ok()
    }

    /// When to stop waiting, whatever happens: a little after the attempts
    /// have done so.
    fn limit(&self) -> Duration {
        self.patience * 6 / 5
    }

    /// Waits for the store, as long as it is worth it. `extra` is what the
    /// bytes to send may take. The attempts have limits of their own, and say
    /// more about what went wrong; this is for whatever has none.
    async fn patiently<T>(
        &self,
        operation: &str,
        extra: Duration,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        match timeout(self.limit() + extra, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.error(operation, None, &error)),
            Err(_) => Err(self.silent(operation)),
        }
    }

    /// How long to wait before another attempt: longer each time, and not
    /// everybody as long.
    fn pause(&self, tries: u32) -> Duration {
        let chance = f64::from(getrandom::u32().expect("the system gives random numbers"));
        let longest = first_pause(self.patience) * 2_u32.pow(tries);
        longest.mul_f64(0.5 + chance / f64::from(u32::MAX) / 2.0)
    }

    /// The store said nothing for too long.
    fn silent(&self, operation: &str) -> Error {
        let reason = format!("no answer within {:.1} s", self.patience.as_secs_f64());
        Error::Unavailable { operation: operation.into(), reason }
    }

    /// Says in our words what went wrong. `id` is the blob that was asked
    /// for, where one was.
    fn error(&self, operation: &str, id: Option<&BlobId>, error: &object_store::Error) -> Error {
        let failed = |kind, text: String| Error::io(operation)(io::Error::new(kind, text));
        if let Some(refusal) = Refusal::find(error) {
            return match (refusal.status.as_u16(), refusal.code.as_deref(), id) {
                (_, Some("NoSuchBucket"), _) => {
                    failed(io::ErrorKind::NotFound, format!("{} doesn't exist", self.place))
                }
                (404, _, Some(id)) => Error::NotFound(*id),
                (416, _, _) => {
                    failed(io::ErrorKind::InvalidInput, "the bytes aren't all in it".into())
                }
                (401 | 403, ..) => failed(
                    io::ErrorKind::PermissionDenied,
                    format!("access to {} is denied: {refusal}", self.place),
                ),
                (300..=399, ..) => failed(
                    io::ErrorKind::InvalidInput,
                    format!("{} is in another region: {refusal}", self.place),
                ),
                _ if refusal.is_passing() => {
                    Error::Unavailable { operation: operation.into(), reason: refusal.to_string() }
                }
                _ => failed(io::ErrorKind::Other, refusal.to_string()),
            };
        }
        let root = chain(error).last().map(ToString::to_string).unwrap_or_default();
        match chain(error).find_map(|error| error.downcast_ref::<HttpError>()).map(HttpError::kind)
        {
            Some(HttpErrorKind::Connect) => Error::Unavailable {
                operation: operation.into(),
                reason: format!("can't connect to {}: {root}", self.place),
            },
            Some(_) => Error::Unavailable { operation: operation.into(), reason: root },
            None => failed(io::ErrorKind::InvalidData, root),
        }
    }

    /// Tries again after failures that `may_pass`, a few times and as long as
    /// it is worth it.
    async fn again<T, W: Future<Output = Result<T>>>(
        &self,
        may_pass: fn(&Error) -> bool,
        work: impl Fn() -> W,
    ) -> Result<T> {
        let end = Instant::now() + self.patience;
        let mut tries = 0;
        loop {
            let failure = match work().await {
                Err(failure) if may_pass(&failure) => failure,
                done => return done,
            };
            tries += 1;
            let rest = self.pause(tries);
            if tries == TRIES || Instant::now() + rest > end {
                return Err(failure);
            }
            tracing::info!(%failure, "trying again");
            sleep(rest).await;
        }
    }

    /// Asks for the first name in the bucket, which needs a server, the
    /// bucket and the right to list it.
    async fn answers(&self, operation: String) -> Result<()> {
        let options = PaginatedListOptions { max_keys: Some(1), ..Default::default() };
        let prefix = (!self.prefix.is_empty()).then(|| format!("{}/", self.prefix));
        let listed = self.store.list_paginated(prefix.as_deref(), options);
        self.patiently(&operation, Duration::ZERO, listed).await.map(drop)
    }

    /// Whose the bucket, or this part of it, is.
    async fn owner(&self) -> Result<Option<String>> {
        let operation = format!("ask whose {} is", self.place);
        let key = self.key(OWNER);
        let read = async {
            match self.store.get(&key).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(error) => match Refusal::find(&error) {
                    Some(refusal)
                        if refusal.status.as_u16() == 404
                            && refusal.code.as_deref() != Some("NoSuchBucket") =>
                    {
                        Ok(None)
                    }
                    _ => Err(error),
                },
            }
        };
        let mark = self.patiently(&operation, Duration::ZERO, read).await?;
        Ok(mark.map(|mark| String::from_utf8_lossy(&mark).into_owned()))
    }

    async fn get_once(self: &Arc<Self>, id: &BlobId) -> Result<Bytes> {
        let mut body = Body::whole(self.clone(), *id).await?;
        let len = usize::try_from(body.left()).unwrap_or(RESERVED_MAX);
        let mut bytes = Vec::with_capacity(len.min(RESERVED_MAX));
        while let Some(piece) = body.next().await? {
            bytes.extend_from_slice(&piece);
        }
        let bytes = Bytes::from(bytes);
        let hash = if bytes.len() <= CHUNK {
            Hash::of(&bytes)
        } else {
            // Long enough to hold others up.
            let bytes = bytes.clone();
            blocking(move || Ok(Hash::of(&bytes))).await?
        };
        if hash == id.hash { Ok(bytes) } else { Err(Error::Corrupt(*id)) }
    }

    /// What the store tells of a blob without its bytes.
    async fn head(&self, id: &BlobId) -> Result<ObjectMeta> {
        let (operation, key) = (format!("look at blob {id}"), self.key(id));
        match timeout(self.limit(), self.store.head(&key)).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) => Err(self.error(&operation, Some(id), &error)),
            Err(_) => Err(self.silent(&operation)),
        }
    }

    async fn list_once(&self, shard: u8) -> Result<Vec<BlobId>> {
        let operation = format!("list the blobs {shard:02x} in {}", self.place);
        let prefix = self.key(format_args!("{shard:02x}"));
        let mut listed = self.store.list(Some(&prefix));
        let mut ids = Vec::new();
        let mut next = async || match listed.next().await {
            Some(object) => object.map(Some),
            None => Ok(None),
        };
        while let Some(object) = self.patiently(&operation, Duration::ZERO, next()).await? {
            // An object that isn't ours is left alone.
            ids.extend(self.id_of(&object.location));
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

/// How long to wait before the first new attempt: little beside the patience,
/// so that there is room for several.
fn first_pause(patience: Duration) -> Duration {
    FIRST_PAUSE.min(patience / 20)
}

impl BlobStore for S3 {
    fn put<'a>(&'a self, id: &'a BlobId, spooled: Spooled) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let len = spooled.len();
            if len > PART as u64 {
                return self.inner.put_parts(id, spooled).await;
            }
            let bytes = match spooled.in_memory() {
                Some(bytes) => bytes,
                None => {
                    blocking(move || {
                        let mut spooled = spooled;
                        spooled.rewind()?;
                        spooled.read_part(spooled.len())
                    })
                    .await?
                }
            };
            let key = self.inner.key(id);
            let stored = self.inner.store.put(&key, PutPayload::from(bytes));
            let operation = format!("store blob {id}");
            self.inner.patiently(&operation, sending_time(len), stored).await.map(drop)
        })
    }

    fn get<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<Bytes>> {
        // The bytes may have been damaged on the way.
        let may_pass = |failure: &Error| matches!(failure, Error::Corrupt(_));
        Box::pin(self.inner.again(may_pass, move || self.inner.get_once(id)))
    }

    fn stream<'a>(
        &'a self,
        id: &'a BlobId,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes>>>> {
        Box::pin(async move {
            let body = Body::range(self.inner.clone(), *id, range).await?;
            let pieces = stream::try_unfold(body, |mut body| async move {
                Ok(body.next().await?.map(|piece| (piece, body)))
            });
            Ok(pieces.boxed())
        })
    }

    fn delete<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (operation, key) = (format!("remove blob {id}"), self.inner.key(id));
            match timeout(self.inner.limit(), self.inner.store.delete(&key)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => match self.inner.error(&operation, Some(id), &error) {
                    Error::NotFound(_) => Ok(()),
                    failure => Err(failure),
                },
                Err(_) => Err(self.inner.silent(&operation)),
            }
        })
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<BlobId>>> {
        let may_pass = |failure: &Error| matches!(failure, Error::Unavailable { .. });
        Box::pin(self.inner.again(may_pass, move || self.inner.list_once(shard)))
    }

    fn size<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move { Ok(self.inner.head(id).await?.size) })
    }

    fn stored_at<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, Result<SystemTime>> {
        Box::pin(async move { Ok(self.inner.head(id).await?.last_modified.into()) })
    }

    fn spool(&self) -> Spool {
        Spool::new(self.inner.temporary.clone())
    }

    fn claim<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<String>> {
        Box::pin(async move {
            if let Some(present) = self.inner.owner().await? {
                return Ok(present);
            }
            let operation = format!("mark {}", self.inner.place);
            let mark = PutPayload::from(owner.to_owned());
            // Where the store knows no condition, the last of several wins,
            // and the others learn it by looking again.
            let key = self.inner.key(OWNER);
            let put = self.inner.store.put_opts(&key, mark, PutMode::Create.into());
            match self.inner.patiently(&operation, Duration::ZERO, put).await {
                Err(error @ Error::Unavailable { .. }) => return Err(error),
                _ => self.inner.owner().await?,
            }
            .ok_or_else(|| Error::io(operation)(io::ErrorKind::NotFound.into()))
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.inner.answers(format!("ask {}", self.inner.place)))
    }
}

#[cfg(test)]
mod tests {
    use object_store::signer::Signer;

    use super::*;
    use crate::BlobsUrl;

    /// Where a blob's request would go.
    async fn address(url: &str) -> String {
        let Ok(BlobsUrl::S3(location)) = url.parse() else { panic!("{url} is no bucket") };
        let account = credentials::Account {
            credentials: Credentials::Key { id: "ID".into(), secret: "s".into(), token: None },
            region: Some("eu-north-1".into()),
            endpoint: None,
            places: String::new(),
        };
        let server = location.endpoint.clone();
        let store = build(&location, account, server).expect("builds");
        let (method, second) = (http::Method::GET, Duration::from_secs(1));
        let signed = store.signed_url(method, &Key::from("k"), second).await.expect("signs");
        signed.as_str().split('?').next().expect("has a path").to_owned()
    }

    #[tokio::test]
    async fn the_bucket_is_in_the_host_at_amazon_and_in_the_path_elsewhere() {
        for (url, expected) in [
            ("s3://b", "https://b.s3.eu-north-1.amazonaws.com/k"),
            ("s3://b?region=us-west-2", "https://b.s3.us-west-2.amazonaws.com/k"),
            ("s3://b?addressing=path", "https://s3.eu-north-1.amazonaws.com/b/k"),
            ("s3://b?endpoint=https://s3.example.org/", "https://s3.example.org/b/k"),
            ("s3://b?endpoint=http://h:9&addressing=virtual", "http://b.h:9/k"),
        ] {
            assert_eq!(address(url).await, expected);
        }
    }
}

//! The replicas of one service, as a front end sees them: asks the less loaded
//! of two (power of two choices; load is the moving peak of the latency times
//! the requests in flight), leaves out those that don't answer, asks another
//! one instead, and takes them back by itself.
//!
//! Source: Mitzenmacher, "The power of two choices in randomized load
//! balancing", IEEE TPDS 12(10), 2001; both it and the load are tower's.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use larder_web::{Client, Told};
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tower::balance::p2c::Balance;
use tower::discover::Change;
use tower::load::{CompleteOnResponse, PeakEwma};

use super::answer::Answer;
use crate::error::{Error, Result};
use crate::store::{Registered, Role};

/// What a replica that was never asked is taken to need.
const FIRST_LATENCY: Duration = Duration::from_millis(5);

/// How fast a slow answer is forgotten: one that waited for a dead member of
/// the cluster must not keep its replica idle for long.
const DECAY: Duration = Duration::from_secs(1);

/// How long one attempt may take: a write waits for silent members of the
/// cluster for some four seconds.
const ATTEMPT: Duration = Duration::from_secs(12);

/// How often something is tried, at other replicas where there are some.
const ATTEMPTS: usize = 6;

/// The wait before the second attempt; each later one is twice as long.
const BACKOFF: Duration = Duration::from_millis(25);

/// What a replica is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn get(target: String) -> Self {
        Self { method: Method::GET, target, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// The answer of the replica at `address`; `None` if there was none.
    async fn send(self, client: &Client, address: &str) -> Option<Told> {
        let Self { method, target, headers, body } = self;
        client.ask(method, format!("http://{address}{target}"), headers, body).await
    }
}

/// What is counted of a replica.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    in_flight: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    /// Of answers, in nanoseconds.
    latency: Mutex<Option<hdrhistogram::Histogram<u64>>>,
}

impl Counts {
    fn note(&self, took: Duration) {
        self.served.fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let fresh = || hdrhistogram::Histogram::new_with_bounds(1, 60_000_000_000, 2);
        let mut latency = self.latency.lock();
        if latency.is_none() {
            *latency = fresh().ok();
        }
        if let Some(latency) = &mut *latency {
            latency.saturating_record(nanoseconds);
        }
    }
}

/// A replica, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ReplicaStatus {
    pub(crate) name: String,
    pub(crate) service: &'static str,
    pub(crate) address: String,
    pub(crate) is_up: bool,
    pub(crate) in_flight: u64,
    /// Requests answered to this front end.
    pub(crate) served: u64,
    /// Requests that got no answer.
    pub(crate) failed: u64,
    /// Median and 99th percentile of its answers, in microseconds.
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
}

/// A replica that is asked.
#[derive(Clone)]
struct Replica {
    address: Arc<str>,
    client: Client,
    counts: Arc<Counts>,
    /// Ends what is asked when it is known not to answer.
    down: CancellationToken,
}

impl Service<Ask> for Replica {
    type Response = (Arc<str>, Told);
    type Error = Unanswered;
    type Future = BoxFuture<'static, Result<Self::Response, Unanswered>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let Self { address, client, counts, down } = self.clone();
        Box::pin(async move {
            let flight = Flight::begin(counts);
            let began = Instant::now();
            let told = tokio::select! {
                told = tokio::time::timeout(ATTEMPT, ask.send(&client, &address)) => told.ok().flatten(),
                () = down.cancelled() => None,
            };
            match told {
                Some(told) => {
                    flight.counts.note(began.elapsed());
                    Ok((address, told))
                }
                None => {
                    flight.counts.failed.fetch_add(1, Ordering::Relaxed);
                    Err(Unanswered { address })
                }
            }
        })
    }
}

/// A request under way, also if nobody waits for it any more.
struct Flight {
    counts: Arc<Counts>,
}

impl Flight {
    fn begin(counts: Arc<Counts>) -> Self {
        counts.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { counts }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.counts.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A replica didn't answer.
#[derive(Debug, thiserror::Error)]
#[error("{address} doesn't answer")]
struct Unanswered {
    address: Arc<str>,
}

type Balanced = PeakEwma<Replica>;
type Changes = BoxStream<'static, Result<Change<Arc<str>, Balanced>, std::convert::Infallible>>;

/// One that is registered.
struct Member {
    name: String,
    counts: Arc<Counts>,
    /// What ends with it, while it is up.
    up: Option<CancellationToken>,
}

/// The replicas of a service.
pub(crate) struct Replicas {
    role: Role,
    client: Client,
    balance: Mutex<Balance<Changes, Ask>>,
    changes: UnboundedSender<Change<Arc<str>, Balanced>>,
    members: Mutex<BTreeMap<Arc<str>, Member>>,
}

impl Replicas {
    pub(crate) fn new(role: Role, client: Client) -> Self {
        let (changes, mut incoming) = mpsc::unbounded_channel();
        let incoming = futures_util::stream::poll_fn(move |context| incoming.poll_recv(context));
        Self {
            role,
            client,
            balance: Mutex::new(Balance::new(incoming.map(Ok).boxed())),
            changes,
            members: Mutex::default(),
        }
    }

    /// Asks one of them, and another one if it doesn't answer or can't now.
    /// Only what may be done twice may be asked.
    ///
    /// # Errors
    /// [`Error::NoReplica`], or what the last one told.
    pub(crate) async fn ask(&self, ask: &Ask) -> Result<Told> {
        let mut wait = BACKOFF;
        let mut last = Error::NoReplica { service: self.role.name() };
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            match self.ask_one(ask.clone()).await {
                Ok(told) if told.status == StatusCode::SERVICE_UNAVAILABLE => {
                    last = told.refusal();
                }
                Ok(told) if told.status.is_success() => return Ok(told),
                Ok(told) => return Err(told.refusal()),
                Err(Some(address)) => self.set_up(&address, false),
                Err(None) => {}
            }
        }
        Err(last)
    }

    /// Asks one of them, once.
    ///
    /// # Errors
    /// As [`Replicas::ask`]; [`Error::NoReplica`] also if it didn't answer, and
    /// may have done what it was asked.
    pub(crate) async fn ask_once(&self, ask: Ask) -> Result<Told> {
        match self.ask_one(ask).await {
            Ok(told) if told.status.is_success() => Ok(told),
            Ok(told) => Err(told.refusal()),
            Err(address) => {
                if let Some(address) = address {
                    self.set_up(&address, false);
                }
                Err(Error::NoReplica { service: self.role.name() })
            }
        }
    }

    /// Whether one answers.
    pub(crate) fn is_any_up(&self) -> bool {
        self.members.lock().values().any(|member| member.up.is_some())
    }

    /// The address is that of one that didn't answer; none if there was none
    /// to ask.
    async fn ask_one(&self, ask: Ask) -> Result<Told, Option<Arc<str>>> {
        if !self.is_any_up() {
            return Err(None);
        }
        let mut ask = Some(ask);
        let asked = poll_fn(|context| {
            let mut balance = self.balance.lock();
            match Service::poll_ready(&mut *balance, context) {
                Poll::Ready(Ok(())) => {
                    let ask = ask.take().expect("is polled until it is ready, and not after");
                    Poll::Ready(Some(Service::call(&mut *balance, ask)))
                }
                Poll::Ready(Err(_)) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        // All of them went down at this very moment.
        let Ok(Some(answer)) = tokio::time::timeout(BACKOFF, asked).await else {
            return Err(None);
        };
        match answer.await {
            Ok((_, told)) => Ok(told),
            Err(error) => Err(error.downcast::<Unanswered>().ok().map(|error| error.address)),
        }
    }

    /// Takes over who is registered.
    pub(crate) fn register(&self, registered: &[Registered]) {
        let ours = || registered.iter().filter(|replica| replica.role == self.role);
        let mut gone = Vec::new();
        {
            let mut members = self.members.lock();
            for replica in ours() {
                members.entry(replica.address.as_str().into()).or_insert_with(|| Member {
                    name: replica.name.clone(),
                    counts: Arc::default(),
                    up: None,
                });
            }
            gone.extend(
                members
                    .keys()
                    .filter(|address| ours().all(|replica| *replica.address != ***address))
                    .cloned(),
            );
        }
        for address in gone {
            self.set_up(&address, false);
            self.members.lock().remove(&address);
        }
    }

    /// Asks all of them whether they are ready.
    pub(crate) async fn check(&self, patience: Duration) {
        let addresses: Vec<Arc<str>> = self.members.lock().keys().cloned().collect();
        let checks = addresses.into_iter().map(async |address| {
            let asked = Ask::get("/readyz".into()).send(&self.client, &address);
            let told = tokio::time::timeout(patience, asked).await.ok().flatten();
            self.set_up(&address, told.is_some_and(|told| told.status.is_success()));
        });
        futures_util::future::join_all(checks).await;
    }

    fn set_up(&self, address: &Arc<str>, is_up: bool) {
        let mut members = self.members.lock();
        let Some(member) = members.get_mut(address) else { return };
        match (is_up, member.up.take()) {
            (true, None) => {
                let down = CancellationToken::new();
                member.up = Some(down.clone());
                let (address, client) = (address.clone(), self.client.clone());
                let counts = member.counts.clone();
                let replica = Replica { address: address.clone(), client, counts, down };
                let done = CompleteOnResponse::default();
                let replica = PeakEwma::new(replica, FIRST_LATENCY, DECAY.as_nanos() as f64, done);
                tracing::info!(name = member.name, %address, "a replica answers");
                // The balance is ours, so it is there.
                let _ = self.changes.send(Change::Insert(address, replica));
            }
            (false, Some(down)) => {
                tracing::warn!(name = member.name, %address, "a replica doesn't answer");
                let _ = self.changes.send(Change::Remove(address.clone()));
                down.cancel();
            }
            (_, stays) => member.up = stays,
        }
    }

    /// All that are registered, by address.
    pub(crate) fn status(&self) -> Vec<ReplicaStatus> {
        let members = self.members.lock();
        let status = |(address, member): (&Arc<str>, &Member)| {
            let latency = member.counts.latency.lock();
            let quantile = |quantile| {
                latency.as_ref().map_or(0, |latency| latency.value_at_quantile(quantile) / 1_000)
            };
            ReplicaStatus {
                name: member.name.clone(),
                service: self.role.name(),
                address: address.to_string(),
                is_up: member.up.is_some(),
                in_flight: member.counts.in_flight.load(Ordering::Relaxed),
                served: member.counts.served.load(Ordering::Relaxed),
                failed: member.counts.failed.load(Ordering::Relaxed),
                p50_us: quantile(0.5),
                p99_us: quantile(0.99),
            }
        };
        members.iter().map(status).collect()
    }
}

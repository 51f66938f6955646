//! The verbs of grants. Each asks the table of permits first, then makes one
//! transaction; what memory holds is written through the tier, so no replica
//! shows what was before. Knows no SQL text and no HTTP.

mod accounts;
mod entry;
mod live;
mod messages;
mod passwords;
mod people;
mod programmes;
mod proposals;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use larder_clock::{SharedClock, Timestamp};
use larder_sql::Guard;
use larder_tier::{Cluster, Reader, Scope, Tier, Told, Written};
use larder_web::{Client, ServiceToken, Shutdown};
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::model::{Day, NewProgramme, Service};
use crate::store::{Registered, Store};
pub use entry::Value;
use entry::Which;
use live::Live;
use passwords::Passwords;
pub use passwords::Registration;
pub use people::SignedIn;

/// How often replicas note that they are there, and look who else is.
const REGISTER_EVERY: Duration = Duration::from_secs(2);

/// How often rows that nobody needs any more are removed.
const TIDY_EVERY: Duration = Duration::from_secs(600);

/// The agency of a new store.
const FIRST_AGENCY: &str = "National Research Agency";

/// What the services of a process share: rows, memory, time, who is where.
/// Cheap to clone.
#[derive(Clone)]
pub struct Grants {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    tier: Tier<Value, Error>,
    clock: SharedClock,
    currency: String,
    passwords: Passwords,
    client: Client,
    live: Live,
    /// Told when a message may have been sent.
    sent: Notify,
    /// The services of this process.
    own: Vec<Registered>,
    /// Replicas of all services, as they were looked up last.
    replicas: RwLock<Vec<Registered>>,
}

/// What the services of a process are made of.
pub struct Parts {
    /// Their rows.
    pub store: Store,
    /// Their memory.
    pub memory: larder_tier::Config,
    /// The other processes, if there are some.
    pub cluster: Option<Arc<Cluster>>,
    /// Tells the time.
    pub clock: SharedClock,
    /// What money is counted in.
    pub currency: String,
    /// What hashing a password costs.
    pub hashing: crate::config::Hashing,
    /// What the services know and nobody else.
    pub token: ServiceToken,
    /// The services of this process.
    pub own: Vec<Registered>,
}

impl Grants {
    /// The services over `parts`.
    pub fn new(parts: Parts) -> Self {
        let shared = Shared {
            store: parts.store,
            tier: Tier::new(parts.memory, parts.cluster),
            clock: parts.clock,
            currency: parts.currency,
            passwords: Passwords::new(parts.hashing),
            client: Client::new(&parts.token),
            live: Live::default(),
            sent: Notify::new(),
            replicas: RwLock::new(parts.own.clone()),
            own: parts.own,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The memory in front of the rows.
    pub fn tier(&self) -> &Tier<Value, Error> {
        &self.shared.tier
    }

    /// What money is counted in.
    pub fn currency(&self) -> &str {
        &self.shared.currency
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The present day.
    pub fn today(&self) -> Day {
        Day::of(self.now())
    }

    /// Gives a new store its first agency and programme.
    ///
    /// # Errors
    /// The store fails.
    pub async fn seed(&self) -> Result<()> {
        if self.shared.store.seed(FIRST_AGENCY, NewProgramme::first()).await? {
            tracing::info!(agency = FIRST_AGENCY, "the store is new: it has an agency now");
        }
        Ok(())
    }

    /// What goes on behind the requests until the end is asked for: messages
    /// are told, replicas noted, old rows removed.
    pub async fn run(self, shutdown: Shutdown) {
        tokio::join!(
            self.stay_registered(&shutdown),
            self.tell_messages(&shutdown),
            self.nudge_others(&shutdown),
            self.tidy(&shutdown),
        );
    }

    async fn stay_registered(&self, shutdown: &Shutdown) {
        loop {
            if let Err(error) = self.look_around().await {
                tracing::warn!(?error, "the services can't find each other for now");
            }
            if rest(shutdown, REGISTER_EVERY).await {
                break;
            }
        }
        for replica in &self.shared.own {
            if let Err(error) = self.shared.store.unregister(replica.address.clone()).await {
                tracing::debug!(?error, "a replica that ended is remembered for a minute");
            }
        }
    }

    /// Notes where the services of this process are, and looks where others
    /// are.
    ///
    /// # Errors
    /// The store fails.
    pub async fn look_around(&self) -> Result<()> {
        for replica in &self.shared.own {
            self.shared.store.register(replica.clone(), self.now()).await?;
        }
        let found = self.shared.store.replicas(self.now()).await?;
        *self.shared.replicas.write() = found;
        Ok(())
    }

    /// The addresses of a service, those of this process first.
    pub fn addresses(&self, service: Service) -> Vec<String> {
        let is_own = |replica: &Registered| self.shared.own.contains(replica);
        let replicas = self.shared.replicas.read();
        let mut of_it: Vec<_> = replicas.iter().filter(|r| r.service == service).collect();
        of_it.sort_by_key(|replica| !is_own(replica));
        of_it.iter().map(|replica| replica.address.clone()).collect()
    }

    /// Where a service is to be had should this process be gone.
    pub fn backups(&self, service: Service) -> Vec<String> {
        let is_own = |address: &String| self.shared.own.iter().any(|own| own.address == *address);
        let mut addresses = self.addresses(service);
        addresses.retain(|address| !is_own(address));
        addresses
    }

    async fn tidy(&self, shutdown: &Shutdown) {
        while !rest(shutdown, TIDY_EVERY).await {
            if let Err(error) = self.shared.store.tidy(self.now()).await {
                tracing::warn!(?error, "old rows can't be removed for now");
            }
        }
    }

    /// Changes rows that memory may hold, and says so to open pages.
    async fn write<T, F>(
        &self,
        of: &[Which],
        mut change: impl FnMut(Store) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let store = self.shared.store.clone();
        // What a write is about goes out of memory, so it must have a chance.
        store.check().await?;
        let scope = Scope::Groups(of.iter().map(|which| which.group().into_bytes()).collect());
        let change = move |guard: Option<Guard>| {
            let change = change(store.guarded(guard));
            async move { Written::from(change.await) }
        };
        let result = self.shared.tier.write(scope, change).await?;
        self.shared.live.changed();
        result
    }

    /// Reads what memory may hold.
    async fn read(&self, which: Which) -> Result<Option<Value>> {
        let (key, store) = (which.key(), self.shared.store.clone());
        // In a box, or the compiler gives up on how large the future is.
        let read: BoxFuture<'_, _> = Box::pin(self.shared.tier.get(&key, || which.load(store)));
        Ok(read.await?.value)
    }

    /// How other processes read what this one keeps.
    pub fn reader(&self) -> Reader {
        let grants = self.clone();
        Arc::new(move |key| {
            let grants = grants.clone();
            Box::pin(async move {
                let Some(which) = Which::of(&key) else { return Told::Nothing };
                let Shared { tier, store, .. } = &*grants.shared;
                tier.get_for_peer(&key, || which.load(store.clone())).await
            })
        })
    }

    /// Whether the rows can be reached and this process is in its cluster.
    pub async fn is_ready(&self) -> bool {
        let is_in = self.shared.tier.cluster().is_none_or(|cluster| cluster.is_in());
        is_in && self.shared.store.is_reachable().await
    }

    /// Leaves the cluster and closes the store.
    pub async fn close(&self) {
        if let Some(cluster) = self.shared.tier.cluster() {
            cluster.leave().await;
        }
        self.shared.store.close().await;
    }
}

/// Waits, and says whether the end was asked for meanwhile.
async fn rest(shutdown: &Shutdown, time: Duration) -> bool {
    tokio::select! {
        () = shutdown.asked() => true,
        () = tokio::time::sleep(time) => false,
    }
}

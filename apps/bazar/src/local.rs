//! The replicas of this process: each has a listener of its own, notes its
//! address where front ends look, and can be stopped and started while the
//! others go on.

use std::net::SocketAddr;
use std::time::Duration;

use larder_web::{Limits, ServiceToken, Shutdown};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::replica;
use crate::service::Shop;
use crate::store::{Registered, Role};

/// How often a replica notes that it is there.
const REGISTER_EVERY: Duration = Duration::from_secs(5);

/// The replicas.
pub(crate) struct Local {
    shop: Shop,
    token: ServiceToken,
    limits: Limits,
    replicas: Mutex<Vec<Replica>>,
}

struct Replica {
    role: Role,
    name: String,
    address: SocketAddr,
    /// What stops it, while it runs.
    running: Option<(Shutdown, JoinHandle<()>)>,
}

impl Local {
    pub(crate) fn new(shop: Shop, token: ServiceToken, limits: Limits) -> Self {
        Self { shop, token, limits, replicas: Mutex::default() }
    }

    /// Starts a new one, which front ends find when this returns.
    pub(crate) async fn add(&self, role: Role, name: String, listener: TcpListener) -> Result<()> {
        let address = listener.local_addr().map_err(|error| Error::Damaged(error.to_string()))?;
        let running = Some(self.serve(role, &name, address, listener).await?);
        self.replicas.lock().push(Replica { role, name, address, running });
        Ok(())
    }

    async fn serve(
        &self,
        role: Role,
        name: &str,
        address: SocketAddr,
        listener: TcpListener,
    ) -> Result<(Shutdown, JoinHandle<()>)> {
        let registered = Registered { role, name: name.into(), address: address.to_string() };
        self.shop.register(registered.clone()).await?;
        let stop = Shutdown::default();
        let router = replica::router(self.shop.clone(), role, name, self.token.clone());
        let serving = larder_web::serve(listener, router, self.limits.clone(), stop.clone());
        let registering = stay_registered(self.shop.clone(), registered, stop.clone());
        let task = tokio::spawn(async move {
            tokio::join!(serving, registering);
        });
        Ok((stop, task))
    }

    /// Names and whether they run.
    pub(crate) fn running(&self) -> Vec<(String, bool)> {
        let replicas = self.replicas.lock();
        replicas.iter().map(|replica| (replica.name.clone(), replica.running.is_some())).collect()
    }

    /// Stops one: it ends what it has begun. Says whether there is one of that
    /// name.
    pub(crate) async fn stop(&self, name: &str) -> bool {
        let running = {
            let mut replicas = self.replicas.lock();
            let Some(replica) = replicas.iter_mut().find(|replica| replica.name == name) else {
                return false;
            };
            replica.running.take()
        };
        if let Some((stop, task)) = running {
            stop.ask();
            let _ = task.await;
        }
        true
    }

    /// Starts one that was stopped. Says whether there is one of that name.
    ///
    /// # Errors
    /// Its port is taken, or the store fails.
    pub(crate) async fn start(&self, name: &str) -> Result<bool> {
        let found = {
            let replicas = self.replicas.lock();
            let found = replicas.iter().find(|replica| replica.name == name);
            found.map(|replica| (replica.role, replica.address, replica.running.is_some()))
        };
        let Some((role, address, is_running)) = found else { return Ok(false) };
        if is_running {
            return Ok(true);
        }
        let listener = larder_web::listen("replica", address).await.map_err(Error::Damaged)?;
        let running = self.serve(role, name, address, listener).await?;
        let mut replicas = self.replicas.lock();
        if let Some(replica) = replicas.iter_mut().find(|replica| replica.name == name) {
            replica.running = Some(running);
        }
        Ok(true)
    }

    /// Stops all.
    pub(crate) async fn stop_all(&self) {
        let running: Vec<_> =
            self.replicas.lock().iter_mut().filter_map(|replica| replica.running.take()).collect();
        for (stop, _) in &running {
            stop.ask();
        }
        for (_, task) in running {
            let _ = task.await;
        }
    }
}

/// Goes on noting that a replica is there until it is stopped, and then that it
/// isn't.
async fn stay_registered(shop: Shop, replica: Registered, stop: Shutdown) {
    let first = tokio::time::Instant::now() + REGISTER_EVERY;
    let mut ticks = tokio::time::interval_at(first, REGISTER_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.asked() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = shop.register(replica.clone()).await {
            tracing::warn!(?error, name = replica.name, "a replica can't be found for now");
        }
    }
    if let Err(error) = shop.unregister(replica.address).await {
        tracing::debug!(?error, "a replica that ended is remembered for a minute");
    }
}

//! A hold on the blobs while somebody reads all of them: renewed beside the
//! work, given back at its end, and gone by itself when the program dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use larder_clock::{SharedClock, Timestamp};
use larder_web::Shutdown;
use tokio::task::JoinHandle;

use super::{Failure, Opened, Result, patiently};
use crate::store::Store;

/// How long a hold lasts without being renewed, in seconds: what a paused
/// machine or a database that is being repaired may take.
const LASTS: i64 = 600;

/// How often it is renewed.
const RENEWED_EVERY: Duration = Duration::from_secs(30);

/// How long before its end, in seconds, a hold no longer counts: clocks of
/// machines differ.
const MARGIN: i64 = 120;

/// A hold on the blobs.
pub(super) struct Hold {
    store: Store,
    clock: SharedClock,
    name: String,
    until: Arc<AtomicI64>,
    renewing: JoinHandle<()>,
}

impl Opened {
    /// Does `work` while no blob that an image names goes away. Ends early
    /// when `stop` is asked for.
    pub(super) async fn held<T>(
        &self,
        purpose: &str,
        stop: &Shutdown,
        work: impl AsyncFnOnce(&Hold) -> Result<T>,
    ) -> Result<T> {
        let hold = Hold::take(self, purpose).await?;
        let result = tokio::select! {
            result = work(&hold) => result,
            () = stop.asked() => Err(Failure::Interrupted),
        };
        let result = result.and_then(|done| hold.check().map(|()| done));
        hold.release().await;
        result
    }
}

impl Hold {
    async fn take(opened: &Opened, purpose: &str) -> Result<Self> {
        let (store, clock) = (opened.store.clone(), opened.clock.clone());
        let number = getrandom::u64().map_err(|error| Failure::Broken(error.to_string()))?;
        let name = format!("{purpose}-{number:016x}");
        let until = Arc::new(AtomicI64::new(0));
        patiently(async || renew(&store, &clock, &name, &until).await).await?;
        let renewing = tokio::spawn({
            let (store, clock, name, until) =
                (store.clone(), clock.clone(), name.clone(), until.clone());
            async move {
                loop {
                    tokio::time::sleep(RENEWED_EVERY).await;
                    if let Err(error) = renew(&store, &clock, &name, &until).await {
                        tracing::warn!(%error, "could not renew the hold on the blobs");
                    }
                }
            }
        });
        Ok(Self { store, clock, name, until, renewing })
    }

    /// Fails if the hold may have ended, so that blobs may be missing.
    pub(super) fn check(&self) -> Result<()> {
        let until = Timestamp(self.until.load(Ordering::Relaxed));
        match self.clock.now() < until.minus_seconds(MARGIN) {
            true => Ok(()),
            false => Err(Failure::Broken(
                "the hold on the blobs could not be renewed in time, so some may have been \
                 removed meanwhile: run the command again"
                    .into(),
            )),
        }
    }

    async fn release(self) {
        self.renewing.abort();
        let (name, now) = (self.name.as_str(), self.clock.now());
        if let Err(error) = patiently(async || self.store.release_blobs(name, now).await).await {
            tracing::warn!(%error, "the hold on the blobs stays until it ends by itself");
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn renew(
    store: &Store,
    clock: &SharedClock,
    name: &str,
    until: &AtomicI64,
) -> Result<(), crate::Error> {
    // Counted from before it was asked for.
    let expires_at = clock.now().minus_seconds(-LASTS);
    store.hold_blobs(name, expires_at).await?;
    until.store(expires_at.0, Ordering::Relaxed);
    Ok(())
}

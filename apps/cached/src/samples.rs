//! A sample of what the cache did, every few seconds, into a database. One
//! that fails or isn't there loses samples, and nothing else waits for it.

use std::time::Duration;

use larder_cache::Stats;
use larder_clock::SharedClock;
use larder_sql::DatabaseUrl;
use larder_web::Shutdown;
use tokio::time::MissedTickBehavior;

use crate::MemCache;
use crate::store::{Sample, Store};

/// Where samples go, and how often.
#[derive(Clone, Debug)]
pub struct Samples {
    /// The database.
    pub database: DatabaseUrl,
    /// Which server it is: its address, since several may share a database.
    pub service: String,
    /// The time between two samples.
    pub every: Duration,
}

/// The usual time between two samples.
pub const SAMPLED_EVERY: Duration = Duration::from_secs(5);

impl Samples {
    /// Stores samples until the end is asked for.
    pub async fn store(self, cache: MemCache, clock: SharedClock, shutdown: Shutdown) {
        let mut recorder = Recorder { samples: self, cache, clock, store: None, is_failing: false };
        tokio::select! {
            // Whatever the database is at: it isn't waited for.
            () = shutdown.asked() => {}
            () = recorder.record_for_ever() => {}
        }
        if let Some(store) = recorder.store {
            store.close().await;
        }
    }
}

struct Recorder {
    samples: Samples,
    cache: MemCache,
    clock: SharedClock,
    /// None until the database was there.
    store: Option<Store>,
    is_failing: bool,
}

impl Recorder {
    async fn record_for_ever(&mut self) {
        let mut ticks = tokio::time::interval(self.samples.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut before = self.cache.stats();
        loop {
            ticks.tick().await;
            let now = self.cache.stats();
            let sample = self.sample(&before, &now);
            before = now;
            let result = self.keep(sample).await;
            self.tell(result);
        }
    }

    fn sample(&self, before: &Stats, now: &Stats) -> Sample {
        Sample {
            at: self.clock.now(),
            size_bytes: now.weight_bytes,
            items: now.items,
            requests: now.requests - before.requests,
            hits: now.hits - before.hits,
            misses: now.misses - before.misses,
        }
    }

    async fn keep(&mut self, sample: Sample) -> larder_sql::Result<()> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(Store::open(self.samples.database.clone()).await?),
        };
        store.add(&self.samples.service, sample).await
    }

    /// Says when it begins to fail and when it ends, not every time.
    fn tell(&mut self, result: larder_sql::Result<()>) {
        match (result, self.is_failing) {
            (Err(error), false) => {
                tracing::warn!(%error, "statistics are lost until the database takes them");
                self.is_failing = true;
            }
            (Ok(()), true) => {
                tracing::info!("statistics are stored again");
                self.is_failing = false;
            }
            _ => {}
        }
    }
}

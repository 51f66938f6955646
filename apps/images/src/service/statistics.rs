//! Statistics over time: a sample every five seconds, kept in the store and
//! told to whoever watches.

use std::collections::VecDeque;
use std::time::Duration;

use larder_tier::{Histogram, Window};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Images, Shared, with_sources};
use crate::error::Result;
use crate::store::{INTERVAL_SECONDS, Sample, Sampled};

/// Seconds of the view that is live.
const LIVE_SECONDS: i64 = 600;

/// How many samples pass between thinnings.
const THIN_EVERY: u64 = 12;

/// Which stretch of time to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// The last ten minutes.
    #[default]
    TenMinutes,
    /// The last hour.
    Hour,
    /// The last day.
    Day,
}

impl View {
    /// All stretches.
    pub const ALL: [Self; 3] = [Self::TenMinutes, Self::Hour, Self::Day];

    /// Its name in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TenMinutes => "10m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::TenMinutes => "10 minutes",
            Self::Hour => "1 hour",
            Self::Day => "24 hours",
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Self::TenMinutes => LIVE_SECONDS,
            Self::Hour => 3600,
            Self::Day => 24 * 3600,
        }
    }
}

/// The last ten minutes in one look. Times are in nanoseconds, 0 where there
/// was nothing to time.
#[derive(Clone, Debug, Default, serde::Serialize, utoipa::ToSchema)]
pub struct Summary {
    /// Entries in memory now: images and variants.
    pub items: u64,
    /// Bytes in memory now, overhead included.
    pub size_bytes: u64,
    /// Capacity in bytes.
    pub capacity_bytes: u64,
    /// The replacement policy's name.
    pub policy: String,
    /// Reads of images and variants.
    pub requests: u64,
    /// Reads answered from memory.
    pub hits: u64,
    /// Reads answered by the store.
    pub misses: u64,
    /// Hits per request, 0 to 1; absent when there were no requests.
    pub hit_rate: Option<f64>,
    /// Misses per request, 0 to 1; absent when there were no requests.
    pub miss_rate: Option<f64>,
    /// Entries evicted for room.
    pub evictions: u64,
    /// Mean time of a hit.
    pub hit_ns_mean: u64,
    /// 99th percentile of the time of a hit.
    pub hit_ns_p99: u64,
    /// Mean time of a miss.
    pub miss_ns_mean: u64,
    /// 99th percentile of the time of a miss.
    pub miss_ns_p99: u64,
}

/// The recent past, and who watches it.
pub struct Statistics {
    recent: Mutex<VecDeque<Recent>>,
    latest: watch::Sender<Option<Sample>>,
}

struct Recent {
    at: i64,
    evictions: u64,
    window: Window,
}

impl Default for Statistics {
    fn default() -> Self {
        Self { recent: Mutex::default(), latest: watch::Sender::new(None) }
    }
}

/// Samples until the end is asked for. A sample that can't be stored is
/// logged and lost; the next one is taken all the same.
pub(super) async fn sample_for_ever(images: Images) {
    let shutdown = images.shared.shutdown.clone();
    let interval = u64::try_from(INTERVAL_SECONDS).unwrap_or(5);
    let mut ticks = tokio::time::interval(Duration::from_secs(interval));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut evictions_before = 0;
    ticks.tick().await;
    for number in 0_u64.. {
        tokio::select! {
            () = shutdown.asked() => return,
            _ = ticks.tick() => {}
        }
        if let Some(mem_cache) = &images.shared.mem_cache {
            let chosen = *images.shared.settings.settings.lock();
            mem_cache.refresh(chosen).await;
        }
        let evictions = images.cache_stats().evictions;
        // A mem-cache service that began anew counts from 0 again.
        let new = evictions.saturating_sub(evictions_before);
        let result = images.take_sample(new, number % THIN_EVERY == 0);
        evictions_before = evictions;
        if let Err(error) = result.await {
            tracing::warn!(error = with_sources(&error), "a statistics sample is not stored");
        }
    }
}

impl Images {
    /// Ends the present window, remembers it, stores its sample and tells
    /// those who watch.
    pub(super) async fn take_sample(&self, evictions: u64, thin: bool) -> Result<()> {
        let Shared { clock, store, tier, statistics, .. } = &*self.shared;
        let now = clock.now();
        let (window, cache) = (tier.meter().take(), self.cache_stats());
        let sample = Sample {
            at: now.seconds(),
            seconds: INTERVAL_SECONDS,
            items: cache.items,
            size_bytes: cache.weight_bytes,
            capacity_bytes: cache.capacity_bytes,
            requests: window.requests(),
            hits: window.hits.len(),
            misses: window.misses.len(),
            evictions,
            hit_ns_mean: mean(&window.hits),
            hit_ns_p99: p99(&window.hits),
            miss_ns_mean: mean(&window.misses),
            miss_ns_p99: p99(&window.misses),
        };
        {
            let mut recent = statistics.recent.lock();
            // Windows in which nothing happened add nothing.
            if window.requests() + evictions > 0 {
                recent.push_back(Recent { at: sample.at, evictions, window });
            }
            while recent.front().is_some_and(|old| old.at < sample.at - LIVE_SECONDS) {
                recent.pop_front();
            }
        }
        // Watchers see the sample even while the store is away.
        statistics.latest.send_replace(Some(sample));
        store
            .add_sample(Sampled { node: self.node(), owners: self.pool_size().0.into(), sample })
            .await?;
        if thin {
            store.thin_samples(self.node(), now).await?;
        }
        Ok(())
    }

    /// The last ten minutes, up to this moment, since the process started.
    pub fn summary(&self) -> Summary {
        let Shared { tier, statistics, clock, .. } = &*self.shared;
        let cache = self.cache_stats();
        let since = clock.now().seconds() - LIVE_SECONDS;
        let mut window = tier.meter().present();
        let mut evictions = 0;
        for recent in statistics.recent.lock().iter().filter(|recent| recent.at >= since) {
            window.add(&recent.window);
            evictions += recent.evictions;
        }
        let (requests, hits, misses) = (window.requests(), window.hits.len(), window.misses.len());
        let rate = |count: u64| (requests > 0).then(|| count as f64 / requests as f64);
        Summary {
            items: cache.items,
            size_bytes: cache.weight_bytes,
            capacity_bytes: cache.capacity_bytes,
            policy: cache.policy.to_string(),
            requests,
            hits,
            misses,
            hit_rate: rate(hits),
            miss_rate: rate(misses),
            evictions,
            hit_ns_mean: mean(&window.hits),
            hit_ns_p99: p99(&window.hits),
            miss_ns_mean: mean(&window.misses),
            miss_ns_p99: p99(&window.misses),
        }
    }

    /// The stored samples of a stretch of time, oldest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn samples(&self, view: View) -> Result<Vec<Sample>> {
        let since = self.shared.clock.now().minus_seconds(view.seconds());
        self.shared.store.samples(self.node(), since).await.map_err(|error| self.noted(error))
    }

    /// Tells of every new sample.
    pub fn watch_samples(&self) -> watch::Receiver<Option<Sample>> {
        self.shared.statistics.latest.subscribe()
    }
}

fn mean(histogram: &Histogram) -> u64 {
    histogram.mean() as u64
}

fn p99(histogram: &Histogram) -> u64 {
    histogram.value_at_quantile(0.99)
}

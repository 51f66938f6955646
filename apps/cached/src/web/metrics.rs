//! What the cache does, in figures for Prometheus. Nothing is counted here:
//! figures are read where they are kept.

use axum::extract::State;
use axum::response::Response;
use larder_web::metrics_page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::MemCache;
use crate::items::Count;

/// `GET /metrics`: in the OpenMetrics text format.
pub(super) async fn metrics(State(cache): State<MemCache>) -> Response {
    metrics_page("larder_memcache", Figures(cache))
}

/// Reads the figures at the moment they are asked for.
struct Figures(MemCache);

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (stats, items) = (self.0.stats(), self.0.items());
        for (name, help, value) in [
            ("items", "Entries in memory", stats.items),
            ("size_bytes", "Their memory, overhead included", stats.weight_bytes),
            ("capacity_bytes", "The most they may take", stats.capacity_bytes),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let counted = |count| items.counters.sum(count);
        for (name, help, value) in [
            ("hits", "Reads that found an entry, by both protocols", stats.hits),
            ("misses", "Reads that found none, by both protocols", stats.misses),
            ("inserts", "Values that were put in place", stats.inserts),
            ("evictions", "Entries evicted for room", stats.evictions),
            (
                "expired",
                "Entries that a memcached client found expired",
                counted(Count::GetExpired),
            ),
            ("too_large", "Values refused for their size", counted(Count::TooLarge)),
            ("no_memory", "Values that there was no room for", counted(Count::NoMemory)),
            ("auth_errors", "Wrong passwords", counted(Count::AuthErrors)),
            ("received_bytes", "Bytes from memcached clients", counted(Count::BytesRead)),
            ("sent_bytes", "Bytes to memcached clients", counted(Count::BytesWritten)),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}

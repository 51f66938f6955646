//! What a service does, in figures for Prometheus. Nothing is counted here:
//! figures are read where they are kept.

use axum::extract::State;
use axum::response::Response;
use larder_web::metrics_page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Web;
use crate::service::Grants;

/// `GET /metrics`: in the OpenMetrics text format.
pub(super) async fn metrics(State(web): State<Web>) -> Response {
    let messages = web.grants().waiting_messages().await.unwrap_or(0);
    let listeners = super::LISTENERS - web.listeners.available_permits();
    let grants = web.grants().clone();
    metrics_page("larder_grants", Figures { grants, messages, listeners: listeners as u64 })
}

/// Reads the figures at the moment they are asked for.
struct Figures {
    grants: Grants,
    messages: u64,
    listeners: u64,
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let tier = self.grants.tier();
        let (cache, reads, (audits, stale)) =
            (tier.cache_stats(), tier.meter().total(), tier.audits());
        for (name, help, value) in [
            ("cache_items", "Sessions, people, proposals and accounts in memory", cache.items),
            ("cache_size_bytes", "Their memory, overhead included", cache.weight_bytes),
            ("cache_capacity_bytes", "The most they may take", cache.capacity_bytes),
            ("messages_waiting", "Messages to other services not heard yet", self.messages),
            ("pages_open", "Open pages of this service that hear of changes", self.listeners),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, value) in [
            ("cache_hits", "Reads answered from memory", reads.hits.len()),
            ("cache_misses", "Reads that asked the database", reads.misses.len()),
            ("cache_evictions", "Entries evicted for room", cache.evictions),
            ("cache_audits", "Entries compared with the database", audits),
            ("cache_audits_stale", "Those that were not what it has: must be 0", stale),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}

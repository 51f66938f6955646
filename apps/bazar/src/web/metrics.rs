//! What the front end does, in figures for Prometheus. Nothing is counted here:
//! figures are read where they are kept.

use axum::extract::State;
use axum::response::Response;
use larder_web::metrics_page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::front::{Front, ReplicaStatus};

/// `GET /metrics`: in the OpenMetrics text format.
pub(super) async fn metrics(State(front): State<Front>) -> Response {
    metrics_page("larder_bazar", Figures(front))
}

/// Reads the figures at the moment they are asked for.
struct Figures(Front);

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let tier = self.0.shop().tier();
        let (cache, reads, (audits, stale)) =
            (tier.cache_stats(), tier.meter().total(), tier.audits());
        for (name, help, value) in [
            ("cache_items", "Books and topics in memory", cache.items),
            ("cache_size_bytes", "Their memory, overhead included", cache.weight_bytes),
            ("cache_capacity_bytes", "The most they may take", cache.capacity_bytes),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, value) in [
            ("cache_hits", "Reads answered from memory", reads.hits.len()),
            ("cache_misses", "Reads that asked a catalog", reads.misses.len()),
            ("cache_evictions", "Entries evicted for room", cache.evictions),
            ("cache_audits", "Entries compared with the catalog, one a second", audits),
            ("cache_audits_stale", "Those that were not what it has: must be 0", stale),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let replicas = self.0.replicas();
        type Figure = (&'static str, &'static str, MetricType, fn(&ReplicaStatus) -> u64);
        let figures: [Figure; 4] = [
            ("replica_up", "1 while it answers", MetricType::Gauge, |r| r.is_up.into()),
            ("replica_in_flight", "Requests under way", MetricType::Gauge, |r| r.in_flight),
            ("replica_served", "Requests it answered", MetricType::Counter, |r| r.served),
            ("replica_failed", "Requests it didn't answer", MetricType::Counter, |r| r.failed),
        ];
        for (name, help, kind, of) in figures {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for replica in &replicas {
                let labels = [("replica", replica.name.as_str()), ("service", replica.service)];
                let family = family.encode_family(&labels)?;
                match kind {
                    MetricType::Gauge => {
                        let value = i64::try_from(of(replica)).unwrap_or(i64::MAX);
                        ConstGauge::new(value).encode(family)?;
                    }
                    _ => ConstCounter::new(of(replica)).encode(family)?,
                }
            }
        }
        Ok(())
    }
}

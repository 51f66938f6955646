//! For whoever keeps the service running: is it alive, is it ready, what does
//! it do.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use larder_tier::Histogram;
use larder_web::Problem;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::service::Images;

/// Upper bounds of the buckets of read times, in nanoseconds: from a hit in
/// memory to a disk that is in trouble.
const BUCKETS_NS: [u64; 13] = [
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
];

/// Is it alive?
#[utoipa::path(get, path = "/healthz", tag = "Operation", responses(
    (status = 200, description = "The process answers"),
))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Is it ready?
#[utoipa::path(get, path = "/readyz", tag = "Operation", responses(
    (status = 200, description = "Requests can be answered"),
    (status = 503, description = "The store doesn't answer, or it is stopping"),
))]
pub(crate) async fn readyz(State(images): State<Images>) -> Result<&'static str, Problem> {
    if images.shutdown().is_asked() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "It is stopping."));
    }
    if !images.is_ready().await {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The store doesn't answer.")
            .retry_after(1));
    }
    Ok("ready\n")
}

/// What it does, for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "Operation", responses(
    (status = 200, description = "Metrics in the OpenMetrics text format"),
))]
pub(crate) async fn metrics(State(images): State<Images>) -> Response {
    let mut registry = Registry::with_prefix("larder");
    registry.register_collector(Box::new(Figures(images)));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => Problem::internal().into_response(),
    }
}

/// Reads the figures where they are kept at the moment they are asked for, so
/// that counting costs a request nothing.
struct Figures(Images);

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let cache = self.0.tier().cache_stats();
        let reads = self.0.tier().meter().total();
        let gauges = [
            ("cache_items", "Entries in memory: images and variants", None, cache.items),
            (
                "cache_size",
                "Memory of the entries, overhead included",
                Some(Unit::Bytes),
                cache.weight_bytes,
            ),
            (
                "cache_capacity",
                "The most the entries may take",
                Some(Unit::Bytes),
                cache.capacity_bytes,
            ),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(
                name,
                help,
                unit.as_ref(),
                MetricType::Gauge,
            )?)?;
        }
        let counters = [
            ("cache_evictions", "Entries evicted for room", cache.evictions),
            ("cache_inserts", "Entries put into memory", cache.inserts),
            ("cache_invalidations", "Entries dropped by a write", cache.invalidations),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "read",
            "Time of a read of an image or variant, by who answered",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (source, times) in [("memory", &reads.hits), ("store", &reads.misses)] {
            let (sum, buckets) = buckets(times);
            let labels = [("source", source)];
            let mut encoder = family.encode_family(&labels)?;
            encoder.encode_histogram::<NoLabelSet>(sum, times.len(), &buckets, None)?;
        }
        Ok(())
    }
}

/// The sum of all times in seconds, and how many fall into each bucket.
fn buckets(times: &Histogram) -> (f64, Vec<(f64, u64)>) {
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let mut below = 0;
    let mut buckets = Vec::with_capacity(BUCKETS_NS.len() + 1);
    for bound in BUCKETS_NS {
        let up_to = times.count_between(0, bound);
        buckets.push((seconds(bound), up_to - below));
        below = up_to;
    }
    buckets.push((f64::MAX, times.len() - below));
    (times.mean() * times.len() as f64 / 1e9, buckets)
}

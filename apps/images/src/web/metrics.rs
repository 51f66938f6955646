//! What the service does, in figures for Prometheus. Nothing is counted here:
//! figures are read where they are kept.

use axum::extract::State;
use axum::response::Response;
use larder_console::factor;
use larder_tier::{Histogram, Ratio, Report};
use larder_web::metrics_page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use crate::model::OBJECTIVES;
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

/// What it does, for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "Operation", responses(
    (status = 200, description = "Metrics in the OpenMetrics text format"),
))]
pub(crate) async fn metrics(State(images): State<Images>) -> Response {
    metrics_page("larder", Figures(images))
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
        let cache = self.0.cache_stats();
        let reads = self.0.tier().meter().total();
        let cluster = self.0.cluster().map(|cluster| cluster.status());
        let mut gauges = vec![
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
        if let Some(status) = &cluster {
            let is_in = u64::from(status.is_in);
            gauges.extend([
                ("cluster_member", "1 while this node is in its cluster", None, is_in),
                ("cluster_owners", "Nodes that own keys", None, status.owners.into()),
                ("cluster_nodes", "Nodes that could", None, status.nodes.into()),
            ]);
        }
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(
                name,
                help,
                unit.as_ref(),
                MetricType::Gauge,
            )?)?;
        }
        let (audits, stale) = self.0.tier().audits();
        let mut counters = vec![
            ("cache_audits", "Entries compared with the store, one a second", audits),
            ("cache_audits_stale", "Those that were not what it has: must be 0", stale),
            ("cache_evictions", "Entries evicted for room", cache.evictions),
            ("cache_inserts", "Entries put into memory", cache.inserts),
            ("cache_invalidations", "Entries dropped by a write", cache.invalidations),
            (
                "cache_autopilot_switches",
                "Changes of policy by the autopilot",
                self.0.autopilot_switches(),
            ),
        ];
        if let Some((unanswered, wrong)) = self.0.mem_cache_failures() {
            counters.extend([
                (
                    "mem_cache_unanswered",
                    "Requests that the mem-cache service didn't answer",
                    unanswered,
                ),
                ("mem_cache_wrong", "Its answers of other bytes than their hash says", wrong),
            ]);
        }
        if let Some(status) = &cluster {
            counters.extend([
                ("cluster_forwards", "Reads sent on to their key's owner", status.forwards),
                ("cluster_forwards_unanswered", "Those that it didn't answer", status.unanswered),
            ]);
        }
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
        let settings = self.0.settings();
        let info = Info::new([
            ("policy", settings.policy.name()),
            ("objective", settings.objective.name()),
            ("autopilot", if settings.autopilot { "on" } else { "off" }),
        ]);
        let help = "Settings of the cache in force";
        info.encode(encoder.encode_descriptor("cache_settings", help, None, MetricType::Info)?)?;
        match &self.0.insight().report {
            Some(report) => encode_report(&mut encoder, report),
            None => Ok(()),
        }
    }
}

/// The what-if: one figure per policy, capacity and kind of hits.
fn encode_report(
    encoder: &mut DescriptorEncoder<'_>,
    report: &Report,
) -> Result<(), std::fmt::Error> {
    let factor = |rung: usize| factor(report, rung).to_string();
    type Figure = fn(&larder_tier::Estimate) -> Ratio;
    let families: [(&str, &str, Figure); 2] = [
        (
            "cache_what_if_hit_ratio",
            "What a policy would hit with a multiple of the capacity, 0 to 1",
            |estimate| estimate.hits,
        ),
        (
            "cache_what_if_error",
            "How far from the truth that may be in 19 of 20 cases, either way",
            |estimate| estimate.error,
        ),
    ];
    for (name, help, figure) in families {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (number, rung) in report.rungs.iter().enumerate() {
            let factor = factor(number);
            for estimate in &rung.estimates {
                for of in OBJECTIVES {
                    let policy = ("policy", estimate.policy.name());
                    let labels = [policy, ("factor", &factor), ("of", of.name())];
                    let gauge = ConstGauge::new(figure(estimate).of(of));
                    gauge.encode(family.encode_family(&labels)?)?;
                }
            }
        }
    }
    let help = "What no policy can exceed with a multiple of the capacity, 0 to 1";
    let name = "cache_what_if_bound";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (number, rung) in report.rungs.iter().enumerate() {
        let factor = factor(number);
        for of in OBJECTIVES {
            let labels = [("factor", factor.as_str()), ("of", of.name())];
            ConstGauge::new(rung.bound.of(of)).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use larder_console::samples::report;

    use super::*;

    #[derive(Debug)]
    struct WhatIf(Report);

    impl Collector for WhatIf {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
            encode_report(&mut encoder, &self.0)
        }
    }

    #[test]
    fn the_what_if_is_a_figure_per_policy_capacity_and_kind_of_hits() {
        let mut registry = prometheus_client::registry::Registry::with_prefix("larder");
        registry.register_collector(Box::new(WhatIf(report())));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("is written");
        for line in [
            r#"larder_cache_what_if_hit_ratio{policy="lru",factor="1",of="objects"} 0.72"#,
            r#"larder_cache_what_if_error{policy="gdsf",factor="0.0625",of="bytes"} 0.0149"#,
            r#"larder_cache_what_if_bound{factor="16",of="objects"} 0.97"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        let all = larder_cache::PolicyKind::ALL.len() * report().rungs.len() * OBJECTIVES.len();
        let lines = text.lines().filter(|line| line.starts_with("larder_cache_what_if_hit_ratio{"));
        assert_eq!(lines.count(), all);
    }
}

//! Figures for Prometheus as an answer. Counts nothing.

use axum::response::{IntoResponse, Response};
use http::header;
use prometheus_client::collector::Collector;
use prometheus_client::registry::Registry;

use crate::Problem;

/// The figures in the OpenMetrics text format, their names behind `prefix`.
pub fn metrics_page(prefix: &str, figures: impl Collector) -> Response {
    let mut registry = Registry::with_prefix(prefix);
    registry.register_collector(Box::new(figures));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => Problem::internal().into_response(),
    }
}

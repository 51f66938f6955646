//! The page that leads to the three services, where another site shows them.

use askama::Template;
use axum::response::Html;

use super::layout::Files;
use crate::model::Service;

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage<'a> {
    base: &'a str,
}

impl StartPage<'_> {
    /// Any service has the assets.
    fn asset(&self, name: &str) -> String {
        let path = larder_web::asset_url::<Files>(name);
        format!("{}/{}{path}", self.base, Service::Researchers.name())
    }
}

/// The page at `base`.
pub(in crate::web) fn start(base: &str) -> Html<String> {
    // The template writes to memory only.
    Html(StartPage { base }.render().unwrap_or_default())
}

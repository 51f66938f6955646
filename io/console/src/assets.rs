//! The page's own style sheet and script, embedded.

use axum::Router;
use larder_web::{Assets, asset_url};
use rust_embed::RustEmbed;

/// Their names begin with the folder that they are served under.
#[derive(RustEmbed)]
#[folder = "assets"]
#[prefix = "console/"]
struct Files;

/// The route of the page's assets.
pub fn assets() -> Router {
    Assets::<Files>::router_under("console")
}

/// The address of an asset.
pub(crate) fn asset(name: &str) -> String {
    asset_url::<Files>(&format!("console/{name}"))
}

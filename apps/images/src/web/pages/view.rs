//! An image as the pages show it: every fact as text, every address ready.

use larder_picture::Format;

use super::text::{self, Moment};
use crate::model::Image;

/// An image for a template.
pub(super) struct ImageView {
    pub(super) key: String,
    pub(super) url: String,
    pub(super) search_url: String,
    pub(super) replace_url: String,
    pub(super) delete_url: String,
    pub(super) thumbnail: String,
    pub(super) preview: String,
    pub(super) format: &'static str,
    pub(super) size: String,
    pub(super) size_bytes: String,
    pub(super) dimensions: String,
    pub(super) frames: u32,
    pub(super) version: u64,
    pub(super) created: Moment,
    pub(super) updated: Moment,
    pub(super) location: String,
    pub(super) location_short: String,
    pub(super) is_in_memory: bool,
}

impl ImageView {
    /// The view of an image.
    pub(super) fn of(image: &Image, is_in_memory: bool) -> Self {
        let url = image.key.url();
        let key = text::encode(image.key.as_str());
        let location = image.location.to_string();
        Self {
            thumbnail: scaled(image, &url, "w=96&h=96&fit=cover"),
            preview: if image.frames > 1 {
                // A variant stands still.
                url.clone()
            } else {
                scaled(image, &url, "w=300&h=300&fit=contain")
            },
            search_url: format!("/search?key={key}"),
            replace_url: format!("/?key={key}"),
            delete_url: format!("/keys/delete?key={key}"),
            key: image.key.as_str().to_owned(),
            format: image.format.title(),
            size: text::bytes(image.size),
            size_bytes: format!("{} bytes", text::count(image.size)),
            dimensions: if image.width == 0 || image.height == 0 {
                "scalable".into()
            } else {
                format!("{} × {}", image.width, image.height)
            },
            frames: image.frames,
            version: image.version,
            created: Moment::of(image.created_at),
            updated: Moment::of(image.updated_at),
            location_short: format!("{}…", location.chars().take(11).collect::<String>()),
            location,
            is_in_memory,
            url,
        }
    }
}

/// The address of a smaller variant; a drawing scales itself.
fn scaled(image: &Image, url: &str, variant: &str) -> String {
    if image.format == Format::Svg {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    // The version makes the browser fetch a replaced image again.
    format!("{url}{separator}{variant}&v={}", image.version)
}

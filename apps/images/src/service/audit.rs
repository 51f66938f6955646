//! The sampler at work: once a second one image in memory, or a variant of one,
//! is compared with its row.

use std::time::Duration;

use super::Images;
use crate::model::ImageKey;

/// One small query each.
const EVERY: Duration = Duration::from_secs(1);

impl Images {
    /// Compares one entry in memory with the store; `None` if there was nothing
    /// to compare.
    pub(super) async fn audit(&self) -> Option<bool> {
        let random = getrandom::u64().ok()?;
        let look = async |key: larder_tier::Key| {
            let image: ImageKey = std::str::from_utf8(key.group()).ok()?.parse().ok()?;
            self.shared.store.image(&image).await.ok()
        };
        let agrees = |content: &crate::model::Content, row: &Option<crate::model::Image>| {
            row.as_ref().is_some_and(|row| row.version == content.image.version)
        };
        self.shared.tier.audit(random, look, agrees).await
    }
}

/// Goes on until the end is asked for.
pub(super) async fn audit_for_ever(images: Images) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = images.shared.shutdown.asked() => return,
            _ = ticks.tick() => {}
        }
        images.audit().await;
    }
}

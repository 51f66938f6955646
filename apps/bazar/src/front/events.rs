//! The stock as it changes, for pages that are open: as long as somebody
//! listens, the catalog is asked what has moved. Says the latest of each book,
//! never all that was in between.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::Front;
use crate::model::BookId;

/// How often the catalog is asked.
const EVERY: Duration = Duration::from_millis(300);

/// What may wait for one listener; who is slower misses some.
const WAITING: usize = 256;

/// Movements may be committed out of order: so many before the latest are
/// looked at again.
const AGAIN: u64 = 200;

/// The stock of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Stock {
    /// Which book.
    pub(crate) id: BookId,
    /// Copies in stock.
    pub(crate) quantity: u32,
}

/// Who listens.
pub(crate) struct Events {
    sender: Sender<Stock>,
    is_watched: AtomicBool,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: broadcast::channel(WAITING).0, is_watched: AtomicBool::new(false) }
    }
}

impl Front {
    /// The changes of the stock from now on.
    pub(crate) fn events(&self) -> Receiver<Stock> {
        let events = &self.shared.events;
        let receiver = events.sender.subscribe();
        if !events.is_watched.swap(true, Ordering::AcqRel) {
            tokio::spawn(self.clone().watch());
        }
        receiver
    }

    /// Asks until nobody listens any more.
    async fn watch(self) {
        let events = &self.shared.events;
        let mut latest = None;
        let mut told = HashMap::new();
        loop {
            let after = latest.map(|latest: u64| latest.saturating_sub(AGAIN));
            match self.movements(after).await {
                Ok(movements) => {
                    for movement in &movements {
                        let stock = Stock { id: movement.book, quantity: movement.stock };
                        let before = told.insert(stock.id, stock.quantity);
                        // What was there before anybody listened is no news.
                        let is_news = latest.is_some_and(|latest| movement.number > latest);
                        if before != Some(stock.quantity) && (is_news || before.is_some()) {
                            // They may have gone meanwhile.
                            let _ = events.sender.send(stock);
                        }
                        latest = latest.max(Some(movement.number));
                    }
                    latest = latest.or(Some(0));
                }
                Err(error) => tracing::debug!(?error, "the stock's movements can't be looked up"),
            }
            tokio::time::sleep(EVERY).await;
            if events.sender.receiver_count() == 0 {
                events.is_watched.store(false, Ordering::Release);
                // One may have come in between, and have seen that we watch.
                let is_needed = events.sender.receiver_count() > 0;
                if !is_needed || events.is_watched.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        }
    }
}

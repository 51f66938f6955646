//! The stock as it changes, for pages that are open: as long as somebody
//! listens, the catalog is asked what has moved. Says the latest of each book,
//! never all that was in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::Front;
use crate::error::Result;
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
    /// Whether the catalog is being asked.
    is_watched: Mutex<bool>,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: broadcast::channel(WAITING).0, is_watched: Mutex::new(false) }
    }
}

impl Front {
    /// The changes of the stock from now on: whoever looks at a book after this
    /// has returned misses none.
    ///
    /// # Errors
    /// No catalog answers.
    pub(crate) async fn events(&self) -> Result<Receiver<Stock>> {
        let events = &self.shared.events;
        let mut is_watched = events.is_watched.lock().await;
        if !*is_watched {
            let latest = self.movements(None).await?;
            let latest = latest.iter().map(|movement| movement.number).max().unwrap_or(0);
            let known = self.movements(Some(latest.saturating_sub(AGAIN))).await?;
            let known = known.iter().map(|movement| movement.number).collect();
            *is_watched = true;
            tokio::spawn(self.clone().watch(latest, known));
        }
        Ok(events.sender.subscribe())
    }

    /// Asks until nobody listens any more; `known` are the movements that are no
    /// news.
    async fn watch(self, mut latest: u64, mut known: BTreeSet<u64>) {
        let events = &self.shared.events;
        loop {
            tokio::time::sleep(EVERY).await;
            match self.movements(Some(latest.saturating_sub(AGAIN))).await {
                Ok(movements) => {
                    let mut news = BTreeMap::new();
                    for movement in movements {
                        if known.insert(movement.number) {
                            news.insert(movement.book, movement.stock);
                        }
                        latest = latest.max(movement.number);
                    }
                    known = known.split_off(&latest.saturating_sub(AGAIN));
                    for (id, quantity) in news {
                        // They may have gone meanwhile.
                        let _ = events.sender.send(Stock { id, quantity });
                    }
                }
                Err(error) => tracing::debug!(?error, "the stock's movements can't be looked up"),
            }
            let mut is_watched = events.is_watched.lock().await;
            if events.sender.receiver_count() == 0 {
                *is_watched = false;
                return;
            }
        }
    }
}

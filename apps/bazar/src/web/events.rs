//! The stock as it changes, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;

use super::Web;

/// `GET /events`: a `stock` event for each book whose stock has changed.
pub(super) async fn stock(
    State(web): State<Web>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (receiver, shutdown) = (web.front.events(), web.shutdown.clone());
    let next = move |mut receiver: tokio::sync::broadcast::Receiver<_>| {
        let shutdown = shutdown.clone();
        async move {
            loop {
                let received = tokio::select! {
                    () = shutdown.asked() => return None,
                    received = receiver.recv() => received,
                };
                match received {
                    Ok(stock) => {
                        let event = Event::default().event("stock").json_data(stock).ok()?;
                        return Some((Ok(event), receiver));
                    }
                    // What was missed is older than what comes.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }
    };
    let events = futures_util::stream::unfold(receiver, next);
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

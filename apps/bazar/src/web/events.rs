//! The stock as it changes, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use larder_web::Problem;

use super::Web;

/// `GET /events`: a `stock` event for each book whose stock has changed.
pub(super) async fn stock(
    State(web): State<Web>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let (receiver, shutdown) = (web.front.events().await?, web.shutdown.clone());
    let next = move |mut receiver: tokio::sync::broadcast::Receiver<_>| {
        let shutdown = shutdown.clone();
        async move {
            // Who was too slow and has missed some asks anew, and sees all then.
            let stock = tokio::select! {
                () = shutdown.asked() => return None,
                received = receiver.recv() => received.ok()?,
            };
            let event = Event::default().event("stock").json_data(stock).ok()?;
            Some((Ok(event), receiver))
        }
    };
    let events = futures_util::stream::unfold(receiver, next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

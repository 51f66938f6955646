//! Messages between the services: those in the outbox are told over HTTP until
//! a replica of the service they are for has heard them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use larder_web::Shutdown;

use super::Grants;
use crate::error::{Error, Result};
use crate::model::Message;
use crate::store::{Sent, Store};

/// How often the outbox is looked at when nothing was put there.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Messages that are told at one time.
const AT_ONCE: u32 = 16;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(12);

impl Grants {
    /// Tells what is in the outbox until the end is asked for.
    pub(super) async fn tell_messages(&self, shutdown: &Shutdown) {
        while !shutdown.is_asked() {
            match self.shared.store.due_messages(AT_ONCE, self.now()).await {
                Ok(due) if !due.is_empty() => {
                    join_all(due.iter().map(|sent| self.tell(sent))).await;
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(?error, "messages can't be looked up for now"),
            }
            tokio::select! {
                () = shutdown.asked() => {}
                () = self.shared.sent.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Tells one message to the first replica that hears it.
    async fn tell(&self, sent: &Sent) {
        for address in self.addresses(sent.to) {
            let uri = format!("{address}/messages/{}", sent.id);
            let body = Bytes::from(sent.body.clone());
            let asked = self.shared.client.ask(Method::POST, uri, HeaderMap::new(), body);
            let told = tokio::time::timeout(ATTEMPT, asked).await.ok().flatten();
            match told.map(|told| told.status) {
                Some(StatusCode::NO_CONTENT) => {
                    if let Err(error) = self.shared.store.heard_message(sent).await {
                        tracing::debug!(?error, "a message that was heard is told again");
                    }
                    return;
                }
                Some(status) => {
                    tracing::warn!(
                        id = sent.id,
                        address,
                        status = status.as_u16(),
                        "a message wasn't taken"
                    );
                }
                None => tracing::debug!(id = sent.id, address, "a message wasn't heard"),
            }
        }
    }

    /// Does what a message asks for, once.
    ///
    /// # Errors
    /// The store fails; the message is told again then.
    pub async fn hear(&self, id: String, message: Message) -> Result<()> {
        let done = self.take(id, message).await;
        // The rules approve, and tell the university.
        self.shared.sent.notify_one();
        done
    }

    async fn take(&self, id: String, message: Message) -> Result<()> {
        match message {
            Message::Submitted { proposal } => {
                let currency = self.shared.currency.clone();
                self.change_proposal(proposal, move |store, now| {
                    let (id, currency) = (id.clone(), currency.clone());
                    async move { store.judge(id, proposal, currency, now).await }
                })
                .await
            }
            Message::Approved(opening) => {
                self.change_proposal(opening.proposal, move |store: Store, now| {
                    let (id, opening) = (id.clone(), opening.clone());
                    async move { store.open_account(id, opening, now).await }
                })
                .await
            }
            Message::Returned { programme, amount } => {
                self.shared.store.take_back(id, programme, amount, self.now()).await?;
                self.shared.live.changed();
                Ok::<_, Error>(())
            }
        }
    }

    /// How many messages wait to be heard.
    ///
    /// # Errors
    /// The store fails.
    pub async fn waiting_messages(&self) -> Result<u64> {
        self.shared.store.waiting_messages().await
    }
}

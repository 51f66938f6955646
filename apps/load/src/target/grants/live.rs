//! How soon another open page hears of a withdrawal: it listens by WebSocket as
//! the pages do. Nobody outside knows when the change is committed, so two
//! durations bound it: from when it was asked for, and from when it was
//! answered, which is after the commit. Each client has an account of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use http::{StatusCode, header};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::super::http::{Connection, Site};
use super::super::{Answer, Client, Failure, Setup, Target, Verdict};
use super::{Account, open_accounts};
use crate::error::Result;
use crate::session::unfit;
use crate::stream::Request;

const KINDS: &[&str] = &["withdrawal"];
const PARTS: &[&str] = &["heard after it was asked", "heard after it was answered"];

/// The seat of the listening page; any will do.
const SLOT: &str = "10ad10ad";

/// What isn't heard within this is lost.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// Live updates of the researchers' pages.
pub struct Live {
    site: Arc<Site>,
    accounts: Arc<OnceCell<Vec<Account>>>,
}

impl Live {
    /// At an address.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str) -> Result<Self> {
        Ok(Self { site: Arc::new(Site::of(address)?), accounts: Arc::default() })
    }
}

#[async_trait]
impl Target for Live {
    fn label(&self) -> String {
        format!("grants {} (live updates)", self.site.shown())
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    async fn prepare(&self, setup: &Setup<'_>) -> Result<()> {
        let accounts = open_accounts(&self.site, setup.most_clients as u64).await;
        let _ = self.accounts.set(accounts.map_err(|failure| unfit(&self.label(), failure.0))?);
        Ok(())
    }

    async fn client(&self, number: usize) -> Result<Box<dyn Client>> {
        let account = self.accounts.get().and_then(|accounts| accounts.get(number));
        let account = account.ok_or_else(|| unfit(&self.label(), "there is no account"))?.clone();
        let refused = |failure: Failure| unfit(&self.label(), failure.0);
        let page = listen(&self.site, &account).await.map_err(refused)?;
        let mut connection = Connection::new(self.site.clone());
        connection.open().await.map_err(refused)?;
        Ok(Box::new(Listening { connection, account, page }))
    }
}

/// Opens the page's WebSocket, and waits until it is told of everything.
async fn listen(site: &Site, account: &Account) -> Result<WebSocketStream<TcpStream>, Failure> {
    let (authority, base) = (&site.authority, &site.base);
    let address = format!("ws://{authority}{base}/s/{SLOT}/live?rooms=account/{}", account.id);
    let mut request = address.into_client_request().map_err(Failure::new)?;
    let cookie = format!("larder_grants={}", account.who.token);
    let headers = request.headers_mut();
    headers.insert(header::COOKIE, cookie.parse().map_err(Failure::new)?);
    let origin = format!("http://{authority}");
    headers.insert(header::ORIGIN, origin.parse().map_err(Failure::new)?);
    let stream = TcpStream::connect(&site.authority).await.map_err(Failure::new)?;
    stream.set_nodelay(true).map_err(Failure::new)?;
    let opened = tokio_tungstenite::client_async(request, stream).await;
    let (mut page, _) = opened.map_err(Failure::new)?;
    loop {
        match tokio::time::timeout(HEARD_WITHIN, page.next()).await {
            Ok(Some(Ok(Message::Text(said)))) if said.as_str() == "ready" => return Ok(page),
            Ok(Some(Ok(_))) => {}
            _ => return Err(Failure::new("the page never became ready")),
        }
    }
}

struct Listening {
    connection: Connection,
    account: Account,
    page: WebSocketStream<TcpStream>,
}

#[async_trait]
impl Client for Listening {
    async fn ask(&mut self, requests: &[Request], answers: &mut Vec<Answer>) {
        for _ in requests {
            answers.push(self.withdraw().await);
        }
    }
}

impl Listening {
    async fn withdraw(&mut self) -> Answer {
        // What is left of earlier changes isn't about this one.
        while let Some(Some(Ok(_))) = self.page.next().now_or_never() {}
        let asked = Instant::now();
        let withdrawal = self.account.withdraw(&mut self.connection);
        let withdrawal = withdrawal.map(|answer| (answer, Instant::now()));
        let room = format!("account/{}", self.account.id);
        let heard = hear(&mut self.page, &room);
        let ((answer, answered), heard) = tokio::join!(withdrawal, heard);
        match (answer, heard) {
            (Ok((StatusCode::CREATED, _)), Some(heard)) => {
                let after = [asked, answered].map(|from| heard.saturating_duration_since(from));
                let parts = after.into_iter().enumerate().collect();
                Answer { at: answered, from: Some(asked), parts, ..Answer::right(0, 0) }
            }
            (Ok((StatusCode::CREATED, _)), None) => {
                let why = "an open page wasn’t told of a withdrawal within 5 s";
                Answer::other(0, Verdict::Stale, why)
            }
            (Ok((status, said)), _) => {
                Answer::other(0, Verdict::Failed, format!("{status}: {said}"))
            }
            (Err(failure), _) => Answer::other(0, Verdict::Failed, failure.0),
        }
    }
}

/// Waits until the page is told of a room.
async fn hear(page: &mut WebSocketStream<TcpStream>, room: &str) -> Option<Instant> {
    let heard = async {
        while let Some(Ok(message)) = page.next().await {
            if matches!(&message, Message::Text(said) if said.as_str() == room) {
                return Some(Instant::now());
            }
        }
        None
    };
    tokio::time::timeout(HEARD_WITHIN, heard).await.ok().flatten()
}

//! Withdrawals of a cent each: at the end each account has lost exactly as many
//! cents as were acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use async_trait::async_trait;
use http::StatusCode;
use tokio::sync::OnceCell;

use super::super::http::{Connection, Site};
use super::super::{Answer, Client, Finding, Setup, Target, Verdict};
use super::{Account, open_accounts};
use crate::error::Result;
use crate::session::unfit;
use crate::stream::Request;

const KINDS: &[&str] = &["withdrawal"];

/// Withdrawals at the researchers' service.
pub struct Withdrawals {
    site: Arc<Site>,
    accounts: u64,
    drawn: Arc<OnceCell<Vec<Drawn>>>,
}

/// An account, and what was taken from it.
struct Drawn {
    account: Account,
    /// Cents in it when it was made ready.
    before: i64,
    done: AtomicI64,
    /// Asked for, and not answered.
    lost: AtomicI64,
}

impl Withdrawals {
    /// At an address, from so many accounts.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str, accounts: u64) -> Result<Self> {
        Ok(Self { site: Arc::new(Site::of(address)?), accounts, drawn: Arc::default() })
    }
}

#[async_trait]
impl Target for Withdrawals {
    fn label(&self) -> String {
        format!("grants {} (withdrawals)", self.site.shown())
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    async fn prepare(&self, _: &Setup<'_>) -> Result<()> {
        let accounts = open_accounts(&self.site, self.accounts).await;
        let accounts = accounts.map_err(|failure| unfit(&self.label(), failure.0))?;
        let (mut connection, mut drawn) = (Connection::new(self.site.clone()), Vec::new());
        for account in accounts {
            let before = account.balance(&mut connection).await;
            let before = before.map_err(|failure| unfit(&self.label(), failure.0))?;
            let (done, lost) = Default::default();
            drawn.push(Drawn { account, before, done, lost });
        }
        let _ = self.drawn.set(drawn);
        Ok(())
    }

    async fn client(&self, _: usize) -> Result<Box<dyn Client>> {
        let mut connection = Connection::new(self.site.clone());
        connection.open().await.map_err(|failure| unfit(&self.label(), failure.0))?;
        Ok(Box::new(Drawing { connection, drawn: self.drawn.clone() }))
    }

    async fn audit(&self) -> Result<Vec<Finding>> {
        let mut connection = Connection::new(self.site.clone());
        let (mut is_right, mut all_done, mut all_gone, mut all_lost) = (true, 0, 0, 0);
        let all = self.drawn.get().map(Vec::as_slice).unwrap_or_default();
        for drawn in all {
            let balance = drawn.account.balance(&mut connection).await;
            let gone = drawn.before - balance.map_err(|it| unfit(&self.label(), it.0))?;
            let (done, lost) = (drawn.done.load(SeqCst), drawn.lost.load(SeqCst));
            is_right &= (done..=done + lost).contains(&gone);
            all_done += done;
            all_gone += gone;
            all_lost += lost;
        }
        let doubt = if all_lost > 0 { format!(", {all_lost} unanswered") } else { String::new() };
        let what = format!(
            "{}: {all_done} cents acknowledged{doubt}, {all_gone} gone from {} accounts",
            self.label(),
            all.len()
        );
        Ok(vec![Finding { what, is_right }])
    }
}

struct Drawing {
    connection: Connection,
    drawn: Arc<OnceCell<Vec<Drawn>>>,
}

#[async_trait]
impl Client for Drawing {
    async fn ask(&mut self, requests: &[Request], answers: &mut Vec<Answer>) {
        let drawn = self.drawn.clone();
        let Some(accounts) = drawn.get().filter(|accounts| !accounts.is_empty()) else { return };
        for request in requests {
            let from = &accounts[(request.key % accounts.len() as u64) as usize];
            from.lost.fetch_add(1, SeqCst);
            answers.push(match from.account.withdraw(&mut self.connection).await {
                Ok((StatusCode::CREATED, _)) => {
                    from.done.fetch_add(1, SeqCst);
                    from.lost.fetch_sub(1, SeqCst);
                    Answer::right(0, 0)
                }
                Ok((StatusCode::CONFLICT, said)) => {
                    from.lost.fetch_sub(1, SeqCst);
                    Answer::other(0, Verdict::Refused, said.to_string())
                }
                Ok((status, said)) => {
                    Answer::other(0, Verdict::Failed, format!("{status}: {said}"))
                }
                Err(failure) => Answer::other(0, Verdict::Failed, failure.0),
            });
        }
    }
}

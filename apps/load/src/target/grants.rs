//! Research funding, at the researchers' service. Three things are measured:
//! people who join, as the classic student system was measured; withdrawals
//! from research accounts; and how soon another page hears of one.

mod accounts;
mod live;
mod withdrawals;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::Failure;
use super::http::{Connection, Site};
use crate::error::Result;

pub use accounts::Accounts;
pub use live::Live;
pub use withdrawals::Withdrawals;

const PASSWORD: &str = "Xylophone-7-quartz";

/// What a research account is opened with, in cents: what the rules of the
/// first programme accept by themselves.
const BUDGET_CENTS: i64 = 20_000_000;

/// What an account must still have to be used again.
const ENOUGH_CENTS: i64 = 10_000_000;

/// An agency answers, and the university opens an account, within this.
const OPENS_WITHIN: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(20);

/// A researcher who is signed in.
#[derive(Clone)]
struct Researcher {
    authorization: Arc<str>,
    token: Arc<str>,
}

/// Tells the people of this run from those of others.
fn nonce() -> Result<u64, Failure> {
    getrandom::u64().map_err(Failure::new)
}

fn email(run: u64, number: u64) -> String {
    format!("load-{run:016x}-{number}@load.example")
}

fn joining(run: u64, number: u64) -> Value {
    json!({ "name": "Load", "email": email(run, number), "password": PASSWORD })
}

fn expect(
    what: &str,
    (status, said): (StatusCode, Value),
    expected: StatusCode,
) -> Result<Value, Failure> {
    match status == expected {
        true => Ok(said),
        false => Err(Failure(format!("{what}: {status}: {said}"))),
    }
}

/// Somebody who joined in an earlier run or joins now, signed in.
async fn researcher(connection: &mut Connection, number: u64) -> Result<Researcher, Failure> {
    let email = format!("load-{number}@load.example");
    let new = json!({ "name": "Load", "email": email, "password": PASSWORD });
    // Refused where the name is taken: by an earlier run.
    connection.json(Method::POST, "/api/people", Some(&new), &[]).await?;
    let who = json!({ "email": email, "password": PASSWORD });
    let session = connection.json(Method::POST, "/api/session", Some(&who), &[]).await?;
    let session = expect("signing in", session, StatusCode::CREATED)?;
    let token = session["token"].as_str().ok_or_else(|| Failure::new("there is no token"))?;
    Ok(Researcher { authorization: format!("Bearer {token}").into(), token: token.into() })
}

/// An account that an earlier run opened and left enough in.
async fn open_before(
    connection: &mut Connection,
    who: &Researcher,
) -> Result<Option<u64>, Failure> {
    let authorized = [(header::AUTHORIZATION, &*who.authorization)];
    let found = connection.json(Method::GET, "/api/accounts", None, &authorized).await?;
    let found = expect("looking for accounts", found, StatusCode::OK)?;
    let all = found.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_enough = |account: &&Value| account["balance_cents"].as_i64() > Some(ENOUGH_CENTS);
    Ok(all.iter().find(is_enough).and_then(|account| account["id"].as_u64()))
}

/// Opens a research account: a proposal that the rules accept.
async fn open_account(
    connection: &mut Connection,
    who: &Researcher,
    acronym: &str,
) -> Result<u64, Failure> {
    let authorized = [(header::AUTHORIZATION, &*who.authorization)];
    let draft = json!({
        "programme": 1,
        "acronym": acronym,
        "title": "Load",
        "description": "Measures withdrawals.",
        "amount_cents": BUDGET_CENTS,
    });
    let drafted = connection.json(Method::POST, "/api/proposals", Some(&draft), &authorized);
    let drafted = expect("a draft", drafted.await?, StatusCode::CREATED)?;
    let id = drafted["id"].as_u64().ok_or_else(|| Failure::new("a draft has no id"))?;
    let path = format!("/api/proposals/{id}");
    let submit = format!("{path}/submit");
    let sent = connection.json(Method::POST, &submit, Some(&Value::Null), &authorized).await?;
    expect("sending a proposal", sent, StatusCode::ACCEPTED)?;
    let since = std::time::Instant::now();
    loop {
        let found = connection.json(Method::GET, &path, None, &authorized).await?;
        let found = expect("looking at a proposal", found, StatusCode::OK)?;
        if let Some(account) = found["account"].as_u64() {
            return Ok(account);
        }
        let state = found["state"].as_str().unwrap_or_default();
        if !matches!(state, "submitted" | "accepted") || since.elapsed() > OPENS_WITHIN {
            return Err(Failure(format!("no account was opened: the proposal is {state}")));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// A research account that a client draws from.
#[derive(Clone)]
struct Account {
    id: u64,
    who: Researcher,
}

/// Accounts, each of its own researcher. The budget of the first programme is
/// enough for five; so those of earlier runs are used again.
async fn open_accounts(site: &Arc<Site>, count: u64) -> Result<Vec<Account>, Failure> {
    let mut connection = Connection::new(site.clone());
    let mut accounts = Vec::new();
    for number in 0..count {
        let who = researcher(&mut connection, number).await?;
        let id = match open_before(&mut connection, &who).await? {
            Some(id) => id,
            None => {
                let acronym = format!("L{:08X}", nonce()? as u32);
                open_account(&mut connection, &who, &acronym).await?
            }
        };
        accounts.push(Account { id, who });
    }
    Ok(accounts)
}

impl Account {
    async fn balance(&self, connection: &mut Connection) -> Result<i64, Failure> {
        let authorized = [(header::AUTHORIZATION, &*self.who.authorization)];
        let path = format!("/api/accounts/{}", self.id);
        let found = connection.json(Method::GET, &path, None, &authorized).await?;
        let found = expect("looking at an account", found, StatusCode::OK)?;
        found["balance_cents"].as_i64().ok_or_else(|| Failure::new("there is no balance"))
    }

    /// Takes a cent.
    async fn withdraw(&self, connection: &mut Connection) -> Result<(StatusCode, Value), Failure> {
        let path = format!("/api/accounts/{}/withdrawals", self.id);
        let cent = json!({ "amount_cents": 1, "reason": "load" });
        let authorized = [(header::AUTHORIZATION, &*self.who.authorization)];
        connection.json(Method::POST, &path, Some(&cent), &authorized).await
    }
}

//! Research accounts: the balance is changed under a condition only, and each
//! change of it is a line of the ledger.

use std::collections::BTreeMap;

use larder_clock::Timestamp;
use larder_sql::{Connection, Row, Value};

use super::events::tell;
use super::ledger::{Line, enter};
use super::messages::{Once, hear, send};
use super::programmes::give_back;
use super::{Conditions, Store, inserted, time};
use crate::error::{Error, Result};
use crate::model::{
    Account, AccountId, AccountState, AgencyId, Day, EntryKind, Member, Message, Money, Opening,
    PersonId, ProgrammeId, Room,
};

/// Accounts as [`account`] reads them; conditions may follow.
const SELECT: &str = "SELECT c.id, c.version, c.proposal, c.acronym, c.title, c.agency, a.name,
     c.leader, c.budget, c.balance, c.end_date, c.closed, c.created_at
     FROM accounts c JOIN agencies a ON a.id = c.agency";

/// Which accounts.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Those that somebody may spend.
    pub member: Option<PersonId>,
    /// Those of one agency's money.
    pub agency: Option<AgencyId>,
    /// In one state, on the day.
    pub state: Option<(AccountState, Day)>,
    /// Words of acronym, title, or a member's name.
    pub words: String,
    /// Only those before this one, in the order of ids, the latest first.
    pub before: Option<AccountId>,
    /// So many at most.
    pub most: u32,
}

/// The accounts of one agency's money, together.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// The agency.
    pub agency: String,
    /// How many accounts.
    pub accounts: u64,
    /// What was given, in cents.
    #[serde(rename = "budget_cents")]
    pub budget: Money,
    /// What is left, in cents.
    #[serde(rename = "balance_cents")]
    pub balance: Money,
    /// What was returned, in cents.
    #[serde(rename = "returned_cents")]
    pub returned: Money,
}

impl Totals {
    /// What was spent.
    pub fn spent(&self) -> Money {
        self.budget.minus(self.balance).minus(self.returned)
    }
}

impl Store {
    /// One account.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let work = move |rows: &mut dyn Connection| {
            let found = rows.query(&format!("{SELECT} WHERE c.id = ?"), &[id.into()])?;
            Ok(with_members(rows, &found)?.pop())
        };
        self.database.read(work).await
    }

    /// Accounts, the latest first.
    pub async fn accounts(&self, filter: AccountFilter) -> Result<Vec<Account>> {
        let work = move |rows: &mut dyn Connection| {
            let Conditions { sql, values } = conditions(rows, &filter);
            let sql = format!("{SELECT} WHERE {sql} ORDER BY c.id DESC LIMIT {}", filter.most);
            let found = rows.query(&sql, &values)?;
            with_members(rows, &found)
        };
        self.database.read(work).await
    }

    /// The accounts that each of these people may spend, by number and acronym,
    /// the latest first; so many of each at most.
    pub async fn accounts_of(
        &self,
        people: Vec<PersonId>,
        most: usize,
    ) -> Result<BTreeMap<PersonId, Vec<(AccountId, String)>>> {
        let mut accounts: BTreeMap<PersonId, Vec<(AccountId, String)>> = BTreeMap::new();
        if people.is_empty() {
            return Ok(accounts);
        }
        let marks = vec!["?"; people.len()].join(", ");
        let sql = format!(
            "SELECT m.person, c.id, c.acronym FROM members m JOIN accounts c ON c.id = m.account
             WHERE m.person IN ({marks}) ORDER BY c.id DESC"
        );
        let people = people.into_iter().map(Value::from).collect();
        for row in self.database.query(sql, people).await? {
            let of_person = accounts.entry(row.get(0)?).or_default();
            if of_person.len() < most {
                of_person.push((row.get(1)?, row.get(2)?));
            }
        }
        Ok(accounts)
    }

    /// The totals of each agency that has given money, by name.
    pub async fn totals(&self) -> Result<Vec<Totals>> {
        let work = |rows: &mut dyn Connection| {
            let integer = |sum: &str| rows.dialect().integer(sum);
            // What a closed account returned is the one entry of that kind.
            let sql = format!(
                "SELECT a.name, COUNT(*), {}, {}, {} FROM accounts c
                 JOIN agencies a ON a.id = c.agency
                 LEFT JOIN ledger r ON r.account = c.id AND r.kind = ?
                 GROUP BY a.id, a.name ORDER BY a.name",
                integer("SUM(c.budget)"),
                integer("SUM(c.balance)"),
                integer("SUM(COALESCE(-r.amount, 0))"),
            );
            let total = |row: &Row| {
                Ok(Totals {
                    agency: row.get(0)?,
                    accounts: row.get(1)?,
                    budget: Money::cents(row.get(2)?),
                    balance: Money::cents(row.get(3)?),
                    returned: Money::cents(row.get(4)?),
                })
            };
            rows.query(&sql, &[EntryKind::Return.name().into()])?.iter().map(total).collect()
        };
        self.database.read(work).await
    }

    /// Opens the account of an approval, once for a proposal; returns which.
    pub async fn open_account(
        &self,
        message: String,
        opening: Opening,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            if hear(rows, &message, now)? == Once::Again {
                return Ok(());
            }
            rows.execute(
                "INSERT INTO accounts (version, proposal, acronym, title, agency, programme,
                 leader, budget, balance, end_date, closed, created_at)
                 VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
                &[
                    opening.proposal.into(),
                    opening.acronym.as_str().into(),
                    opening.title.as_str().into(),
                    opening.agency.into(),
                    opening.programme.into(),
                    opening.lead.into(),
                    opening.budget.into(),
                    opening.budget.into(),
                    opening.end_date.to_string().into(),
                    now.0.into(),
                ],
            )?;
            let id = inserted(rows)?;
            let sql = "INSERT INTO members (account, person) VALUES (?, ?)";
            rows.execute(sql, &[id.into(), opening.lead.into()])?;
            let line = Line {
                account: id,
                request: &message,
                kind: EntryKind::Opening,
                by: None,
                amount: opening.budget,
                reason: &format!("Grant for {}", opening.acronym),
            };
            enter(rows, &line, now)?;
            rows.execute(
                "INSERT INTO notifications (account, note, created_at) VALUES (?, ?, ?)",
                &[
                    id.into(),
                    format!("Account opened for {}", opening.acronym).into(),
                    now.0.into(),
                ],
            )?;
            tell(rows, [Room::Proposal(opening.proposal)], now)?;
            heard(rows, id, now)
        };
        self.database.write(work).await
    }

    /// Adds somebody, or removes somebody who isn't the lead.
    ///
    /// # Errors
    /// [`Error::WrongState`].
    pub async fn set_member(
        &self,
        id: AccountId,
        person: PersonId,
        is_member: bool,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let (lead, _, _) = locked(rows, id)?;
            // Those who were hear of it too.
            heard(rows, id, now)?;
            let key = [id.into(), person.into()];
            let sql = "SELECT person FROM members WHERE account = ? AND person = ?";
            let is_there = rows.query_one(sql, &key)?.is_some();
            if is_there && !is_member && lead == person {
                let why = "The lead of an account can’t be removed.";
                return Err(Error::WrongState(why.into()));
            }
            let sql = match is_member {
                true => "INSERT INTO members (account, person) VALUES (?, ?)",
                false => "DELETE FROM members WHERE account = ? AND person = ?",
            };
            if is_there != is_member {
                rows.execute(sql, &key)?;
                rows.execute(
                    "UPDATE accounts SET version = version + 1 WHERE id = ?",
                    &[id.into()],
                )?;
                tell(rows, [Room::Person(person)], now)?;
            }
            Ok(())
        };
        self.database.write(work).await
    }

    /// Moves the last day.
    ///
    /// # Errors
    /// [`Error::WrongState`].
    pub async fn extend(
        &self,
        id: AccountId,
        officer: PersonId,
        end_date: Day,
        request: String,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let (_, _, old) = locked(rows, id)?;
            if old == end_date.to_string() {
                return Ok(());
            }
            rows.execute(
                "UPDATE accounts SET end_date = ?, version = version + 1 WHERE id = ?",
                &[end_date.to_string().into(), id.into()],
            )?;
            let line = Line {
                account: id,
                request: &request,
                kind: EntryKind::Extension,
                by: Some(officer),
                amount: Money::ZERO,
                reason: &format!("End date moved from {old} to {end_date}"),
            };
            enter(rows, &line, now)?;
            heard(rows, id, now)
        };
        self.database.write(work).await
    }

    /// Closes an account; what is left goes back to the agency.
    ///
    /// # Errors
    /// [`Error::WrongState`].
    pub async fn close_account(
        &self,
        id: AccountId,
        officer: PersonId,
        request: String,
        now: Timestamp,
    ) -> Result<Money> {
        let work = move |rows: &mut dyn Connection| {
            let (_, programme, _) = locked(rows, id)?;
            let row = rows.query_one("SELECT balance FROM accounts WHERE id = ?", &[id.into()])?;
            let rest: i64 = row.ok_or(Error::NotFound("account"))?.get(0)?;
            rows.execute(
                "UPDATE accounts SET balance = 0, closed = 1, version = version + 1 WHERE id = ?",
                &[id.into()],
            )?;
            let line = Line {
                account: id,
                request: &request,
                kind: EntryKind::Return,
                by: Some(officer),
                amount: Money::cents(-rest),
                reason: "Closed; the rest goes back to the agency",
            };
            enter(rows, &line, now)?;
            let rest = Money::cents(rest);
            if rest > Money::ZERO {
                send(rows, &Message::Returned { programme, amount: rest }, now)?;
            }
            heard(rows, id, now)?;
            Ok(rest)
        };
        self.database.write(work).await
    }

    /// Takes back what wasn't used of a grant, once for a message.
    pub async fn take_back(
        &self,
        message: String,
        programme: ProgrammeId,
        amount: Money,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            if hear(rows, &message, now)? == Once::First {
                let agency = give_back(rows, programme, amount)?;
                tell(rows, [Room::Agency(agency)], now)?;
            }
            Ok(())
        };
        self.database.write(work).await
    }
}

fn conditions(rows: &dyn Connection, filter: &AccountFilter) -> Conditions {
    let mut conditions = Conditions::new();
    if let Some(member) = filter.member {
        let sql = "c.id IN (SELECT account FROM members WHERE person = ?)";
        conditions.and(sql, [member.into()]);
    }
    if let Some(agency) = filter.agency {
        conditions.and("c.agency = ?", [agency.into()]);
    }
    if let Some((state, today)) = filter.state {
        let today = Value::from(today.to_string());
        match state {
            AccountState::Closed => conditions.and("c.closed = 1", []),
            AccountState::Ended => conditions.and("c.closed = 0 AND c.end_date < ?", [today]),
            AccountState::Open => conditions.and("c.closed = 0 AND c.end_date >= ?", [today]),
        }
    }
    if let Some(before) = filter.before {
        conditions.and("c.id < ?", [before.into()]);
    }
    let of_members = "EXISTS (SELECT 1 FROM members m JOIN people p ON p.id = m.person
         WHERE m.account = c.id AND {})";
    let elsewhere = Some(("p.name", of_members));
    conditions.and_words_also(rows, &["c.acronym", "c.title"], elsewhere, &filter.words);
    conditions
}

/// Lead, programme and last day of an account that isn't closed, and that
/// nobody else changes until the transaction ends.
fn locked(rows: &mut dyn Connection, id: AccountId) -> Result<(PersonId, ProgrammeId, String)> {
    let lock = rows.dialect().for_update();
    let sql =
        format!("SELECT leader, programme, end_date, closed FROM accounts WHERE id = ?{lock}");
    let row = rows.query_one(&sql, &[id.into()])?.ok_or(Error::NotFound("account"))?;
    match row.get::<i64>(3)? {
        0 => Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        _ => Err(Error::WrongState("This account is closed.".into())),
    }
}

/// Who may see an account hears of its change.
pub(super) fn heard(rows: &mut dyn Connection, id: AccountId, now: Timestamp) -> Result<()> {
    let members = rows.query("SELECT person FROM members WHERE account = ?", &[id.into()])?;
    let members = members.iter().map(|row| Ok(Room::Person(row.get(0)?)));
    let members = members.collect::<Result<Vec<_>>>()?;
    tell(rows, members.into_iter().chain([Room::Account(id), Room::University]), now)
}

/// The accounts of these rows, with their members.
fn with_members(rows: &mut dyn Connection, found: &[Row]) -> Result<Vec<Account>> {
    let mut accounts = found.iter().map(account).collect::<Result<Vec<_>>>()?;
    if accounts.is_empty() {
        return Ok(accounts);
    }
    let ids: Vec<Value> = accounts.iter().map(|account| account.id.into()).collect();
    let marks = vec!["?"; ids.len()].join(", ");
    let sql = format!(
        "SELECT m.account, p.id, p.name, p.email FROM members m JOIN people p ON p.id = m.person
         WHERE m.account IN ({marks}) ORDER BY p.name, p.id"
    );
    let mut members: BTreeMap<AccountId, Vec<Member>> = BTreeMap::new();
    for row in rows.query(&sql, &ids)? {
        let member = Member { id: row.get(1)?, name: row.get(2)?, email: row.get(3)? };
        members.entry(row.get(0)?).or_default().push(member);
    }
    for account in &mut accounts {
        account.members = members.remove(&account.id).unwrap_or_default();
        account.members.sort_by_key(|member| member.id != account.lead);
    }
    Ok(accounts)
}

/// An account, its members aside.
fn account(row: &Row) -> Result<Account> {
    let id: AccountId = row.get(0)?;
    let end_date: String = row.get(10)?;
    let no_day = || Error::Damaged(format!("account {id} has no end date"));
    Ok(Account {
        id,
        version: row.get(1)?,
        proposal: row.get(2)?,
        acronym: row.get(3)?,
        title: row.get(4)?,
        agency: row.get(5)?,
        agency_name: row.get(6)?,
        lead: row.get(7)?,
        budget: Money::cents(row.get(8)?),
        balance: Money::cents(row.get(9)?),
        end_date: end_date.parse().map_err(|()| no_day())?,
        is_closed: row.get::<i64>(11)? != 0,
        members: Vec::new(),
        opened_at: time(row, 12)?,
    })
}

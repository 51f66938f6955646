//! The ledger: lines are added under the lock of their account's row, so each
//! one's balance follows from the one before.

use larder_clock::Timestamp;
use larder_input::IdempotencyKey;
use larder_sql::{Connection, Row};

use super::accounts::heard;
use super::{Conditions, Store, time, word};
use crate::error::{Error, Result};
use crate::model::{AccountId, Day, Entry, EntryKind, Money, PersonId, Withdrawal};

/// Lines as [`entry`] reads them; conditions may follow.
const SELECT: &str = "SELECT e.number, e.account, c.acronym, e.kind, p.name, e.amount,
     e.balance_after, e.reason, e.created_at
     FROM ledger e JOIN accounts c ON c.id = e.account LEFT JOIN people p ON p.id = e.person";

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Of one account.
    pub account: Option<AccountId>,
    /// Of one kind.
    pub kind: Option<EntryKind>,
    /// Words of acronym, reason or who did it.
    pub words: String,
    /// Only those before this one, the latest first.
    pub before: Option<u64>,
    /// So many at most.
    pub most: u32,
}

/// What a line says; the balance after it is the account's.
pub(super) struct Line<'a> {
    pub(super) account: AccountId,
    /// What makes it one line however often it is asked for.
    pub(super) request: &'a str,
    pub(super) kind: EntryKind,
    pub(super) by: Option<PersonId>,
    pub(super) amount: Money,
    pub(super) reason: &'a str,
}

/// Adds a line, after the change of the balance.
pub(super) fn enter(rows: &mut dyn Connection, line: &Line<'_>, now: Timestamp) -> Result<()> {
    let sql = "SELECT balance FROM accounts WHERE id = ?";
    let row = rows.query_one(sql, &[line.account.into()])?.ok_or(Error::NotFound("account"))?;
    let balance: i64 = row.get(0)?;
    rows.execute(
        "INSERT INTO ledger (account, request, kind, person, amount, balance_after, reason,
         created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        &[
            line.account.into(),
            line.request.into(),
            line.kind.name().into(),
            line.by.into(),
            line.amount.into(),
            balance.into(),
            line.reason.into(),
            now.0.into(),
        ],
    )?;
    Ok(())
}

impl Store {
    /// Withdraws, unless it was done with that key: then that line is returned.
    ///
    /// # Errors
    /// [`Error::OverBalance`], [`Error::WrongState`], [`Error::KeyReused`], or
    /// they are no member; nothing has changed then.
    pub async fn withdraw(
        &self,
        id: AccountId,
        person: PersonId,
        withdrawal: Withdrawal,
        key: IdempotencyKey,
        now: Timestamp,
    ) -> Result<Entry> {
        let work = move |rows: &mut dyn Connection| {
            if let Some(done) = done_before(rows, id, &key)? {
                return the_same(done, &withdrawal);
            }
            let today = Day::of(now).to_string();
            let Withdrawal { amount, reason } = &withdrawal;
            let taken = rows.execute(
                "UPDATE accounts SET balance = balance - ?, version = version + 1
                 WHERE id = ? AND balance >= ? AND closed = 0 AND end_date >= ?
                 AND EXISTS (SELECT 1 FROM members m WHERE m.account = accounts.id AND m.person = ?)",
                &[
                    (*amount).into(),
                    id.into(),
                    (*amount).into(),
                    today.as_str().into(),
                    person.into(),
                ],
            )?;
            if taken == 0 {
                return Err(why_not(rows, id, person, &today)?);
            }
            let line = Line {
                account: id,
                request: key.as_str(),
                kind: EntryKind::Withdrawal,
                by: Some(person),
                amount: Money::cents(-amount.in_cents()),
                reason,
            };
            enter(rows, &line, now)?;
            heard(rows, id, now)?;
            let done = done_before(rows, id, &key)?;
            done.ok_or_else(|| Error::Damaged("a line that was added isn't there".into()))
        };
        self.database.write(work).await
    }

    /// What was withdrawn with a key, if it was the same.
    ///
    /// # Errors
    /// [`Error::KeyReused`].
    pub async fn withdrawn(
        &self,
        id: AccountId,
        withdrawal: Withdrawal,
        key: IdempotencyKey,
    ) -> Result<Option<Entry>> {
        let work = move |rows: &mut dyn Connection| {
            let done = done_before(rows, id, &key)?;
            done.map(|done| the_same(done, &withdrawal)).transpose()
        };
        self.database.read(work).await
    }

    /// Lines, the latest first.
    pub async fn entries(&self, filter: EntryFilter) -> Result<Vec<Entry>> {
        let work = move |rows: &mut dyn Connection| {
            let mut conditions = Conditions::new();
            if let Some(account) = filter.account {
                conditions.and("e.account = ?", [account.into()]);
            }
            if let Some(kind) = filter.kind {
                conditions.and("e.kind = ?", [kind.name().into()]);
            }
            if let Some(before) = filter.before {
                conditions.and("e.number < ?", [before.into()]);
            }
            let columns = ["c.acronym", "e.reason", "COALESCE(p.name, '')"];
            conditions.and_words(rows, &columns, &filter.words);
            let Conditions { sql, values } = conditions;
            let sql = format!("{SELECT} WHERE {sql} ORDER BY e.number DESC LIMIT {}", filter.most);
            rows.query(&sql, &values)?.iter().map(entry).collect()
        };
        self.database.read(work).await
    }
}

fn done_before(
    rows: &mut dyn Connection,
    id: AccountId,
    key: &IdempotencyKey,
) -> Result<Option<Entry>> {
    let sql = format!("{SELECT} WHERE e.account = ? AND e.request = ?");
    let row = rows.query_one(&sql, &[id.into(), key.as_str().into()])?;
    row.map(|row| entry(&row)).transpose()
}

fn the_same(done: Entry, withdrawal: &Withdrawal) -> Result<Entry> {
    let amount = Money::cents(-withdrawal.amount.in_cents());
    match done.kind == EntryKind::Withdrawal
        && done.amount == amount
        && done.reason == withdrawal.reason
    {
        true => Ok(done),
        false => Err(Error::KeyReused),
    }
}

/// Why nothing could be withdrawn.
fn why_not(
    rows: &mut dyn Connection,
    id: AccountId,
    person: PersonId,
    today: &str,
) -> Result<Error> {
    let sql = "SELECT c.balance, c.end_date, c.closed,
         (SELECT COUNT(*) FROM members m WHERE m.account = c.id AND m.person = ?)
         FROM accounts c WHERE c.id = ?";
    let Some(row) = rows.query_one(sql, &[person.into(), id.into()])? else {
        return Ok(Error::NotFound("account"));
    };
    let end_date: String = row.get(1)?;
    Ok(match () {
        () if row.get::<i64>(3)? == 0 => Error::NotFound("account"),
        () if row.get::<i64>(2)? != 0 => Error::WrongState("This account is closed.".into()),
        () if end_date.as_str() < today => {
            Error::WrongState(format!("This account ended on {end_date}."))
        }
        () => Error::OverBalance { balance: Money::cents(row.get(0)?) },
    })
}

fn entry(row: &Row) -> Result<Entry> {
    Ok(Entry {
        number: row.get(0)?,
        account: row.get(1)?,
        acronym: row.get(2)?,
        kind: word(row, 3, EntryKind::of)?,
        by: row.get(4)?,
        amount: Money::cents(row.get(5)?),
        balance_after: Money::cents(row.get(6)?),
        reason: row.get(7)?,
        at: time(row, 8)?,
    })
}

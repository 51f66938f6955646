//! Proposals and what became of them. Every change of state is one conditional
//! update, the line of the activity log, and what others are told.

mod decisions;

use larder_clock::Timestamp;
use larder_sql::{Connection, Row, Value};

use super::events::tell;
use super::{Conditions, Store, inserted, optional, time, word};
use crate::error::{Error, Result};
use crate::model::{
    Activity, AgencyId, Attachment, Draft, Money, PersonId, Proposal, ProposalId, Room, State,
};

/// Proposals as [`proposal`] reads them; conditions may follow.
const SELECT: &str = "SELECT p.id, p.version, p.agency, a.name, p.programme, g.name, p.leader,
     l.name, p.acronym, p.title, p.description, p.amount, p.attachment, p.attachment_bytes,
     p.state, p.answer, p.granted, p.end_date, c.id, p.updated_at
     FROM proposals p JOIN agencies a ON a.id = p.agency
     JOIN programmes g ON g.id = p.programme JOIN people l ON l.id = p.leader
     LEFT JOIN accounts c ON c.proposal = p.id";

/// Which proposals.
#[derive(Clone, Debug, Default)]
pub struct ProposalFilter {
    /// Those of one author.
    pub lead: Option<PersonId>,
    /// Those to one agency, none of which is a draft; or to all of them.
    pub sent_to: Option<Option<AgencyId>>,
    /// In one of these states, or in any if there is none.
    pub states: Vec<State>,
    /// Words of acronym, title or the author's name.
    pub words: String,
    /// Only those before this one, in the order of ids, the latest first.
    pub before: Option<ProposalId>,
    /// So many at most.
    pub most: u32,
}

impl Store {
    /// One proposal.
    pub async fn proposal(&self, id: ProposalId) -> Result<Option<Proposal>> {
        let sql = format!("{SELECT} WHERE p.id = ?");
        self.database.query_one(sql, vec![id.into()]).await?.map(|row| proposal(&row)).transpose()
    }

    /// Proposals, the latest first.
    pub async fn proposals(&self, filter: ProposalFilter) -> Result<Vec<Proposal>> {
        let work = move |rows: &mut dyn Connection| {
            let Conditions { sql, values } = conditions(rows, &filter);
            let sql = format!("{SELECT} WHERE {sql} ORDER BY p.id DESC LIMIT {}", filter.most);
            rows.query(&sql, &values)?.iter().map(proposal).collect()
        };
        self.database.read(work).await
    }

    /// How many proposals there are in each state.
    pub async fn proposal_counts(&self, filter: ProposalFilter) -> Result<Vec<(State, u64)>> {
        let work = move |rows: &mut dyn Connection| {
            let Conditions { sql, values } = conditions(rows, &filter);
            let sql = format!(
                "SELECT p.state, COUNT(*) FROM proposals p JOIN people l ON l.id = p.leader
                 WHERE {sql} GROUP BY p.state"
            );
            let count = |row: &Row| Ok((word(row, 0, State::of)?, row.get(1)?));
            rows.query(&sql, &values)?.iter().map(count).collect()
        };
        self.database.read(work).await
    }

    /// Changes of state, the first one first.
    pub async fn activities(&self, id: ProposalId) -> Result<Vec<Activity>> {
        let sql = "SELECT l.name, v.state, v.note, v.created_at FROM activities v
             LEFT JOIN people l ON l.id = v.person WHERE v.proposal = ? ORDER BY v.number";
        let activity = |row: &Row| {
            Ok(Activity {
                by: row.get(0)?,
                state: word(row, 1, State::of)?,
                note: row.get(2)?,
                at: time(row, 3)?,
            })
        };
        self.database.query(sql, vec![id.into()]).await?.iter().map(activity).collect()
    }

    /// Writes a new draft.
    ///
    /// # Errors
    /// [`Error::Taken`], or there is no such programme.
    pub async fn add_proposal(
        &self,
        lead: PersonId,
        draft: Draft,
        now: Timestamp,
    ) -> Result<ProposalId> {
        let work = move |rows: &mut dyn Connection| {
            let agency = agency_of(rows, &draft)?;
            rows.execute(
                "INSERT INTO proposals (version, agency, programme, leader, acronym, title,
                 description, amount, state, updated_at) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                &[
                    agency.into(),
                    draft.programme.into(),
                    lead.into(),
                    draft.acronym.as_str().into(),
                    draft.title.as_str().into(),
                    draft.description.as_str().into(),
                    draft.amount.into(),
                    State::Draft.name().into(),
                    now.0.into(),
                ],
            )?;
            let id = inserted(rows)?;
            note(rows, id, Some(lead), State::Draft, None, now)?;
            tell(rows, [Room::Person(lead)], now)?;
            Ok(id)
        };
        self.database.write(work).await.map_err(acronym_taken)
    }

    /// Writes a proposal anew while its author may.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::WrongState`], or there is no such programme.
    pub async fn edit_proposal(
        &self,
        id: ProposalId,
        lead: PersonId,
        draft: Draft,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let old = in_work(rows, id, lead)?;
            let agency = agency_of(rows, &draft)?;
            if old.state != State::Draft && draft.programme != old.programme {
                let why = "Only a draft can go to another programme.";
                return Err(larder_input::Invalid::new("programme", why).into());
            }
            rows.execute(
                "UPDATE proposals SET version = version + 1, agency = ?, programme = ?,
                 acronym = ?, title = ?, description = ?, amount = ?, updated_at = ?
                 WHERE id = ?",
                &[
                    agency.into(),
                    draft.programme.into(),
                    draft.acronym.as_str().into(),
                    draft.title.as_str().into(),
                    draft.description.as_str().into(),
                    draft.amount.into(),
                    now.0.into(),
                    id.into(),
                ],
            )?;
            heard(rows, &old, now)
        };
        self.database.write(work).await.map_err(acronym_taken)
    }

    /// Throws a draft away.
    ///
    /// # Errors
    /// [`Error::WrongState`].
    pub async fn delete_proposal(
        &self,
        id: ProposalId,
        lead: PersonId,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let old = in_work(rows, id, lead)?;
            if old.state != State::Draft {
                return Err(wrong_state(old.state));
            }
            for sql in [
                "DELETE FROM attachments WHERE proposal = ?",
                "DELETE FROM activities WHERE proposal = ?",
                "DELETE FROM proposals WHERE id = ?",
            ] {
                rows.execute(sql, &[id.into()])?;
            }
            heard(rows, &old, now)
        };
        self.database.write(work).await
    }

    /// Puts a file to a proposal in place of what was there; or none.
    ///
    /// # Errors
    /// [`Error::WrongState`].
    pub async fn attach(
        &self,
        id: ProposalId,
        lead: PersonId,
        file: Option<(Attachment, Vec<u8>)>,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let old = in_work(rows, id, lead)?;
            rows.execute("DELETE FROM attachments WHERE proposal = ?", &[id.into()])?;
            if let Some((_, bytes)) = &file {
                let sql = "INSERT INTO attachments (proposal, content) VALUES (?, ?)";
                rows.execute(sql, &[id.into(), bytes.clone().into()])?;
            }
            let file = file.as_ref().map(|(file, _)| file);
            rows.execute(
                "UPDATE proposals SET version = version + 1, attachment = ?,
                 attachment_bytes = ?, updated_at = ? WHERE id = ?",
                &[
                    file.map(|file| file.name.as_str()).into(),
                    file.map(|file| file.size_bytes).into(),
                    now.0.into(),
                    id.into(),
                ],
            )?;
            heard(rows, &old, now)
        };
        self.database.write(work).await
    }

    /// The bytes of a proposal's file.
    pub async fn attachment(&self, id: ProposalId) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT content FROM attachments WHERE proposal = ?";
        let row = self.database.query_one(sql, vec![id.into()]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?)
    }
}

fn conditions(rows: &dyn Connection, filter: &ProposalFilter) -> Conditions {
    let mut conditions = Conditions::new();
    if let Some(lead) = filter.lead {
        conditions.and("p.leader = ?", [lead.into()]);
    }
    if let Some(agency) = filter.sent_to {
        conditions.and("p.state <> ?", [State::Draft.name().into()]);
        if let Some(agency) = agency {
            conditions.and("p.agency = ?", [agency.into()]);
        }
    }
    if !filter.states.is_empty() {
        let marks = vec!["?"; filter.states.len()].join(", ");
        let states = filter.states.iter().map(|state| Value::from(state.name()));
        conditions.and(&format!("p.state IN ({marks})"), states);
    }
    if let Some(before) = filter.before {
        conditions.and("p.id < ?", [before.into()]);
    }
    conditions.and_words(rows, &["p.acronym", "p.title", "l.name"], &filter.words);
    conditions
}

/// A proposal that nobody else changes until the transaction ends.
fn locked(rows: &mut dyn Connection, id: ProposalId) -> Result<Option<Proposal>> {
    let lock = rows.dialect().for_update();
    if rows
        .query_one(&format!("SELECT id FROM proposals WHERE id = ?{lock}"), &[id.into()])?
        .is_none()
    {
        return Ok(None);
    }
    rows.query_one(&format!("{SELECT} WHERE p.id = ?"), &[id.into()])?
        .map(|row| proposal(&row))
        .transpose()
}

/// As [`locked`], one that its author may change.
fn in_work(rows: &mut dyn Connection, id: ProposalId, lead: PersonId) -> Result<Proposal> {
    let old = locked(rows, id)?.filter(|old| old.lead == lead);
    let old = old.ok_or(Error::NotFound("proposal"))?;
    if old.state.is_in_work() { Ok(old) } else { Err(wrong_state(old.state)) }
}

fn agency_of(rows: &mut dyn Connection, draft: &Draft) -> Result<AgencyId> {
    let sql = "SELECT agency FROM programmes WHERE id = ?";
    let row = rows.query_one(sql, &[draft.programme.into()])?;
    let none = larder_input::Invalid::new("programme", "There is no such programme.");
    Ok(row.ok_or(none)?.get(0)?)
}

fn set_state(
    rows: &mut dyn Connection,
    id: ProposalId,
    state: State,
    answer: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    rows.execute(
        "UPDATE proposals SET version = version + 1, state = ?, answer = ?, updated_at = ?
         WHERE id = ?",
        &[state.name().into(), answer.into(), now.0.into(), id.into()],
    )?;
    Ok(())
}

fn note(
    rows: &mut dyn Connection,
    id: ProposalId,
    by: Option<PersonId>,
    state: State,
    note: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    rows.execute(
        "INSERT INTO activities (proposal, person, state, note, created_at)
         VALUES (?, ?, ?, ?, ?)",
        &[id.into(), by.into(), state.name().into(), note.into(), now.0.into()],
    )?;
    Ok(())
}

/// Who may see a proposal hears of its change.
fn heard(rows: &mut dyn Connection, proposal: &Proposal, now: Timestamp) -> Result<()> {
    tell(rows, [Room::Proposal(proposal.id), Room::Person(proposal.lead)], now)?;
    match proposal.state {
        State::Draft => Ok(()),
        _ => tell(rows, [Room::Agency(proposal.agency)], now),
    }
}

fn wrong_state(state: State) -> Error {
    Error::WrongState(format!("This proposal is {} by now.", state.title().to_lowercase()))
}

fn acronym_taken(error: Error) -> Error {
    error.or_taken("acronym", "The agency has a proposal with this acronym already.")
}

fn proposal(row: &Row) -> Result<Proposal> {
    let size_bytes: Option<u64> = row.get(13)?;
    let attachment =
        optional(row, 12, |name| Attachment { name, size_bytes: size_bytes.unwrap_or(0) });
    let end_date: Option<String> = row.get(17)?;
    Ok(Proposal {
        id: row.get(0)?,
        version: row.get(1)?,
        agency: row.get(2)?,
        agency_name: row.get(3)?,
        programme: row.get(4)?,
        programme_name: row.get(5)?,
        lead: row.get(6)?,
        lead_name: row.get(7)?,
        acronym: row.get(8)?,
        title: row.get(9)?,
        description: row.get(10)?,
        amount: Money::cents(row.get(11)?),
        attachment: attachment?,
        state: word(row, 14, State::of)?,
        answer: row.get(15)?,
        granted: optional(row, 16, Money::cents)?,
        end_date: end_date.and_then(|day| day.parse().ok()),
        account: row.get(18)?,
        updated_at: time(row, 19)?,
    })
}

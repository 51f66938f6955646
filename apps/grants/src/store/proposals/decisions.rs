//! What the agency is asked, and answers: the rules at once, an officer later.
//! An approval takes the money and tells the university in its transaction.

use larder_clock::Timestamp;
use larder_sql::Connection;

use super::super::Store;
use super::super::messages::{Once, hear, send};
use super::super::programmes::{self, commit};
use super::{heard, in_work, locked, note, set_state, wrong_state};
use crate::error::{Error, Result};
use crate::model::{
    Day, FromTheRules, Message, Money, Opening, PersonId, Programme, Proposal, ProposalId, State,
    Verdict,
};

impl Store {
    /// Sends a proposal to the agency: a draft for the rules, one that came
    /// with more for an officer.
    ///
    /// # Errors
    /// [`Error::WrongState`].
    pub async fn submit(&self, id: ProposalId, lead: PersonId, now: Timestamp) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let old = in_work(rows, id, lead)?;
            let state = match old.state {
                State::Draft => State::Submitted,
                _ => State::Resubmitted,
            };
            set_state(rows, id, state, None, now)?;
            note(rows, id, Some(lead), state, None, now)?;
            if state == State::Submitted {
                send(rows, &Message::Submitted { proposal: id }, now)?;
            }
            heard(rows, &Proposal { state, ..old }, now)
        };
        self.database.write(work).await
    }

    /// What the rules say of a proposal that came, once for a message.
    pub async fn judge(
        &self,
        message: String,
        id: ProposalId,
        currency: String,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            if hear(rows, &message, now)? == Once::Again {
                return Ok(());
            }
            let Some(old) = locked(rows, id)?.filter(|old| old.state == State::Submitted) else {
                return Ok(());
            };
            let programme = programmes::locked(rows, old.programme)?;
            let rules = programme.judge(old.amount);
            let has_it = old.amount <= programme.left();
            let (state, answer) = match rules {
                FromTheRules::Accept if has_it => {
                    let end = Programme::end_by_rule(Day::of(now));
                    approve(rows, &old, old.amount, end, now)?;
                    (State::Accepted, None)
                }
                FromTheRules::Reject => (State::Rejected, Some(programme.why_rejected(&currency))),
                _ => (State::Waiting, None),
            };
            set_state(rows, id, state, answer.as_deref(), now)?;
            note(rows, id, None, state, answer.as_deref(), now)?;
            heard(rows, &Proposal { state, ..old }, now)
        };
        self.database.write(work).await
    }

    /// What an officer says of a proposal.
    ///
    /// # Errors
    /// [`Error::WrongState`]; [`Error::OverBudget`].
    pub async fn decide(
        &self,
        id: ProposalId,
        officer: PersonId,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<()> {
        let work = move |rows: &mut dyn Connection| {
            let old = locked(rows, id)?.ok_or(Error::NotFound("proposal"))?;
            if !old.state.is_undecided() {
                return Err(wrong_state(old.state));
            }
            let state = verdict.state();
            let answer = match &verdict {
                Verdict::Approve { budget, end_date } => {
                    approve(rows, &old, *budget, *end_date, now)?;
                    None
                }
                Verdict::Decline(text) | Verdict::Ask(text) => Some(text.as_str()),
            };
            set_state(rows, id, state, answer, now)?;
            note(rows, id, Some(officer), state, answer, now)?;
            heard(rows, &Proposal { state, ..old }, now)
        };
        self.database.write(work).await
    }
}

/// Takes the money, and tells the university in the same transaction.
fn approve(
    rows: &mut dyn Connection,
    old: &Proposal,
    budget: Money,
    end_date: Day,
    now: Timestamp,
) -> Result<()> {
    commit(rows, old.programme, budget)?;
    rows.execute(
        "UPDATE proposals SET granted = ?, end_date = ? WHERE id = ?",
        &[budget.into(), end_date.to_string().into(), old.id.into()],
    )?;
    let opening = Opening {
        proposal: old.id,
        acronym: old.acronym.clone(),
        title: old.title.clone(),
        agency: old.agency,
        programme: old.programme,
        lead: old.lead,
        budget,
        end_date,
    };
    send(rows, &Message::Approved(opening), now)
}

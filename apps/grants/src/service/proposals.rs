//! What researchers and officers do with proposals.

use std::sync::Arc;

use super::entry::Which;
use super::{Grants, Value};
use crate::error::{Error, Result};
use crate::model::{
    Action, Activity, Attachment, Draft, Person, Proposal, ProposalId, Relation, Role, State,
    Verdict, on_proposal,
};
use crate::store::{ProposalFilter, Store};

impl Grants {
    /// A proposal that somebody may see.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn proposal(&self, actor: &Person, id: ProposalId) -> Result<Arc<Proposal>> {
        self.proposal_for(actor, id, Action::View).await
    }

    /// A proposal to which somebody may do something.
    async fn proposal_for(
        &self,
        actor: &Person,
        id: ProposalId,
        action: Action,
    ) -> Result<Arc<Proposal>> {
        let Some(Value::Proposal(proposal)) = self.read(Which::Proposal(id)).await? else {
            return Err(Error::NotFound("proposal"));
        };
        let relation = Relation::to_proposal(actor, &proposal);
        match on_proposal(relation, action, proposal.state) {
            Ok(()) => Ok(proposal),
            Err(denied) => {
                Err(Error::denied(denied, "proposal", &proposal.state.title().to_lowercase()))
            }
        }
    }

    /// Proposals that somebody may see: their own, or those sent to their
    /// agency, or all for the administrator.
    ///
    /// # Errors
    /// They may see none, or the store fails.
    pub async fn proposals(&self, actor: &Person, filter: ProposalFilter) -> Result<Vec<Proposal>> {
        self.shared.store.proposals(of(actor, filter)?).await
    }

    /// How many of them there are in each state.
    ///
    /// # Errors
    /// As [`Grants::proposals`].
    pub async fn proposal_counts(
        &self,
        actor: &Person,
        filter: ProposalFilter,
    ) -> Result<Vec<(State, u64)>> {
        self.shared.store.proposal_counts(of(actor, filter)?).await
    }

    /// What became of a proposal, the first change of state first.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn activities(&self, actor: &Person, id: ProposalId) -> Result<Vec<Activity>> {
        self.proposal(actor, id).await?;
        self.shared.store.activities(id).await
    }

    /// Writes a new draft.
    ///
    /// # Errors
    /// It makes no sense; [`Error::Taken`]; the actor is no researcher.
    pub async fn add_proposal(&self, actor: &Person, draft: Draft) -> Result<ProposalId> {
        if actor.role != Role::Researcher {
            return Err(Error::NotYours("Only researchers write proposals."));
        }
        let id = self.shared.store.add_proposal(actor.id, draft.checked()?, self.now()).await?;
        self.shared.live.changed();
        Ok(id)
    }

    /// Writes a proposal anew.
    ///
    /// # Errors
    /// It makes no sense; [`Error::Taken`]; the actor may not.
    pub async fn edit_proposal(&self, actor: &Person, id: ProposalId, draft: Draft) -> Result<()> {
        self.proposal_for(actor, id, Action::Edit).await?;
        let (draft, lead) = (draft.checked()?, actor.id);
        self.change_proposal(id, move |store, now| {
            let draft = draft.clone();
            async move { store.edit_proposal(id, lead, draft, now).await }
        })
        .await
    }

    /// Throws a draft away.
    ///
    /// # Errors
    /// The actor may not.
    pub async fn delete_proposal(&self, actor: &Person, id: ProposalId) -> Result<()> {
        self.proposal_for(actor, id, Action::Delete).await?;
        let lead = actor.id;
        self.change_proposal(id, move |store, now| async move {
            store.delete_proposal(id, lead, now).await
        })
        .await
    }

    /// Puts a PDF to a proposal; none takes it away.
    ///
    /// # Errors
    /// It is no PDF; the actor may not.
    pub async fn attach(
        &self,
        actor: &Person,
        id: ProposalId,
        file: Option<(String, Vec<u8>)>,
    ) -> Result<()> {
        self.proposal_for(actor, id, Action::Edit).await?;
        let file = match file {
            Some((name, bytes)) => Some((Attachment::of(&name, &bytes)?, bytes)),
            None => None,
        };
        let lead = actor.id;
        self.change_proposal(id, move |store, now| {
            let file = file.clone();
            async move { store.attach(id, lead, file, now).await }
        })
        .await
    }

    /// The file of a proposal.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn attachment(
        &self,
        actor: &Person,
        id: ProposalId,
    ) -> Result<(Attachment, Vec<u8>)> {
        let proposal = self.proposal(actor, id).await?;
        let bytes = self.shared.store.attachment(id).await?;
        proposal.attachment.clone().zip(bytes).ok_or(Error::NotFound("attachment"))
    }

    /// Sends a proposal to the agency.
    ///
    /// # Errors
    /// The actor may not.
    pub async fn submit(&self, actor: &Person, id: ProposalId) -> Result<()> {
        self.proposal_for(actor, id, Action::Submit).await?;
        let lead = actor.id;
        self.change_proposal(
            id,
            move |store, now| async move { store.submit(id, lead, now).await },
        )
        .await?;
        self.shared.sent.notify_one();
        Ok(())
    }

    /// Decides on a proposal.
    ///
    /// # Errors
    /// It makes no sense; [`Error::OverBudget`]; the actor may not.
    pub async fn decide(&self, actor: &Person, id: ProposalId, verdict: Verdict) -> Result<()> {
        self.proposal_for(actor, id, Action::Decide).await?;
        let (verdict, officer) = (verdict.checked(self.today())?, actor.id);
        self.change_proposal(id, move |store, now| {
            let verdict = verdict.clone();
            async move { store.decide(id, officer, verdict, now).await }
        })
        .await?;
        self.shared.sent.notify_one();
        Ok(())
    }

    /// Writes a proposal through the tier.
    pub(super) async fn change_proposal<F>(
        &self,
        id: ProposalId,
        mut change: impl FnMut(Store, larder_clock::Timestamp) -> F + Send + 'static,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let now = self.now();
        self.write(&[Which::Proposal(id)], move |store| change(store, now)).await
    }
}

/// What of a filter somebody may see.
fn of(actor: &Person, filter: ProposalFilter) -> Result<ProposalFilter> {
    match actor.role {
        Role::Researcher => Ok(ProposalFilter { lead: Some(actor.id), sent_to: None, ..filter }),
        Role::Agency => Ok(ProposalFilter { sent_to: Some(actor.agency), ..filter }),
        Role::Administrator => Ok(ProposalFilter { sent_to: Some(None), ..filter }),
        Role::University => Err(Error::NotYours("The university sees accounts, not proposals.")),
    }
}

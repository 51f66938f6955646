//! What members and officers do with research accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use larder_input::{IdempotencyKey, Invalid};

use super::entry::Which;
use super::{Grants, Value};
use crate::error::{Error, Result};
use crate::model::{
    Account, AccountId, AccountState, Action, Day, Entry, Money, Notification, Person, PersonId,
    Relation, Role, Withdrawal, on_account,
};
use crate::store::{AccountFilter, EntryFilter, Store, Totals};

impl Grants {
    /// An account that somebody may see.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn account(&self, actor: &Person, id: AccountId) -> Result<Arc<Account>> {
        self.account_for(actor, id, Action::View).await
    }

    /// An account to which somebody may do something.
    async fn account_for(
        &self,
        actor: &Person,
        id: AccountId,
        action: Action,
    ) -> Result<Arc<Account>> {
        let Some(Value::Account(account)) = self.read(Which::Account(id)).await? else {
            return Err(Error::NotFound("account"));
        };
        let state = account.state(self.today());
        match on_account(Relation::to_account(actor, &account), action, state) {
            Ok(()) => Ok(account),
            Err(denied) => Err(Error::denied(denied, "account", &state.title().to_lowercase())),
        }
    }

    /// Accounts that somebody may see: those they are members of, or all.
    ///
    /// # Errors
    /// They may see none, or the store fails.
    pub async fn accounts(&self, actor: &Person, filter: AccountFilter) -> Result<Vec<Account>> {
        let filter = match actor.role {
            Role::Researcher => AccountFilter { member: Some(actor.id), ..filter },
            _ => {
                university(actor)?;
                filter
            }
        };
        self.shared.store.accounts(filter).await
    }

    /// The accounts that each of these people may spend, by number and acronym,
    /// for the university.
    ///
    /// # Errors
    /// The actor isn't of the university, or the store fails.
    pub async fn accounts_of(
        &self,
        actor: &Person,
        people: Vec<PersonId>,
        most: usize,
    ) -> Result<BTreeMap<PersonId, Vec<(AccountId, String)>>> {
        university(actor)?;
        self.shared.store.accounts_of(people, most).await
    }

    /// Lines of the ledger: of an account that somebody may see, or of all for
    /// the university.
    ///
    /// # Errors
    /// They may not see it, or the store fails.
    pub async fn entries(&self, actor: &Person, filter: EntryFilter) -> Result<Vec<Entry>> {
        match filter.account {
            Some(id) => {
                self.account(actor, id).await?;
            }
            None => university(actor)?,
        }
        self.shared.store.entries(filter).await
    }

    /// Totals by agency, for the university.
    ///
    /// # Errors
    /// The actor isn't of the university, or the store fails.
    pub async fn totals(&self, actor: &Person) -> Result<Vec<Totals>> {
        university(actor)?;
        self.shared.store.totals().await
    }

    /// Withdraws, once for each key.
    ///
    /// # Errors
    /// [`Error::OverBalance`], [`Error::WrongState`], [`Error::KeyReused`], it
    /// makes no sense, or the actor may not; nothing was withdrawn then, unless
    /// it is [`Error::Unknown`]: the same withdrawal with the same key tells.
    pub async fn withdraw(
        &self,
        actor: &Person,
        id: AccountId,
        withdrawal: Withdrawal,
        key: IdempotencyKey,
    ) -> Result<Entry> {
        let account = self.account(actor, id).await?;
        // In which state it is, the rows say: it may have been done before.
        let relation = Relation::to_account(actor, &account);
        on_account(relation, Action::Withdraw, AccountState::Open)
            .map_err(|denied| Error::denied(denied, "account", ""))?;
        let withdrawal = withdrawal.checked()?;
        let (person, again, same) = (actor.id, withdrawal.clone(), key.clone());
        let done = self.change_account(id, move |store, now| {
            let (withdrawal, key) = (withdrawal.clone(), key.clone());
            async move { store.withdraw(id, person, withdrawal, key, now).await }
        });
        match done.await {
            // The same by another replica was faster.
            Err(error) if error.is_constraint() => {
                self.shared.store.withdrawn(id, again, same).await?.ok_or(error)
            }
            done => done,
        }
    }

    /// Adds a researcher to an account, or removes one.
    ///
    /// # Errors
    /// They are none, or the lead; the actor may not.
    pub async fn set_member(
        &self,
        actor: &Person,
        id: AccountId,
        person: PersonId,
        is_member: bool,
    ) -> Result<()> {
        self.account_for(actor, id, Action::ChangeMembers).await?;
        if is_member {
            let person = self.person(person).await?;
            if !person.is_some_and(|person| person.role == Role::Researcher && !person.is_locked) {
                return Err(Invalid::new("person", "There is no such researcher.").into());
            }
        }
        self.change_account(id, move |store, now| async move {
            store.set_member(id, person, is_member, now).await
        })
        .await
    }

    /// Moves the last day of an account.
    ///
    /// # Errors
    /// It is before today; the actor may not.
    pub async fn extend(&self, actor: &Person, id: AccountId, end_date: Day) -> Result<()> {
        self.account_for(actor, id, Action::Extend).await?;
        if end_date < self.today() {
            let why = format!("The end date must not be before today, {}.", self.today());
            return Err(Invalid::new("end_date", why).into());
        }
        let (officer, request) = (actor.id, request());
        self.change_account(id, move |store, now| {
            let request = request.clone();
            async move { store.extend(id, officer, end_date, request, now).await }
        })
        .await
    }

    /// Closes an account; returns what goes back to the agency.
    ///
    /// # Errors
    /// The actor may not.
    pub async fn close_account(&self, actor: &Person, id: AccountId) -> Result<Money> {
        self.account_for(actor, id, Action::Close).await?;
        let (officer, request) = (actor.id, request());
        let rest = self.change_account(id, move |store, now| {
            let request = request.clone();
            async move { store.close_account(id, officer, request, now).await }
        });
        let rest = rest.await?;
        self.shared.sent.notify_one();
        Ok(rest)
    }

    /// What officers of the university are to know, the latest first.
    ///
    /// # Errors
    /// The actor isn't of the university, or the store fails.
    pub async fn notifications(
        &self,
        actor: &Person,
        all: bool,
        most: u32,
    ) -> Result<Vec<Notification>> {
        university(actor)?;
        self.shared.store.notifications(all, most).await
    }

    /// Notes that an officer has seen to a notification.
    ///
    /// # Errors
    /// The actor is no officer; [`Error::NotFound`].
    pub async fn acknowledge(&self, actor: &Person, number: u64) -> Result<()> {
        if actor.role != Role::University {
            return Err(Error::NotYours("Only the university’s officers acknowledge."));
        }
        self.shared.store.acknowledge(number, actor.id, self.now()).await?;
        self.shared.live.changed();
        Ok(())
    }

    /// Writes an account through the tier.
    async fn change_account<T, F>(
        &self,
        id: AccountId,
        mut change: impl FnMut(Store, larder_clock::Timestamp) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let now = self.now();
        self.write(&[Which::Account(id)], move |store| change(store, now)).await
    }
}

/// Refuses whoever doesn't see all accounts.
fn university(actor: &Person) -> Result<()> {
    match actor.role {
        Role::University | Role::Administrator => Ok(()),
        _ => Err(Error::NotYours("Only the university’s officers see all accounts.")),
    }
}

/// What makes a change that nobody gave a key to one line of the ledger.
fn request() -> String {
    IdempotencyKey::random(larder_web::random()).as_str().to_owned()
}

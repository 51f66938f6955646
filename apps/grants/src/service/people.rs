//! Accounts of people: making one, signing in and out, passwords, and what the
//! administrator does with them.

use std::sync::Arc;
use std::time::Instant;

use larder_clock::Timestamp;

use super::entry::Which;
use super::{Grants, Registration, Value};
use crate::error::{Error, Result};
use crate::model::{Email, NewPassword, NewPerson, Person, PersonId, Role, Service};
use crate::store::{PeopleFilter, Session, Store};

/// A session ends this long after it was last used.
const SESSION_SECONDS: i64 = 12 * 3600;

/// The most people of one answer to a search.
const FOUND: u32 = 10;

/// Somebody, and the session they are here with.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub person: Arc<Person>,
    /// The token of the session.
    pub token: String,
}

impl Service {
    /// Whether somebody of a role has anything to do at a service.
    pub fn is_for(self, role: Role) -> bool {
        match role {
            Role::Researcher => self == Self::Researchers,
            Role::Agency => self == Self::Agency,
            Role::University => self == Self::University,
            Role::Administrator => self != Self::Researchers,
        }
    }
}

impl Grants {
    /// Adds somebody.
    ///
    /// # Errors
    /// [`Error::Taken`], or the store fails.
    pub async fn add_person(&self, new: NewPerson) -> Result<Registration> {
        let start = Instant::now();
        let hash = self.shared.passwords.hash(&new.password).await?;
        let hashing = start.elapsed();
        let person = self.shared.store.add_person(new, hash, self.now()).await?;
        self.shared.live.changed();
        Ok(Registration { person, hashing, storing: start.elapsed() - hashing })
    }

    /// Adds somebody by the administrator.
    ///
    /// # Errors
    /// As [`Grants::add_person`]; the actor isn't the administrator.
    pub async fn add_officer(&self, actor: &Person, new: NewPerson) -> Result<Person> {
        administrators(actor)?;
        Ok(self.add_person(new).await?.person)
    }

    /// Adds the first administrator.
    ///
    /// # Errors
    /// There is one.
    pub async fn add_first(&self, new: NewPerson) -> Result<Person> {
        if self.has_administrator().await? {
            return Err(Error::NotYours("There is an administrator already."));
        }
        Ok(self.add_person(new).await?.person)
    }

    /// Whether anybody can make officers.
    ///
    /// # Errors
    /// The store fails.
    pub async fn has_administrator(&self) -> Result<bool> {
        self.shared.store.has_any(Role::Administrator).await
    }

    /// Signs in at a service; returns who, with a new session.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`], [`Error::WrongService`], or the store fails.
    pub async fn sign_in(&self, service: Service, email: &str, password: &str) -> Result<SignedIn> {
        let found = match email.parse::<Email>() {
            Ok(email) => self.shared.store.by_email(&email).await?,
            Err(_) => None,
        };
        let (person, hash) = found.unzip();
        let is_right = self.shared.passwords.is_right(password.to_owned(), hash).await?;
        let person = person.filter(|person| is_right && !person.is_locked);
        let person = person.ok_or(Error::NotSignedIn)?;
        if !service.is_for(person.role) {
            let theirs = Service::ALL.into_iter().find(|service| service.is_for(person.role));
            return Err(Error::WrongService(theirs.unwrap_or(service)));
        }
        self.begin_session(person).await
    }

    /// A new session of somebody who has proved who they are.
    ///
    /// # Errors
    /// The store fails.
    pub async fn begin_session(&self, person: Person) -> Result<SignedIn> {
        let token = blake3::Hash::from(larder_web::random()).to_hex().to_string();
        self.keep(&token, &person, person.version).await?;
        Ok(SignedIn { person: person.into(), token })
    }

    /// Who has a session, which lasts longer now.
    ///
    /// # Errors
    /// The store fails.
    pub async fn signed_in(&self, token: &str) -> Result<Option<SignedIn>> {
        let which = Which::Session(hash_of(token));
        let Some(Value::Session(session)) = self.read(which).await? else { return Ok(None) };
        if session.expires_at <= self.now() {
            return Ok(None);
        }
        let person = self.person(session.person).await?;
        // A new password and a lock end the sessions before them.
        let is_in = |person: &Arc<Person>| !person.is_locked && person.version == session.version;
        let Some(person) = person.filter(is_in) else { return Ok(None) };
        let half = Timestamp(self.now().0 + SESSION_SECONDS * 500_000);
        if session.expires_at < half {
            self.keep(token, &person, session.version).await?;
        }
        Ok(Some(SignedIn { person, token: token.to_owned() }))
    }

    fn session_end(&self) -> Timestamp {
        self.now().minus_seconds(-SESSION_SECONDS)
    }

    async fn keep(&self, token: &str, person: &Person, version: u64) -> Result<()> {
        let (hash, expires_at) = (hash_of(token), self.session_end());
        let session = Session { person: person.id, version, expires_at };
        self.write(&[Which::Session(hash.clone())], move |store| {
            let hash = hash.clone();
            async move { store.keep_session(hash, session).await }
        })
        .await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store fails.
    pub async fn sign_out(&self, token: &str) -> Result<()> {
        let hash = hash_of(token);
        self.write(&[Which::Session(hash.clone())], move |store| {
            let hash = hash.clone();
            async move { store.end_session(hash).await }
        })
        .await
    }

    /// Changes one's own password; all other sessions of theirs end.
    ///
    /// # Errors
    /// The old one is wrong, or the new one can be none.
    pub async fn change_password(&self, who: &SignedIn, old: &str, new: &str) -> Result<()> {
        let hash = self.shared.store.password_of(who.person.id).await?;
        if !self.shared.passwords.is_right(old.to_owned(), hash).await? {
            let why = "This is not your password.";
            return Err(larder_input::Invalid::new("old_password", why).into());
        }
        let version = self.set_password(who.person.id, new).await?;
        self.keep(&who.token, &who.person, version).await
    }

    /// Gives somebody a new password, by the administrator; all their sessions
    /// end.
    ///
    /// # Errors
    /// The actor isn't the administrator, or it can be no password.
    pub async fn reset_password(&self, actor: &Person, id: PersonId, new: &str) -> Result<()> {
        administrators(actor)?;
        self.set_password(id, new).await.map(drop)
    }

    async fn set_password(&self, id: PersonId, new: &str) -> Result<u64> {
        let new: NewPassword = new.parse()?;
        let hash = self.shared.passwords.hash(&new).await?;
        let now = self.now();
        self.write(&[Which::Person(id)], move |store| {
            let hash = hash.clone();
            async move { store.set_password(id, hash, now).await }
        })
        .await
    }

    /// Locks somebody out at once, or lets them in again, by the administrator.
    ///
    /// # Errors
    /// The actor isn't the administrator, or locks themselves out.
    pub async fn set_locked(&self, actor: &Person, id: PersonId, locked: bool) -> Result<()> {
        administrators(actor)?;
        if actor.id == id {
            return Err(Error::NotYours("Nobody locks themselves out."));
        }
        let now = self.now();
        let change = move |store: Store| async move { store.set_locked(id, locked, now).await };
        self.write(&[Which::Person(id)], change).await
    }

    /// Somebody.
    ///
    /// # Errors
    /// The store fails.
    pub async fn person(&self, id: PersonId) -> Result<Option<Arc<Person>>> {
        Ok(match self.read(Which::Person(id)).await? {
            Some(Value::Person(person)) => Some(person),
            _ => None,
        })
    }

    /// Researchers whose name or email has all words: for whoever looks for a
    /// member.
    ///
    /// # Errors
    /// The actor is no researcher, or the store fails.
    pub async fn find_researchers(&self, actor: &Person, words: &str) -> Result<Vec<Person>> {
        if actor.role != Role::Researcher {
            return Err(Error::NotYours("Only researchers look for each other."));
        }
        if words.trim().chars().count() < 2 {
            return Ok(Vec::new());
        }
        let filter = PeopleFilter {
            words: words.to_owned(),
            role: Some(Role::Researcher),
            without_locked: true,
            after: 0,
            most: FOUND,
        };
        self.shared.store.people(filter).await
    }

    /// People, for the university and the administrator.
    ///
    /// # Errors
    /// The actor is neither, or the store fails.
    pub async fn people(&self, actor: &Person, filter: PeopleFilter) -> Result<Vec<Person>> {
        match actor.role {
            Role::University | Role::Administrator => self.shared.store.people(filter).await,
            _ => Err(Error::NotYours("Only the university’s officers see all people.")),
        }
    }
}

/// Refuses whoever isn't the administrator.
pub(super) fn administrators(actor: &Person) -> Result<()> {
    match actor.role {
        Role::Administrator => Ok(()),
        _ => Err(Error::NotYours("This is for the administrator to do.")),
    }
}

/// What stands in the rows in place of a token.
fn hash_of(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

//! What is kept in memory: sessions, people, proposals and accounts, each under
//! a key that knows how to load it.

use std::sync::Arc;

use bytes::Bytes;
use larder_tier::{Key, Portable};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::{Account, AccountId, Person, PersonId, Proposal, ProposalId};
use crate::store::{Session, Store};

/// Which of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// A session, by the hash of its token.
    Session(String),
    /// Somebody.
    Person(PersonId),
    /// A proposal.
    Proposal(ProposalId),
    /// A research account.
    Account(AccountId),
}

impl Which {
    /// What the tier writes as one.
    pub(super) fn group(&self) -> String {
        match self {
            Self::Session(hash) => format!("sessions/{hash}"),
            Self::Person(id) => format!("people/{id}"),
            Self::Proposal(id) => format!("proposals/{id}"),
            Self::Account(id) => format!("accounts/{id}"),
        }
    }

    /// The tier's key.
    pub(super) fn key(&self) -> Key {
        Key::new(self.group().as_bytes(), b"")
    }

    /// That of a key that another process asks for.
    pub(super) fn of(key: &Key) -> Option<Self> {
        let (kind, id) = std::str::from_utf8(key.group()).ok()?.split_once('/')?;
        let number = id.parse();
        Some(match (kind, number) {
            ("sessions", _) => Self::Session(id.to_owned()),
            ("people", Ok(id)) => Self::Person(id),
            ("proposals", Ok(id)) => Self::Proposal(id),
            ("accounts", Ok(id)) => Self::Account(id),
            _ => return None,
        })
    }

    /// Reads the rows.
    pub(super) async fn load(self, store: Store) -> Result<Option<Value>> {
        Ok(match self {
            Self::Session(hash) => store.session(&hash).await?.map(Value::Session),
            Self::Person(id) => store.person(id).await?.map(|it| Value::Person(it.into())),
            Self::Proposal(id) => store.proposal(id).await?.map(|it| Value::Proposal(it.into())),
            Self::Account(id) => store.account(id).await?.map(|it| Value::Account(it.into())),
        })
    }
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A session.
    Session(Session),
    /// Somebody.
    Person(Arc<Person>),
    /// A proposal.
    Proposal(Arc<Proposal>),
    /// A research account.
    Account(Arc<Account>),
}

impl larder_tier::Weigh for Value {
    fn weight_bytes(&self) -> u64 {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.len() as u64).sum::<u64>();
        match self {
            Self::Session(_) => size_of::<Session>() as u64,
            Self::Person(person) => {
                size_of::<Person>() as u64 + texts(&[&person.name, &person.email])
            }
            Self::Proposal(p) => {
                let answer = p.answer.as_deref().unwrap_or_default();
                let file = p.attachment.as_ref().map_or("", |file| &file.name);
                let names = texts(&[&p.agency_name, &p.programme_name, &p.lead_name, file]);
                let written = texts(&[&p.acronym, &p.title, &p.description, answer]);
                size_of::<Proposal>() as u64 + names + written
            }
            Self::Account(account) => {
                let members = account.members.iter().map(|member| {
                    size_of_val(member) as u64 + texts(&[&member.name, &member.email])
                });
                size_of::<Account>() as u64
                    + texts(&[&account.acronym, &account.title, &account.agency_name])
                    + members.sum::<u64>()
            }
        }
    }
}

impl Portable for Value {
    fn pack(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn unpack(bytes: &Bytes) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;

    #[test]
    fn entries_arrive_as_they_were_sent() {
        let (name, email) = ("Ada".to_owned(), "ada@b.example".to_owned());
        let person = Person {
            id: 3,
            name,
            email,
            role: Role::Agency,
            agency: Some(1),
            is_locked: true,
            version: 7,
        };
        let value = Value::Person(person.into());
        assert_eq!(Value::unpack(&value.pack()), Some(value));
        assert!(Value::unpack(&Bytes::from_static(b"no")).is_none());
    }

    #[test]
    fn keys_name_what_they_are_of() {
        for which in
            [Which::Session("00ff".into()), Which::Person(1), Which::Proposal(2), Which::Account(3)]
        {
            assert_eq!(Which::of(&which.key()), Some(which));
        }
        assert_eq!(Which::of(&Key::new(b"books/1", b"")), None);
    }
}

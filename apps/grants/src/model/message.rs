//! What the services tell each other, and where changes are heard of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{AccountId, AgencyId, Day, Money, PersonId, ProgrammeId, ProposalId};

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Researchers apply and spend.
    Researchers,
    /// Agencies decide.
    Agency,
    /// The university holds the accounts.
    University,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::University, Self::Agency, Self::Researchers];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Researchers => "researchers",
            Self::Agency => "agency",
            Self::University => "university",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Researchers => "Researchers",
            Self::Agency => "Funding agency",
            Self::University => "University",
        }
    }

    /// The service of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// What one service tells another: it is told again until it is heard, and
/// heard once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Message {
    /// To the agency: a proposal came.
    Submitted {
        /// Which.
        proposal: ProposalId,
    },
    /// To the university: an account is to be opened.
    Approved(Opening),
    /// To the agency: this much of a grant wasn't used.
    Returned {
        /// Of which programme.
        programme: ProgrammeId,
        /// How much, in cents.
        amount: Money,
    },
}

/// The account that an approval opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// For which proposal.
    pub proposal: ProposalId,
    /// Its acronym.
    pub acronym: String,
    /// Its title.
    pub title: String,
    /// Who gives the money.
    pub agency: AgencyId,
    /// From which programme.
    pub programme: ProgrammeId,
    /// Who leads the research.
    pub lead: PersonId,
    /// How much, in cents.
    pub budget: Money,
    /// The last day.
    pub end_date: Day,
}

impl Message {
    /// Whom it is for.
    pub fn to(&self) -> Service {
        match self {
            Self::Submitted { .. } | Self::Returned { .. } => Service::Agency,
            Self::Approved(_) => Service::University,
        }
    }
}

/// Where a change is heard of: by who may see the record, or is the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Room {
    /// What one person sees in their lists.
    Person(PersonId),
    /// One proposal.
    Proposal(ProposalId),
    /// One research account.
    Account(AccountId),
    /// What the officers of an agency see in their lists.
    Agency(AgencyId),
    /// What the officers of the university see in theirs.
    University,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "person/{id}"),
            Self::Proposal(id) => write!(f, "proposal/{id}"),
            Self::Account(id) => write!(f, "account/{id}"),
            Self::Agency(id) => write!(f, "agency/{id}"),
            Self::University => f.write_str("university"),
        }
    }
}

impl FromStr for Room {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, id) = text.split_once('/').unwrap_or((text, ""));
        let id = id.parse::<u64>();
        match (kind, id) {
            ("person", Ok(id)) => Ok(Self::Person(id)),
            ("proposal", Ok(id)) => Ok(Self::Proposal(id)),
            ("account", Ok(id)) => Ok(Self::Account(id)),
            ("agency", Ok(id)) => Ok(Self::Agency(id)),
            ("university", Err(_)) if !text.contains('/') => Ok(Self::University),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_messages_arrive_as_they_were_sent() {
        let rooms = [
            Room::Person(1),
            Room::Proposal(2),
            Room::Account(3),
            Room::Agency(4),
            Room::University,
        ];
        for room in rooms {
            assert_eq!(room.to_string().parse(), Ok(room));
        }
        for wrong in ["", "person", "person/x", "university/1", "secret/1", "person/-1"] {
            assert!(wrong.parse::<Room>().is_err(), "{wrong}");
        }
        let message = Message::Returned { programme: 7, amount: Money::cents(5) };
        let text = serde_json::to_string(&message).expect("is written");
        assert_eq!(serde_json::from_str::<Message>(&text).expect("is read"), message);
    }
}

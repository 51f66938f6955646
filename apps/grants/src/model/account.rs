//! Research accounts: the money of a grant, who may spend it, and the ledger of
//! what became of it.

use larder_clock::Timestamp;
use larder_input::{Invalid, Text};
use serde::{Deserialize, Serialize};

use super::{AccountId, AgencyId, Day, Money, PersonId, ProposalId};

const REASON: Text = Text::required("reason", 500);

/// A research account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// Grows by one with each change.
    pub version: u64,
    /// The proposal it was opened for.
    pub proposal: ProposalId,
    /// Its acronym.
    pub acronym: String,
    /// Its title.
    pub title: String,
    /// Who gave the money.
    pub agency: AgencyId,
    /// Their name.
    pub agency_name: String,
    /// Who leads the research: always a member.
    pub lead: PersonId,
    /// What was given, in cents.
    #[serde(rename = "budget_cents")]
    pub budget: Money,
    /// What is left, in cents.
    #[serde(rename = "balance_cents")]
    pub balance: Money,
    /// The last day on which it can be spent.
    pub end_date: Day,
    /// Whether it was closed early.
    pub is_closed: bool,
    /// Who may spend it, the lead first.
    pub members: Vec<Member>,
    /// When it was opened, in microseconds since 1970.
    #[serde(with = "larder_clock::microseconds")]
    pub opened_at: Timestamp,
}

/// Somebody who may spend an account's money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub id: PersonId,
    /// Full name.
    pub name: String,
    /// Email address.
    pub email: String,
}

/// Whether there is anything to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// Yes.
    Open,
    /// The end date has passed.
    Ended,
    /// It was closed; the rest was returned.
    Closed,
}

impl AccountState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Ended, Self::Closed];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Closed => "closed",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Ended => "Ended",
            Self::Closed => "Closed",
        }
    }

    /// The state of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Account {
    /// Its state on a day; the last day counts.
    pub fn state(&self, today: Day) -> AccountState {
        match self.is_closed {
            true => AccountState::Closed,
            false if self.end_date < today => AccountState::Ended,
            false => AccountState::Open,
        }
    }

    /// Whether somebody may spend it.
    pub fn has_member(&self, person: PersonId) -> bool {
        self.members.iter().any(|member| member.id == person)
    }
}

/// What somebody wants to take out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// How much, in cents.
    #[serde(rename = "amount_cents")]
    pub amount: Money,
    /// What for.
    pub reason: String,
}

impl Withdrawal {
    /// The withdrawal with its reason trimmed.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn checked(self) -> Result<Self, Invalid> {
        Ok(Self { amount: self.amount.checked("amount")?, reason: REASON.of(&self.reason)? })
    }
}

/// What an entry of the ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// The money came.
    Opening,
    /// Somebody took some.
    Withdrawal,
    /// The last day is another one; no money moved.
    Extension,
    /// The rest went back to the agency.
    Return,
}

impl EntryKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Opening, Self::Withdrawal, Self::Extension, Self::Return];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Withdrawal => "withdrawal",
            Self::Extension => "extension",
            Self::Return => "return",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Opening => "Opening",
            Self::Withdrawal => "Withdrawal",
            Self::Extension => "Extension",
            Self::Return => "Return",
        }
    }

    /// The kind of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One line of the ledger. Lines are added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number: later ones of an account are higher.
    pub number: u64,
    /// Which account.
    pub account: AccountId,
    /// Its acronym.
    pub acronym: String,
    /// What it is.
    pub kind: EntryKind,
    /// Who; nobody for the opening.
    pub by: Option<String>,
    /// What came in, in cents; negative if it went out.
    #[serde(rename = "amount_cents")]
    pub amount: Money,
    /// What was left after it, in cents.
    #[serde(rename = "balance_after_cents")]
    pub balance_after: Money,
    /// What for.
    pub reason: String,
    /// When, in microseconds since 1970.
    #[serde(with = "larder_clock::microseconds")]
    pub at: Timestamp,
}

/// What an officer of the university is to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// Which.
    pub number: u64,
    /// The account it is about.
    pub account: AccountId,
    /// What happened.
    pub text: String,
    /// When, in microseconds since 1970.
    #[serde(with = "larder_clock::microseconds")]
    pub at: Timestamp,
    /// Who has seen to it.
    pub acknowledged_by: Option<String>,
}

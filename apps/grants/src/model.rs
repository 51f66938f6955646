//! What grants are about: people, programmes, proposals, research accounts, and
//! what makes a request for them one that can be understood. Knows no SQL and
//! no HTTP.

mod account;
mod day;
mod message;
mod money;
mod permit;
mod person;
mod programme;
mod proposal;

pub use account::{Account, AccountState, Entry, EntryKind, Member, Notification, Withdrawal};
pub use day::Day;
pub use message::{Message, Opening, Room, Service};
pub use money::Money;
pub use permit::{Action, Denied, Relation, on_account, on_proposal};
pub use person::{Email, NewPassword, NewPerson, Person, Role};
pub use programme::{Agency, FromTheRules, NewProgramme, Programme};
pub use proposal::{Activity, Attachment, Draft, Proposal, State, Verdict};

/// Which person, of all roles.
pub type PersonId = u64;
/// Which agency.
pub type AgencyId = u64;
/// Which programme.
pub type ProgrammeId = u64;
/// Which proposal.
pub type ProposalId = u64;
/// Which research account.
pub type AccountId = u64;

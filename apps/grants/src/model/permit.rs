//! Who may do what to which thing in which state: the one table that every
//! verb asks. Ids come from browsers; nothing but this says what they are good
//! for.

use super::{Account, AccountState, Person, Proposal, Role, State};

/// What somebody wants to do with a proposal or an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Look at it.
    View,
    /// Write it, and attach files.
    Edit,
    /// Throw a draft away.
    Delete,
    /// Send it to the agency.
    Submit,
    /// Approve, decline, or ask for more.
    Decide,
    /// Take money.
    Withdraw,
    /// Add and remove members.
    ChangeMembers,
    /// Move the last day.
    Extend,
    /// Close it early.
    Close,
}

/// What somebody is to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Leads the research.
    Lead,
    /// May spend the account's money.
    Member,
    /// An officer of its agency.
    Agency,
    /// An officer of the university.
    University,
    /// The administrator.
    Administrator,
    /// None of these: another researcher, another agency's officer.
    Stranger,
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// They may not even know that it is there.
    Hidden,
    /// It is others' to do.
    Others,
    /// Theirs to do, but not in this state.
    State,
}

impl Relation {
    /// What somebody is to a proposal.
    pub fn to_proposal(person: &Person, proposal: &Proposal) -> Self {
        match person.role {
            Role::Researcher if person.id == proposal.lead => Self::Lead,
            Role::Agency if person.agency == Some(proposal.agency) => Self::Agency,
            Role::University => Self::University,
            Role::Administrator => Self::Administrator,
            Role::Researcher | Role::Agency => Self::Stranger,
        }
    }

    /// What somebody is to an account.
    pub fn to_account(person: &Person, account: &Account) -> Self {
        match person.role {
            Role::Researcher if person.id == account.lead => Self::Lead,
            Role::Researcher if account.has_member(person.id) => Self::Member,
            Role::Agency if person.agency == Some(account.agency) => Self::Agency,
            Role::University => Self::University,
            Role::Administrator => Self::Administrator,
            Role::Researcher | Role::Agency => Self::Stranger,
        }
    }
}

/// Whether somebody may do something to a proposal.
///
/// # Errors
/// Why not.
pub fn on_proposal(relation: Relation, action: Action, state: State) -> Result<(), Denied> {
    use Relation::{Administrator, Agency, Lead};
    let sees = match relation {
        Lead => true,
        Agency | Administrator => state != State::Draft,
        _ => false,
    };
    if !sees {
        return Err(Denied::Hidden);
    }
    let is_time = match (action, relation) {
        (Action::View, _) => true,
        (Action::Edit | Action::Submit, Lead) => state.is_in_work(),
        (Action::Delete, Lead) => state == State::Draft,
        (Action::Decide, Agency) => state.is_undecided(),
        _ => return Err(Denied::Others),
    };
    if is_time { Ok(()) } else { Err(Denied::State) }
}

/// Whether somebody may do something to an account.
///
/// # Errors
/// Why not.
pub fn on_account(relation: Relation, action: Action, state: AccountState) -> Result<(), Denied> {
    use Relation::{Administrator, Agency, Lead, Member, Stranger, University};
    match relation {
        Lead | Member | University | Administrator => {}
        Agency | Stranger => return Err(Denied::Hidden),
    }
    let is_time = match (action, relation) {
        (Action::View, _) => true,
        (Action::Withdraw, Lead | Member) => state == AccountState::Open,
        (Action::ChangeMembers, Lead) | (Action::Extend | Action::Close, University) => {
            state != AccountState::Closed
        }
        _ => return Err(Denied::Others),
    };
    if is_time { Ok(()) } else { Err(Denied::State) }
}

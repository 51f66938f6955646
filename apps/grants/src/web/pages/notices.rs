//! What was just done, said on the page that comes next. Its code stands in the
//! address, never its text, so nobody puts words into our mouth by a link.

/// A message about what was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    SignedIn,
    SignedOut,
    Joined,
    SetUp,
    PasswordChanged,
    Saved,
    Submitted,
    Deleted,
    Withdrawn,
    MemberAdded,
    MemberRemoved,
    Approved,
    Declined,
    Asked,
    ProgrammeAdded,
    ProgrammeChanged,
    Extended,
    Closed,
    Acknowledged,
    PersonAdded,
    Locked,
    Unlocked,
    PasswordSet,
    AgencyAdded,
}

impl Notice {
    const ALL: [(Self, &'static str, &'static str); 24] = [
        (Self::SignedIn, "signed-in", "You are signed in."),
        (Self::SignedOut, "signed-out", "You are signed out."),
        (Self::Joined, "joined", "Welcome! Your account is made, and you are signed in."),
        (Self::SetUp, "set-up", "You are the administrator now, and signed in."),
        (
            Self::PasswordChanged,
            "password-changed",
            "Your password is changed. Everywhere else you are signed out.",
        ),
        (Self::Saved, "saved", "The proposal is saved."),
        (Self::Submitted, "submitted", "The proposal is on its way to the agency."),
        (Self::Deleted, "deleted", "The draft is deleted."),
        (Self::Withdrawn, "withdrawn", "The withdrawal is booked."),
        (Self::MemberAdded, "member-added", "They are a member of the account now."),
        (Self::MemberRemoved, "member-removed", "They are no member of the account any more."),
        (Self::Approved, "approved", "The proposal is approved; the university opens its account."),
        (Self::Declined, "declined", "The proposal is declined; its author reads why."),
        (Self::Asked, "asked", "The author reads your question and may send the proposal again."),
        (Self::ProgrammeAdded, "programme-added", "The programme is open for proposals."),
        (Self::ProgrammeChanged, "programme-changed", "The programme is changed."),
        (Self::Extended, "extended", "The end date is moved."),
        (Self::Closed, "closed", "The account is closed; the rest goes back to the agency."),
        (Self::Acknowledged, "acknowledged", "The notification is acknowledged."),
        (Self::PersonAdded, "person-added", "They can sign in now."),
        (Self::Locked, "locked", "They are locked out, everywhere and at once."),
        (Self::Unlocked, "unlocked", "They may sign in again."),
        (Self::PasswordSet, "password-set", "The new password is in force; their sessions ended."),
        (Self::AgencyAdded, "agency-added", "The agency is added."),
    ];

    /// The notice with this code.
    pub(super) fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == code).map(|(notice, ..)| notice)
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        // Each of them stands in the table: a test says so.
        Self::ALL.into_iter().find(|(notice, ..)| *notice == self).unwrap_or((self, "", ""))
    }

    /// Its name in addresses.
    pub(super) fn code(self) -> &'static str {
        self.row().1
    }

    /// What to tell the visitor.
    pub(super) fn text(self) -> &'static str {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_found_by_its_code_only() {
        for (notice, code, text) in Notice::ALL {
            assert_eq!(Notice::of(code), Some(notice));
            assert_eq!((notice.code(), notice.text()), (code, text));
        }
        assert_eq!(Notice::AgencyAdded as usize + 1, Notice::ALL.len(), "all are listed");
        assert_eq!(Notice::of("<b>pay here</b>"), None);
    }
}

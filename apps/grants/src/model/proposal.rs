//! Proposals: what researchers ask for, and what becomes of it.

use larder_clock::Timestamp;
use larder_input::{Invalid, Text};
use serde::{Deserialize, Serialize};

use super::{AccountId, AgencyId, Day, Money, PersonId, ProgrammeId, ProposalId};

const ACRONYM: Text = Text::required("acronym", 40);
const TITLE: Text = Text::required("title", 300);
const DESCRIPTION: Text = Text::required("description", 50_000).of_lines();
const REASON: Text = Text::required("reason", 4_000).of_lines();

/// What has become of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Only its author sees it.
    Draft,
    /// The agency has it and hasn't answered yet.
    Submitted,
    /// There is money.
    Accepted,
    /// There is none.
    Rejected,
    /// An officer will decide.
    Waiting,
    /// An officer wants to know more.
    InformationWanted,
    /// It came again with more; an officer will decide.
    Resubmitted,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Draft,
        Self::Submitted,
        Self::Accepted,
        Self::Rejected,
        Self::Waiting,
        Self::InformationWanted,
        Self::Resubmitted,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Waiting => "waiting",
            Self::InformationWanted => "information-wanted",
            Self::Resubmitted => "resubmitted",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::Submitted => "Submitted",
            Self::Accepted => "Accepted",
            Self::Rejected => "Rejected",
            Self::Waiting => "Waiting",
            Self::InformationWanted => "More information wanted",
            Self::Resubmitted => "Resubmitted",
        }
    }

    /// The state of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether its author may change it.
    pub fn is_in_work(self) -> bool {
        matches!(self, Self::Draft | Self::InformationWanted)
    }

    /// Whether an officer is to decide.
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Waiting | Self::Resubmitted)
    }
}

/// What a researcher writes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The programme it is for.
    pub programme: ProgrammeId,
    /// A short name that no other proposal to the agency has.
    pub acronym: String,
    /// Title.
    pub title: String,
    /// What is to be done, in lines.
    pub description: String,
    /// What it costs, in cents.
    #[serde(rename = "amount_cents")]
    pub amount: Money,
}

impl Draft {
    /// The draft with its texts trimmed.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn checked(self) -> Result<Self, Invalid> {
        Ok(Self {
            programme: self.programme,
            acronym: ACRONYM.of(&self.acronym)?,
            title: TITLE.of(&self.title)?,
            description: DESCRIPTION.of(&self.description)?,
            amount: self.amount.checked("amount")?,
        })
    }
}

/// The file of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
}

impl Attachment {
    /// The largest, in bytes.
    pub const LARGEST: usize = 5 << 20;

    const NAME: Text = Text::optional("attachment", 200);

    /// A PDF under the name it was sent with.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn of(name: &str, bytes: &[u8]) -> Result<Self, Invalid> {
        let wrong = |why: String| Err(Invalid::new("attachment", why));
        if bytes.is_empty() {
            return wrong("The attachment is empty.".into());
        }
        if bytes.len() > Self::LARGEST {
            return wrong(format!("The attachment is larger than {} MB.", Self::LARGEST >> 20));
        }
        // Readers look for the end in the last kilobyte too.
        let end = &bytes[bytes.len().saturating_sub(1024)..];
        let has_end = end.windows(5).any(|window| window == b"%%EOF");
        if !bytes.starts_with(b"%PDF-") || !has_end {
            return wrong(
                "The attachment must be a PDF; this is none, or only a part of one.".into(),
            );
        }
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = Self::NAME.of(name).unwrap_or_default();
        let name = if name.is_empty() { "attachment.pdf".into() } else { name };
        Ok(Self { name, size_bytes: bytes.len() as u64 })
    }
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Which.
    pub id: ProposalId,
    /// Grows by one with each change.
    pub version: u64,
    /// The agency.
    pub agency: AgencyId,
    /// Its name.
    pub agency_name: String,
    /// The programme.
    pub programme: ProgrammeId,
    /// Its name.
    pub programme_name: String,
    /// Who wrote it.
    pub lead: PersonId,
    /// Their name.
    pub lead_name: String,
    /// A short name.
    pub acronym: String,
    /// Title.
    pub title: String,
    /// What is to be done.
    pub description: String,
    /// What was asked for, in cents.
    #[serde(rename = "amount_cents")]
    pub amount: Money,
    /// The file, if there is one.
    pub attachment: Option<Attachment>,
    /// What has become of it.
    pub state: State,
    /// What the agency wrote with its latest answer.
    pub answer: Option<String>,
    /// What was given, in cents.
    #[serde(rename = "granted_cents")]
    pub granted: Option<Money>,
    /// Until when.
    pub end_date: Option<Day>,
    /// The research account, once it is open.
    pub account: Option<AccountId>,
    /// When it last changed, in microseconds since 1970.
    #[serde(with = "larder_clock::microseconds")]
    pub updated_at: Timestamp,
}

/// What an officer decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Money, and until when.
    Approve {
        /// How much.
        budget: Money,
        /// The last day on which it can be spent.
        end_date: Day,
    },
    /// None, and why.
    Decline(String),
    /// What the officer wants to know.
    Ask(String),
}

impl Verdict {
    /// The verdict, if it makes sense.
    ///
    /// # Errors
    /// The first field that doesn't.
    pub fn checked(self, today: Day) -> Result<Self, Invalid> {
        match self {
            Self::Approve { budget, end_date } => {
                if end_date < today {
                    let why = format!("The end date must not be before today, {today}.");
                    return Err(Invalid::new("end_date", why));
                }
                Ok(Self::Approve { budget: budget.checked("budget")?, end_date })
            }
            Self::Decline(reason) => Ok(Self::Decline(REASON.of(&reason)?)),
            Self::Ask(question) => Ok(Self::Ask(REASON.of(&question)?)),
        }
    }

    /// What the proposal becomes.
    pub fn state(&self) -> State {
        match self {
            Self::Approve { .. } => State::Accepted,
            Self::Decline(_) => State::Rejected,
            Self::Ask(_) => State::InformationWanted,
        }
    }
}

/// A change of state, as the activity log has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// Who; nobody for the rules.
    pub by: Option<String>,
    /// What it became.
    pub state: State,
    /// What was written with it.
    pub note: Option<String>,
    /// When, in microseconds since 1970.
    #[serde(with = "larder_clock::microseconds")]
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_a_whole_pdf() {
        let pdf = b"%PDF-1.4\n1 0 obj\nendobj\ntrailer\n%%EOF\n";
        let named = Attachment::of("C:\\papers\\plan.pdf", pdf).expect("is one");
        assert_eq!((named.name.as_str(), named.size_bytes), ("plan.pdf", pdf.len() as u64));
        assert_eq!(Attachment::of("", pdf).map(|a| a.name).as_deref(), Ok("attachment.pdf"));
        for wrong in [&b""[..], b"%PDF-1.4 cut", b"<html>%%EOF", b"PK\x03\x04"] {
            assert!(Attachment::of("x.pdf", wrong).is_err());
        }
        let mut large = pdf.to_vec();
        large.resize(Attachment::LARGEST + 1, b' ');
        assert!(Attachment::of("x.pdf", &large).is_err());
    }

    #[test]
    fn states_are_found_by_their_names() {
        for state in State::ALL {
            assert_eq!(State::of(state.name()), Some(state));
        }
        assert_eq!(State::of("paid"), None);
    }
}

//! What can go wrong with grants, in their own words.

use std::sync::Arc;

use http::StatusCode;
use larder_input::Invalid;
use larder_tier::Unserved;
use larder_web::Problem;

use crate::model::{Denied, Money, Service};

/// Why something wasn't done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or it isn't this person's to see.
    #[error("There is no such {0}, or it isn’t yours to see.")]
    NotFound(&'static str),
    /// It is others' to do.
    #[error("{0}")]
    NotYours(&'static str),
    /// It can't be done in the state that the thing is in now.
    #[error("{0} Nothing was changed.")]
    WrongState(String),
    /// The email and the password don't belong together.
    #[error("The email or the password is wrong.")]
    NotSignedIn,
    /// Too many wrong ones.
    #[error("Too many wrong passwords were sent. Wait a minute, then try again.")]
    TooManyGuesses,
    /// Too many passwords wait to be hashed.
    #[error("Too many people sign in just now; try again in a moment.")]
    Busy,
    /// There is an account, but for another service.
    #[error("This is the account of another service: sign in there.")]
    WrongService(Service),
    /// Somebody has that name already.
    #[error("{}", .0.why)]
    Taken(Invalid),
    /// The programme's budget doesn't have it.
    #[error("Only {left} of the budget are left. Nothing was approved.")]
    OverBudget {
        /// What is left.
        left: Money,
    },
    /// The account doesn't have it.
    #[error("The balance is {balance}: this is more. Nothing was withdrawn.")]
    OverBalance {
        /// What is there.
        balance: Money,
    },
    /// The key was used for another withdrawal.
    #[error("This Idempotency-Key was used for another withdrawal: use a new key for each.")]
    KeyReused,
    /// The request can't be understood.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Whoever asks doesn't know the secret that the services share.
    #[error("Only the other services may say things here.")]
    NotAService,
    /// The database doesn't answer now.
    #[error("the store is not available")]
    Unavailable(#[source] Arc<larder_sql::Error>),
    /// The database went away during a change.
    #[error("the store went away during the change")]
    Unknown(#[source] Arc<larder_sql::Error>),
    /// This node of a cluster can't answer without the risk of an old answer.
    #[error(transparent)]
    Unserved(#[from] Unserved),
    /// The data folder can't be used.
    #[error(transparent)]
    Folder(Arc<larder_blobs::Error>),
    /// A failure of rows.
    #[error("the database failed")]
    Rows(#[source] Arc<larder_sql::Error>),
    /// Going on makes no sense.
    #[error("{0}")]
    Damaged(String),
}

/// The result of asking for something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether a constraint of the schema refused a row.
    pub fn is_constraint(&self) -> bool {
        matches!(self, Self::Rows(error) if matches!(**error, larder_sql::Error::Constraint(_)))
    }

    /// What to say in place of a constraint's refusal.
    pub fn or_taken(self, field: &'static str, why: &str) -> Self {
        match self.is_constraint() {
            true => Self::Taken(Invalid::new(field, why)),
            false => self,
        }
    }

    /// The denial of something to a thing, `what`; `state` says what its state
    /// is.
    pub fn denied(denied: Denied, what: &'static str, state: &str) -> Self {
        match denied {
            Denied::Hidden => Self::NotFound(what),
            Denied::Others => Self::NotYours("This is for others to do, not for you."),
            Denied::State => Self::WrongState(format!("This {what} is {state} by now.")),
        }
    }
}

impl larder_tier::Unsettled for Error {
    fn settled(&self) -> Option<larder_sql::Settled> {
        match self {
            Self::Unknown(error) => error.settled(),
            _ => None,
        }
    }
}

impl From<larder_sql::Error> for Error {
    fn from(error: larder_sql::Error) -> Self {
        match error {
            larder_sql::Error::Unavailable(_) => Self::Unavailable(Arc::new(error)),
            larder_sql::Error::Unknown { .. } => Self::Unknown(Arc::new(error)),
            error => Self::Rows(Arc::new(error)),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::NotYours(_) | Error::NotAService => StatusCode::FORBIDDEN,
            Error::NotSignedIn | Error::WrongService(_) => StatusCode::UNAUTHORIZED,
            Error::TooManyGuesses => StatusCode::TOO_MANY_REQUESTS,
            Error::WrongState(_)
            | Error::Taken(_)
            | Error::OverBudget { .. }
            | Error::OverBalance { .. } => StatusCode::CONFLICT,
            Error::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Invalid(_) => StatusCode::BAD_REQUEST,
            Error::Busy | Error::Unavailable(_) | Error::Unknown(_) | Error::Unserved(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Folder(_) | Error::Rows(_) | Error::Damaged(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        if status.is_server_error() {
            tracing::warn!(error = ?error, "a request failed");
        }
        match error {
            Error::Invalid(invalid) | Error::Taken(invalid) => {
                Self::new(status, invalid.why).in_field(invalid.field)
            }
            Error::NotFound(what) => {
                Self::new(status, error.to_string()).titled(format!("Unknown {what}"))
            }
            Error::OverBudget { .. } => {
                Self::new(status, error.to_string()).titled("Over budget").in_field("budget")
            }
            Error::OverBalance { .. } => {
                Self::new(status, error.to_string()).titled("Over balance").in_field("amount")
            }
            Error::Busy => Self::new(status, error.to_string()).retry_after(1),
            Error::TooManyGuesses => Self::new(status, error.to_string()).retry_after(60),
            Error::Unknown(_) => Self::new(
                status,
                "The store went away during the change, which may have happened. Look again \
                 before you repeat it; a withdrawal with the same Idempotency-Key is made once.",
            )
            .retry_after(1),
            Error::Unavailable(_) | Error::Unserved(_) => {
                Self::new(status, "The service can’t answer just now; try again in a moment.")
                    .retry_after(1)
            }
            _ if status == StatusCode::INTERNAL_SERVER_ERROR => Self::internal(),
            error => Self::new(status, error.to_string()),
        }
    }
}

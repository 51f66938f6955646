//! What can go wrong in the bookstore, in its own words.

use std::sync::Arc;

use larder_input::Invalid;
use larder_tier::Unserved;
use larder_web::Problem;

/// Why the bookstore didn't do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such book, or it is sold no more.
    #[error("There is no book with this id.")]
    NoSuchBook,
    /// There is no such order.
    #[error("There is no order with this number.")]
    NoSuchOrder,
    /// There are too few copies.
    #[error("{}", sold_out(*.left))]
    SoldOut {
        /// Copies that are left.
        left: u32,
    },
    /// The stock would be less than none, or more than can be.
    #[error("The stock is {stock}: it can't change by {by}. Nothing was changed.")]
    NoSuchStock {
        /// Copies in stock.
        stock: u32,
        /// The change.
        by: i64,
    },
    /// The key was used for another purchase.
    #[error(
        "This Idempotency-Key was used for another purchase, order {order}: use a new key for each \
         purchase."
    )]
    KeyReused {
        /// The order it made.
        order: u64,
    },
    /// The request can't be understood.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Whoever asks doesn't know the secret that the services share.
    #[error("Only the shop's own front ends may change things here.")]
    NotAllowed,
    /// The database doesn't answer now.
    #[error("The store is not available")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
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
    /// A replica has told what is wrong.
    #[error("{}", .0.detail)]
    Told(Arc<Problem>),
    /// No replica of a service answers.
    #[error("No {service} replica answers")]
    NoReplica {
        /// `catalog` or `order`.
        service: &'static str,
    },
    /// Going on makes no sense.
    #[error("{0}")]
    Damaged(String),
}

/// The result of asking the bookstore for something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn sold_out(left: u32) -> String {
    match left {
        0 => "This book is sold out. Nothing was bought.".into(),
        1 => "Only 1 copy is left. Nothing was bought.".into(),
        _ => format!("Only {left} copies are left. Nothing was bought."),
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

impl Error {
    /// Whether another replica, or the same a moment later, may do better.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::Unknown(_)
            | Self::Unserved(_)
            | Self::NoReplica { .. } => true,
            Self::Told(problem) => problem.status.is_server_error(),
            _ => false,
        }
    }

    /// Whether written data may be lost, so that the process must stop.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Rows(error) if matches!(**error, larder_sql::Error::Durability(_)))
    }
}

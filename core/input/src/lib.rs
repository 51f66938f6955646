//! What people and programs send to an app, checked and tidied: texts, keys,
//! and words for what is wrong with them. Knows no field of any app.

mod key;
mod text;

pub use key::IdempotencyKey;
pub use text::Text;

/// Why a request can't be understood. The message is for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Invalid {
    /// The field or parameter at fault.
    pub field: &'static str,
    /// What is wrong with it and what would be right.
    pub why: String,
}

impl Invalid {
    /// `why` is a sentence.
    pub fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, why: why.into() }
    }
}

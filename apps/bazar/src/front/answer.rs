//! What replicas answer, read as what front ends need of it.

use std::sync::Arc;

use larder_web::Told;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::replica::{INSTANCE, SERVED_BY};

/// The answer of a replica.
pub(super) trait Answer {
    /// Who answered.
    fn by(&self) -> Arc<str>;

    /// Which database server it goes by.
    fn instance(&self) -> Option<u64>;

    /// What it says.
    ///
    /// # Errors
    /// It says something else.
    fn read<T: DeserializeOwned>(&self) -> Result<T>;

    /// Why it did nothing.
    fn refusal(&self) -> Error;
}

impl Answer for Told {
    fn by(&self) -> Arc<str> {
        let name = self.headers.get(SERVED_BY).and_then(|name| name.to_str().ok());
        name.unwrap_or_default().into()
    }

    fn instance(&self) -> Option<u64> {
        self.headers.get(INSTANCE)?.to_str().ok()?.parse().ok()
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Damaged(format!("a replica's answer can't be read: {error}")))
    }

    fn refusal(&self) -> Error {
        match self.problem() {
            Some(problem) => Error::Told(Arc::new(problem)),
            None => Error::Damaged(format!("a replica answered {} without words", self.status)),
        }
    }
}

//! What the cache is there to spare. It never chooses a victim itself: it says
//! what missing an entry costs, and policies that weigh costs do the rest.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// What a cache is there to spare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Objective {
    /// Reads of the store, whatever their size: the object hit ratio.
    #[default]
    Objects,
    /// Bytes read from the store: the byte hit ratio.
    Bytes,
    /// What the values say that loading them costs:
    /// [`Weigh::cost`](crate::Weigh::cost).
    Cost,
}

impl Objective {
    /// All objectives, in the order in which to offer them.
    pub const ALL: &[Self] = &[Self::Objects, Self::Bytes, Self::Cost];

    /// The name in flags, configuration and answers; `Display` and `FromStr`
    /// use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Bytes => "bytes",
            Self::Cost => "cost",
        }
    }

    /// One line for a settings page.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::Objects => "Spares reads of the store, large or small alike.",
            Self::Bytes => "Spares bytes read from the store.",
            Self::Cost => "Spares what values say that loading them costs.",
        }
    }

    /// What missing an entry costs under this objective.
    pub(crate) fn cost(self, weight: u32, supplied: u32) -> u32 {
        match self {
            Self::Objects => 1,
            Self::Bytes => weight,
            Self::Cost => supplied,
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is no objective's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownObjective {
    name: String,
}

impl fmt::Display for UnknownObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no objective is called {:?}; there are objects, bytes, cost", self.name)
    }
}

impl Error for UnknownObjective {}

impl FromStr for Objective {
    type Err = UnknownObjective;

    /// Accepts the names in any case.
    fn from_str(name: &str) -> Result<Self, UnknownObjective> {
        let called = |objective: &Self| objective.name().eq_ignore_ascii_case(name);
        let found = Self::ALL.iter().copied().find(called);
        found.ok_or_else(|| UnknownObjective { name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_in_any_case() {
        for &objective in Objective::ALL {
            assert_eq!(objective.to_string().parse(), Ok(objective));
            assert_eq!(objective.to_string().to_uppercase().parse(), Ok(objective));
            assert!(objective.summary().ends_with('.'));
        }
        let unknown = "speed".parse::<Objective>().unwrap_err().to_string();
        assert_eq!(unknown, "no objective is called \"speed\"; there are objects, bytes, cost");
    }
}

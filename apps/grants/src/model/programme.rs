//! Agencies and their programmes: money for a purpose, and the rules by which a
//! programme answers at once.
#![allow(clippy::inconsistent_digit_grouping)] // The cents stand apart.

use larder_input::{Invalid, Text};
use serde::{Deserialize, Serialize};

use super::{AgencyId, Day, Money, ProgrammeId};

const PROGRAMME: Text = Text::required("name", 200);

/// How long a grant lasts that nobody but the rules decided.
const MONTHS_BY_RULE: i32 = 3;

/// Who gives money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    /// Which.
    pub id: AgencyId,
    /// Its name.
    pub name: String,
}

/// Money for a purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programme {
    /// Which.
    pub id: ProgrammeId,
    /// Whose.
    pub agency: AgencyId,
    /// The agency's name.
    pub agency_name: String,
    /// Its name.
    pub name: String,
    /// All there is, in cents.
    #[serde(rename = "budget_cents")]
    pub budget: Money,
    /// What was approved of it, in cents.
    #[serde(rename = "committed_cents")]
    pub committed: Money,
    /// The least that the rules approve, in cents.
    #[serde(rename = "minimum_cents")]
    pub minimum: Money,
    /// The most that the rules approve, in cents; above twice as much they
    /// reject.
    #[serde(rename = "maximum_cents")]
    pub maximum: Money,
}

/// What the rules of a programme say of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromTheRules {
    /// Yes, if the budget has it.
    Accept,
    /// No.
    Reject,
    /// An officer is to decide.
    Wait,
}

impl Programme {
    /// What is left.
    pub fn left(&self) -> Money {
        self.budget.minus(self.committed)
    }

    /// What the rules say of an amount; the budget is another matter.
    pub fn judge(&self, amount: Money) -> FromTheRules {
        match amount {
            _ if amount > self.maximum.twice() => FromTheRules::Reject,
            _ if (self.minimum..=self.maximum).contains(&amount) => FromTheRules::Accept,
            _ => FromTheRules::Wait,
        }
    }

    /// Why the rules reject.
    pub fn why_rejected(&self, currency: &str) -> String {
        let most = self.maximum.twice();
        format!(
            "The amount is above {most} {currency}, twice the maximum of a proposal in this \
             programme."
        )
    }

    /// The last day of a grant that the rules give today.
    pub fn end_by_rule(today: Day) -> Day {
        today.plus_months(MONTHS_BY_RULE)
    }
}

/// A programme as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewProgramme {
    /// Its name.
    pub name: String,
    /// All there is, in cents.
    #[serde(rename = "budget_cents")]
    pub budget: Money,
    /// The least that the rules approve, in cents.
    #[serde(rename = "minimum_cents")]
    pub minimum: Money,
    /// The most that the rules approve, in cents.
    #[serde(rename = "maximum_cents")]
    pub maximum: Money,
}

impl NewProgramme {
    /// That of the first programme: a million, 200,000 to 500,000 each.
    pub fn first() -> Self {
        Self {
            name: "Open call".into(),
            budget: Money::cents(1_000_000_00),
            minimum: Money::cents(200_000_00),
            maximum: Money::cents(500_000_00),
        }
    }

    /// The programme with its name trimmed.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn checked(self) -> Result<Self, Invalid> {
        if self.minimum > self.maximum {
            let why = "The minimum of a proposal must not be above the maximum.";
            return Err(Invalid::new("minimum", why));
        }
        Ok(Self {
            name: PROGRAMME.of(&self.name)?,
            budget: self.budget.checked("budget")?,
            minimum: self.minimum.checked("minimum")?,
            maximum: self.maximum.checked("maximum")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programme() -> Programme {
        let NewProgramme { name, budget, minimum, maximum } = NewProgramme::first();
        let (committed, agency_name) = (Money::cents(0), String::new());
        Programme { id: 1, agency: 1, agency_name, name, budget, committed, minimum, maximum }
    }

    #[test]
    fn the_rules_know_their_limits_to_the_cent() {
        let judged = |cents| programme().judge(Money::cents(cents));
        assert_eq!(judged(199_999_99), FromTheRules::Wait);
        assert_eq!(judged(200_000_00), FromTheRules::Accept);
        assert_eq!(judged(500_000_00), FromTheRules::Accept);
        assert_eq!(judged(500_000_01), FromTheRules::Wait);
        assert_eq!(judged(1_000_000_00), FromTheRules::Wait);
        assert_eq!(judged(1_000_000_01), FromTheRules::Reject);
    }
}

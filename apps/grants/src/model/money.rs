//! Money: whole cents, never a fraction and never a float.
#![cfg_attr(test, allow(clippy::inconsistent_digit_grouping))] // The cents stand apart.

use std::fmt;

use larder_input::Invalid;
use serde::{Deserialize, Serialize};

/// An amount in cents. Its currency is the configuration's.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The most that can be asked for, granted or budgeted: ten thousand
    /// million, far from where sums of it would end.
    pub const MOST: Self = Self(1_000_000_000_000);

    /// So many cents.
    pub const fn cents(cents: i64) -> Self {
        Self(cents)
    }

    /// The cents.
    pub const fn in_cents(self) -> i64 {
        self.0
    }

    /// More than nothing, and not beyond all bounds.
    ///
    /// # Errors
    /// It isn't.
    pub fn checked(self, field: &'static str) -> Result<Self, Invalid> {
        match self.0 {
            1..=1_000_000_000_000 => Ok(self),
            _ => {
                let why = format!("The amount must be from 0.01 to {}.", Self::MOST);
                Err(Invalid::new(field, why))
            }
        }
    }

    /// The difference; below nothing it is nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// Twice as much.
    #[must_use]
    pub fn twice(self) -> Self {
        Self(self.0.saturating_mul(2))
    }

    /// Reads what a person writes: `200000`, `200,000.5`, `200 000.50`.
    ///
    /// # Errors
    /// It is no amount above nothing, or has more than two decimals.
    pub fn read(field: &'static str, text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            let why =
                "The amount must be a number such as 1500 or 1,500.50, with two decimals at most.";
            Invalid::new(field, why)
        };
        let text: String = text.trim().chars().filter(|c| !matches!(c, ',' | ' ' | '_')).collect();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_one = !whole.is_empty() && whole.len() <= 15 && decimals.len() <= 2;
        if !is_one || !are_digits(whole) || !are_digits(decimals) {
            return Err(wrong());
        }
        let cents: i64 = format!("{whole}{decimals:0<2}").parse().map_err(|_| wrong())?;
        Self(cents).checked(field)
    }

    /// As a form or a file has it: `1500.50`, `-20.00`.
    pub fn plain(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        format!("{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl fmt::Display for Money {
    /// `1,500.50`; `−20.00` below nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "−" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", larder_web::text::count(cents / 100), cents % 100)
    }
}

impl From<Money> for larder_sql::Value {
    fn from(money: Money) -> Self {
        money.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_cent() {
        for (text, cents) in [
            ("200000", 200_000_00),
            ("199,999.99", 199_999_99),
            (" 0.01 ", 1),
            ("12.5", 12_50),
            ("1 000.", 1_000_00),
            ("10,000,000,000.00", 1_000_000_000_000),
        ] {
            assert_eq!(Money::read("amount", text), Ok(Money(cents)), "{text}");
        }
        for wrong in [
            "",
            "0",
            "0.00",
            "-5",
            "1.999",
            "1e3",
            "ten",
            ".",
            ".5",
            "10000000000.01",
            "9999999999999999",
            "1.2.3",
            "+1",
            "٣",
        ] {
            assert!(Money::read("amount", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_written_for_people() {
        assert_eq!(Money(123_456_789_01).to_string(), "123,456,789.01");
        assert_eq!(Money(-5).to_string(), "−0.05");
        assert_eq!(Money(5).plain(), "0.05");
        assert_eq!(Money(-12_50).plain(), "-12.50");
    }
}

//! Days: end dates have no time of day. A day is one of UTC, everywhere.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::{Span, tz::TimeZone};
use larder_clock::Timestamp;
use larder_input::Invalid;

/// A day of the calendar, `2027-02-28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Day {
    /// The last one there is: four digits of the year.
    const LAST: Self = Self(jiff::civil::date(9999, 12, 31));

    /// The day on which a moment is.
    pub fn of(time: Timestamp) -> Self {
        let time = jiff::Timestamp::from_second(time.seconds()).unwrap_or_default();
        Self(time.to_zoned(TimeZone::UTC).date())
    }

    /// The day so many months later; the last of that month if it has no such
    /// day.
    #[must_use]
    pub fn plus_months(self, months: i32) -> Self {
        self.0.checked_add(Span::new().months(months)).map_or(Self::LAST, Self)
    }

    /// How many days it is after another one; below nothing before it.
    pub fn days_after(self, other: Self) -> i64 {
        (self.0 - other.0).get_days().into()
    }

    /// Reads the day of a form or a request.
    ///
    /// # Errors
    /// There is no such day.
    pub fn read(field: &'static str, text: &str) -> Result<Self, Invalid> {
        text.trim().parse().map_err(|()| {
            Invalid::new(field, "The day must be written as 2027-02-28, and be one that exists.")
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_written_so = text.len() == 10 && text.is_ascii();
        let date = text.parse().ok().filter(|_| is_written_so);
        date.map(Self).filter(|day| day.0.year() >= 1970).ok_or(())
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'d> serde::Deserialize<'d> for Day {
    fn deserialize<D: serde::Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| {
            serde::de::Error::custom(format!("`{text}` is no day such as 2027-02-28"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    #[test]
    fn days_are_read_and_written_alike() {
        assert_eq!(day("2027-02-28").to_string(), "2027-02-28");
        for wrong in ["", "2027-2-28", "2027-02-30", "28.02.2027", "2027-02-28T00", "0001-01-01"] {
            assert!(Day::read("end_date", wrong).is_err(), "{wrong}");
        }
        assert!(day("2027-02-28") < day("2027-03-01"));
    }

    #[test]
    fn three_months_later_is_a_day_that_exists() {
        assert_eq!(day("2026-11-30").plus_months(3), day("2027-02-28"));
        assert_eq!(day("2026-01-15").plus_months(3), day("2026-04-15"));
        assert_eq!(day("9999-12-01").plus_months(3), Day::LAST);
        assert_eq!(day("2027-03-01").days_after(day("2026-03-01")), 365);
        assert_eq!(day("2026-02-28").days_after(day("2026-03-01")), -1);
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc() {
        let noon = Timestamp(1_000_000_000_000_000);
        assert_eq!(Day::of(noon), day("2001-09-09"));
        let last = Timestamp(86_400_000_000 - 1);
        assert_eq!(Day::of(last), day("1970-01-01"));
        assert_eq!(Day::of(Timestamp(86_400_000_000)), day("1970-01-02"));
    }
}

//! Numbers, times and addresses as text for people and links.

use larder_clock::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in the value of a query field.
const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A value, percent-encoded for a query.
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, IN_QUERY).to_string()
}

/// A size: `1 byte`, `4.21 KB`, `32 MB`. One KB is 1024 bytes, as everywhere here.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if bytes < 1024 {
        return format!("{bytes} {}", if bytes == 1 { "byte" } else { "bytes" });
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 999.5 would be written as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value.fract() == 0.0 {
        return format!("{value} {}", UNITS[unit]);
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A time: `850 ns`, `12.3 µs`, `4.01 ms`; a dash for zero, which stands for
/// "nothing to time".
pub fn nanoseconds(nanoseconds: u64) -> String {
    match nanoseconds {
        0 => "–".into(),
        1..1_000 => format!("{nanoseconds} ns"),
        1_000..999_500 => format!("{} µs", three_digits(nanoseconds as f64 / 1e3)),
        999_500..999_500_000 => format!("{} ms", three_digits(nanoseconds as f64 / 1e6)),
        _ => format!("{} s", three_digits(nanoseconds as f64 / 1e9)),
    }
}

fn three_digits(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A share of 1 as a percentage; a dash if there is none.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".into(), |share| format!("{:.1}%", share * 100.0))
}

/// A count with commas: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 image`, `2 images`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A moment: for machines, and for people who have no JavaScript to turn it
/// into their own time zone.
#[derive(Debug, PartialEq, Eq)]
pub struct Moment {
    /// In UTC, as RFC 3339 has it.
    pub iso: String,
    /// In UTC, to the minute.
    pub text: String,
}

impl Moment {
    /// The moment of a timestamp.
    pub fn of(time: Timestamp) -> Self {
        let time = jiff::Timestamp::from_second(time.seconds()).unwrap_or_default();
        Self { iso: time.to_string(), text: time.strftime("%Y-%m-%d %H:%M UTC").to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        for (size, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KB"),
            (10_250, "10.0 KB"),
            (1_022_976, "999 KB"),
            (1_023_999, "0.98 MB"),
            (5 << 20, "5 MB"),
            (u64::MAX, "16384 PB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn times_choose_their_unit() {
        for (time, text) in [
            (0, "–"),
            (850, "850 ns"),
            (1_000, "1.00 µs"),
            (12_345, "12.3 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (4_010_000, "4.01 ms"),
            (2_500_000_000, "2.50 s"),
        ] {
            assert_eq!(nanoseconds(time), text);
        }
    }

    #[test]
    fn counts_and_shares_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(counted(2000, "image"), "2,000 images");
        assert_eq!(percent(None), "–");
        assert_eq!(percent(Some(0.875)), "87.5%");
    }

    #[test]
    fn moments_are_told_to_machines_and_people() {
        let moment = Moment::of(Timestamp(1_000_000_000_123_456));
        assert_eq!(moment.iso, "2001-09-09T01:46:40Z");
        assert_eq!(moment.text, "2001-09-09 01:46 UTC");
    }

    #[test]
    fn values_survive_a_query() {
        assert_eq!(encode("a b&c=d/é+"), "a%20b%26c%3Dd/%C3%A9%2B");
    }
}

//! Conditional and partial requests (RFC 9110, sections 13 and 14): what the
//! headers ask for, given what is stored. Pure.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, header};
use larder_clock::Timestamp;

use crate::model::{Etag, Precondition};

/// What the headers of a change demand.
///
/// # Errors
/// A sentence about the header that can't be read.
pub(crate) fn precondition(headers: &HeaderMap) -> Result<Precondition, String> {
    if let Some(tags) = text(headers, &header::IF_NONE_MATCH) {
        return if tags.trim() == "*" {
            Ok(Precondition::Absent)
        } else {
            Err("If-None-Match of a change must be *.".into())
        };
    }
    match text(headers, &header::IF_MATCH) {
        None => Ok(Precondition::None),
        Some(tags) if tags.trim() == "*" => Ok(Precondition::Present),
        // A weak tag never matches here.
        Some(tags) => Ok(Precondition::Matches(
            tags.split(',').filter_map(|tag| unquote(tag.trim())).collect(),
        )),
    }
}

/// Whether the client has these bytes already.
pub(crate) fn is_not_modified(headers: &HeaderMap, etag: &Etag, modified: Timestamp) -> bool {
    if let Some(tags) = text(headers, &header::IF_NONE_MATCH) {
        return tags.split(',').map(str::trim).any(|tag| {
            tag == "*" || unquote(tag.strip_prefix("W/").unwrap_or(tag)).as_ref() == Some(etag)
        });
    }
    let since = text(headers, &header::IF_MODIFIED_SINCE);
    let since = since.and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| whole_seconds(modified) <= since)
}

/// The part of the bytes a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of them.
    Whole,
    /// Some of them.
    Range(Range<u64>),
    /// Bytes that aren't there.
    Unsatisfiable,
}

/// The part of `len` bytes the headers ask for. Several ranges at once and
/// units other than bytes are answered with the whole, as the standard allows.
pub(crate) fn part(headers: &HeaderMap, len: u64, etag: &Etag) -> Part {
    let same =
        text(headers, &header::IF_RANGE).is_none_or(|tag| unquote(tag).as_ref() == Some(etag));
    let range = text(headers, &header::RANGE).and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.filter(|_| same).and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        // `+5` is no range, though it is a number.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = (first.trim(), last.trim());
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() && first < len => Part::Range(first..len),
        (Some(first), Some(last)) if first <= last && first < len => {
            Part::Range(first..last.saturating_add(1).min(len))
        }
        (None, Some(suffix)) if first.is_empty() && suffix > 0 && len > 0 => {
            Part::Range(len.saturating_sub(suffix)..len)
        }
        (Some(first), Some(last)) if first > last => Part::Whole,
        (Some(_), None) if last.is_empty() => Part::Unsatisfiable,
        (Some(_), Some(_)) => Part::Unsatisfiable,
        (None, Some(_)) if first.is_empty() => Part::Unsatisfiable,
        _ => Part::Whole,
    }
}

/// A time as HTTP writes it.
pub(crate) fn http_date(time: Timestamp) -> String {
    httpdate::fmt_http_date(whole_seconds(time))
}

fn whole_seconds(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(time.seconds()).unwrap_or(0))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn unquote(tag: &str) -> Option<Etag> {
    let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
    Some(Etag(tag.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    fn etag() -> Etag {
        Etag("abc-1".into())
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-0", Part::Range(0..1)),
            ("bytes=0-9", Part::Range(0..10)),
            ("bytes=5-", Part::Range(5..10)),
            ("bytes=-3", Part::Range(7..10)),
            ("bytes=-30", Part::Range(0..10)),
            ("bytes=8-99999999999999999999999", Part::Range(8..10)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=10-12", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(part(&headers(&[(header::RANGE, range)]), 10, &etag()), expected, "{range}");
        }
        assert_eq!(part(&HeaderMap::new(), 10, &etag()), Part::Whole);
    }

    #[test]
    fn a_range_of_other_bytes_is_answered_with_the_whole() {
        let with = |tag| headers(&[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, tag)]);
        assert_eq!(part(&with("\"abc-1\""), 10, &etag()), Part::Range(0..1));
        for other in ["\"abc-2\"", "W/\"abc-1\"", "Fri, 20 Nov 2026 10:00:00 GMT"] {
            assert_eq!(part(&with(other), 10, &etag()), Part::Whole, "{other}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let modified = Timestamp(1_700_000_000_900_000);
        let fresh = |pairs: &[_]| is_not_modified(&headers(pairs), &etag(), modified);
        for tags in ["\"abc-1\"", "W/\"abc-1\"", "\"x\", \"abc-1\"", "*"] {
            assert!(fresh(&[(header::IF_NONE_MATCH, tags)]), "{tags}");
        }
        assert!(!fresh(&[(header::IF_NONE_MATCH, "\"abc-2\"")]));
        assert!(!fresh(&[(header::IF_NONE_MATCH, "abc-1")]));
        let date = http_date(modified);
        assert!(fresh(&[(header::IF_MODIFIED_SINCE, &date)]));
        let earlier = http_date(modified.minus_seconds(1));
        assert!(!fresh(&[(header::IF_MODIFIED_SINCE, &earlier)]));
        // The tag decides where both are sent.
        assert!(!fresh(&[(header::IF_NONE_MATCH, "\"x\""), (header::IF_MODIFIED_SINCE, &date)]));
    }

    #[test]
    fn preconditions_of_a_change() {
        let read = |pairs: &[_]| precondition(&headers(pairs));
        assert_eq!(read(&[]), Ok(Precondition::None));
        assert_eq!(read(&[(header::IF_NONE_MATCH, "*")]), Ok(Precondition::Absent));
        assert_eq!(read(&[(header::IF_MATCH, "*")]), Ok(Precondition::Present));
        let tags = vec![Etag("a".into()), Etag("b".into())];
        assert_eq!(
            read(&[(header::IF_MATCH, "\"a\", W/\"c\", \"b\"")]),
            Ok(Precondition::Matches(tags))
        );
        assert!(read(&[(header::IF_NONE_MATCH, "\"a\"")]).is_err());
    }
}

//! Lists as comma-separated values (RFC 4180) that a spreadsheet opens without
//! running any of it, sent piece by piece.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::header;

use crate::error::{Error, Result};

/// A file of the name `name` with the heading `head`, of the pieces that `more`
/// gives: it is told the last thing of the piece before, and gives the lines of
/// the next piece and its last thing, if there may be more.
///
/// # Errors
/// The first piece can't be had: that is told by the status, not a short file.
pub(super) async fn file<T, M, F>(
    name: &'static str,
    head: &'static str,
    more: M,
) -> Result<Response>
where
    T: Send + 'static,
    M: Fn(Option<T>) -> F + Send + 'static,
    F: Future<Output = Result<(String, Option<T>)>> + Send + 'static,
{
    let (lines, last) = more(None).await?;
    let begin = format!("{head}\r\n{lines}");
    let first = stream::once(async { Ok::<_, Error>(Bytes::from(begin)) });
    let rest = stream::try_unfold((last, more), |(last, more)| async move {
        let Some(last) = last else { return Ok(None) };
        // A failure ends the connection: the file is seen to be cut off.
        let (lines, last) = more(Some(last)).await?;
        Ok::<_, Error>(Some((Bytes::from(lines), (last, more))))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(first.chain(rest))).into_response())
}

/// A line of these fields.
pub(super) fn line(fields: &[&str]) -> String {
    let fields: Vec<_> = fields.iter().map(|text| field(text)).collect();
    format!("{}\r\n", fields.join(","))
}

/// A text, quoted if it must be. One that a spreadsheet would take for a
/// formula gets an apostrophe before it, as OWASP advises ("CSV Injection");
/// numbers below nothing are none.
fn field(text: &str) -> String {
    let first = text.trim_start_matches([' ', '\u{feff}', '\u{a0}']).chars().next();
    let is_formula = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n'))
        || matches!(first, Some('＝' | '＋' | '－' | '＠'));
    let is_amount = text
        .strip_prefix('-')
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
    let text = if is_formula && !is_amount { format!("'{text}") } else { text.to_owned() };
    match text.contains(['"', ',', '\r', '\n', '\'', ';', '\t']) || text.trim() != text {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_no_text_is_a_formula() {
        for (text, expected) in [
            ("Lasers", "Lasers"),
            ("", ""),
            ("A \"word\", two", "\"A \"\"word\"\", two\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("-1+1", "\"'-1+1\""),
            ("-12.50", "-12.50"),
            ("  @SUM(A1)", "\"'  @SUM(A1)\""),
            ("＝1", "\"'＝1\""),
        ] {
            assert_eq!(field(text), expected);
        }
        assert_eq!(line(&["a", "b,c"]), "a,\"b,c\"\r\n");
    }
}

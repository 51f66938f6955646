//! Lists as comma-separated values (RFC 4180) that a spreadsheet opens without
//! running any of it, sent piece by piece.

use std::fmt::Display;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::header;

/// A file of the name `name` with the heading `head`, of the pieces that `more`
/// gives: it is told the last thing of the piece before, and gives the lines of
/// the next piece and its last thing, if there may be more.
///
/// # Errors
/// The first piece can't be had: that is told by the status, not a short file.
pub async fn file<T, E, M, F>(
    name: &'static str,
    head: &'static str,
    more: M,
) -> Result<Response, E>
where
    T: Send + 'static,
    E: Into<BoxError> + Send + 'static,
    M: Fn(Option<T>) -> F + Send + 'static,
    F: Future<Output = Result<(String, Option<T>), E>> + Send + 'static,
{
    let (lines, last) = more(None).await?;
    let begin = format!("{head}\r\n{lines}");
    let first = stream::once(async { Ok::<_, E>(Bytes::from(begin)) });
    let rest = stream::try_unfold((last, more), |(last, more)| async move {
        let Some(last) = last else { return Ok(None) };
        // A failure ends the connection: the file is seen to be cut off.
        let (lines, last) = more(Some(last)).await?;
        Ok::<_, E>(Some((Bytes::from(lines), (last, more))))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(first.chain(rest))).into_response())
}

/// A line that is being written.
#[derive(Debug, Default)]
pub struct Line(String);

impl Line {
    /// One more field that is no stranger's text: a number, a moment, a word of
    /// our own.
    #[must_use]
    pub fn plain(mut self, field: impl Display) -> Self {
        self.0.push_str(&format!("{field},"));
        self
    }

    /// One more field of text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.plain(quoted(text))
    }

    /// The line with its end.
    pub fn end(mut self) -> String {
        self.0.pop();
        self.0 + "\r\n"
    }
}

/// A text, quoted if it must be. One that a spreadsheet would take for a
/// formula gets an apostrophe before it, as OWASP advises ("CSV Injection").
fn quoted(text: &str) -> String {
    let first = text.trim_start_matches([' ', '\u{feff}', '\u{a0}']).chars().next();
    let is_formula = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n'))
        || matches!(first, Some('＝' | '＋' | '－' | '＠'));
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    match text.contains(['"', ',', '\r', '\n', '\'', ';', '\t']) || text.trim() != text {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_they_must_be() {
        for (text, expected) in [
            ("RPCs for Noobs", "RPCs for Noobs"),
            ("", ""),
            ("Cats, dogs", "\"Cats, dogs\""),
            ("A \"word\"", "\"A \"\"word\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("a;b", "\"a;b\""),
            (" x ", "\" x \""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn no_text_is_a_formula() {
        for (text, expected) in [
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("-1+1", "\"'-1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("  @SUM(A1)", "\"'  @SUM(A1)\""),
            ("  =cmd|' /C calc'!A0", "\"'  =cmd|' /C calc'!A0\""),
            ("＝1", "\"'＝1\""),
            ("=\"x\"", "\"'=\"\"x\"\"\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(quoted("1 = 1"), "1 = 1");
    }

    #[test]
    fn a_line_has_its_fields_and_its_end() {
        let line = Line::default().plain(7).text("b,c").plain("-12.50").text("");
        assert_eq!(line.end(), "7,\"b,c\",-12.50,\r\n");
    }
}

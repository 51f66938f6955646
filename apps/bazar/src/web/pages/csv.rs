//! Orders as comma-separated values (RFC 4180) that a spreadsheet opens without
//! running any of it.

use larder_web::text::Moment;

use super::view::plain_price;
use crate::model::Order;

/// The first line.
pub(super) const HEAD: &str = "number,book,title,quantity,price,total,time\r\n";

/// The line of an order.
pub(super) fn line(order: &Order) -> String {
    let Order { number, book, quantity, .. } = order;
    let (title, at) = (field(&order.title), Moment::of(order.at).iso);
    let (price, total) = (plain_price(order.price_cents.into()), plain_price(order.total_cents()));
    format!("{number},{book},{title},{quantity},{price},{total},{at}\r\n")
}

/// A text, quoted if it must be. One that a spreadsheet would take for a
/// formula gets an apostrophe before it, as OWASP advises ("CSV Injection").
fn field(text: &str) -> String {
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
    use larder_clock::Timestamp;

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
            assert_eq!(field(text), expected);
        }
    }

    #[test]
    fn no_text_is_a_formula() {
        for (text, expected) in [
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("  =cmd|' /C calc'!A0", "\"'  =cmd|' /C calc'!A0\""),
            ("＝1", "\"'＝1\""),
            ("=\"x\"", "\"'=\"\"x\"\"\""),
        ] {
            assert_eq!(field(text), expected);
        }
        assert_eq!(field("1 = 1"), "1 = 1");
    }

    #[test]
    fn an_order_is_a_line() {
        let order = Order {
            number: 7,
            book: 2,
            title: "Xen, again".into(),
            quantity: 3,
            price_cents: 1_050,
            at: Timestamp(1_000_000_000_000_000),
        };
        assert_eq!(line(&order), "7,2,\"Xen, again\",3,10.50,31.50,2001-09-09T01:46:40Z\r\n");
        assert_eq!(HEAD.split(',').count(), 7);
    }
}

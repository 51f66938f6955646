//! The totals of each agency as bars: what was spent, is left, and went back.

use crate::model::Money;
use crate::store::Totals;

/// The width of the longest bar.
const WIDTH: i64 = 1000;

/// Bars, all of one scale.
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
}

/// The bar of an agency.
pub(super) struct Bar {
    pub(super) totals: Totals,
    /// The same in words.
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
}

/// A part of a bar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: &'static str,
    pub(super) x: i64,
    pub(super) width: i64,
}

impl Chart {
    /// The bars of these totals.
    pub(super) fn of(totals: &[Totals], currency: &str) -> Self {
        let most = totals.iter().map(|totals| totals.budget).max().unwrap_or_default();
        let bar = |totals: &Totals| {
            let Totals { agency, budget, balance, returned, .. } = totals;
            let spent = totals.spent();
            Bar {
                text: format!(
                    "{agency}: {budget} {currency} given, {spent} spent, {balance} left, \
                     {returned} returned"
                ),
                pieces: pieces([("spent", spent), ("left", *balance), ("back", *returned)], most),
                totals: totals.clone(),
            }
        };
        Self { bars: totals.iter().map(bar).collect() }
    }
}

/// Each begins where the one before it ends, so rounding leaves no gaps.
fn pieces(parts: [(&'static str, Money); 3], most: Money) -> Vec<Piece> {
    let most = i128::from(most.in_cents().max(1));
    let place = |cents: i64| i64::try_from(i128::from(cents) * i128::from(WIDTH) / most);
    let mut sum = 0_i64;
    let mut pieces = Vec::new();
    for (kind, part) in parts {
        let x = place(sum).unwrap_or(WIDTH);
        sum = sum.saturating_add(part.in_cents());
        let width = place(sum).unwrap_or(WIDTH) - x;
        if width > 0 {
            pieces.push(Piece { kind, x, width });
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_of_one_scale_and_have_no_gaps() {
        let totals = |budget, balance, returned| Totals {
            agency: "A".into(),
            accounts: 1,
            budget: Money::cents(budget),
            balance: Money::cents(balance),
            returned: Money::cents(returned),
        };
        let chart = Chart::of(&[totals(300, 100, 0), totals(150, 50, 100)], "EUR");
        let shown: Vec<Vec<_>> = chart
            .bars
            .iter()
            .map(|bar| bar.pieces.iter().map(|p| (p.kind, p.x, p.width)).collect())
            .collect();
        assert_eq!(shown[0], [("spent", 0, 666), ("left", 666, 334)]);
        assert_eq!(shown[1], [("left", 0, 166), ("back", 166, 334)]);
        assert!(Chart::of(&[], "EUR").bars.is_empty());
    }
}

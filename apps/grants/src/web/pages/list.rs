//! Lists: what a query asks for, and the way to the older ones.

use larder_web::text::encode;
use larder_web::{Fields, Problem};

use crate::model::State;

/// Things on a page.
pub(super) const SIZE: u32 = 25;

/// Things of one piece of a file.
pub(super) const PIECE: u32 = 500;

/// One of a list's tabs.
pub(super) struct TabLink {
    pub(super) title: &'static str,
    pub(super) count: u64,
    pub(super) url: String,
    pub(super) is_current: bool,
}

/// The tabs of proposals: name, title, and the states of those there; any if
/// none.
pub(super) type Tabs<const N: usize> = [(&'static str, &'static str, &'static [State]); N];

impl TabLink {
    /// Those of `tabs`, of which `current` is shown; `counts` are of all states.
    pub(super) fn all<const N: usize>(
        tabs: &Tabs<N>,
        current: &str,
        counts: &[(State, u64)],
        url: impl Fn(&str) -> String,
    ) -> Vec<Self> {
        let link = |(name, title, states): &(&'static str, &'static str, &'static [State])| Self {
            title,
            count: count(counts, states),
            url: url(name),
            is_current: *name == current,
        };
        tabs.iter().map(link).collect()
    }
}

/// How many there are in some states; in any if none is named.
pub(super) fn count(counts: &[(State, u64)], states: &[State]) -> u64 {
    let is_in = |state| states.is_empty() || states.contains(state);
    counts.iter().filter(|(state, _)| is_in(state)).map(|(_, count)| count).sum()
}

/// Links to the first page of a list and to the next one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pager {
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
}

impl Pager {
    /// Takes what is too much for one page from `things`, of which one more
    /// than a page was asked for. `url` is the list's address; `name` is that
    /// of the field that says where a page begins, which is that of the last
    /// thing of the page before.
    pub(super) fn cut<T>(
        things: &mut Vec<T>,
        url: &str,
        (name, is_first): (&str, bool),
        number: impl Fn(&T) -> u64,
    ) -> Self {
        let has_more = things.len() > SIZE as usize;
        things.truncate(SIZE as usize);
        let separator = if url.contains('?') { '&' } else { '?' };
        let last = things.last().filter(|_| has_more).map(number);
        Self {
            first: (!is_first).then(|| url.to_owned()),
            next: last.map(|last| format!("{url}{separator}{name}={last}")),
        }
    }
}

/// An address with those fields that say something.
pub(super) fn address(path: &str, fields: &[(&str, &str)]) -> String {
    let mut url = path.to_owned();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let separator = if url.contains('?') { '&' } else { '?' };
        url.push_str(&format!("{separator}{name}={}", encode(value)));
    }
    url
}

/// A number of a query, if it is there.
///
/// # Errors
/// It is none.
pub(super) fn number(fields: &Fields, name: &'static str) -> Result<Option<u64>, Problem> {
    match fields.get(name) {
        "" => Ok(None),
        text => {
            text.parse().ok().filter(|n| i64::try_from(*n).is_ok()).map(Some).ok_or_else(|| {
                Problem::bad_request(format!("The {name} must be a whole number.")).in_field(name)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_leads_to_its_next_page_only_if_there_is_one() {
        let cut = |count: u64, is_first| {
            let mut things: Vec<u64> = (1..=count).rev().collect();
            let pager = Pager::cut(&mut things, "/x?tab=all", ("before", is_first), |n| *n);
            (things.len(), pager.first, pager.next)
        };
        assert_eq!(cut(25, true), (25, None, None));
        let next = Some("/x?tab=all&before=2".to_owned());
        assert_eq!(cut(26, false), (25, Some("/x?tab=all".into()), next));
    }

    #[test]
    fn addresses_say_what_was_asked_for() {
        assert_eq!(address("/a", &[("x", ""), ("query", "a b"), ("y", "1")]), "/a?query=a%20b&y=1");
        let fields = Fields::new([("before".to_owned(), "x".to_owned())]);
        assert!(number(&fields, "before").is_err() && number(&fields, "after").is_ok());
    }
}

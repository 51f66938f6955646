//! Parts of pages that all sites show alike; each puts its layout around them.

use askama::Template;
use http::StatusCode;

use crate::{Problem, Visit};

/// The button that changes between light and dark colours.
pub const THEME_BUTTON: &str = include_str!("../templates/theme_button.html");

/// A link to go on by.
#[derive(Debug)]
pub struct Way {
    href: String,
    text: String,
    is_primary: bool,
}

impl Way {
    /// Where to go on most likely.
    pub fn primary(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self { href: href.into(), text: text.into(), is_primary: true }
    }

    /// Where else one may go on.
    pub fn other(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self { is_primary: false, ..Self::primary(href, text) }
    }
}

/// What a page for a problem says.
#[derive(Template)]
#[template(path = "problem.html")]
pub struct ProblemPart<'a> {
    problem: &'a Problem,
    request_id: &'a str,
    ways: Vec<Way>,
}

impl<'a> ProblemPart<'a> {
    /// A problem, with ways on.
    pub fn new(problem: &'a Problem, request_id: &'a str, ways: Vec<Way>) -> Self {
        Self { problem, request_id, ways }
    }

    /// A problem of a site whose administrator signs in at `sign_in`, if that
    /// is what is missing, and else goes on at `start`, which is called `text`.
    pub fn with_sign_in(
        problem: &'a Problem,
        request_id: &'a str,
        sign_in: &str,
        (start, text): (&str, &str),
    ) -> Self {
        let ways = match problem.status {
            StatusCode::UNAUTHORIZED => {
                vec![Way::primary(sign_in, "Sign in"), Way::other(start, text)]
            }
            _ => vec![Way::primary(start, text)],
        };
        Self::new(problem, request_id, ways)
    }

    /// The same with one more way on.
    #[must_use]
    pub fn or(mut self, href: &str, text: &str) -> Self {
        self.ways.push(Way::other(href, text));
        self
    }

    /// The page that has it in its layout. A template writes to memory only;
    /// should it fail all the same, the words matter more than the style.
    pub fn page(problem: &Problem, request_id: &str, page: &impl Template) -> String {
        page.render().unwrap_or_else(|_| format!("{} ({request_id})", problem.status))
    }
}

/// The form that asks for the administrator's token.
#[derive(Template)]
#[template(path = "token_form.html")]
pub struct TokenForm {
    action: String,
    form_token: String,
    next: String,
    problem: Option<&'static str>,
}

impl TokenForm {
    /// A form for [`sign_in`](crate::sign_in) at `action`, which leads to
    /// `next`; `problem` is what was wrong the last time.
    pub fn new(
        visit: &Visit,
        action: impl Into<String>,
        next: String,
        problem: Option<&'static str>,
    ) -> Self {
        let form_token = visit.form_token.value().to_owned();
        Self { action: action.into(), form_token, next, problem }
    }
}

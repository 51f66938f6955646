//! What all pages have around them: title, navigation, notices, assets, and who
//! served them; and the page for problems.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use larder_web::text::encode;
use larder_web::{Problem, ProblemPart, Visit, asset_url};
use rust_embed::RustEmbed;

use super::Web;
use crate::front::Served;
use crate::web::source_name;

/// Style sheet and scripts of the pages.
#[derive(RustEmbed)]
#[folder = "assets"]
pub(super) struct Files;

/// Where in the navigation a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Shop,
    Order,
    Replicas,
    Admin,
    /// Not in the navigation.
    None,
}

/// A message about what was just done. Its code stands in the address, never
/// its text, so nobody can put words into our mouth by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Bought,
    Added,
    Changed,
    Retired,
    Returned,
    Stopped,
    Started,
    SignedIn,
    SignedOut,
}

impl Notice {
    const ALL: [Self; 9] = [
        Self::Bought,
        Self::Added,
        Self::Changed,
        Self::Retired,
        Self::Returned,
        Self::Stopped,
        Self::Started,
        Self::SignedIn,
        Self::SignedOut,
    ];

    /// Its name in addresses.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Bought => "bought",
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Retired => "retired",
            Self::Returned => "returned",
            Self::Stopped => "stopped",
            Self::Started => "started",
            Self::SignedIn => "signed-in",
            Self::SignedOut => "signed-out",
        }
    }

    /// The notice with this code.
    pub(super) fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.code() == code)
    }

    /// What to tell the visitor.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Bought => "Thank you! Your purchase is made.",
            Self::Added => "The book is in the shop.",
            Self::Changed => "The change is in force, on every front end.",
            Self::Retired => "The book is sold no more.",
            Self::Returned => "The book is sold again.",
            Self::Stopped => "The replica has stopped; the others go on.",
            Self::Started => "The replica runs again.",
            Self::SignedIn => "You are signed in.",
            Self::SignedOut => "You are signed out.",
        }
    }
}

/// What the layout needs to know.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) tab: Tab,
    /// What every address of a page begins with.
    pub(super) base: String,
    pub(super) form_token: String,
    pub(super) is_signed_in: bool,
    pub(super) must_sign_in: bool,
    /// Path and query of the page.
    pub(super) here: String,
    pub(super) notice: Option<Notice>,
    /// Who answered: the front end, and whom it asked; empty if that can't be
    /// told.
    pub(super) served_by: String,
    /// Whether memory answered.
    pub(super) cache: Option<&'static str>,
}

/// One link of the navigation.
pub(super) struct Link {
    pub(super) tab: Tab,
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

const LINKS: [Link; 4] = [
    Link { tab: Tab::Shop, path: "/", text: "Shop" },
    Link { tab: Tab::Order, path: "/order", text: "Your order" },
    Link { tab: Tab::Replicas, path: "/replicas", text: "Replicas" },
    Link { tab: Tab::Admin, path: "/admin", text: "Admin" },
];

impl Web {
    /// What the layout needs for this visitor.
    pub(super) fn frame(&self, visit: &Visit, title: &str, tab: Tab) -> Frame {
        Frame {
            title: title.to_owned(),
            tab,
            base: self.base.to_string(),
            form_token: visit.form_token.value().to_owned(),
            is_signed_in: visit.is_signed_in,
            must_sign_in: visit.must_sign_in,
            here: format!("{}{}", self.base, visit.here),
            notice: Notice::of(visit.fields.get("done")),
            served_by: self.front.name().to_owned(),
            cache: None,
        }
    }

    /// Sends the browser to a page, where `notice` is shown.
    pub(super) fn go_to(&self, path: &str, notice: Notice) -> Response {
        larder_web::go_to(&format!("{}{path}", self.base), notice.code())
    }

    /// The way to the sign-in page for whoever needs it before this one.
    pub(super) fn sign_in_first(&self, visit: &Visit) -> Option<Response> {
        let here = format!("{}{}", self.base, visit.here);
        visit.must_sign_in.then(|| {
            Redirect::to(&format!("{}/sign-in?next={}", self.base, encode(&here))).into_response()
        })
    }
}

impl Frame {
    fn bare(title: String) -> Self {
        Self {
            title,
            tab: Tab::None,
            base: String::new(),
            form_token: String::new(),
            is_signed_in: false,
            must_sign_in: false,
            here: "/".into(),
            notice: None,
            served_by: String::new(),
            cache: None,
        }
    }

    /// Says at the bottom who answered; returns what.
    pub(super) fn note<T>(&mut self, served: Served<T>) -> T {
        if let Some(by) = &served.by {
            self.served_by = format!("{} and {by}", self.served_by);
        }
        self.cache = self.cache.or(served.source.map(source_name));
        served.value
    }

    /// The address of an asset.
    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}{}", self.base, asset_url::<Files>(name))
    }

    pub(super) fn links(&self) -> &'static [Link] {
        &LINKS
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Where to sign in and come back from.
    pub(super) fn sign_in_url(&self) -> String {
        format!("{}/sign-in?next={}", self.base, encode(&self.here))
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    part: ProblemPart<'a>,
}

/// A problem as a page.
pub(crate) fn error_page(problem: &Problem, request_id: &str) -> String {
    let frame = Frame::bare(problem.title.clone());
    let at = |path: &str| format!("{}{path}", frame.base);
    let start = (&*at("/"), "Go to the shop");
    let part = ProblemPart::with_sign_in(problem, request_id, &at("/sign-in"), start);
    let part = part.or(&at("/replicas"), "See who answers");
    ProblemPart::page(problem, request_id, &ErrorPage { frame, part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_found_by_its_code_only() {
        for notice in Notice::ALL {
            assert_eq!(Notice::of(notice.code()), Some(notice));
        }
        assert_eq!(Notice::of("<b>pay here</b>"), None);
    }

    #[test]
    fn a_problem_is_shown_escaped_with_its_request_id() {
        let problem = Problem::not_found("There is no <b>.").titled("Unknown <book>");
        let page = error_page(&problem, "00ff");
        assert!(page.contains("404") && page.contains("00ff"));
        assert!(page.contains("no &#60;b&#62;.") && page.contains("Unknown &#60;book&#62;"));
    }
}

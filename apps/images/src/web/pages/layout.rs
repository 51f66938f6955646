//! What all pages have around them: title, navigation, notices, assets; and
//! the page for problems.

use askama::Template;
use axum::response::Response;
use larder_web::{Problem, ProblemPart, Visit, asset_url};
use rust_embed::RustEmbed;

use super::text::encode;

/// Style sheet, scripts and pictures of the pages.
#[derive(RustEmbed)]
#[folder = "assets"]
pub(super) struct Files;

/// Where in the navigation a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Upload,
    Search,
    Keys,
    Cache,
    Statistics,
    Cluster,
    Docs,
    /// Not in the navigation.
    None,
}

/// A message about what was just done. Its code stands in the address, never
/// its text, so nobody can put words into our mouth by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Deleted,
    DeletedAll,
    Applied,
    Cleared,
    Defaults,
    Resized,
    SignedIn,
    SignedOut,
}

impl Notice {
    const ALL: [Self; 8] = [
        Self::Deleted,
        Self::DeletedAll,
        Self::Applied,
        Self::Cleared,
        Self::Defaults,
        Self::Resized,
        Self::SignedIn,
        Self::SignedOut,
    ];

    /// Its name in addresses.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::DeletedAll => "deleted-all",
            Self::Applied => "applied",
            Self::Cleared => "cleared",
            Self::Defaults => "defaults",
            Self::Resized => "resized",
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
            Self::Deleted => "The image was deleted.",
            Self::DeletedAll => "All images were deleted.",
            Self::Applied => "The settings are in force, and kept over a restart.",
            Self::Cleared => "The cache is empty now. All images are still in the store.",
            Self::Defaults => "The cache is back to its defaults.",
            Self::Resized => {
                "The pool has its new size; keys move to their owners as they are read."
            }
            Self::SignedIn => "You are signed in.",
            Self::SignedOut => "You are signed out.",
        }
    }
}

/// What the layout needs to know.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) tab: Tab,
    pub(super) form_token: String,
    pub(super) is_signed_in: bool,
    pub(super) must_sign_in: bool,
    /// Path and query of the page.
    pub(super) here: String,
    pub(super) notice: Option<Notice>,
}

/// One link of the navigation.
pub(super) struct Link {
    pub(super) tab: Tab,
    pub(super) href: &'static str,
    pub(super) text: &'static str,
}

const LINKS: [Link; 7] = [
    Link { tab: Tab::Upload, href: "/", text: "Upload" },
    Link { tab: Tab::Search, href: "/search", text: "Search" },
    Link { tab: Tab::Keys, href: "/keys", text: "Keys" },
    Link { tab: Tab::Cache, href: "/cache", text: "Cache" },
    Link { tab: Tab::Statistics, href: "/statistics", text: "Statistics" },
    Link { tab: Tab::Cluster, href: "/cluster", text: "Cluster" },
    Link { tab: Tab::Docs, href: "/docs", text: "API" },
];

impl Frame {
    /// What it needs for this visitor.
    pub(super) fn of(visit: &Visit, title: &str, tab: Tab) -> Self {
        Self {
            title: title.to_owned(),
            tab,
            form_token: visit.form_token.value().to_owned(),
            is_signed_in: visit.is_signed_in,
            must_sign_in: visit.must_sign_in,
            here: visit.here.clone(),
            notice: Notice::of(visit.fields.get("done")),
        }
    }

    fn bare(title: String) -> Self {
        Self {
            title,
            tab: Tab::None,
            form_token: String::new(),
            is_signed_in: false,
            must_sign_in: false,
            here: "/".into(),
            notice: None,
        }
    }

    /// The address of an asset.
    pub(super) fn asset(&self, name: &str) -> String {
        asset_url::<Files>(name)
    }

    pub(super) fn links(&self) -> &'static [Link] {
        &LINKS
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Where to sign in and come back from.
    pub(super) fn sign_in_url(&self) -> String {
        format!("/sign-in?next={}", encode(&self.here))
    }
}

/// Sends the browser to `path`, where `notice` is shown.
pub(super) fn go_to(path: &str, notice: Notice) -> Response {
    larder_web::go_to(path, notice.code())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    part: ProblemPart<'a>,
}

/// A problem as a page.
pub(crate) fn error_page(problem: &Problem, request_id: &str) -> String {
    let part = ProblemPart::with_sign_in(problem, request_id, "/sign-in", ("/", "Go to the start"));
    let part = part.or("/keys", "See all keys");
    let page = ErrorPage { frame: Frame::bare(problem.title.clone()), part };
    ProblemPart::page(problem, request_id, &page)
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
        let problem = Problem::not_found("There is no <b>.");
        let page = error_page(&problem, "00ff");
        assert!(page.contains("404") && page.contains("Not Found") && page.contains("00ff"));
        assert!(page.contains("no &#60;b&#62;."), "{page}");
    }
}

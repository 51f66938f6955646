//! What the pages have around them: title, notices, assets; and the page for
//! problems.

use askama::Template;
use axum::Router;
use axum::response::Response;
use larder_web::text::encode;
use larder_web::{Assets, Problem, ProblemPart, Visit, asset_url};
use rust_embed::RustEmbed;

/// Style sheet and script of the pages.
#[derive(RustEmbed)]
#[folder = "assets"]
struct Files;

/// The routes of all assets.
pub(super) fn assets() -> Router {
    Assets::<Files>::router().merge(larder_console::assets())
}

/// A message about what was just done. Its code stands in the address, never
/// its text, so nobody can put words into our mouth by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Applied,
    Cleared,
    Defaults,
    SignedIn,
    SignedOut,
}

impl Notice {
    const ALL: [Self; 5] =
        [Self::Applied, Self::Cleared, Self::Defaults, Self::SignedIn, Self::SignedOut];

    /// Its name in addresses.
    fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Cleared => "cleared",
            Self::Defaults => "defaults",
            Self::SignedIn => "signed-in",
            Self::SignedOut => "signed-out",
        }
    }

    /// The notice with this code.
    fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.code() == code)
    }

    /// What to tell the visitor.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Applied => "The settings are in force, until the server is started anew.",
            Self::Cleared => "The cache is empty now.",
            Self::Defaults => "The cache is back to the settings that it was started with.",
            Self::SignedIn => "You are signed in.",
            Self::SignedOut => "You are signed out.",
        }
    }
}

/// What the layout needs to know.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) form_token: String,
    pub(super) is_signed_in: bool,
    pub(super) must_sign_in: bool,
    /// Path and query of the page.
    pub(super) here: String,
    pub(super) notice: Option<Notice>,
}

impl Frame {
    /// What it needs for this visitor.
    pub(super) fn of(visit: &Visit, title: &str) -> Self {
        Self {
            title: title.to_owned(),
            form_token: visit.form_token.value().to_owned(),
            is_signed_in: visit.is_signed_in,
            must_sign_in: visit.must_sign_in,
            here: visit.here.clone(),
            notice: Notice::of(visit.fields.get("done")),
        }
    }

    /// The address of an asset.
    pub(super) fn asset(&self, name: &str) -> String {
        asset_url::<Files>(name)
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Where to sign in and come back from.
    pub(super) fn sign_in_url(&self) -> String {
        format!("/sign-in?next={}", encode(&self.here))
    }
}

/// Sends the browser to the cache's page, where `notice` is shown.
pub(super) fn go_back(notice: Notice) -> Response {
    larder_web::go_to("/", notice.code())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    part: ProblemPart<'a>,
}

/// A problem as a page.
pub(crate) fn error_page(problem: &Problem, request_id: &str) -> String {
    let page = ErrorPage {
        frame: Frame {
            title: problem.title.clone(),
            form_token: String::new(),
            is_signed_in: false,
            must_sign_in: false,
            here: "/".into(),
            notice: None,
        },
        part: ProblemPart::with_sign_in(problem, request_id, "/sign-in", ("/", "Go to the cache")),
    };
    ProblemPart::page(problem, request_id, &page)
}

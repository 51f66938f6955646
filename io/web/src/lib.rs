//! The web kit: what every service of Larder needs between the socket and its
//! route table. A listener with limits and a clean end, one guard around all
//! routes, errors that read well for programs and for people, sign-in for the
//! one administrator, visits and forms, embedded assets and the style that all
//! pages share. Knows no app.

mod access;
mod assets;
pub mod csv;
mod form;
mod guard;
mod guesses;
mod metrics;
mod parts;
mod peer;
mod problem;
mod server;
mod sign_in;
pub mod text;
mod visit;

pub use access::{Access, SignIn, cookie};
pub use assets::{Assets, asset_url};
pub use form::{FormToken, random};
pub use guard::{Peer, RequestId, Site, guard, is_same_origin, wants_html};
pub use guesses::Guesses;
pub use metrics::metrics_page;
pub use parts::{ProblemPart, THEME_BUTTON, TokenForm, Way};
pub use peer::{Client, ServiceToken, Told};
pub use problem::Problem;
pub use server::{Limits, Shutdown, WebConfig, listen, serve};
pub use sign_in::{NotSignedIn, local, sign_in, sign_out};
pub use visit::{Checked, Fields, Posted, Visit, go_to};

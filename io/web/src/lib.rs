//! The web kit: what every service of Larder needs between the socket and its
//! route table. A listener with limits and a clean end, one guard around all
//! routes, errors that read well for programs and for people, sign-in for the
//! one administrator, visits and forms, embedded assets and the style that all
//! pages share. Knows no app.

mod access;
mod assets;
mod form;
mod guard;
mod metrics;
mod problem;
mod server;
mod sign_in;
pub mod text;
mod visit;

pub use access::{Access, SignIn};
pub use assets::{Assets, asset_url};
pub use form::FormToken;
pub use guard::{Peer, RequestId, Site, guard};
pub use metrics::metrics_page;
pub use problem::Problem;
pub use server::{Limits, Shutdown, WebConfig, listen, serve};
pub use sign_in::{NotSignedIn, local, sign_in, sign_out};
pub use visit::{Checked, Fields, Posted, Visit, go_to};

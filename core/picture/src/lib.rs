//! Pictures as bytes: what an uploaded file is ([`probe()`]), and smaller
//! copies of it ([`render()`]).
//!
//! Pure: bytes in, values out. It never opens a file, never looks at a file's
//! name or at what a client says it is, never starts a thread, and reads no
//! clock. `probe` never decodes pixels and never allocates by a length found
//! in the file.

mod format;
mod limits;
mod probe;
mod refusal;
mod render;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
mod variant;

pub use crate::format::{Format, UnknownFormat};
pub use crate::limits::Limits;
pub use crate::probe::{Picture, probe};
pub use crate::refusal::{ProbeError, Refusal};
pub use crate::render::{RenderError, Rendered, render};
pub use crate::variant::{BadVariant, Encoding, Fit, MAX_OUTPUT_SIDE, Variant};

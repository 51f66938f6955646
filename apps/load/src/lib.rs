//! The load tool: runs mixes of requests against a service, checks every
//! answer, and reports what they took. It speaks only over the network, like
//! any other client, and shares no code with the services it measures.

mod drive;
mod error;
mod machine;
mod observe;
pub mod plan;
mod process;
mod record;
pub mod report;
pub mod results;
mod session;
mod stop;
mod stream;
pub mod target;
mod value;
mod versions;

pub use error::{Error, Result};
pub use observe::{Observer, Silent};
pub use session::{Entrant, Session};
pub use stop::Stop;
pub use stream::Request;
pub use value::picture::{Picture, read_folder};
pub use value::{Form, Values};

//! The protocol that keeps the memories of several nodes coherent, as a pure
//! step function: a read that begins after a write was acknowledged, on any
//! node, never returns the older value; where that can't be kept there is no
//! answer. Block, commit, release: a write first blocks its keys on every node
//! that may keep them, then commits in one transaction that also checks that
//! all of those have answered, and only then tells its client and releases.
//!
//! It is pure: no clock, chance, sockets, database or async runtime. A
//! [`Node`] is told what happens ([`Input`]) and says what to do ([`Output`]).
//! The same code is driven by the model in `tests/model`, which visits every
//! order of events, and by whoever has the sockets and the database.
//!
//! It holds no entries. What memory needs to know is small:
//!
//! - a hit is one look-up, one reading of the clock, and [`Word::serves`] on
//!   the word last published, all within the request;
//! - a miss is [`Node::begin_read`], a statement, [`Node::finish_read`];
//! - [`Output::Drop`] says what to forget, and an entry keeps the epoch of the
//!   [`Token`] it was installed under.
//!
//! The database keeps the [`Roster`]: who is in the cluster, in which epoch.
//! It counts a node out only after waiting for as long as that node's lease
//! can run, on clocks of which only the rate is trusted.

mod config;
mod fence;
mod lease;
mod membership;
mod message;
mod name;
mod node;
mod peer;
mod read;
mod requirements;
mod roster;
mod rules;
mod slots;
mod step;
mod time;
mod write;

pub use config::{Config, Database, Unsound};
pub use lease::{Lease, Word};
pub use message::{Envelope, Floor, Message};
pub use name::{BlockId, Epoch, Instance, NodeId, Slot, WriteId};
pub use node::Node;
pub use read::{Read, Verdict};
pub use requirements::{Refusal, Requirements};
pub use roster::{Member, Roster, Standing};
pub use rules::{Rule, Rules};
pub use slots::{Scope, Token};
pub use step::{Input, Outcome, Output, Reply, Statement};
pub use time::Time;

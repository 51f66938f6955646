//! The questions, each one file and one line here.

mod bazar;
mod forwards;
mod grants;
mod growth;
mod hits;
mod kills;
mod pool;
mod writes;

use anyhow::Result;

use crate::Effort;

/// Something to find out.
pub(crate) struct Question {
    /// How it is asked for.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Measures, and prints a table.
    pub(crate) ask: fn(Effort) -> Result<()>,
}

pub(crate) const QUESTIONS: &[Question] = &[
    Question { name: "hits", title: "A hit in a cluster and alone", ask: hits::ask },
    Question { name: "writes", title: "A write with more and more nodes", ask: writes::ask },
    Question { name: "kills", title: "Writes after a node was killed", ask: kills::ask },
    Question { name: "pool", title: "Hit ratio of a pool that grows", ask: pool::ask },
    Question { name: "forwards", title: "A hit, a peer's answer and a miss", ask: forwards::ask },
    Question { name: "bazar", title: "The bookstore", ask: bazar::ask },
    Question { name: "grants", title: "Research funding", ask: grants::ask },
    Question { name: "growth", title: "Many nodes, simulated", ask: growth::ask },
];

//! What several real nodes cost and gain: `larder images` processes over one
//! real PostgreSQL, all on this machine, asked over HTTP. What is compared is
//! measured in turns, so that a busy machine slows all alike; figures are
//! medians. It never judges whether answers are right; tests do.
//!
//! ```sh
//! LARDER_BINARY=target/release/larder \
//!     cargo run --release --manifest-path benchmarks/cluster/Cargo.toml -- hits writes
//! ```
//!
//! Without names it asks all questions, with `--quick` with a tenth of the
//! repetitions. Tables are Markdown on the standard output, as they come.

mod client;
mod figures;
mod picture;
mod questions;
mod site;

use anyhow::{Result, bail};

use crate::questions::{QUESTIONS, Question};

/// How often things are repeated.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    divisor: usize,
}

impl Effort {
    /// So often, or less when it has to be quick.
    pub(crate) fn times(self, repetitions: usize) -> usize {
        (repetitions / self.divisor).max(2)
    }
}

fn main() -> Result<()> {
    let (effort, chosen) = chosen()?;
    for question in chosen {
        println!("\n## {}\n", question.title);
        (question.ask)(effort)?;
    }
    Ok(())
}

fn chosen() -> Result<(Effort, Vec<&'static Question>)> {
    let mut effort = Effort { divisor: 1 };
    let mut chosen = Vec::new();
    for argument in std::env::args().skip(1) {
        match QUESTIONS.iter().find(|question| question.name == argument) {
            Some(question) => chosen.push(question),
            None if argument == "--quick" => effort.divisor = 10,
            None => {
                let names: Vec<&str> = QUESTIONS.iter().map(|question| question.name).collect();
                bail!("{argument} is none of --quick, {}", names.join(", "));
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(QUESTIONS);
    }
    Ok((effort, chosen))
}

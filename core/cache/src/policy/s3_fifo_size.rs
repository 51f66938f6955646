//! S3-FIFO by size: its queues, but what costs little per byte must be used
//! more often to stay. It never looks at a size alone: where cost is weight, it
//! is plain S3-FIFO, victim by victim.
//!
//! Source: the queues are those of `s3_fifo`; the rule is ours. An entry is
//! `n` times as dear to keep as the mean if it costs an n-th of what as many
//! bytes cost in the mean of all that is held. Then `n` uses count as one:
//!
//! - 2 n uses lead from the small queue into the main one, and n uses buy a
//!   round there, rounded to whole uses. Below a quarter none are needed for
//!   the main queue: so little room is given on trust.
//! - Those ten times as dear or more don't go to the main queue because they
//!   were missed once: they come back as newcomers.

use super::Item;
use super::s3_fifo::{Price, Queues, Worth};

/// How dear an entry may be that one miss brings into the main queue.
const DEAREST_TO_RETURN: f64 = 10.0;

/// S3-FIFO's queues under that rule.
pub(crate) type S3FifoSize = Queues<Density>;

/// What is held costs and weighs so much.
#[derive(Default)]
pub(crate) struct Density {
    cost: u64,
    weight: u64,
}

impl Density {
    /// How many times the mean room per cost an entry takes.
    fn dearness(&self, cost: u32, weight: u32) -> f64 {
        let mean = f64::from(weight) * self.cost as f64;
        let own = f64::from(cost) * self.weight as f64;
        // Without cost or weight none stands out, or one without end.
        if mean == own { 1.0 } else { mean / own }
    }
}

impl Worth for Density {
    type Cost = u32;

    const MOST_USES: u8 = 127;

    fn cost(item: Item) -> u32 {
        item.cost
    }

    fn add(&mut self, cost: u32, weight: u32) {
        self.cost += u64::from(cost);
        self.weight += u64::from(weight);
    }

    fn subtract(&mut self, cost: u32, weight: u32) {
        self.cost -= u64::from(cost);
        self.weight -= u64::from(weight);
    }

    fn price(&self, cost: u32, weight: u32) -> Price {
        let dearness = self.dearness(cost, weight);
        let most = f64::from(Self::MOST_USES);
        let stay = dearness.round().clamp(1.0, most) as u8;
        Price {
            entry: (2.0 * dearness).round().min(most) as u8,
            stay,
            most: stay.saturating_mul(3).min(Self::MOST_USES),
            returns: dearness < DEAREST_TO_RETURN,
        }
    }
}

//! Whoever watches a run: a progress bar, a test. It never changes what is run.

use crate::plan::Step;
use crate::results::{Measured, Slice};

/// Is told what happens, as it happens.
pub trait Observer: Send + Sync {
    /// A target is made ready: so many of so many things are done.
    fn prepared(&self, target: &str, done: u64, of: u64) {
        let _ = (target, done, of);
    }

    /// A step begins; `number` of `of`, counted over all rounds and targets.
    fn begun(&self, target: &str, step: &Step, number: usize, of: usize) {
        let _ = (target, step, number, of);
    }

    /// A while of the step has passed; `share` of it is done.
    fn passed(&self, slice: &Slice, share: f64) {
        let _ = (slice, share);
    }

    /// The step has ended.
    fn ended(&self, measured: &Measured) {
        let _ = measured;
    }
}

/// Watches nothing.
pub struct Silent;

impl Observer for Silent {}

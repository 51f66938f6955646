//! Exponential ageing. Old counts are never touched: new ones count for more,
//! until all are divided.

/// What a request counts by now, beside one at the start: it doubles every
/// half-life.
pub(super) struct Ageing {
    half_life: f64,
    pub(super) weight: f64,
}

/// What a request counts in the long run and in the short.
#[derive(Clone, Copy)]
pub(super) struct Ages {
    pub(super) long: f64,
    pub(super) short: f64,
}

impl Ageing {
    /// `None` never forgets.
    pub(super) fn new(half_life: Option<u64>) -> Self {
        let half_life = half_life.map_or(f64::INFINITY, |requests| requests.max(1) as f64);
        Self { half_life, weight: 1.0 }
    }

    /// Requests went by. Some factor to multiply all counts with, when it is
    /// time.
    pub(super) fn pass(&mut self, requests: u64) -> Option<f64> {
        self.weight *= (requests as f64 / self.half_life).min(200.0).exp2();
        (self.weight > 1e60).then(|| std::mem::replace(&mut self.weight, 1.0).recip())
    }
}

//! From a sample of keys to all keys. It never sees a key: all it knows are
//! sums over groups of them.
//!
//! Source: the generalised regression estimator of survey sampling (Särndal,
//! Swensson and Wretman, "Model assisted survey sampling", 1992, chapter 6),
//! with groups of keys drawn by their hash instead of single keys, so that
//! the sums are small and a stream can keep them; and the variance from
//! between the groups ("random groups", ibid., chapter 11).

use super::tally::GROUPS;

/// One sum per group, each already divided by the sampling rate.
pub(super) type Sums = [f64; GROUPS];

/// What is known of all keys, and of the sample too.
pub(super) struct Control {
    pub(super) sampled: Sums,
    pub(super) truth: f64,
    /// What one of the estimated makes in the control's unit.
    pub(super) unit: f64,
}

/// An estimated part of what was requested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) part: f64,
    /// One standard deviation.
    pub(super) deviation: f64,
}

/// The part that `missed` is of `requested`.
///
/// `doubtful` is what of `requested` is of the sample too, and errs with it;
/// `left_out` is the part of the keys that is not in the sample.
pub(super) fn estimate(
    missed: &Sums,
    control: Option<&Control>,
    requested: f64,
    doubtful: &Sums,
    left_out: f64,
) -> Part {
    let mut sum: f64 = missed.iter().sum();
    let mut residuals = *missed;
    if let Some(control) = control {
        let slope = slope(missed, control);
        sum += slope * (control.truth - control.sampled.iter().sum::<f64>());
        for (residual, sampled) in residuals.iter_mut().zip(&control.sampled) {
            *residual -= slope * sampled;
        }
    }
    let part = sum / requested;
    for (residual, doubtful) in residuals.iter_mut().zip(doubtful) {
        *residual -= part * doubtful;
    }
    // Two degrees of freedom went into the mean and the slope.
    let groups = GROUPS as f64;
    let variance = left_out * squares(&residuals, &residuals) * groups / (groups - 2.0);
    Part { part, deviation: variance.sqrt() / requested }
}

/// How much more is missed for each that the cache missed more: at most two,
/// since chance may make a line of anything where there is little to see.
fn slope(missed: &Sums, control: &Control) -> f64 {
    let square = squares(&control.sampled, &control.sampled);
    if square <= 0.0 {
        return 0.0;
    }
    (squares(missed, &control.sampled) / square).clamp(-2.0 * control.unit, 2.0 * control.unit)
}

/// The sum of the products of what each is off its mean.
fn squares(some: &Sums, other: &Sums) -> f64 {
    let mean = |sums: &Sums| sums.iter().sum::<f64>() / GROUPS as f64;
    let (mean, other_mean) = (mean(some), mean(other));
    some.iter().zip(other).map(|(some, other)| (some - mean) * (other - other_mean)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is missed in proportion to the control needs no luck in the draw.
    #[test]
    fn the_control_corrects_the_draw() {
        let sampled: Sums = std::array::from_fn(|group| 10.0 + group as f64);
        let missed = sampled.map(|sum| 3.0 + sum / 2.0);
        let drawn: f64 = sampled.iter().sum();
        let control = Control { sampled, truth: drawn + 100.0, unit: 1.0 };
        let doubtful = [0.0; GROUPS];
        let Part { part, deviation } = estimate(&missed, Some(&control), 1000.0, &doubtful, 0.5);
        let expected = (missed.iter().sum::<f64>() + 50.0) / 1000.0;
        assert!((part - expected).abs() < 1e-12 && deviation < 1e-6, "{part} {deviation}");
        let naive = estimate(&missed, None, 1000.0, &doubtful, 0.5);
        assert!(naive.part < part && naive.deviation > 0.01, "{naive:?}");
    }

    #[test]
    fn nothing_left_out_is_no_error() {
        let missed: Sums = std::array::from_fn(|group| group as f64);
        assert_eq!(estimate(&missed, None, 1000.0, &[0.0; GROUPS], 0.0).deviation, 0.0);
    }
}

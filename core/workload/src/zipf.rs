//! Keys by Zipf's law: the item of rank k is asked for in proportion to
//! 1 / (k + 1)^exponent. It never makes a table of the items, so a billion of
//! them cost no more than ten.

use crate::random::SplitMix64;

/// Zipf's law over a number of items, drawn by rejection-inversion: Hörmann
/// and Derflinger, "Rejection-inversion to generate variates from monotone
/// discrete distributions", ACM TOMACS 6(3), 1996. Constant time and space.
///
/// ```
/// use larder_workload::random::SplitMix64;
/// use larder_workload::zipf::Zipf;
///
/// let zipf = Zipf::new(1_000_000_000, 0.99).expect("both are in range");
/// let rank = zipf.draw(&mut SplitMix64::new(42));
/// assert!(rank < 1_000_000_000);
/// ```
#[derive(Clone, Debug)]
pub struct Zipf {
    items: u64,
    exponent: f64,
    /// The area under the hat over all items, from one end to the other.
    area_begin: f64,
    area_end: f64,
    /// Up to this distance left of an item, nothing is ever rejected.
    sure: f64,
}

impl Zipf {
    /// The law over `items` items, 1 to 2^52 (beyond, doubles don't tell
    /// neighbours apart), with an exponent above 0; web caches are usually
    /// modelled with 0.6 to 1.2. `None` outside of that.
    #[must_use]
    pub fn new(items: u64, exponent: f64) -> Option<Self> {
        let in_range = (1..=1 << 52).contains(&items) && exponent > 0.0 && exponent.is_finite();
        in_range.then(|| Self {
            items,
            exponent,
            area_begin: area(1.5, exponent) - 1.0,
            area_end: area(items as f64 + 0.5, exponent),
            sure: 2.0 - area_inverse(area(2.5, exponent) - height(2.0, exponent), exponent),
        })
    }

    /// How many items there are.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The rank of the next item: 0 is the one most asked for.
    pub fn draw(&self, random: &mut SplitMix64) -> u64 {
        loop {
            let drawn = self.area_end + random.next_f64() * (self.area_begin - self.area_end);
            let place = area_inverse(drawn, self.exponent);
            // Casts stay at the ends of the range, whatever rounding did.
            let item = ((place + 0.5) as u64).clamp(1, self.items);
            let at = item as f64;
            if at - place <= self.sure
                || drawn >= area(at + 0.5, self.exponent) - height(at, self.exponent)
            {
                return item - 1;
            }
        }
    }
}

/// The hat: x^-exponent.
fn height(x: f64, exponent: f64) -> f64 {
    (-exponent * x.ln()).exp()
}

/// The area under the hat from 1 to x: (x^(1-exponent) - 1) / (1-exponent), or
/// ln x where the exponent is 1, without losing digits close to 1.
fn area(x: f64, exponent: f64) -> f64 {
    let log = x.ln();
    expm1_ratio((1.0 - exponent) * log) * log
}

/// The x up to which the area is this.
fn area_inverse(area: f64, exponent: f64) -> f64 {
    // Below -1 only by rounding, where the logarithm would not exist.
    let scaled = (area * (1.0 - exponent)).max(-1.0);
    (ln_1p_ratio(scaled) * area).exp()
}

/// (e^x - 1) / x, and its limit at 0 by the series.
fn expm1_ratio(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 * (1.0 + x / 3.0) }
}

/// ln(1 + x) / x, and its limit at 0 by the series.
fn ln_1p_ratio(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x * (0.5 - x / 3.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPONENTS: [f64; 8] = [0.05, 0.5, 0.99, 1.0, 1.000_000_001, 1.2, 2.0, 5.0];

    fn exact(items: u64, exponent: f64) -> Vec<f64> {
        let weights: Vec<f64> = (1..=items).map(|k| (k as f64).powf(-exponent)).collect();
        let all: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / all).collect()
    }

    #[test]
    fn small_ranges_come_out_with_the_exact_probabilities() {
        const DRAWS: usize = 400_000;
        for exponent in EXPONENTS {
            for items in [1, 2, 3, 10, 100] {
                let zipf = Zipf::new(items, exponent).unwrap();
                let mut random = SplitMix64::new(items ^ exponent.to_bits());
                let mut counts = vec![0u32; items as usize];
                for _ in 0..DRAWS {
                    counts[zipf.draw(&mut random) as usize] += 1;
                }
                for (rank, probability) in exact(items, exponent).into_iter().enumerate() {
                    let expected = probability * DRAWS as f64;
                    // Five standard deviations, and half a count for the rare.
                    let bound = 5.0 * (expected * (1.0 - probability)).sqrt() + 5.0;
                    let off = (f64::from(counts[rank]) - expected).abs();
                    assert!(off <= bound, "{exponent} {items} rank {rank}: off by {off} > {bound}");
                }
            }
        }
    }

    #[test]
    fn the_first_thousand_of_a_billion_get_their_share() {
        let items = 1_000_000_000u64;
        let zipf = Zipf::new(items, 0.99).unwrap();
        let mut random = SplitMix64::new(9);
        let draws = 200_000;
        let mut first = 0u32;
        let mut far = 0u32;
        for _ in 0..draws {
            let rank = zipf.draw(&mut random);
            assert!(rank < items);
            first += u32::from(rank < 1000);
            far += u32::from(rank >= items / 2);
        }
        // The sum over the head is exact, that over the tail an integral.
        let head: f64 = (1..=1000).map(|k| f64::from(k).powf(-0.99)).sum();
        let whole = head + area(items as f64 + 0.5, 0.99) - area(1000.5, 0.99);
        let share = f64::from(first) / f64::from(draws);
        assert!((share - head / whole).abs() < 0.006, "{share} is not {}", head / whole);
        let upper = (area(items as f64, 0.99) - area(items as f64 / 2.0, 0.99)) / whole;
        let share = f64::from(far) / f64::from(draws);
        assert!((share - upper).abs() < 0.004, "{share} is not {upper}");
    }

    #[test]
    fn the_same_seed_draws_the_same_stream_and_another_another() {
        let zipf = Zipf::new(1000, 0.99).unwrap();
        let stream = |seed| {
            let mut random = SplitMix64::new(seed);
            (0..100).map(|_| zipf.draw(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(stream(1), stream(1));
        assert_ne!(stream(1), stream(2));
    }

    #[test]
    fn what_is_no_law_is_refused() {
        assert!(Zipf::new(0, 1.0).is_none());
        assert!(Zipf::new((1 << 52) + 1, 1.0).is_none());
        for exponent in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Zipf::new(10, exponent).is_none());
        }
    }
}

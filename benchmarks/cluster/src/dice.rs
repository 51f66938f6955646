//! Numbers that look random and are the same for the same seed. Never asks the
//! machine for chance.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..1`.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Ranks of which the k-th is asked for in proportion to `k^-exponent`.
pub(crate) struct Zipf {
    /// How likely a rank up to this one is.
    up_to: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=ranks)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        Self { up_to: sums.iter().map(|part| part / sum).collect() }
    }

    /// A rank, from 0.
    pub(crate) fn draw(&self, dice: &mut Dice) -> usize {
        let share = dice.share();
        self.up_to.partition_point(|&up_to| up_to <= share).min(self.up_to.len() - 1)
    }
}

//! How large values are: one size, or drawn from a distribution.

use std::fmt;
use std::str::FromStr;

use crate::random::SplitMix64;

/// No value is larger, whatever a distribution's tail says.
const LARGEST_BYTES: f64 = 1_073_741_824.0;

/// A law of sizes, in bytes.
///
/// ```
/// use larder_workload::sizes::Sizes;
///
/// assert_eq!("100KB".parse(), Ok(Sizes::Fixed(102_400)));
/// assert_eq!("1KB..64KB".parse(), Ok(Sizes::Uniform { least: 1024, most: 65_536 }));
/// assert_eq!("lognormal:20KB:1.5".parse(), Ok(Sizes::LogNormal { median: 20_480, sigma: 1.5 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sizes {
    /// All are this large.
    Fixed(u32),
    /// Each size from the least to the most is as likely as the others.
    Uniform {
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
    },
    /// The logarithm is normal, as that of files and web objects is found to be
    /// (Downey, "The structural cause of file size distributions", 2001).
    LogNormal {
        /// Half of all are smaller.
        median: u32,
        /// The standard deviation of the natural logarithm; 1 to 2 for the web.
        sigma: f64,
    },
}

impl Sizes {
    /// The next size.
    pub fn draw(&self, random: &mut SplitMix64) -> u32 {
        match *self {
            Self::Fixed(size) => size,
            Self::Uniform { least, most } => {
                let above = random.below(u64::from(most - least) + 1);
                least + u32::try_from(above).unwrap_or(0)
            }
            Self::LogNormal { median, sigma } => {
                let size = f64::from(median) * (sigma * normal(random)).exp();
                size.clamp(1.0, LARGEST_BYTES) as u32
            }
        }
    }
}

/// A draw from the normal distribution (Box and Muller, 1958).
fn normal(random: &mut SplitMix64) -> f64 {
    // The logarithm of 0 isn't a number: 1 - x is never 0.
    let radius = (-2.0 * (1.0 - random.next_f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.next_f64()).cos()
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Uniform { least, most } => write!(f, "{least}..{most}"),
            Self::LogNormal { median, sigma } => write!(f, "lognormal:{median}:{sigma}"),
        }
    }
}

/// A text names no law of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSizes;

impl fmt::Display for NoSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected a size such as 100KB, a range such as 1KB..64KB, or \
             lognormal:MEDIAN:SIGMA such as lognormal:20KB:1.5; at most 1GB",
        )
    }
}

impl std::error::Error for NoSizes {}

impl FromStr for Sizes {
    type Err = NoSizes;

    fn from_str(text: &str) -> Result<Self, NoSizes> {
        if let Some(law) = text.strip_prefix("lognormal:") {
            let (median, sigma) = law.split_once(':').ok_or(NoSizes)?;
            let sigma: f64 = sigma.parse().map_err(|_| NoSizes)?;
            let is_law = sigma.is_finite() && sigma >= 0.0;
            let median = bytes(median)?;
            return if is_law { Ok(Self::LogNormal { median, sigma }) } else { Err(NoSizes) };
        }
        match text.split_once("..") {
            None => bytes(text).map(Self::Fixed),
            Some((least, most)) => {
                let (least, most) = (bytes(least)?, bytes(most)?);
                if least <= most { Ok(Self::Uniform { least, most }) } else { Err(NoSizes) }
            }
        }
    }
}

/// A size with or without a unit (powers of 1024).
fn bytes(text: &str) -> Result<u32, NoSizes> {
    let text = text.trim().to_ascii_uppercase();
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "B" => 1.0,
        "K" | "KB" => 1024.0,
        "M" | "MB" => 1_048_576.0,
        "G" | "GB" => LARGEST_BYTES,
        _ => return Err(NoSizes),
    };
    let size = number.trim().parse::<f64>().map_err(|_| NoSizes)? * factor;
    if (1.0..=LARGEST_BYTES).contains(&size) { Ok(size as u32) } else { Err(NoSizes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(law: &str) -> Vec<u32> {
        let law: Sizes = law.parse().unwrap();
        let mut random = SplitMix64::new(5);
        (0..20_000).map(|_| law.draw(&mut random)).collect()
    }

    #[test]
    fn sizes_keep_to_their_law() {
        assert!(drawn("7").iter().all(|&size| size == 7));
        let uniform = drawn("10..19");
        assert!((10..20).all(|size| uniform.iter().filter(|&&it| it == size).count() > 1700));
        assert!(uniform.iter().all(|size| (10..20).contains(size)));
        let mut web = drawn("lognormal:20KB:1.5");
        web.sort_unstable();
        assert!((19_000..22_000).contains(&web[web.len() / 2]), "median {}", web[web.len() / 2]);
        // One standard deviation above the median is e^1.5 of it.
        let (found, expected) = (f64::from(web[web.len() * 8413 / 10_000]), 20_480.0 * 4.4817);
        assert!((found / expected - 1.0).abs() < 0.1, "{found} is not {expected}");
    }

    #[test]
    fn the_same_seed_draws_the_same_sizes() {
        assert_eq!(drawn("lognormal:1KB:1"), drawn("lognormal:1KB:1"));
    }

    #[test]
    fn what_is_no_law_is_refused() {
        for text in ["", "0", "-1", "5..2", "2GB", "1XB", "lognormal:1KB", "lognormal:1KB:-1"] {
            assert_eq!(text.parse::<Sizes>(), Err(NoSizes), "{text}");
        }
    }
}

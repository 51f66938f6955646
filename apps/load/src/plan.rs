//! What is to be run: the nouns of a plan, without doing any of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use larder_workload::arrivals::Spread;
use larder_workload::sizes::Sizes;
use larder_workload::trace::Trace;
use serde::{Deserialize, Serialize};

/// Reads to writes, in percent: `20:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ratio {
    /// Percent of reads; the rest are writes.
    pub reads: u8,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.reads, 100 - self.reads)
    }
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected reads:writes that are 100 together, such as 80:20".to_owned();
        let (reads, writes) = text.split_once(':').ok_or_else(wrong)?;
        let (reads, writes): (u8, u8) =
            (reads.parse().map_err(|_| wrong())?, writes.parse().map_err(|_| wrong())?);
        let is_whole = u16::from(reads) + u16::from(writes) == 100;
        if is_whole { Ok(Self { reads }) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Ratio {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Ratio> for String {
    fn from(ratio: Ratio) -> Self {
        ratio.to_string()
    }
}

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many requests.
    Requests(u64),
    /// So many seconds.
    Seconds(f64),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests(requests) => write!(f, "{requests} requests"),
            Self::Seconds(seconds) => write!(f, "{seconds} s"),
        }
    }
}

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// When a client has its answer.
    Closed,
    /// At its time, whether or not others are answered: latencies count from
    /// then.
    Open {
        /// Requests a second.
        per_second: f64,
        /// How they are spread.
        spread: Spread,
    },
}

/// One setting that is measured for itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Reads to writes.
    pub ratio: Ratio,
    /// Clients, each with a connection.
    pub clients: usize,
    /// How long.
    pub amount: Amount,
}

impl Step {
    /// As in `80:20, 16 clients, 1000 requests`.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{}, {}, {}", self.ratio, clients_in_words(self.clients), self.amount)
    }
}

/// As in `1 client`.
pub(crate) fn clients_in_words(clients: usize) -> String {
    if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") }
}

/// Which key is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Skew {
    /// Each as often as the others.
    Uniform,
    /// By Zipf's law with this exponent.
    Zipf(f64),
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(exponent) => write!(f, "zipf:{exponent}"),
        }
    }
}

impl FromStr for Skew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let exponent = match text {
            "uniform" => return Ok(Self::Uniform),
            "zipf" => Some(0.99),
            text => text.strip_prefix("zipf:").and_then(|exponent| exponent.parse().ok()),
        };
        exponent
            .filter(|exponent: &f64| *exponent > 0.0 && exponent.is_finite())
            .map(Self::Zipf)
            .ok_or_else(|| "expected uniform, zipf or zipf:EXPONENT such as zipf:0.9".to_owned())
    }
}

/// Which requests there are, whatever is asked.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Repeats the stream exactly.
    pub seed: u64,
    /// Keys there are.
    pub keys: u64,
    /// Which of them is asked for.
    pub skew: Skew,
    /// How large values are.
    pub sizes: Sizes,
    /// Keys and sizes from a recording instead.
    pub trace: Option<Arc<Trace>>,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which requests.
    pub workload: Workload,
    /// What is measured, in order.
    pub steps: Vec<Step>,
    /// How often all steps are repeated.
    pub rounds: u32,
    /// When requests are sent.
    pub pace: Pace,
    /// Before each step, the same without being measured.
    pub warm_up: Duration,
    /// Requests that a client sends before it reads answers; 1 where the
    /// target can't.
    pub depth: usize,
}

impl Plan {
    /// Every combination: for each ratio and number of clients, each amount.
    #[must_use]
    pub fn steps(ratios: &[Ratio], clients: &[usize], amounts: &[Amount]) -> Vec<Step> {
        let of = |ratio| {
            clients.iter().flat_map(move |&clients| {
                amounts.iter().map(move |&amount| Step { ratio, clients, amount })
            })
        };
        ratios.iter().copied().flat_map(of).collect()
    }

    /// The most clients of any step.
    #[must_use]
    pub fn most_clients(&self) -> usize {
        self.steps.iter().map(|step| step.clients).max().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_read_and_refused() {
        assert_eq!("20:80".parse(), Ok(Ratio { reads: 20 }));
        assert_eq!(Ratio { reads: 20 }.to_string(), "20:80");
        for text in ["", "50", "50:51", "-1:101", "a:b", "101:0"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    #[test]
    fn skews_are_read_and_refused() {
        assert_eq!("zipf:1.2".parse(), Ok(Skew::Zipf(1.2)));
        assert_eq!("uniform".parse(), Ok(Skew::Uniform));
        for text in ["", "zipf:", "zipf:0", "zipf:nan", "normal"] {
            assert!(text.parse::<Skew>().is_err(), "{text}");
        }
    }
}

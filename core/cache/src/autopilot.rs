//! Chooses the policy of a cache by how the ghosts of all policies fare at
//! its capacity. It only ever answers; changing the cache is up to the caller.
//!
//! It follows the leader, slowly: following the best of several experts by
//! what they have scored so far is a standard answer to the question whom to
//! trust, and loses little to the best one in hindsight if the lead changes
//! seldom (Hannan, "Approximation to Bayes risk in repeated play", 1957;
//! Kalai and Vempala, "Efficient algorithms for online decision problems",
//! JCSS 71(3), 2005). That caches can do so with ghosts was shown by Ari,
//! Amer, Gramacy, Miller, Brandt and Long, "ACME: adaptive caching using
//! multiple experts", 2002. The scores are aged, so the leader is that of the
//! recent past. To be seldom wrong and never restless:
//!
//! - a margin: the lead must exceed what the sample may be off by, and more;
//! - patience: in several windows one after the other;
//! - a dwell: a change has to be given time before the next;
//! - a floor: a policy that falls behind S3-FIFO, which nowhere collapsed, is left
//!   for that at once.

use std::collections::VecDeque;

use crate::PolicyKind;
use crate::what_if::{Standing, Standings};

/// Who sets the floor.
const REFUGE: PolicyKind = PolicyKind::S3Fifo;

/// Whom to begin with while nothing is known: on average the best of all that
/// were measured.
const START: PolicyKind = PolicyKind::WTinyLfu;

/// What an [`Autopilot`] is built with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caution {
    /// How much larger a part must hit, beyond the error of the estimate, for
    /// a change. Default 0.002.
    pub margin: f64,
    /// What a change costs, in hits per entry of the cache: so many must have
    /// been lost by not having changed. Default 0.1, as measured between many
    /// pairs: entries stay through a change, but what the policy knew of keys
    /// that are not here does not.
    pub cost_per_item: f64,
    /// In how many windows one after the other. Default 3.
    pub windows: u32,
    /// The least requests of a window: calls in between are ignored. Default
    /// 1000.
    pub window_requests: u64,
    /// The same for each entry of the cache. Default 0.3.
    pub window_per_item: f64,
    /// The least requests between two changes. Default 10 000.
    pub dwell_requests: u64,
    /// How far behind S3-FIFO a policy may be, beyond the error of the
    /// estimate, before it is left without waiting. Default 0.02.
    pub floor: f64,
    /// The most decisions to keep in the log. Default 100.
    pub log_length: usize,
}

impl Default for Caution {
    fn default() -> Self {
        Self {
            margin: 0.002,
            cost_per_item: 0.1,
            windows: 3,
            window_requests: 1000,
            window_per_item: 0.3,
            dwell_requests: 10_000,
            floor: 0.02,
            log_length: 100,
        }
    }
}

/// One change of policy, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When, in requests to the cache since the start.
    pub at_requests: u64,
    /// The policy until then.
    pub from: PolicyKind,
    /// The policy since.
    pub to: PolicyKind,
    /// How much larger a part would hit, by the ghosts, -1 to 1.
    pub expected_gain: f64,
    /// One sentence for people.
    pub reason: String,
}

/// Decides, window by window.
#[derive(Clone, Debug)]
pub struct Autopilot {
    caution: Caution,
    log: VecDeque<Decision>,
    /// When the last window ended, and the last change was made.
    window_at: u64,
    changed_at: Option<u64>,
    /// For how many windows in a row each policy has been ahead.
    windows: Vec<u32>,
    has_begun: bool,
}

impl Autopilot {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(caution: Caution) -> Self {
        let log = VecDeque::new();
        Self { caution, log, window_at: 0, changed_at: None, windows: Vec::new(), has_begun: false }
    }

    /// The latest changes, oldest first; a bounded number of them.
    #[must_use]
    pub fn log(&self) -> &VecDeque<Decision> {
        &self.log
    }

    /// The end of a window, after so many requests since the start: the
    /// policy to change to, or `None`. What it answers it takes for done.
    pub fn consider(&mut self, requests: u64, standings: &Standings) -> Option<PolicyKind> {
        // Of a large cache little is seen in a short time.
        let by_items = (self.caution.window_per_item * standings.items) as u64;
        let window = self.caution.window_requests.max(by_items);
        let is_early = requests < self.window_at.saturating_add(window);
        if is_early || standings.policies.is_empty() {
            return None;
        }
        self.window_at = requests;
        self.count_windows(standings);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let start = self.begin(standings).filter(|_| is_first);
        let (to, reason) = match start {
            Some(start) => {
                let title = START.title();
                (start, format!("too little is known as yet; {title} is the best to begin with"))
            }
            None => {
                let chosen = self.leave(standings).or_else(|| self.follow(requests, standings))?;
                self.changed_at = Some(requests);
                chosen
            }
        };
        self.windows.clear();
        if self.log.len() >= self.caution.log_length {
            self.log.pop_front();
        }
        self.log.push_back(Decision {
            at_requests: requests,
            from: standings.present,
            to: to.policy,
            expected_gain: to.gain,
            reason,
        });
        Some(to.policy)
    }

    /// For how many windows in a row each policy has been well ahead.
    fn count_windows(&mut self, standings: &Standings) {
        self.windows.resize(standings.policies.len(), 0);
        let price = self.caution.price(standings);
        for (windows, standing) in self.windows.iter_mut().zip(&standings.policies) {
            let is_ahead = sure(standing) > price;
            *windows = if is_ahead { *windows + 1 } else { 0 };
        }
    }

    /// The change to make because the present policy is too far behind the
    /// refuge: to that, as a leader of so short a time is not to be trusted.
    fn leave<'a>(&self, standings: &'a Standings) -> Option<(&'a Standing, String)> {
        let refuge = find(standings, REFUGE)?;
        if sure(refuge) <= self.caution.floor {
            return None;
        }
        let reason = format!(
            "{} fell {:.1} points behind {}, more than the floor allows",
            standings.present.title(),
            100.0 * refuge.gain,
            REFUGE.title(),
        );
        Some((refuge, reason))
    }

    /// The change to make because somebody has been ahead for long enough.
    fn follow<'a>(
        &self,
        requests: u64,
        standings: &'a Standings,
    ) -> Option<(&'a Standing, String)> {
        let rests = self.caution.dwell_requests;
        if self.changed_at.is_some_and(|at| requests < at.saturating_add(rests)) {
            return None;
        }
        let patient = standings.policies.iter().zip(&self.windows);
        let patient = patient.filter(|(_, windows)| **windows >= self.caution.windows);
        let (leader, windows) = patient.max_by(|a, b| by_sureness(&a.0, &b.0))?;
        let reason = format!(
            "{} led {} by {:.1} points in {windows} windows in a row",
            leader.policy.title(),
            standings.present.title(),
            100.0 * leader.gain,
        );
        Some((leader, reason))
    }

    /// Whom to begin with, unless the present policy is as safe or has proved
    /// to be better.
    fn begin<'a>(&self, standings: &'a Standings) -> Option<&'a Standing> {
        let start = find(standings, START)?;
        let is_known = standings.requests >= self.caution.dwell_requests as f64;
        let is_worse = is_known && start.gain + start.error < -self.caution.margin;
        let is_safe = [START, REFUGE].contains(&standings.present);
        (!is_safe && !is_worse).then_some(start)
    }
}

impl Caution {
    /// The lead that pays for a change.
    fn price(&self, standings: &Standings) -> f64 {
        let cost = self.cost_per_item * standings.items / standings.requests.max(1.0);
        cost.max(self.margin)
    }
}

/// The lead that is beyond doubt.
fn sure(standing: &Standing) -> f64 {
    standing.gain - standing.error
}

fn by_sureness(a: &&Standing, b: &&Standing) -> std::cmp::Ordering {
    sure(a).total_cmp(&sure(b))
}

fn find(standings: &Standings, policy: PolicyKind) -> Option<&Standing> {
    standings.policies.iter().find(|standing| standing.policy == policy)
}

#[cfg(test)]
mod tests;

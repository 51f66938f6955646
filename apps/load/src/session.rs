//! A whole run: makes the targets ready, measures every step of every round on
//! each of them in turn, and saves after each.

use std::sync::Arc;

use crate::drive::Drive;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::observe::{Observer, Silent};
use crate::plan::{Amount, Plan, Step};
use crate::process;
use crate::record::Recorder;
use crate::results::{Folder, Measured, Results, TargetInfo};
use crate::stop::Stop;
use crate::stream::Stream;
use crate::target::{Client, Finding, Setup, Target};

/// A target and what tables call it.
pub struct Entrant {
    /// Its name.
    pub name: String,
    /// It.
    pub target: Arc<dyn Target>,
    /// Its processes, where they are on this machine and their processor time
    /// is to be measured.
    pub processes: Vec<u32>,
}

/// What a run is made of.
pub struct Session<'a> {
    /// What is measured, in turn.
    pub entrants: &'a [Entrant],
    /// What is run.
    pub plan: &'a Plan,
    /// Where results go as they come.
    pub folder: &'a Folder,
    /// Ends it early.
    pub stop: &'a Stop,
    /// Watches.
    pub observer: &'a dyn Observer,
    /// How it was started, and every setting by its name: for the report.
    pub command: String,
    /// Every setting by its name.
    pub settings: Vec<(String, String)>,
}

impl Session<'_> {
    /// Runs everything. What was measured before a failure is saved.
    ///
    /// # Errors
    /// A target can't be made ready or reached, or results can't be saved.
    pub async fn run(self) -> Result<Results> {
        let mut results = self.begin().await;
        for entrant in self.entrants {
            let most_clients = self.plan.most_clients();
            let setup = Setup { most_clients, observer: self.observer };
            tokio::select! {
                ready = entrant.target.prepare(&setup) => ready?,
                () = self.stop.asked() => return Ok(results),
            }
        }
        let of = self.plan.rounds as usize * self.plan.steps.len() * self.entrants.len();
        let mut number = 0;
        'all: for round in 1..=self.plan.rounds {
            for (place, step) in self.plan.steps.iter().enumerate() {
                for entrant in self.entrants {
                    number += 1;
                    if self.stop.is_asked() {
                        break 'all;
                    }
                    self.observer.begun(&entrant.name, step, number, of);
                    let part = u64::from(round) << 32 | place as u64;
                    let measured = self.measure(entrant, step, round, part, &mut results.findings);
                    let measured = measured.await?;
                    self.observer.ended(&measured);
                    if measured.counts.requests > 0 {
                        results.runs.push(measured);
                        self.folder.save(&results)?;
                    }
                }
            }
        }
        for entrant in self.entrants {
            results.findings.extend(entrant.target.audit().await?);
        }
        results.is_complete = !self.stop.is_asked();
        self.folder.save(&results)?;
        Ok(results)
    }

    async fn begin(&self) -> Results {
        let mut targets = Vec::new();
        for entrant in self.entrants {
            targets.push(TargetInfo {
                name: entrant.name.clone(),
                label: entrant.target.label(),
                version: entrant.target.version().await,
            });
        }
        Results {
            tool: concat!("larder ", env!("CARGO_PKG_VERSION")).to_owned(),
            command: self.command.clone(),
            started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            machine: Machine::this(),
            settings: self.settings.clone(),
            seed: self.plan.workload.seed,
            targets,
            runs: Vec::new(),
            findings: Vec::new(),
            is_complete: false,
        }
    }

    /// Connects, warms up, measures.
    async fn measure(
        &self,
        entrant: &Entrant,
        step: &Step,
        round: u32,
        part: u64,
        findings: &mut Vec<Finding>,
    ) -> Result<Measured> {
        let target = &entrant.target;
        let mut clients = Vec::new();
        for number in 0..step.clients {
            clients.push(target.client(number).await?);
        }
        if !self.plan.warm_up.is_zero() {
            let amount = Amount::Seconds(self.plan.warm_up.as_secs_f64());
            // Another part of the stream than what is measured.
            let warm = Step { amount, ..*step };
            let part = part | 1 << 63;
            let (recorder, _) = self.drive(target, &warm, part, &mut clients, &Silent).await?;
            findings.extend(lies_of_warm_up(&entrant.name, &recorder));
            for number in clients.len()..step.clients {
                clients.push(target.client(number).await?);
            }
        }
        let taken = || match entrant.processes.as_slice() {
            [] => Ok(None),
            some => process::cpu_seconds(some).map(Some).ok_or_else(|| {
                unfit(&entrant.name, format!("one of its processes {some:?} isn’t there"))
            }),
        };
        let before = taken()?;
        let (recorder, driven) =
            self.drive(target, step, part, &mut clients, self.observer).await?;
        let cpu_seconds = taken()?.zip(before).map(|(after, before)| after - before);
        let recorded = recorder.finish();
        let counts = recorded.counts;
        let answered = counts.requests - counts.errors();
        let named = |names: &[&str], latencies: Vec<_>| {
            names.iter().map(ToString::to_string).zip(latencies).collect()
        };
        Ok(Measured {
            target: entrant.name.clone(),
            round,
            step: *step,
            seconds: driven.seconds,
            counts,
            throughput: answered as f64 / driven.seconds,
            cpu_seconds,
            latency: recorded.latency,
            kinds: named(target.kinds(), recorded.kinds),
            parts: named(target.parts(), recorded.parts),
            percentiles: recorded.percentiles,
            timeline: driven.timeline,
            complaints: recorded.complaints,
            is_complete: driven.is_complete,
        })
    }

    async fn drive(
        &self,
        target: &Arc<dyn Target>,
        step: &Step,
        part: u64,
        clients: &mut Vec<Box<dyn Client>>,
        observer: &dyn Observer,
    ) -> Result<(Arc<Recorder>, crate::drive::Driven)> {
        let (kinds, parts) = (target.kinds().len(), target.parts().len());
        let recorder = Arc::new(Recorder::new(kinds, parts, step.clients));
        let pace = self.plan.pace;
        let drive = Drive {
            stream: Stream::new(&self.plan.workload, step.ratio, pace, part)?,
            amount: step.amount,
            pace,
            // An open loop sends each request at its own time.
            depth: if pace == crate::plan::Pace::Closed { self.plan.depth.max(1) } else { 1 },
            recorder: recorder.clone(),
            stop: self.stop,
            observer,
        };
        let driven = drive.run(clients).await;
        Ok((recorder, driven))
    }
}

/// What isn't measured is checked all the same.
fn lies_of_warm_up(target: &str, recorder: &Recorder) -> Option<Finding> {
    let recorded = recorder.finish();
    let (lies, first) = (recorded.counts.lies(), recorded.complaints.first());
    let first = first.map_or("", String::as_str);
    let what = format!("{target}: {lies} wrong answers during the warm-up, such as: {first}");
    (lies > 0).then_some(Finding { what, is_right: false })
}

/// What is wrong with a target, in its name.
pub(crate) fn unfit(target: &str, why: impl std::fmt::Display) -> Error {
    Error::Target { target: target.to_owned(), why: why.to_string() }
}

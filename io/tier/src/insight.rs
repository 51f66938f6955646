//! What the memory could do: a thread that replays a sample of the requests
//! on every policy at a ladder of capacities, and the autopilot that goes by
//! it. It never sees keys or values, and no request ever waits for it.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use larder_cache::what_if::{Event, Report, Totals, WhatIf};
use larder_cache::{Autopilot, Cache, Caution, Decision, Objective, PolicyKind, Weigh, what_if};
use parking_lot::Mutex;

/// How often the recorded requests are fetched. At the sample's usual size a
/// busy cache fills its queue in many times that.
const PERIOD: Duration = Duration::from_millis(100);

/// How often the report is made anew, if there is anything new.
const REPORT_PERIOD: Duration = Duration::from_secs(1);

/// Requests after which the counts age and the autopilot considers.
const STEP_REQUESTS: u64 = 1000;

/// The part of one core's time that the simulations may take; beyond it the
/// sample is halved.
const MOST_BUSY: f64 = 0.05;

/// What can be set while the tier runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most that all entries may weigh, in bytes.
    pub capacity_bytes: u64,
    /// Who has to go when room is needed; under the autopilot, to begin with.
    pub policy: PolicyKind,
    /// What the policy is to spare.
    pub objective: Objective,
    /// Whether the policy is changed by what the simulations say.
    pub autopilot: bool,
}

/// What the memory could do, as of a moment ago.
#[derive(Clone, Debug, Default)]
pub struct Insight {
    /// What other policies and capacities would do; `None` until there has
    /// been something to go by.
    pub report: Option<Arc<Report>>,
    /// The latest changes by the autopilot, oldest first.
    pub decisions: Vec<Decision>,
    /// Its changes since the start, also those no longer among the latest.
    pub switches: u64,
}

/// The thread's other end. Dropping it ends the thread.
pub(crate) struct Observer {
    settings: Sender<Settings>,
    latest: Arc<Mutex<Insight>>,
}

impl Observer {
    /// Begins to observe a cache that nobody has used yet.
    pub(crate) fn start<V>(cache: Cache<V>, settings: Settings) -> Self
    where
        V: Clone + Weigh + Send + Sync + 'static,
    {
        let (sender, receiver) = mpsc::channel();
        let latest = Arc::new(Mutex::new(Insight::default()));
        let watch = Watch::new(cache, settings, latest.clone());
        thread::Builder::new()
            .name("larder-what-if".into())
            .spawn(move || watch.run(&receiver))
            .expect("a machine that can't start a thread can't serve either");
        Self { settings: sender, latest }
    }

    /// Tells of settings that are about to be in force.
    pub(crate) fn reconfigure(&self, settings: Settings) {
        // It has ended only if it panicked, and then there is nothing to tell.
        let _ = self.settings.send(settings);
    }

    pub(crate) fn latest(&self) -> Insight {
        self.latest.lock().clone()
    }
}

/// What the thread keeps.
struct Watch<V> {
    cache: Cache<V>,
    settings: Settings,
    what_if: WhatIf,
    autopilot: Autopilot,
    latest: Arc<Mutex<Insight>>,
    totals: Totals,
    /// The requests at the last step, and at the last report.
    stepped_at: u64,
    reported_at: Option<u64>,
    /// The time spent at work since the last report.
    busy: Duration,
    /// The most that may be sampled, as a part of all keys.
    limit: f64,
}

impl<V: Clone + Weigh> Watch<V> {
    fn new(cache: Cache<V>, settings: Settings, latest: Arc<Mutex<Insight>>) -> Self {
        Self {
            what_if: simulations(&cache, settings),
            cache,
            settings,
            autopilot: Autopilot::new(Caution::default()),
            latest,
            totals: Totals::default(),
            stepped_at: 0,
            reported_at: None,
            busy: Duration::ZERO,
            limit: 1.0,
        }
    }

    fn run(mut self, settings: &Receiver<Settings>) {
        self.cache.sample_below(self.what_if.threshold());
        let mut room = Vec::new();
        let mut reported = Instant::now();
        loop {
            match settings.recv_timeout(PERIOD) {
                Ok(settings) => self.reconfigure(settings),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let start = Instant::now();
            room = self.observe(room);
            self.busy += start.elapsed();
            let since = reported.elapsed();
            if since >= REPORT_PERIOD {
                self.report(since);
                reported = Instant::now();
            }
        }
    }

    /// Takes in what was recorded; the answer is room for more.
    fn observe(&mut self, room: Vec<Event>) -> Vec<Event> {
        let lost = self.totals.lost;
        let (mut events, totals) = self.cache.take_sample(room);
        self.totals = totals;
        self.what_if.observe(&events);
        events.clear();
        if totals.lost > lost {
            self.sample_less();
        }
        if totals.requests - self.stepped_at >= STEP_REQUESTS {
            self.step();
        }
        self.cache.sample_below(self.what_if.threshold());
        events
    }

    fn step(&mut self) {
        self.stepped_at = self.totals.requests;
        self.what_if.step(Some(self.totals));
        if !self.settings.autopilot {
            return;
        }
        let standings = self.what_if.standings();
        if let Some(policy) = self.autopilot.consider(self.totals.requests, &standings) {
            self.cache.switch(policy);
            self.what_if.reconfigure(self.settings.capacity_bytes, policy);
            let mut latest = self.latest.lock();
            latest.decisions = self.autopilot.log().iter().cloned().collect();
            latest.switches += 1;
        }
    }

    fn report(&mut self, since: Duration) {
        let busy = std::mem::take(&mut self.busy);
        if busy.as_secs_f64() > MOST_BUSY * since.as_secs_f64() {
            self.sample_less();
        }
        let requests = self.totals.requests;
        if requests == 0 || self.reported_at == Some(requests) {
            return;
        }
        self.reported_at = Some(requests);
        // What came since the last step is to be in it.
        if requests > self.stepped_at {
            self.step();
        }
        let report = Arc::new(self.what_if.report());
        self.latest.lock().report = Some(report);
    }

    fn sample_less(&mut self) {
        let rate = self.what_if.threshold() as f64 / u64::MAX as f64;
        self.limit = rate.min(self.limit) / 2.0;
        self.what_if.limit_rate(self.limit);
    }

    fn reconfigure(&mut self, settings: Settings) {
        if settings.objective == self.settings.objective {
            let policy = self.cache.config().policy;
            self.what_if.reconfigure(settings.capacity_bytes, policy);
        } else {
            self.what_if = simulations(&self.cache, settings);
            self.what_if.limit_rate(self.limit);
            self.what_if.step(Some(self.totals));
        }
        self.settings = settings;
        // The report was about the old ones.
        self.reported_at = None;
    }
}

/// Simulations that have seen nothing yet.
fn simulations<V: Clone + Weigh>(cache: &Cache<V>, settings: Settings) -> WhatIf {
    let config = cache.config();
    WhatIf::new(what_if::Settings {
        objective: settings.objective,
        capacity_bytes: settings.capacity_bytes,
        policy: config.policy,
        seed: config.seed,
        ..what_if::Settings::default()
    })
}

//! What the memory could do: a thread that replays a sample of the requests
//! on every policy at a ladder of capacities, and the autopilot that goes by
//! it. It never sees keys or values, and no request ever waits for it.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use larder_cache::what_if::{Event, Report, Totals, WhatIf};
use larder_cache::{Autopilot, Cache, Caution, Decision, Objective, PolicyKind, Weigh, what_if};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

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
    /// The requests that the cache had had when it began to be watched; the
    /// report's count leaves them out.
    pub began_at: u64,
}

/// Watches a cache: always, or only while somebody wants to know. Dropping it
/// ends the thread.
pub struct Observer<V> {
    cache: Cache<V>,
    wanted: Arc<Mutex<Wanted>>,
    latest: Arc<Mutex<Insight>>,
}

/// What is asked of the thread.
struct Wanted {
    settings: Settings,
    /// The thread's other end, while there is one.
    thread: Option<Sender<Settings>>,
    /// The time without a look after which the thread ends.
    patience: Option<Duration>,
    looked_at: Instant,
}

impl Wanted {
    /// Whether nobody looks and nothing goes by what is seen.
    fn is_over(&self) -> bool {
        let is_late = |patience| self.looked_at.elapsed() >= patience;
        !self.settings.autopilot && self.patience.is_some_and(is_late)
    }
}

impl<V: Clone + Weigh + Send + Sync + 'static> Observer<V> {
    /// Watches from now on.
    pub fn start(cache: Cache<V>, settings: Settings) -> Self {
        Self::new(cache, settings, None)
    }

    /// Watches while the autopilot is on, and from a look at it until nobody
    /// has looked for as long as `patience`. While it doesn't, the cache
    /// records nothing.
    pub fn on_demand(cache: Cache<V>, settings: Settings, patience: Duration) -> Self {
        Self::new(cache, settings, Some(patience))
    }

    fn new(cache: Cache<V>, settings: Settings, patience: Option<Duration>) -> Self {
        let wanted = Wanted { settings, thread: None, patience, looked_at: Instant::now() };
        let wanted = Arc::new(Mutex::new(wanted));
        let observer = Self { cache, wanted, latest: Arc::default() };
        if settings.autopilot || patience.is_none() {
            observer.begin(&mut observer.wanted.lock());
        }
        observer
    }

    /// Starts the thread, if there is none.
    fn begin(&self, wanted: &mut Wanted) {
        if wanted.thread.is_some() {
            return;
        }
        let (sender, receiver) = mpsc::channel();
        let watch = Watch::new(self.cache.clone(), wanted.settings, self.latest.clone());
        let weak = Arc::downgrade(&self.wanted);
        thread::Builder::new()
            .name("larder-what-if".into())
            .spawn(move || watch.run(&receiver, &weak))
            .expect("a machine that can't start a thread can't serve either");
        wanted.thread = Some(sender);
    }

    /// Puts settings in force, made from those that are, keeping what fits;
    /// returns them. The autopilot's choice stands until another policy is
    /// asked for than last time, or the autopilot is turned off.
    pub fn reconfigure(&self, change: impl FnOnce(Settings) -> Settings) -> Settings {
        let mut wanted = self.wanted.lock();
        let config = self.cache.config();
        let settings = change(Settings { policy: config.policy, ..wanted.settings });
        let stands = settings.autopilot && settings.policy == wanted.settings.policy;
        let policy = if stands { config.policy } else { settings.policy };
        wanted.settings = settings;
        self.cache.pursue(settings.objective);
        self.cache.reconfigure(settings.capacity_bytes, config.max_items, policy);
        match &wanted.thread {
            // It has ended only if it panicked, and then there is nothing to
            // tell.
            Some(thread) => drop(thread.send(settings)),
            None if settings.autopilot => self.begin(&mut wanted),
            None => {}
        }
        Settings { policy, ..settings }
    }

    /// The settings in force, with the policy that the autopilot changed to
    /// last.
    pub fn settings(&self) -> Settings {
        Settings { policy: self.cache.config().policy, ..self.wanted.lock().settings }
    }

    /// What the memory could do. From now on it watches, if it didn't.
    pub fn look(&self) -> Insight {
        let mut wanted = self.wanted.lock();
        wanted.looked_at = Instant::now();
        self.begin(&mut wanted);
        drop(wanted);
        self.latest()
    }

    /// What was seen last.
    pub fn latest(&self) -> Insight {
        self.latest.lock().clone()
    }

    /// Whether it watches at this moment.
    pub fn is_watching(&self) -> bool {
        self.wanted.lock().thread.is_some()
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
    /// The requests at the beginning, at the last step and at the last report.
    began_at: u64,
    stepped_at: u64,
    reported_at: Option<u64>,
    /// The processor time that the simulations took since the last report.
    busy: Duration,
    /// The most that may be sampled, as a part of all keys.
    limit: f64,
}

impl<V: Clone + Weigh> Watch<V> {
    /// Begins to record. What the cache did until now isn't counted.
    fn new(cache: Cache<V>, settings: Settings, latest: Arc<Mutex<Insight>>) -> Self {
        let mut what_if = simulations(&cache, settings);
        let (_, totals) = cache.take_sample(Vec::new());
        what_if.step(Some(totals));
        cache.sample_below(what_if.threshold());
        latest.lock().began_at = totals.requests;
        Self {
            what_if,
            cache,
            settings,
            autopilot: Autopilot::new(Caution::default()),
            latest,
            totals,
            began_at: totals.requests,
            stepped_at: totals.requests,
            reported_at: None,
            busy: Duration::ZERO,
            limit: 1.0,
        }
    }

    fn run(mut self, settings: &Receiver<Settings>, wanted: &Weak<Mutex<Wanted>>) {
        let mut room = Vec::new();
        let mut reported = Instant::now();
        loop {
            match settings.recv_timeout(PERIOD) {
                Ok(settings) => self.reconfigure(settings),
                Err(RecvTimeoutError::Timeout) if self.ends(wanted) => return,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.forget(),
            }
            let start = processor_time();
            room = self.observe(room);
            self.busy += processor_time() - start;
            let since = reported.elapsed();
            if since >= REPORT_PERIOD {
                self.report(since);
                reported = Instant::now();
            }
        }
    }

    /// Ends the watch if it is over. Whoever looks at this moment waits for
    /// the lock, and begins anew.
    fn ends(&self, wanted: &Weak<Mutex<Wanted>>) -> bool {
        let Some(wanted) = wanted.upgrade() else { return false };
        let mut wanted = wanted.lock();
        if !wanted.is_over() {
            return false;
        }
        self.forget();
        wanted.thread = None;
        true
    }

    /// Has the cache record nothing any more.
    fn forget(&self) {
        self.cache.sample_below(0);
        drop(self.cache.take_sample(Vec::new()));
        self.latest.lock().report = None;
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
        if requests == self.began_at || self.reported_at == Some(requests) {
            return;
        }
        self.reported_at = Some(requests);
        // What came since the last step is to be in it.
        if requests > self.stepped_at {
            self.step();
        }
        let mut report = self.what_if.report();
        report.requests_seen -= self.began_at;
        self.latest.lock().report = Some(Arc::new(report));
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

/// What this thread has had of the processors, which on a busy machine is less
/// than the time that has gone by.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
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

#[cfg(test)]
mod tests;

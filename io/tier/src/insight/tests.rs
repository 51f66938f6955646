//! When a cache is watched, and when not.

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Small;

impl Weigh for Small {
    fn weight_bytes(&self) -> u64 {
        1
    }
}

fn settings() -> Settings {
    Settings {
        capacity_bytes: 1 << 20,
        policy: PolicyKind::Lru,
        objective: Objective::Objects,
        autopilot: false,
    }
}

fn cache() -> Cache<Small> {
    let config =
        larder_cache::Config { capacity_bytes: 1 << 20, ..larder_cache::Config::default() };
    Cache::new(config)
}

fn read(cache: &Cache<Small>, requests: u64) {
    for number in 0..requests {
        let key = (number % 10).to_be_bytes();
        if cache.get(&key).is_none() {
            cache.insert(&key, Small);
        }
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn nothing_is_recorded_until_somebody_looks() {
    let cache = cache();
    let observer = Observer::on_demand(cache.clone(), settings(), PATIENCE);
    read(&cache, 5000);
    assert!(!observer.is_watching() && observer.latest().report.is_none());
    assert!(cache.take_sample(Vec::new()).0.is_empty());

    let first = observer.look();
    assert!(observer.is_watching());
    assert_eq!((first.began_at, first.report.is_none()), (5000, true));
    read(&cache, 2000);
    until("there is a report", || observer.latest().report.is_some());
    until("it tells of all requests since the look, and of none before", || {
        observer.latest().report.is_some_and(|report| report.requests_seen == 2000)
    });
}

#[test]
fn watching_ends_when_nobody_looks_and_begins_anew_with_a_look() {
    let cache = cache();
    let observer = Observer::on_demand(cache.clone(), settings(), Duration::ZERO);
    observer.look();
    until("nobody watches", || !observer.is_watching());
    read(&cache, 3000);
    assert!(cache.take_sample(Vec::new()).0.is_empty(), "nothing is recorded any more");
    assert_eq!(observer.look().began_at, 3000);
}

#[test]
fn the_autopilot_watches_for_as_long_as_it_is_on() {
    let cache = cache();
    let observer = Observer::on_demand(cache.clone(), settings(), Duration::ZERO);
    observer.reconfigure(|now| Settings { autopilot: true, ..now });
    assert!(observer.is_watching());
    read(&cache, 2000);
    until("there is a report that nobody asked for", || observer.latest().report.is_some());
    assert!(observer.is_watching());
    observer.reconfigure(|now| Settings { autopilot: false, ..now });
    until("nobody watches", || !observer.is_watching());
    assert!(observer.latest().report.is_none());
}

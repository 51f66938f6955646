//! The loops, against clients that answer from here.

use async_trait::async_trait;
use larder_workload::arrivals::Spread;

use super::*;
use crate::observe::Silent;
use crate::plan::{Ratio, Skew, Workload};
use crate::record::Recorded;

/// Answers at once, but for a stall at one request.
struct Stalls {
    number: u64,
    at: u64,
    stall: Duration,
    asked: Arc<Mutex<Vec<Request>>>,
}

#[async_trait]
impl Client for Stalls {
    async fn ask(&mut self, requests: &[Request], answers: &mut Vec<Answer>) {
        for request in requests {
            self.number += 1;
            if self.number == self.at {
                tokio::time::sleep(self.stall).await;
            }
            self.asked.lock().push(*request);
            answers.push(Answer::right(0, 1));
        }
    }
}

struct Run {
    recorded: Recorded,
    driven: Driven,
    asked: Vec<Request>,
}

async fn run(pace: Pace, amount: Amount, clients: usize, depth: usize, stop: &Stop) -> Run {
    let sizes = "100".parse().unwrap();
    let workload = Workload { seed: 1, keys: 10, skew: Skew::Uniform, sizes, trace: None };
    let recorder = Arc::new(Recorder::new(1, 0, clients));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let stalls =
        || Stalls { number: 0, at: 20, stall: Duration::from_millis(300), asked: asked.clone() };
    let mut clients: Vec<Box<dyn Client>> =
        (0..clients).map(|_| Box::new(stalls()) as Box<dyn Client>).collect();
    let stream = Stream::new(&workload, Ratio { reads: 50 }, pace, 0).unwrap();
    let recorder_too = recorder.clone();
    let drive =
        Drive { stream, amount, pace, depth, recorder: recorder_too, stop, observer: &Silent };
    let driven = drive.run(&mut clients).await;
    Run { recorded: recorder.finish(), driven, asked: asked.lock().clone() }
}

const OPEN: Pace = Pace::Open { per_second: 200.0, spread: Spread::Even };

#[tokio::test]
async fn an_open_loop_counts_from_the_intended_start_so_that_a_stall_is_not_hidden() {
    let run = run(OPEN, Amount::Requests(100), 1, 1, &Stop::default()).await;
    assert_eq!(run.recorded.counts.requests, 100);
    // 300 ms at 200 a second: about 60 requests were meant to start meanwhile.
    // They wait from 300 ms down to nothing; so half of all wait, not one of 100.
    let latency = run.recorded.latency;
    assert!(latency.max > 290_000.0, "{latency:?}");
    assert!(latency.p90 > 200_000.0, "{latency:?}");
    let waited = run.recorded.percentiles.iter().find(|(percent, _)| *percent == 60.0);
    assert!(waited.unwrap().1 > 20_000.0, "{latency:?}");
}

#[tokio::test]
async fn a_closed_loop_sees_the_stall_once() {
    let run = run(Pace::Closed, Amount::Requests(100), 1, 1, &Stop::default()).await;
    assert_eq!(run.recorded.counts.requests, 100);
    assert!(run.recorded.latency.max > 290_000.0 && run.recorded.latency.p90 < 100_000.0);
    assert!(run.driven.is_complete);
}

#[tokio::test]
async fn all_clients_together_take_the_same_stream() {
    let stop = Stop::default();
    let alone = run(Pace::Closed, Amount::Requests(500), 1, 1, &stop).await.asked;
    let mut crowd = run(Pace::Closed, Amount::Requests(500), 7, 3, &stop).await.asked;
    let mut alone_sorted = alone.clone();
    assert_eq!(alone.len(), 500);
    crowd.sort_by_key(|request| request.chance);
    alone_sorted.sort_by_key(|request| request.chance);
    assert_eq!(crowd, alone_sorted);
}

#[tokio::test]
async fn a_run_ends_after_its_time_and_earlier_when_it_is_stopped() {
    let stop = Stop::default();
    let whole = run(OPEN, Amount::Seconds(0.5), 4, 1, &stop).await;
    assert!((90..=100).contains(&whole.recorded.counts.requests));
    let later = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        later.ask();
    });
    for pace in [OPEN, Pace::Closed] {
        let cut = run(pace, Amount::Seconds(60.0), 2, 1, &stop).await;
        assert!(!cut.driven.is_complete && cut.driven.seconds < 20.0);
    }
}

//! Clients that stop in the middle: each costs the server a connection, and
//! costs everybody else nothing.

mod support;

use std::time::{Duration, Instant};

use support::http::{Client, image_path};
use support::pictures::small;
use support::{Server, folder, tell};

/// Clients that send the head of a request and then nothing.
const STALLED: usize = 200;

/// How often the two kinds of time are measured in turn.
const ROUNDS: usize = 3;

/// Requests of a round.
const REQUESTS: usize = 200;

/// The 99th percentile of the times of `request`.
fn p99(mut request: impl FnMut(usize)) -> Duration {
    let mut times: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let began = Instant::now();
            request(number);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[REQUESTS * 99 / 100]
}

/// Times of reads from memory, reads from the store and uploads.
fn times(server: &Server) -> [Duration; 3] {
    let mut client = server.client();
    let image = small("stalled");
    let hits = p99(|_| assert_eq!(client.get("/images/hit").status, 200));
    let uploads = p99(|number| {
        let answer = client.ask("PUT", &image_path(&format!("new/{}", number % 20)), &image);
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    });
    let misses = p99(|_| assert_eq!(client.get("/images?limit=20").status, 200));
    [hits, misses, uploads]
}

/// Clients of which one half waits before the body of an upload, the other in
/// the middle of it.
fn stall(server: &Server) -> Vec<Client> {
    let body = vec![0; 1000];
    let stalled = (0..STALLED).map(|number| {
        let mut client = server.client();
        let head = client.head("PUT", &format!("/images/stalled-{number}"), &[], 100_000);
        client.write(&head).expect("sends");
        if number % 2 == 1 {
            client.write(&body).expect("sends");
        }
        client
    });
    stalled.collect()
}

#[test]
fn two_hundred_stalled_clients_hold_up_nobody() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.client().ask("PUT", "/images/hit", &small("hit")).status, 201);
    times(&server);
    // The best of several rounds: what else the machine does comes and goes,
    // a queue behind the stalled would be there in each.
    let (mut alone, mut beside) = ([Duration::MAX; 3], [Duration::MAX; 3]);
    for _ in 0..ROUNDS {
        let best = |best: &mut [Duration; 3], times: [Duration; 3]| {
            best.iter_mut().zip(times).for_each(|(best, time)| *best = time.min(*best));
        };
        best(&mut alone, times(&server));
        let stalled = stall(&server);
        best(&mut beside, times(&server));
        drop(stalled);
    }
    tell(&format!("p99 of hits, lists and uploads alone {alone:?}, beside {STALLED} {beside:?}"));
    for (alone, beside) in alone.into_iter().zip(beside) {
        assert!(beside < 2 * alone + Duration::from_millis(1), "{alone:?} became {beside:?}");
    }
}

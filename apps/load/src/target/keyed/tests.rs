//! The verifier, against an image store that lies in one way at a time.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::*;
use crate::observe::Silent;
use crate::plan::{Amount, Pace, Plan, Ratio, Skew};
use crate::results::{Folder, Results};
use crate::session::{Entrant, Session};
use crate::stop::Stop;
use crate::target::images::{Api, Images};
use crate::value::Form;

/// How it lies, from the hundredth read on.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    OtherKey,
    Older,
    Halves,
    Gone,
    NeverWritten,
    Error,
}

#[derive(Default)]
struct Store {
    /// Every version of every key.
    values: HashMap<String, Vec<Bytes>>,
    reads: u64,
}

fn answer(store: &mut Store, lie: Lie, method: &Method, path: &str, body: Bytes) -> Answered {
    if method == Method::PUT {
        store.values.entry(path.to_owned()).or_default().push(body);
        return (StatusCode::OK, Bytes::new());
    }
    store.reads += 1;
    let versions = &store.values[path];
    let latest = versions[versions.len() - 1].clone();
    let older = versions.len().checked_sub(2).map(|at| versions[at].clone());
    let lie = if store.reads < 100 { Lie::None } else { lie };
    let told = match (lie, older) {
        (Lie::OtherKey, _) => {
            let other = store.values.keys().find(|other| *other != path).unwrap();
            store.values[other][0].clone()
        }
        (Lie::Older, Some(older)) => older,
        (Lie::Halves, Some(older)) => {
            let middle = latest.len() / 2;
            [&latest[..middle], &older[middle..]].concat().into()
        }
        (Lie::NeverWritten, _) => Bytes::from_static(b"a page of some proxy"),
        (Lie::Gone, _) => return (StatusCode::NOT_FOUND, Bytes::new()),
        (Lie::Error, _) => return (StatusCode::BAD_GATEWAY, "it is down".into()),
        _ => latest,
    };
    (StatusCode::OK, told)
}

type Answered = (StatusCode, Bytes);

/// Starts the store; returns its address.
async fn start(lie: Lie) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let store = Arc::new(Mutex::new(Store::default()));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let store = store.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let store = store.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let (status, told) =
                        answer(&mut store.lock(), lie, &head.method, head.uri.path(), body);
                    let response = Response::builder().status(status).body(Full::new(told));
                    Ok::<_, Infallible>(response.unwrap())
                }
            });
            let serve = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serve.serve_connection(TokioIo::new(stream), service));
        }
    });
    format!("http://{address}")
}

async fn measure(lie: Lie) -> Results {
    let workload = Workload {
        seed: 11,
        keys: 10,
        skew: Skew::Uniform,
        sizes: "4KB".parse().unwrap(),
        trace: None,
    };
    let contents = Contents::store(&workload, Values::new(5, 11, Form::Png, Vec::new()));
    let images = Images::new(&start(lie).await, Api::Rest, contents, None).unwrap();
    let plan = Plan {
        workload,
        steps: Plan::steps(&[Ratio { reads: 50 }], &[4], &[Amount::Requests(1000)]),
        rounds: 1,
        pace: Pace::Closed,
        warm_up: Duration::ZERO,
        depth: 1,
    };
    let place = tempfile::tempdir().unwrap();
    let session = Session {
        entrants: &[Entrant {
            name: "store".into(),
            target: Arc::new(images),
            processes: Vec::new(),
        }],
        plan: &plan,
        folder: &Folder::make(place.path()).unwrap(),
        stop: &Stop::default(),
        observer: &Silent,
        command: String::new(),
        settings: Vec::new(),
    };
    let results = session.run().await.unwrap();
    let saved = crate::results::read(place.path()).unwrap();
    assert_eq!(saved.total(), results.total());
    results
}

#[tokio::test]
async fn an_honest_store_is_believed() {
    let results = measure(Lie::None).await;
    let counts = results.total();
    assert_eq!((counts.requests, counts.errors(), results.lies()), (1000, 0, 0));
    assert!(results.is_complete && results.runs[0].throughput > 0.0);
}

#[tokio::test]
async fn each_lie_is_found_and_called_by_its_name() {
    for (lie, name) in [
        (Lie::OtherKey, "wrong"),
        (Lie::NeverWritten, "wrong"),
        (Lie::Older, "stale"),
        (Lie::Gone, "stale"),
        (Lie::Halves, "torn"),
    ] {
        let results = measure(lie).await;
        let counts = results.total();
        let of = match name {
            "wrong" => counts.wrong,
            "stale" => counts.stale,
            _ => counts.torn,
        };
        assert!(of > 100 && of == counts.lies() && counts.failed == 0, "{name}: {counts:?}");
        assert!(!results.runs[0].complaints.is_empty());
    }
}

#[tokio::test]
async fn an_error_is_a_failure_and_no_lie() {
    let results = measure(Lie::Error).await;
    assert!(results.total().failed > 100 && results.lies() == 0);
    assert!(results.runs[0].complaints[0].contains("502 Bad Gateway: it is down"));
}

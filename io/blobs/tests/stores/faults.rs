//! What must happen when S3 doesn't do what it should: an error that says
//! so, in time; nothing half stored, nothing wrong handed out; and all is
//! well again when S3 is.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use larder_blobs::{BlobId, Error, Result};
use larder_servers::{Mode, wait_until};
use rustix::process::{Signal, kill_process};

use crate::stage::{Disturbed, bytes, files_below, put, spooled, streamed};

/// A store that may say nothing for a second must have given up by then,
/// however busy the machine.
const GIVEN_UP_BY: Duration = Duration::from_secs(8);

/// For what the server does in its own time.
const SOON: Duration = Duration::from_secs(20);

/// Expects that this says, in time, that the store can't be reached.
async fn is_unavailable<T>(what: &str, call: impl Future<Output = Result<T>>) {
    let begun = Instant::now();
    let outcome = call.await.err();
    assert!(matches!(outcome, Some(Error::Unavailable { .. })), "{what} ended with {outcome:?}");
    assert!(begun.elapsed() < GIVEN_UP_BY, "{what} took {:?}", begun.elapsed());
}

/// Expects that everything that can be asked for says so.
async fn everything_is_unavailable(stage: &Disturbed, id: &BlobId) {
    let store = &*stage.store;
    let (little, much) = (bytes(1_000), bytes(9_000_000));
    tokio::join!(
        is_unavailable("put", put(store, &little)),
        is_unavailable("put in parts", put(store, &much)),
        is_unavailable("get", store.get(id)),
        is_unavailable("stream", store.stream(id, 0..100)),
        is_unavailable("delete", store.delete(id)),
        is_unavailable("list", store.list(id.shard())),
        is_unavailable("stored_at", store.stored_at(id)),
        is_unavailable("check", store.check()),
    );
}

/// Expects that everything works and that `known` is all there is.
async fn all_is_well(stage: &Disturbed, known: &[(BlobId, Bytes)]) {
    let store = &*stage.store;
    store.check().await.expect("the store answers");
    for (id, bytes) in known {
        assert!(store.get(id).await.expect("gets") == bytes);
        assert!(streamed(store, id, 0..bytes.len() as u64).await.expect("streams") == *bytes);
    }
    let id = put(store, &bytes(1_000)).await.expect("puts");
    store.delete(&id).await.expect("deletes");
    let spooled = files_below(stage.folder.path());
    assert_eq!((stage.objects(), spooled), (known.len(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_work_is_said_to_be_unavailable_until_it_works() {
    // All at once, as most of it is waiting.
    let modes = [Mode::Status(500), Mode::Status(503), Mode::Silence, Mode::Refuse];
    join_all(modes.map(async |mode| {
        let Some(stage) = Disturbed::open().await else { return };
        let (bytes, long) = (bytes(100_000), bytes(9_000_000));
        let known = [
            (put(&*stage.store, &bytes).await.expect("puts"), bytes),
            (put(&*stage.store, &long).await.expect("puts"), long),
        ];
        stage.disturb(mode);
        everything_is_unavailable(&stage, &known[0].0).await;
        stage.disturb(Mode::Pass);
        all_is_well(&stage, &known).await;
    }))
    .await;
}

#[tokio::test]
async fn a_few_failures_are_nobody_elses_business() {
    let Some(stage) = Disturbed::open_for(4).await else { return };
    let store = &*stage.store;
    let before = stage.proxy.requests();
    stage.disturb(Mode::FailNext(2));
    let bytes = bytes(50_000);
    let id = put(store, &bytes).await.expect("puts at the third try");
    assert_eq!(stage.proxy.requests() - before, 3);
    stage.disturb(Mode::FailNext(2));
    assert!(store.get(&id).await.expect("gets") == bytes);
    stage.disturb(Mode::FailNext(2));
    assert!(streamed(store, &id, 7..50_000).await.expect("streams") == bytes[7..]);
    stage.disturb(Mode::FailNext(2));
    assert_eq!(store.list(id.shard()).await.expect("lists"), [id]);
    stage.disturb(Mode::FailNext(2));
    store.stored_at(&id).await.expect("tells");
    stage.disturb(Mode::FailNext(2));
    store.delete(&id).await.expect("deletes");
    stage.disturb(Mode::FailNext(1));
    store.check().await.expect("answers");
}

#[tokio::test]
async fn a_connection_that_went_dead_is_given_up_in_time_for_another_one() {
    let Some(stage) = Disturbed::open_for(4).await else { return };
    let store = &*stage.store;
    let bytes = bytes(50_000);
    stage.disturb(Mode::SilenceNext(1));
    let id = put(store, &bytes).await.expect("puts");
    stage.disturb(Mode::SilenceNext(1));
    assert!(store.get(&id).await.expect("gets") == bytes);
    stage.disturb(Mode::SilenceNext(1));
    store.stored_at(&id).await.expect("tells");
    stage.disturb(Mode::SilenceNext(1));
    store.delete(&id).await.expect("deletes");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_the_whole() {
    let Some(stage) = Disturbed::open().await else { return };
    let store = &*stage.store;
    let bytes = bytes(1_000_001);
    let id = put(store, &bytes).await.expect("puts");
    stage.disturb(Mode::HalfBody);
    is_unavailable("get", store.get(&id)).await;
    is_unavailable("list", store.list(id.shard())).await;
    is_unavailable("put in parts", put(store, &self::bytes(9_000_000))).await;

    let mut came = Vec::new();
    let mut pieces = store.stream(&id, 1..1_000_001).await.expect("it begins");
    let end = loop {
        match pieces.next().await {
            Some(Ok(piece)) => came.extend(piece),
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(Error::Unavailable { .. }))), "{end:?}");
    assert!(pieces.next().await.is_none(), "nothing comes after the error");
    assert!(came.len() > 900_000, "it went on where it broke off, {} bytes far", came.len());
    assert!(bytes[1..].starts_with(&came));
    stage.disturb(Mode::Pass);
    all_is_well(&stage, &[(id, bytes)]).await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_goes_on_where_it_stopped() {
    let Some(stage) = Disturbed::open_for(4).await else { return };
    let bytes = bytes(2_000_000);
    let id = put(&*stage.store, &bytes).await.expect("puts");
    for mode in [Mode::HalfBody, Mode::Silence] {
        stage.disturb(Mode::HalfBody);
        let mut pieces = stage.store.stream(&id, 5..1_999_999).await.expect("it begins");
        let mut came = pieces.next().await.expect("comes").expect("well").to_vec();
        // With silence, what was asked for again gets no answer at first.
        stage.disturb(mode);
        while came.len() < 900_000 {
            came.extend(pieces.next().await.expect("comes").expect("well"));
        }
        stage.disturb(Mode::Pass);
        while let Some(piece) = pieces.next().await {
            came.extend(piece.expect("well"));
        }
        assert!(came == bytes[5..1_999_999], "{} bytes came", came.len());
    }
}

#[tokio::test]
async fn other_bytes_than_were_stored_are_not_handed_out() {
    let Some(stage) = Disturbed::open().await else { return };
    let bytes = bytes(300_000);
    let id = put(&*stage.store, &bytes).await.expect("puts");
    let mut wrong = bytes.to_vec();
    wrong[150_000] ^= 1;
    for wrong in [&wrong[..], &bytes[..299_999], b""] {
        std::fs::write(stage.file_of(&id), wrong).expect("writes");
        let got = stage.store.get(&id).await;
        assert!(matches!(got, Err(Error::Corrupt(corrupt)) if corrupt == id), "{got:?}");
    }
    let missing = streamed(&*stage.store, &id, 0..300_000).await;
    assert!(matches!(missing, Err(Error::Io { .. })), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_fails_part_way_is_taken_back() {
    let Some(stage) = Disturbed::open().await else { return };
    let bytes = bytes(20_000_000);
    // The upload is begun and has one part; or all parts, and only the end
    // is missing.
    for passing in [2, 4] {
        stage.disturb(Mode::FailAfter(passing));
        let arrived = spooled(&*stage.store, &bytes).await;
        let id = BlobId::new(arrived.hash());
        is_unavailable("put", stage.store.put(&id, arrived)).await;
        stage.disturb(Mode::Pass);
        wait_until("the upload is taken back", SOON, || stage.unfinished_uploads() == 0);
        assert_eq!(stage.objects(), 0);
        assert!(matches!(stage.store.get(&id).await, Err(Error::NotFound(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_nobody_waits_for_any_more_is_taken_back() {
    let Some(stage) = Disturbed::open().await else { return };
    let before = stage.proxy.requests();
    let (store, arrived) = (stage.store.clone(), spooled(&*stage.store, &bytes(60_000_000)).await);
    let id = BlobId::new(arrived.hash());
    let upload = tokio::spawn(async move { store.put(&id, arrived).await });
    wait_until("parts are under way", SOON, || stage.proxy.requests() >= before + 3);
    upload.abort();
    assert!(upload.await.expect_err("was given up").is_cancelled());
    wait_until("the upload is taken back", SOON, || stage.unfinished_uploads() == 0);
    assert_eq!(stage.objects(), 0);
    all_is_well(&stage, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_or_hangs_is_used_again_when_it_is_back() {
    let Some(mut stage) = Disturbed::open().await else { return };
    let bytes = bytes(70_000);
    let known = [(put(&*stage.store, &bytes).await.expect("puts"), bytes)];
    stage.server.kill();
    everything_is_unavailable(&stage, &known[0].0).await;
    stage.server.restart();
    all_is_well(&stage, &known).await;

    let pid = stage.server.process().pid();
    kill_process(pid, Signal::STOP).expect("stops it");
    is_unavailable("get", stage.store.get(&known[0].0)).await;
    is_unavailable("put", put(&*stage.store, &self::bytes(1_000))).await;
    kill_process(pid, Signal::CONT).expect("lets it go on");
    // The put that nobody answered may have been done all the same.
    stage.store.check().await.expect("answers");
    assert!(stage.store.get(&known[0].0).await.expect("gets") == known[0].1);
}

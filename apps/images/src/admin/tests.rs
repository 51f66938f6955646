//! What can be told without a server.

use std::path::Path;
use std::sync::Arc;

use larder_blobs::{BlobId, Files, Hash, Leftovers};
use larder_clock::{ManualClock, Timestamp};
use larder_sql::{Config, Database, Value};
use larder_web::Shutdown;

use super::files::{Reader, Writer};
use super::hold::Hold;
use super::*;
use crate::model::Precondition;
use crate::store::{Counts, NewImage, Table};

#[test]
fn a_row_file_reads_back_and_a_cut_or_changed_one_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, name) = (folder.path().join("tmp"), folder.path().join("rows.jsonl"));
    let counts: Counts = [0, 2, 0, 0];
    let row = |key: &str| [Value::Text(key.into()), Value::Integer(7), Value::Integer(-1)];
    let mut writer = Writer::create(&path, "larder-1", "now", counts).expect("is made");
    for key in ["a\u{202e}\"\\", "🦀 b"] {
        writer.row(Table::Tombstones, &row(key)).expect("is written");
    }
    writer.finish(vec!["ab/cd".into()], &name).expect("is put in place");

    let mut reader = Reader::open(&name).expect("opens");
    assert_eq!(reader.header.identity, "larder-1");
    assert_eq!(
        reader.next().expect("reads"),
        Some((Table::Tombstones, row("a\u{202e}\"\\").to_vec()))
    );
    assert_eq!(reader.ending().expect("is whole").damaged, ["ab/cd"]);

    let whole = std::fs::read(&name).expect("reads");
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).expect("writes");
        assert!(Reader::open(&path).and_then(Reader::ending).is_err(), "cut at {cut}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).expect("writes");
        let damaged = Reader::open(&path).and_then(Reader::ending).map(|end| end.damaged);
        // The hash is of all lines but the last.
        assert!(damaged.is_err() || damaged.is_ok_and(|d| d != ["ab/cd"]), "changed at {at}");
    }
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    std::fs::write(&path, [lines[0], lines[1], lines[3]].concat()).expect("writes");
    assert!(Reader::open(&path).and_then(Reader::ending).is_err(), "a line is missing");
}

#[test]
fn a_backup_of_an_earlier_version_lacks_only_what_came_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.jsonl");
    let read = |row: &str| {
        let head = concat!(
            r#"{"larder_backup":1,"program":"0.0.9","identity":"x","created_at":"then","#,
            r#""rows":{"cache_properties":1}}"#
        );
        std::fs::write(&path, format!("{head}\n{{\"cache_properties\":{row}}}\n")).expect("writes");
        Reader::open(&path).and_then(|mut reader| reader.next())
    };
    let (_, row) = read(r#"{"max_capacity":5,"replacement_method":"lru","created_at":7}"#)
        .expect("is read")
        .expect("is a row");
    let expected = [Value::Integer(5), Value::Text("lru".into()), Value::Integer(7)];
    assert_eq!(row, [&expected[..], &[Value::Null, Value::Null]].concat());
    let columns = r#"{"max_capacity":5,"replacement_method":"lru","created_at":7,
        "objective":"bytes","autopilot":1}"#;
    let (_, row) = read(&columns.replace('\n', "")).expect("is read").expect("is a row");
    assert_eq!(row[3..], [Value::Text("bytes".into()), Value::Integer(1)]);
    assert!(read(r#"{"max_capacity":5,"created_at":7}"#).is_err(), "that was always there");
}

async fn store(url: &str) -> Store {
    let url = url.parse().expect("a URL");
    let database = Database::open(&Config { url, readers: 2 }).await.expect("opens");
    Store::open(database).await.expect("opens")
}

/// An empty database on each engine that is installed, two of each.
fn databases(folder: &Path, test: &str) -> Vec<[String; 2]> {
    let names = ["one", "two"].map(|name| format!("{test}_{name}"));
    let names = [names[0].as_str(), &names[1]];
    let file = |name| format!("sqlite:{}", folder.join(name).display());
    let mut all = vec![names.map(file)];
    all.extend(larder_servers::mariadb().map(|server| names.map(|n| server.make_database(n))));
    all.extend(larder_servers::postgres().map(|server| names.map(|n| server.make_database(n))));
    all
}

async fn put(store: &Store, key: &str, content: u8, size: u64) -> BlobId {
    let new = NewImage {
        key: key.parse().expect("a key"),
        location: BlobId { hash: Hash([content; 32]), copy: 7 },
        picture: larder_picture::Picture {
            format: larder_picture::Format::Png,
            width: 1,
            height: 1,
            frames: 1,
            orientation: 1,
        },
        size,
        precondition: Precondition::None,
        now: Timestamp(5),
    };
    store.put(new).await.expect("is stored").image.location
}

#[tokio::test]
async fn rows_are_repaired_alike_on_every_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    for [url, _] in databases(folder.path(), "repaired") {
        let store = store(&url).await;
        let now = Timestamp(9);
        let bad = put(&store, "Ä", 1, 100).await;
        assert_eq!(put(&store, "a ", 1, 100).await, bad, "one blob for the same bytes");
        put(&store, "a", 2, 10).await;
        assert_eq!(store.kept_and_counted().await.expect("reads"), [(3, 210); 2]);

        // A blob that is damaged is not relied on by an upload.
        store.note_blob(bad, 100, false, now).await.expect("notes");
        let again = BlobId { hash: bad.hash, copy: 8 };
        let entry = store.entry("Ä").await.expect("reads").expect("is there");
        assert_eq!(entry.blob.as_ref().map(|blob| blob.state.as_str()), Some("damaged"));
        assert_eq!(store.repoint(bad, again, 100, now).await.expect("repoints"), 2);
        for key in ["Ä", "a "] {
            let entry = store.entry(key).await.expect("reads").expect("is there");
            assert_eq!(entry.location, again.to_string());
            assert_eq!(entry.blob.map(|blob| blob.state).as_deref(), Some("live"));
        }
        let retired = store.retire_blobs(now, now, 9).await.expect("retires");
        assert_eq!(retired, [bad], "the bad one may go, and only that");
        assert!(store.repoint(again, bad, 100, now).await.is_err(), "not to a dying one");
        assert!(store.is_named(&again).await.expect("reads"), "and that changed nothing");

        let entry = store.entry("a").await.expect("reads").expect("is there");
        let blob = entry.location.parse().expect("a location");
        store.correct_entry(&entry, blob, 11).await.expect("corrects");
        assert_eq!(store.kept_and_counted().await.expect("reads"), [(3, 211); 2]);
        store.erase(vec!["a".into()]).await.expect("erases");
        assert_eq!(store.kept_and_counted().await.expect("reads"), [(3, 211), (2, 200)]);
        store.correct_totals().await.expect("corrects");
        assert_eq!(store.kept_and_counted().await.expect("reads"), [(2, 200); 2]);

        let mut found = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = store.entries(after, 1).await.expect("reads");
            found.extend(page.into_iter().map(|entry| entry.key));
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, ["a ", "Ä"], "{url}: those of one blob in the order of their bytes");
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_is_filled_alike_on_every_engine_and_is_used_by_nobody_before_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for [from, to] in databases(folder.path(), "filled") {
        let (from, to) = (store(&from).await, store(&to).await);
        put(&from, "A", 1, 100).await;
        put(&from, "a", 1, 100).await;
        put(&from, "b", 2, 10).await;
        from.delete(&"b".parse().expect("a key"), Precondition::None, Timestamp(6))
            .await
            .expect("deletes");
        let settings = crate::model::Settings {
            capacity_bytes: 5,
            policy: "gdsf".parse().expect("a policy"),
            objective: larder_cache::Objective::Bytes,
            autopilot: true,
        };
        from.save_settings(Some(settings), Timestamp(1)).await.expect("saves");
        from.add_sample(crate::store::Sampled::default()).await.expect("is kept");
        assert!(!from.begin_filling("x").await.expect("asks"), "it has images");
        assert!(!from.is_frozen().await.expect("reads"), "and is left as it was");

        // Twice, as after an attempt that broke off.
        for attempt in 0..2 {
            assert!(to.begin_filling("x").await.expect("begins"));
            assert!(to.is_filling().await.expect("reads") && to.is_frozen().await.expect("reads"));
            let now = Timestamp(9);
            let refused = to.delete_all(now).await;
            assert!(matches!(refused, Err(Error::Frozen)), "{refused:?}");
            for table in Table::ALL {
                to.clear(table).await.expect("clears");
                let (rows, next) = from.page(table, None).await.expect("reads");
                assert!(rows.len() == if table == Table::Images { 2 } else { 1 } && next.is_none());
                to.fill(table, rows.clone()).await.expect("fills");
                if attempt == 0 && table == Table::Images {
                    to.fill(table, rows).await.expect("replaces");
                }
            }
        }
        assert_eq!(to.end_filling(Timestamp(9)).await.expect("ends"), (2, 200));
        assert!(!to.is_filling().await.expect("reads") && !to.is_frozen().await.expect("reads"));
        assert_eq!(to.identity().await.expect("reads"), "x");
        assert_eq!(to.totals().await.expect("reads"), (2, 200));
        for table in Table::ALL {
            let read = async |store: &Store| store.page(table, None).await.expect("reads");
            assert_eq!(read(&to).await, read(&from).await, "{table:?}");
        }
        assert_eq!(to.settings().await.expect("reads"), Some(settings));
        // Rows that get their number by themselves still do.
        to.save_settings(None, Timestamp(2)).await.expect("saves");
        assert_eq!(to.page(Table::Properties, None).await.expect("reads").0.len(), 2);
        assert_eq!(put(&to, "c", 1, 100).await.copy, 7);
        assert_eq!(to.images_without_blob().await.expect("reads"), Vec::<String>::new());
        from.close().await;
        to.close().await;
    }
}

#[tokio::test]
async fn what_was_done_without_a_hold_does_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    let url = format!("sqlite:{}", folder.path().join("larder.db").display());
    let opened = Opened {
        store: store(&url).await,
        blobs: Arc::new(Files::open(folder.path(), Leftovers::All).expect("opens")),
        identity: "x".into(),
        clock: clock.clone(),
    };
    let stop = Shutdown::default();
    let held = opened.held("test", &stop, async |hold: &Hold| hold.check()).await;
    held.expect("the hold is fresh");
    let held = opened.held("test", &stop, async |_: &Hold| {
        // The machine was paused for an hour.
        clock.advance_seconds(3600);
        Ok(())
    });
    let failure = held.await.expect_err("blobs may be missing");
    assert!(failure.to_string().contains("could not be renewed"), "{failure}");
    stop.ask();
    let held = opened.held("test", &stop, async |_: &Hold| {
        std::future::pending::<()>().await;
        Ok(())
    });
    assert!(matches!(held.await, Err(Failure::Interrupted)));
}

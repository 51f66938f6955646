//! What every blob store promises.

use std::io::Read;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use larder_blobs::{BlobId, Error, Hash};

use crate::stage::{bytes, files_below, on_every_store, put, spooled, streamed};

/// A little, as much as stays in memory, one more, as much as goes to S3 in
/// one request, one more, and several parts.
const SIZES: [usize; 8] =
    [0, 1, 262_144, 262_145, 1_000_001, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20_000_000];

#[tokio::test]
async fn what_was_put_is_got_listed_and_deleted() {
    on_every_store(async |stage| {
        let store = &*stage.store;
        for size in SIZES {
            let bytes = bytes(size);
            let arrived = spooled(store, &bytes).await;
            assert_eq!(arrived.len(), size as u64);
            assert_eq!(arrived.hash(), Hash::of(&bytes));
            let id = BlobId::new(arrived.hash());
            store.put(&id, arrived).await.expect("puts");
            assert!(store.get(&id).await.expect("gets") == bytes, "{size} bytes come back");
            assert_eq!(store.list(id.shard()).await.expect("lists"), [id]);

            let copy = put(store, &bytes).await.expect("puts again");
            assert_ne!(copy, id, "each put is a copy of its own");
            let mut both = [id, copy];
            both.sort_unstable();
            assert_eq!(store.list(id.shard()).await.expect("lists"), both);
            store.delete(&id).await.expect("deletes");
            store.delete(&id).await.expect("deleting twice is no error");
            assert!(matches!(store.get(&id).await, Err(Error::NotFound(gone)) if gone == id));
            assert!(store.get(&copy).await.expect("the copy is still there") == bytes);
            store.delete(&copy).await.expect("deletes");
        }
        assert_eq!(files_below(&stage.folder.path().join("tmp")), 0);
    })
    .await;
}

#[tokio::test]
async fn a_range_is_what_was_asked_for() {
    on_every_store(async |stage| {
        let store = &*stage.store;
        let bytes = bytes(1_000_001);
        let id = put(store, &bytes).await.expect("puts");
        let len = bytes.len() as u64;
        for range in [0..1, len - 1..len, 262_000..263_000, 1..len - 1, 0..len, 0..0, len..len] {
            let part = streamed(store, &id, range.clone()).await.expect("streams");
            let expected = &bytes[range.start as usize..range.end as usize];
            assert!(part == expected, "{range:?} came back as {} bytes", part.len());
        }
        #[expect(clippy::reversed_empty_ranges, reason = "somebody may compute one")]
        for range in [0..len + 1, len..len + 1, len + 5..len + 9, len + 1..len + 1, 9..5] {
            let refusal = streamed(store, &id, range.clone()).await;
            assert!(matches!(refusal, Err(Error::Io { .. })), "{range:?}: {refusal:?}");
        }
        let empty = put(store, &Bytes::new()).await.expect("puts");
        assert_eq!(streamed(store, &empty, 0..0).await.expect("streams"), b"");
    })
    .await;
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_not_found() {
    on_every_store(async |stage| {
        let store = &*stage.store;
        let id = BlobId::new(Hash::of(b"never put"));
        let absent = |error: &Error| matches!(error, Error::NotFound(absent) if *absent == id);
        assert!(absent(&store.get(&id).await.expect_err("isn't there")));
        assert!(absent(&store.stored_at(&id).await.expect_err("isn't there")));
        for range in [0..5, 0..0] {
            assert!(absent(&store.stream(&id, range).await.err().expect("isn't there")));
        }
        assert_eq!(store.list(id.shard()).await.expect("lists"), []);
        store.check().await.expect("the store answers");
    })
    .await;
}

#[tokio::test]
async fn a_blob_tells_when_it_was_stored() {
    on_every_store(async |stage| {
        let id = put(&*stage.store, &bytes(10)).await.expect("puts");
        let stored_at = stage.store.stored_at(&id).await.expect("tells");
        let age = SystemTime::now().duration_since(stored_at).unwrap_or_default();
        // S3 counts in seconds.
        assert!(age < Duration::from_secs(30), "{age:?}");
        let future = stored_at.duration_since(SystemTime::now()).unwrap_or_default();
        assert!(future < Duration::from_secs(2), "{future:?}");
    })
    .await;
}

#[tokio::test]
async fn a_full_shard_is_listed_to_its_end() {
    on_every_store(async |stage| {
        let store = &*stage.store;
        let spread = |n: u32| {
            let mut hash = Hash::of(&n.to_le_bytes());
            hash.0[0] = 0xab;
            BlobId::new(hash)
        };
        let mut ids: Vec<BlobId> = (0..stage.many).map(spread).collect();
        stream::iter(&ids)
            .map(async |id| store.put(id, spooled(store, &bytes(1)).await).await)
            .buffer_unordered(32)
            .try_collect::<()>()
            .await
            .expect("puts");
        ids.sort_unstable();
        assert!(store.list(0xab).await.expect("lists") == ids);
        assert_eq!(store.list(0xac).await.expect("lists"), []);
    })
    .await;
}

#[tokio::test]
async fn a_spool_that_is_not_put_leaves_nothing() {
    on_every_store(async |stage| {
        let mut unfinished = stage.store.spool();
        unfinished.write(bytes(300_000)).await.expect("spools");
        for size in [21, 300_001] {
            let arrived = spooled(&*stage.store, &bytes(size)).await;
            let (arrived, seen) = arrived
                .inspect(|reader, len| {
                    let mut all = Vec::new();
                    reader.read_to_end(&mut all).expect("reads");
                    (all, len)
                })
                .await
                .expect("inspects");
            assert!(seen == (bytes(size).to_vec(), size as u64));
            drop(arrived);
        }
        drop(unfinished);
        assert_eq!(files_below(stage.folder.path()), 0);
    })
    .await;
}

#[tokio::test]
async fn a_store_belongs_to_the_first_who_claims_it() {
    on_every_store(async |stage| {
        let store = &*stage.store;
        assert_eq!(store.claim("first").await.expect("claims"), "first");
        assert_eq!(store.claim("second").await.expect("asks"), "first");
        assert_eq!(store.claim("first").await.expect("asks"), "first");
        for shard in 0..=u8::MAX {
            assert_eq!(store.list(shard).await.expect("lists"), [], "the mark is no blob");
        }
    })
    .await;
}

//! What the statements do to the rows, and how the engine runs them.

use larder_sql::{Config, DatabaseUrl};

use super::*;

async fn open(folder: &std::path::Path) -> Store {
    let url = DatabaseUrl::Sqlite(folder.join("test.db"));
    let database = Database::open(&Config { url, readers: 1 }).await.expect("opens");
    Store::open(database).await.expect("opens")
}

fn new_image(key: &str, hash: u8, size: u64) -> NewImage {
    let location = format!("{hash:02x}/{}.{:016x}", format!("{hash:02x}").repeat(32), size);
    NewImage {
        key: key.parse().expect("a key"),
        location: location.parse().expect("a location"),
        picture: larder_picture::Picture {
            format: larder_picture::Format::Png,
            width: 1,
            height: 1,
            frames: 1,
            orientation: 1,
        },
        size,
        precondition: Precondition::None,
        now: Timestamp(1),
    }
}

#[tokio::test]
async fn totals_follow_every_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let key = |text: &str| text.parse::<ImageKey>().expect("a key");
    assert_eq!(store.totals().await.expect("reads"), (0, 0));
    store.put(new_image("a", 1, 100)).await.expect("is stored");
    store.put(new_image("b", 2, 1000)).await.expect("is stored");
    assert_eq!(store.totals().await.expect("reads"), (2, 1100));
    store.put(new_image("a", 3, 7)).await.expect("is replaced");
    assert_eq!(store.totals().await.expect("reads"), (2, 1007));
    let refused = NewImage { precondition: Precondition::Absent, ..new_image("a", 4, 9) };
    assert!(matches!(store.put(refused).await, Err(Error::PreconditionFailed)));
    assert!(store.delete(&key("b"), Precondition::None, Timestamp(2)).await.expect("deletes"));
    assert!(!store.delete(&key("b"), Precondition::None, Timestamp(2)).await.expect("is gone"));
    assert_eq!(store.totals().await.expect("reads"), (1, 7));
    assert_eq!(store.delete_all(Timestamp(3)).await.expect("deletes"), 1);
    assert_eq!(store.totals().await.expect("reads"), (0, 0));
}

/// A page is as quick at a million images as at ten when an index leads to its
/// first image and gives the order from there.
#[tokio::test]
async fn every_page_is_found_by_an_index_and_never_sorted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    for sort in Sort::ALL {
        for descending in [false, true] {
            for paged in [false, true] {
                let after = paged.then(|| Cursor { value: "1".into(), key: "k".into() });
                let listing = Listing { sort, descending, after, limit: 50, ..Listing::default() };
                let (sql, parameters) = list_statement(Dialect::Sqlite, &listing);
                let explain = move |rows: &mut dyn Connection| {
                    let plan = rows.query(&format!("EXPLAIN QUERY PLAN {sql}"), &parameters)?;
                    plan.iter().map(|row| row.get::<String>(3)).collect::<Result<Vec<_>, _>>()
                };
                let plan = store.database.read(explain).await.expect("explains").join("; ");
                assert!(plan.contains("USING INDEX"), "{listing:?}: {plan}");
                assert!(!plan.contains("TEMP B-TREE"), "{listing:?} sorts: {plan}");
                assert_eq!(plan.contains("SEARCH"), paged, "{listing:?}: {plan}");
            }
        }
    }
}
